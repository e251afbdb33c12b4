//! Statistics of tasks on a real engine, read from the files of their control groups.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;
#[path = "support/until.rs"]
mod until;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_conformance::Fixture as _;
use longshore_docker::{DockerDriver, StatsSource};
use longshore_driver_api::{
    ByteSize, Container, ContainerExt as _, Cpus, Driver as _, DriverExt as _, ExecSpec, Mount,
    NetworkMode, Running, Sample, Task, TaskIo, TaskSpec, TaskSpecBuilder,
};
use longshore_stats::{EngineStats, Metric, Metrics};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use until::until;

const EVERY: Duration = Duration::from_millis(10);

type Told = Arc<Mutex<Vec<Sample>>>;

async fn driver(fixture: &fixture::Docker) -> DockerDriver {
    let mut config = fixture.config();
    config.stats_source = StatsSource::Cgroup;
    DockerDriver::open(config).await.unwrap()
}

fn testee(args: &[&str]) -> TaskSpecBuilder {
    TaskSpec::builder(engine::image()).args(args.iter().copied()).stats_interval(EVERY)
}

fn measured(spec: TaskSpecBuilder) -> (Task, Told) {
    let told = Told::default();
    let sink = Arc::clone(&told);
    let io = TaskIo::none().stats(move |sample| sink.lock().unwrap().push(sample));
    (Task::new(spec.build().unwrap()).io(io), told)
}

/// What the engine says of a container just now.
async fn engines_figures(id: &str) -> serde_json::Value {
    let path = format!("/containers/{id}/stats?stream=0&one-shot=1");
    let asked = tokio::task::spawn_blocking(move || engine::call("GET", &path));
    let (status, figures) = asked.await.unwrap().unwrap();
    assert_eq!(status, 200, "{figures}");
    figures
}

/// What the engine and the driver say of a container in which little goes on now, so that both look at
/// the same. It is cancelled then.
async fn side_by_side(
    container: &dyn Container,
    running: &dyn Running,
    told: &Told,
) -> (serde_json::Value, Metrics) {
    let so_far = told.lock().unwrap().len();
    let engines = engines_figures(&container.engine_id().unwrap()).await;
    until("two further samples come", async || told.lock().unwrap().len() >= so_far + 2).await;
    running.cancel();
    running.wait().await;
    (engines, told.lock().unwrap()[so_far + 1].metrics.clone())
}

fn most(samples: &[Sample], metric: Metric) -> Option<u64> {
    samples.iter().filter_map(|sample| sample.metrics.get(metric)).max()
}

#[tokio::test]
async fn a_short_task_that_burns_a_cpu_is_seen_burning_it() {
    let fixture = fixture::Docker::new();
    let driver = driver(&fixture).await;
    let (task, told) = measured(testee(&["burn", "300"]));
    assert!(driver.run_task(task).await.unwrap().is_success());
    let samples = told.lock().unwrap().clone();
    assert!(samples.len() >= 20, "{} samples", samples.len());
    assert!(samples.is_sorted_by(|a, b| a.timestamp < b.timestamp), "{samples:?}");
    let time = most(&samples, Metric::CpuTime).expect("its CPU time");
    let time = Duration::from_nanos(time);
    // The init and the start of the program come on top.
    assert!(time >= Duration::from_millis(250) && time < Duration::from_secs(2), "{time:?}");
    assert!(most(&samples, Metric::CpuTotal).expect("its share of a CPU") >= 40, "{samples:?}");
    driver.close().await.unwrap();
}

#[tokio::test]
async fn memory_that_was_taken_for_a_moment_is_in_the_peak() {
    let fixture = fixture::Docker::new();
    let driver = driver(&fixture).await;
    let bytes: u64 = 64 * 1024 * 1024;
    // Held for a moment: the kernel counts pages in batches.
    let (task, told) = measured(testee(&["alloc", &bytes.to_string(), "--hold", "30"]));
    assert!(driver.run_task(task).await.unwrap().is_success());
    let samples = told.lock().unwrap().clone();
    let peak = most(&samples, Metric::MemPeak).or(most(&samples, Metric::MemUsage));
    assert!(peak >= Some(bytes), "{peak:?} of {} samples", samples.len());
    driver.close().await.unwrap();
}

