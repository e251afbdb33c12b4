//! Where a scripted engine's tasks get their statistics from, and what is asked for that.

use crate::stage;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Script, ScriptedEngine, Step, chunk, chunked, json, usual, waited_until};
use longshore_docker::{DockerDriver, KeeperUse, StatsSource};
use longshore_driver_api::{
    Driver as _, DriverExt as _, ErrorKind, Sample, Task, TaskIo, TaskSpec,
};
use tokio::sync::Notify;

/// An engine whose task lives until `end` is told, and whose stream of statistics breaks after each
/// sample.
fn engine(pid: u32, end: &Arc<Notify>) -> ScriptedEngine {
    let (at, end) = (AtomicUsize::new(0), Arc::clone(end));
    ScriptedEngine::start(move |request| {
        if request.is("GET /containers/c1/json") {
            let state = format!(r#"{{"Status":"running","Running":true,"Pid":{pid}}}"#);
            return json(200, &format!(r#"{{"Id":"c1","State":{state}}}"#));
        }
        if request.is("GET /containers/c1/stats") {
            return sample(at.fetch_add(1, Ordering::SeqCst));
        }
        if request.is("POST /containers/c1/wait") {
            return waited_until(&end, 0);
        }
        usual(request)
    })
}

fn sample(number: usize) -> Script {
    let text = format!(
        r#"{{"read":"2026-01-31T12:00:{number:02}Z","memory_stats":{{"usage":{number}}}}}{}"#,
        '\n'
    );
    let mut script = chunked();
    script.extend([chunk(text.as_bytes()), Step::Pause(Duration::from_millis(100))]);
    script
}

async fn open(engine: &ScriptedEngine, source: StatsSource) -> (DockerDriver, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = stage::config(engine, folder.path());
    config.stats_source = source;
    (DockerDriver::open(config).await.unwrap(), folder)
}

/// Runs a task that ends when its sink was told so many samples or a while has gone by, and gives
/// what it was told.
async fn samples(driver: &DockerDriver, end: &Arc<Notify>, enough: usize) -> Vec<Sample> {
    let told: Arc<Mutex<Vec<Sample>>> = Arc::default();
    let sink = Arc::clone(&told);
    let word = Arc::clone(end);
    let io = TaskIo::none().stats(move |sample| {
        let mut told = sink.lock().unwrap();
        told.push(sample);
        if told.len() == enough {
            word.notify_one();
        }
    });
    if enough == 0 {
        let word = Arc::clone(end);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            word.notify_one();
        });
    }
    let task = Task::new(TaskSpec::builder("x").build().unwrap()).io(io);
    let run = tokio::time::timeout(Duration::from_secs(20), driver.run_task(task));
    let exit = run.await.expect("enough samples come").unwrap();
    assert!(exit.is_success(), "{exit:?}");
    let before = told.lock().unwrap().clone();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(told.lock().unwrap().len(), before.len(), "a sample came after the end");
    before
}

#[tokio::test]
async fn the_engines_stream_is_asked_for_again_after_a_break_and_is_one_at_a_time() {
    let end = Arc::default();
    let engine = engine(0, &end);
    let (driver, _folder) = open(&engine, StatsSource::Engine).await;
    assert!(!driver.capabilities().stats_interval);
    assert_eq!(samples(&driver, &end, 2).await.len(), 2);
    // None after the end.
    assert_eq!(engine.count("GET /containers/c1/stats"), 2);
}

#[tokio::test]
async fn an_interval_of_ones_own_is_refused_where_the_engine_sets_the_pace() {
    let end = Arc::default();
    let engine = engine(0, &end);
    let (driver, _folder) = open(&engine, StatsSource::Engine).await;
    let spec = TaskSpec::builder("x").stats_interval(Duration::from_millis(10)).build().unwrap();
    let error = driver.container(Task::new(spec)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("stats_interval"), "{error}");
}

#[tokio::test]
async fn a_process_that_is_not_the_containers_is_not_measured_but_the_engine_is_asked() {
    // The engine means another process by this id than we do: this one.
    let end = Arc::default();
    let engine = engine(std::process::id(), &end);
    let (driver, _folder) = open(&engine, StatsSource::Auto).await;
    assert!(driver.capabilities().stats_interval);
    assert_eq!(samples(&driver, &end, 2).await.len(), 2);
    assert_eq!(engine.count("GET /containers/c1/stats"), 2);
}

#[tokio::test]
async fn nothing_stands_in_for_the_files_if_they_alone_are_wanted() {
    let end = Arc::default();
    let engine = engine(std::process::id(), &end);
    let (driver, _folder) = open(&engine, StatsSource::Cgroup).await;
    assert_eq!(samples(&driver, &end, 0).await, []);
    assert_eq!(engine.count("GET /containers/c1/stats"), 0);
}

#[tokio::test]
async fn files_on_another_host_are_refused_when_the_driver_is_opened() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let end = Arc::default();
    let engine = engine(0, &end);
    let socket = engine.path();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let mut to = tokio::net::UnixStream::connect(&socket).await.unwrap();
            tokio::spawn(async move {
                // The driver goes when it has seen enough.
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut config = stage::config(&engine, folder.path());
    config.host = Some(address);
    config.keeper = KeeperUse::Never;
    config.stats_source = StatsSource::Cgroup;
    let error = DockerDriver::open(config.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("stats_source"), "{error}");
    config.stats_source = StatsSource::Auto;
    let driver = DockerDriver::open(config).await.unwrap();
    assert!(!driver.capabilities().stats_interval);
}

#[tokio::test]
async fn a_task_without_a_sink_costs_no_call() {
    let end = Arc::<Notify>::default();
    let engine = engine(std::process::id(), &end);
    let (driver, _folder) = open(&engine, StatsSource::Auto).await;
    end.notify_one();
    let exit = driver.run_task(TaskSpec::builder("x").build().unwrap()).await.unwrap();
    assert!(exit.is_success(), "{exit:?}");
    assert_eq!(engine.count("GET /containers/c1/stats"), 0);
    // One after the end, for its evidence; none for statistics.
    assert_eq!(engine.count("GET /containers/c1/json"), 1);
}

/// What is warned of on this thread.
#[derive(Debug, Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            text += &format!("{field}={value:?} ");
        });
        self.0.lock().unwrap().push(text);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn statistics_that_fail_are_warned_of_once_and_asked_for_again() {
    type Answer = fn() -> Script;
    let answers: [(&str, Answer); 3] = [
        ("no statistics here", || json(500, r#"{"message":"no statistics here"}"#)),
        ("cannot be understood", || {
            let mut script = chunked();
            script.push(chunk(b"{\"read\":7}\n"));
            script
        }),
        ("without any", || {
            let mut script = chunked();
            script.push(Step::Send(b"0\r\n\r\n".to_vec()));
            script
        }),
    ];
    for (why, answer) in answers {
        let (end, asked) = (Arc::<Notify>::default(), Arc::new(AtomicUsize::new(0)));
        let (on_end, counted) = (Arc::clone(&end), Arc::clone(&asked));
        let engine = ScriptedEngine::usual_but(move |request| {
            if request.is("GET /containers/c1/stats") {
                // It comes right in the end, and the failures before are history.
                return Some(match counted.fetch_add(1, Ordering::SeqCst) {
                    0..2 => answer(),
                    number => sample(number),
                });
            }
            request.is("POST /containers/c1/wait").then(|| waited_until(&on_end, 0))
        });
        let (driver, _folder) = open(&engine, StatsSource::Engine).await;
        let warnings = Warnings::default();
        let guard = tracing::subscriber::set_default(warnings.clone());
        assert_eq!(samples(&driver, &end, 1).await.len(), 1);
        drop(guard);
        let told: Vec<String> = warnings.0.lock().unwrap().clone();
        let told: Vec<&String> = told.iter().filter(|text| text.contains("statistics")).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(why) && told[0].contains("container="), "{told:?}");
    }
}
