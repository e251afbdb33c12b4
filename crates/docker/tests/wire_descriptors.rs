//! A process that has as many files open as it may: it is told, and nothing is concluded of the engine.
//!
//! A limit of zero lets everything go on that is open and opens nothing more. It is the whole process's,
//! so these tests are a program of their own and run one at a time.

#[path = "wire_recover/scene.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod scene;
#[path = "support/stage.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod stage;
#[expect(unreachable_pub, reason = "the module is shared with the unit tests")]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;
#[path = "support/until.rs"]
mod until;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_docker::DockerConfig;
use longshore_driver_api::{
    Driver as _, DriverExt as _, ErrorKind, ExecSpec, Outcome, State, StreamEnd, Task, TaskIo,
    TaskSpec,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scene::{Scene, engine, handle_of_this_process, local, logs, recovered, running};
use stage::Stage;
use support::{Step, chunked, frame, json, upgrade, waited, waited_until};
use tokio::sync::Notify;
use until::until;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a test while no other runs: even its runtime needs descriptors.
fn alone(test: impl Future<Output = ()>) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

/// Longer than a driver of these waits for its engine.
const LONG: Duration = Duration::from_secs(2);

/// Nothing can be opened until it is dropped.
struct NoMoreFiles(Rlimit);

impl NoMoreFiles {
    fn begin() -> Self {
        let usual = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..usual }).unwrap();
        std::fs::File::open("/").expect_err("a file can be opened beyond the limit");
        Self(usual)
    }
}

impl Drop for NoMoreFiles {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.0).unwrap();
    }
}

fn brief(config: &mut DockerConfig) {
    config.timeouts.call = Duration::from_millis(300);
    config.timeouts.engine_gone = Duration::from_millis(300);
}

#[test]
fn a_want_of_descriptors_is_told_as_what_it_is_and_passes() {
    alone(async {
        let stage = Stage::new(brief, |_| None).await;
        let none = NoMoreFiles::begin();
        let error = stage.driver.ping().await.unwrap_err();
        drop(none);
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        assert!(error.is_retryable());
        let text = error.to_string();
        assert!(text.contains("Too many open files") && text.contains("ulimit -n"), "{text}");
        assert!(!text.contains("start it"), "{text}");
        stage.driver.ping().await.unwrap();
    });
}

#[test]
fn a_create_for_which_there_was_no_descriptor_is_tried_again() {
    alone(async {
        let stage = Stage::new(brief, |_| None).await;
        let task = Task::new(TaskSpec::builder("x").build().unwrap());
        let container = stage.driver.container(task).unwrap();
        let none = NoMoreFiles::begin();
        let soon = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            drop(none);
        };
        let (created, ()) = tokio::join!(container.create(), soon);
        created.unwrap();
        assert_eq!(stage.engine.count("POST /containers/create"), 1);
    });
}

/// An input is attached to once, so a start with one has its own way to go on after a failure.
#[test]
fn a_start_with_an_input_is_told_the_same_and_makes_no_other_container() {
    alone(async {
        let stage = Stage::new(brief, |_| None).await;
        let io = TaskIo::none().stdin(tokio::io::empty());
        let task = Task::new(TaskSpec::builder("x").build().unwrap()).io(io);
        let container = stage.driver.prepare(task).await.unwrap();
        let none = NoMoreFiles::begin();
        let error = container.start().await.unwrap_err();
        drop(none);
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        let text = error.to_string();
        assert!(text.starts_with("start: ") && text.contains("ulimit -n"), "{text}");
        assert_eq!(stage.engine.count("POST /containers/c1/attach"), 0);
        container.close().await.unwrap();
        assert_eq!(stage.engine.count("DELETE /containers/c1"), 1);
        assert_eq!(stage.engine.count("POST /containers/create"), 1);
    });
}

/// What becomes of a task is asked for on a new connection, once the one that waited has ended.
#[test]
fn a_task_outlives_a_time_without_descriptors() {
    alone(async {
        let (cut, waits) = (Arc::new(Notify::new()), AtomicUsize::new(0));
        let word = Arc::clone(&cut);
        let stage = Stage::new(brief, move |request| {
            if request.is("POST /containers/c1/wait") {
                return Some(match waits.fetch_add(1, Ordering::SeqCst) {
                    0 => [chunked(), vec![Step::Until(Arc::clone(&word))]].concat(),
                    _ => waited(Duration::ZERO, 7),
                });
            }
            let running = r#"{"Id":"c1","State":{"Status":"running","Running":true}}"#;
            request.is("GET /containers/c1/json").then(|| json(200, running))
        })
        .await;
        let container =
            stage.driver.prepare(TaskSpec::builder("x").build().unwrap()).await.unwrap();
        let running = container.start().await.unwrap();
        let none = NoMoreFiles::begin();
        cut.notify_one();
        tokio::time::sleep(LONG).await;
        assert_eq!(container.state(), State::Running);
        drop(none);
        let exit = running.wait().await;
        assert_eq!(exit.outcome, Outcome::Code(7), "{exit:?}");
    });
}

