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
    ByteSize, ContainerExt as _, Driver as _, DriverExt as _, ExecSpec, Sample, Task, TaskIo,
    TaskSpec, TaskSpecBuilder,
};
use longshore_stats::Metric;
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
    let id = container.engine_id().unwrap();
    // Nothing goes on in it now, so that both look at the same.
    let so_far = told.lock().unwrap().len();
    let path = format!("/containers/{id}/stats?stream=0&one-shot=1");
    let asked = tokio::task::spawn_blocking(move || engine::call("GET", &path));
    let (status, engines) = asked.await.unwrap().unwrap();
    assert_eq!(status, 200, "{engines}");
    until("two further samples come", async || told.lock().unwrap().len() >= so_far + 2).await;
    running.cancel();
    running.wait().await;
    let ours = told.lock().unwrap()[so_far + 1].metrics.clone();
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