#[tokio::test]
async fn figures_from_the_files_agree_with_the_engines() {
    let fixture = fixture::Docker::new();
    let driver = driver(&fixture).await;
    let (task, told) = measured(testee(&["sleep", "forever"]));
    let container = driver.prepare(task).await.unwrap();
    let running = container.start().await.unwrap();
    let burnt = ExecSpec::new(["/testee", "burn", "200"]);
    container.exec_output(burnt, ByteSize::mib(1)).await.unwrap();
    let (engines, ours) = side_by_side(&*container, &*running, &told).await;
    let engines_cpu = engines["cpu_stats"]["cpu_usage"]["total_usage"].as_u64().unwrap();
    let ours_cpu = ours.get(Metric::CpuTime).unwrap();
    assert!(ours_cpu >= 200_000_000, "{ours_cpu}");
    // The init may have had to reap meanwhile.
    assert!(ours_cpu.abs_diff(engines_cpu) < 20_000_000, "{ours_cpu} and {engines_cpu}");
    let engines_pids = engines["pids_stats"]["current"].as_u64();
    assert_eq!(ours.get(Metric::Pids), engines_pids);
    let engines_memory = engines["memory_stats"]["usage"].as_u64().unwrap();
    let ours_memory = ours.get(Metric::MemUsage).unwrap();
    assert!(ours_memory.abs_diff(engines_memory) < 4 << 20, "{ours_memory} and {engines_memory}");
    container.close().await.unwrap();
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn what_went_over_the_network_and_to_the_disk_is_what_the_engine_counts() {
    let fixture = fixture::Docker::new();
    let driver = driver(&fixture).await;
    let spec = testee(&["listen-tcp", "7000", "--times", "2"])
        .network(NetworkMode::Bridge)
        .memory(ByteSize::mib(256))
        .mount(Mount::anonymous_volume("/data"));
    let (mut task, told) = measured(spec);
    let (listens, output) = TaskIo::captured();
    task.io.stdout = listens.stdout;
    let container = driver.prepare(task).await.unwrap();
    let running = container.start().await.unwrap();
    until("it listens", async || output.stdout().ends_with(b"\n")).await;
    let address = running.network().await.unwrap().address().expect("it is on a network");
    let mut connection = TcpStream::connect((address, 7000)).await.unwrap();
    let sent = vec![7; 300_000];
    let (mut from, mut to) = connection.split();
    let mut back = Vec::new();
    let (written, read) = tokio::join!(
        async {
            to.write_all(&sent).await?;
            to.shutdown().await
        },
        from.read_to_end(&mut back)
    );
    assert_eq!((written.unwrap(), read.unwrap()), ((), sent.len()));
    let fill = ExecSpec::new(["/testee", "fill", "/data/file", "3000000"]);
    container.exec_output(fill, ByteSize::mib(1)).await.unwrap();
    let (engines, ours) = side_by_side(&*container, &*running, &told).await;
    let is_docker = driver.capabilities().engine == "docker";
    let engines: EngineStats = serde_json::from_value(engines).unwrap();
    let engines = EngineStats::sample(None, &engines).expect("it runs").metrics;
    // Neighbours on a network are asked for. Podman does not tell the parts of its memory.
    for (metric, least, apart, is_told) in [
        (Metric::NetRx, 300_000, 8_000, true),
        (Metric::NetTx, 300_000, 8_000, true),
        (Metric::MemLimit, 256 << 20, 0, true),
        (Metric::MemCache, 3_000_000, 4 << 20, is_docker),
        (Metric::MemWorkingSet, 0, 4 << 20, is_docker),
    ] {
        let (ours, engines) = (ours.get(metric).expect("a file"), engines.get(metric));
        assert_eq!(engines.is_some(), is_told, "{metric:?}");
        let apart_by = engines.map_or(0, |engines| ours.abs_diff(engines));
        assert!(ours >= least && apart_by <= apart, "{metric:?}: {ours} and {engines:?}");
    }
    // Some kernels with cgroup v1 count nothing there, which neither may take for a count.
    for (metric, least) in [(Metric::DiskWrite, 3_000_000), (Metric::DiskRead, 0)] {
        match (ours.get(metric), engines.get(metric)) {
            (None, None) => {}
            (Some(ours), Some(engines)) if ours >= least && ours.abs_diff(engines) <= 100_000 => {}
            both => panic!("{metric:?}: {both:?}"),
        }
    }
    container.close().await.unwrap();
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn shares_of_a_cpu_are_what_the_engines_figures_give_for_the_same_time() {
    let fixture = fixture::Docker::new();
    let driver = driver(&fixture).await;
    // Less than a CPU, so that a busy machine does not matter much.
    let spec = testee(&["burn", "600000"]).cpus(Cpus::milli(500));
    let (task, told) = measured(spec);
    let container = driver.prepare(task).await.unwrap();
    let running = container.start().await.unwrap();
    let id = container.engine_id().unwrap();
    let figures = async || -> EngineStats {
        serde_json::from_value(engines_figures(&id).await).expect("figures")
    };
    let before = figures().await;
    let begin = before.read.expect("it runs");
    let second = begin.unix_nanos() + 1_000_000_000;
    until("a second has passed", async || {
        told.lock().unwrap().last().is_some_and(|last| last.timestamp.unix_nanos() > second)
    })
    .await;
    let now = figures().await;
    let end = now.read.expect("it runs");
    until("its samples are there", async || {
        told.lock().unwrap().last().is_some_and(|last| last.timestamp > end)
    })
    .await;
    running.cancel();
    running.wait().await;
    let engines = EngineStats::sample(Some(&before), &now).expect("it runs").metrics;
    let told = told.lock().unwrap().clone();
    let meanwhile: Vec<&Sample> =
        told.iter().filter(|it| begin < it.timestamp && it.timestamp <= end).collect();
    for metric in [Metric::CpuTotal, Metric::CpuUser, Metric::CpuKernel] {
        let shares: Vec<u64> =
            meanwhile.iter().filter_map(|sample| sample.metrics.get(metric)).collect();
        let mean = shares.iter().sum::<u64>() / shares.len() as u64;
        let engines = engines.get(metric).expect("the engine's figures give it");
        assert!(mean.abs_diff(engines) <= 10, "{metric:?}: {mean} and {engines}: {shares:?}");
    }
    assert!(engines.get(Metric::CpuTotal) >= Some(5), "{engines:?}");
    container.close().await.unwrap();
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}