/// A wait that is long is looked after from time to time, and that needs a connection too.
#[test]
fn a_wait_is_not_given_up_for_want_of_descriptors() {
    alone(async {
        let (end, waits) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let (word, counted) = (Arc::clone(&end), Arc::clone(&waits));
        let stage = Stage::new(brief, move |request| {
            request.is("POST /containers/c1/wait").then(|| {
                counted.fetch_add(1, Ordering::SeqCst);
                waited_until(&word, 7)
            })
        })
        .await;
        let container =
            stage.driver.prepare(TaskSpec::builder("x").build().unwrap()).await.unwrap();
        let running = container.start().await.unwrap();
        let none = NoMoreFiles::begin();
        tokio::time::sleep(LONG).await;
        end.notify_one();
        // Nothing but the answer tells the end here, so the engine is asked whether it stays: as soon
        // as it can be.
        tokio::time::sleep(LONG).await;
        drop(none);
        let exit = running.wait().await;
        assert_eq!(exit.outcome, Outcome::Code(7), "{exit:?}");
        assert_eq!(waits.load(Ordering::SeqCst), 1);
    });
}

/// Whether a stream was cut is found out by attaching again.
#[test]
fn a_stream_is_not_called_cut_for_want_of_descriptors() {
    alone(async {
        let (closed, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (on_close, on_end) = (Arc::clone(&closed), Arc::clone(&end));
        let stage = Stage::new(brief, move |request| {
            if request.is("POST /containers/c1/attach") {
                let mut script = upgrade(b"");
                script.push(Step::Until(Arc::clone(&on_close)));
                return Some(script);
            }
            if request.is("GET /containers/c1/json") {
                let running = r#"{"Id":"c1","State":{"Status":"running","Running":true}}"#;
                return Some(json(200, running));
            }
            request.is("POST /containers/c1/wait").then(|| waited_until(&on_end, 0))
        })
        .await;
        let done = async {
            until("it is started", async || stage.engine.count("POST /containers/c1/start") > 0)
                .await;
            let none = NoMoreFiles::begin();
            closed.notify_one();
            tokio::time::sleep(LONG).await;
            drop(none);
            // The second connection ends at once: the task has closed its streams.
            closed.notify_one();
            let attached = async || stage.engine.count("POST /containers/c1/attach") == 2;
            until("it is attached to again", attached).await;
            // By then the driver has seen that this connection has ended as well.
            tokio::time::sleep(Duration::from_millis(300)).await;
            end.notify_one();
        };
        let ((exit, _), ()) = tokio::join!(stage.run(), done);
        assert!(exit.is_success(), "{exit:?}");
        assert_ne!(exit.output.stdout.end, StreamEnd::Cut, "{exit:?}");
    });
}

/// The end of a further process is asked for on a new connection, once its streams have ended.
#[test]
fn a_further_process_outlives_a_time_without_descriptors() {
    alone(async {
        let ended = Arc::new(Notify::new());
        let word = Arc::clone(&ended);
        let stage = Stage::new(brief, move |request| {
            if request.is("POST /exec/e1/start") {
                return Some([upgrade(b""), vec![Step::Until(Arc::clone(&word))]].concat());
            }
            let table = [
                ("POST /containers/c1/wait", waited(Duration::from_secs(60), 0)),
                ("POST /containers/c1/exec", json(201, r#"{"Id":"e1"}"#)),
                ("GET /exec/e1/json", json(200, r#"{"Running":false,"ExitCode":7,"Pid":4711}"#)),
            ];
            table.into_iter().find(|(call, _)| request.is(call)).map(|(_, script)| script)
        })
        .await;
        let container = stage.prepared().await;
        let _running = container.start().await.unwrap();
        let exec = container.exec(ExecSpec::new(["p"]), TaskIo::none()).await.unwrap();
        let none = NoMoreFiles::begin();
        ended.notify_one();
        tokio::time::sleep(LONG).await;
        drop(none);
        let exit = exec.wait().await;
        assert_eq!(exit.outcome, Outcome::Code(7), "{exit:?}");
    });
}

/// What a recovered task wrote last is read on a new connection, once it has ended.
#[test]
fn kept_output_is_not_called_cut_for_want_of_descriptors() {
    alone(async {
        let (follows, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (on_follow, on_end) = (Arc::clone(&follows), Arc::clone(&end));
        let scene = Scene::new();
        let engine = engine(scene.container(&running(), &local()), move |request| {
            if request.is("POST /containers/c1/wait") {
                return Some(waited_until(&on_end, 0));
            }
            let mut told = logs(&[frame(1, b"all\n")]);
            if request.line.contains("follow=1") {
                told.insert(2, Step::Until(Arc::clone(&on_follow)));
            }
            request.is("GET /containers/c1/logs").then_some(told)
        });
        let driver = scene.open(&engine).await;
        let (recovered, captured) = recovered(&driver, &handle_of_this_process(0)).await;
        until("it is told", async || captured.stdout() == b"all\n").await;
        let none = NoMoreFiles::begin();
        end.notify_one();
        follows.notify_one();
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(none);
        let exit = recovered.running.wait().await;
        assert_eq!(
            (exit.outcome, exit.output.stdout.end),
            (Outcome::Code(0), StreamEnd::Unverified)
        );
        driver.close().await.unwrap();
    });
}
