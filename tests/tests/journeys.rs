//! What users build on the facade, from their configuration to the last answer, without an engine.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use longshore::stats::{Decimator, Series};
use longshore::{
    ByteSize, Config, Driver, DriverExt, ErrorKind, ImageRef, Outcome, OutputLimit, PullPolicy,
    State, Task, TaskIo, TaskSpec, TaskSpecBuilder,
};

/// What a site has in its configuration file.
const SITE: &str = r#"
driver = "mock"
[mock]
any_image = false
[mock.images."acme/tools:1"]
programs."/work" = [{ stdout = "done\n" }, { sleep = "20ms" }]
programs."/fail" = [{ stderr = "no such row\n" }, { exit = 4 }]
programs."/cat" = ["echo"]
programs."/hang" = [{ stdout = "thinking\n" }, "forever"]
programs."/stubborn" = [{ ignore = "TERM" }, "forever"]
programs."/greedy" = ["out_of_memory"]
[mock.images."acme/late:2"]
present = false
programs."/late" = [{ exit = 0 }]
"#;

/// The jobs that come in, as files.
const JOBS: [&str; 5] = [
    r#"{"id": "ok", "image": "acme/tools:1", "entrypoint": ["/work"]}"#,
    r#"{"id": "bad", "image": "acme/tools:1", "entrypoint": ["/fail"]}"#,
    r#"{"id": "slow", "image": "acme/tools:1", "entrypoint": ["/hang"], "timeout": "2s"}"#,
    r#"{"id": "big", "image": "acme/tools:1", "entrypoint": ["/greedy"], "limits": {"memory": "16MiB"}}"#,
    r#"{"id": "gone", "image": "acme/tools:1", "entrypoint": ["/nowhere"]}"#,
];

async fn site() -> Arc<dyn Driver> {
    let config: Config = toml::from_str(SITE).unwrap();
    longshore::open(config).await.unwrap()
}

fn job(entrypoint: &str) -> TaskSpecBuilder {
    TaskSpec::builder("acme/tools:1").entrypoint([entrypoint])
}

#[tokio::test(start_paused = true)]
async fn a_batch_runner_reads_jobs_runs_them_side_by_side_and_writes_results() {
    let driver = site().await;
    let results = futures_util::stream::iter(JOBS)
        .map(|text| {
            let driver = Arc::clone(&driver);
            async move {
                let spec: TaskSpec = serde_json::from_str(text).unwrap();
                let id = spec.id.clone();
                let (io, output) = TaskIo::captured();
                let exit = driver.run_task(Task::new(spec).io(io)).await.unwrap();
                let written = serde_json::to_value(&exit).unwrap();
                (id, exit.status(), written["outcome"].to_string(), output.stdout())
            }
        })
        .buffered(3)
        .collect::<Vec<_>>()
        .await;
    let expected = [
        ("ok", "success", r#"{"kind":"code","value":0}"#, "done\n"),
        ("bad", "error", r#"{"kind":"code","value":4}"#, ""),
        ("slow", "timeout", r#"{"kind":"timed_out"}"#, "thinking\n"),
        ("big", "killed", r#"{"kind":"out_of_memory"}"#, ""),
        ("gone", "error", r#"{"kind":"not_started","value":"not_found"}"#, ""),
    ];
    assert_eq!(results.len(), expected.len());
    for ((id, status, outcome, stdout), expected) in results.iter().zip(expected) {
        let stdout = String::from_utf8_lossy(stdout);
        assert_eq!((id.as_str(), *status, outcome.as_str(), &*stdout), expected);
    }
    driver.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_judge_feeds_a_program_and_takes_no_more_output_than_it_allows() {
    let driver = site().await;
    let spec = TaskSpec::builder("acme/tools:1")
        .entrypoint(["/cat"])
        .memory(ByteSize::mib(64))
        .timeout(Duration::from_secs(1))
        .output_limit(OutputLimit::discard_beyond(ByteSize(10)))
        .build()
        .unwrap();
    let (io, output) = TaskIo::captured();
    let io = io.stdin(&b"0123456789 and more than that"[..]);
    let exit = driver.run_task(Task::new(spec).io(io)).await.unwrap();
    assert_eq!(exit.outcome, Outcome::Code(0));
    assert_eq!(output.stdout(), b"0123456789");
    assert_eq!((exit.output.stdout.delivered, exit.output.stdout.discarded), (10, 19));
    driver.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_stops_what_ignores_it_and_cancels_what_nobody_waits_for() {
    let driver = site().await;
    let container = driver.prepare(job("/stubborn").build().unwrap()).await.unwrap();
    let running = container.start().await.unwrap();
    running.stop(Some(Duration::from_secs(3))).await.unwrap();
    let exit = running.wait().await;
    assert_eq!(exit.outcome, Outcome::Stopped);
    assert_eq!(exit.sent.len(), 2, "the polite signal, then the other: {exit:?}");
    container.close().await.unwrap();
    assert_eq!(container.state(), State::Closed);

    // Two of the same name are two, and dropping one does nothing to the other.
    let named = || job("/hang").id("same").build().unwrap();
    let (one, two) =
        (driver.prepare(named()).await.unwrap(), driver.prepare(named()).await.unwrap());
    assert_ne!(one.engine_id(), two.engine_id());
    let (first, second) = (one.start().await.unwrap(), two.start().await.unwrap());
    drop((one, first));
    second.cancel();
    assert_eq!(second.wait().await.outcome, Outcome::Cancelled);

    driver.close().await.unwrap();
    let error = driver.container(Task::new(job("/work").build().unwrap())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn images_come_by_policy_and_under_any_of_their_names() {
    let driver = site().await;
    let spec = |image: &str, pull| {
        TaskSpec::builder(image).entrypoint(["/late"]).pull(pull).build().unwrap()
    };
    let never = driver.run_task(spec("acme/late:2", PullPolicy::Never)).await.unwrap_err();
    assert_eq!(never.kind(), ErrorKind::ImageNotFound);
    assert!(never.to_string().contains("acme/late:2"), "{never}");
    let missing = driver.run_task(spec("acme/late:2", PullPolicy::Missing)).await.unwrap();
    assert!(missing.is_success());
    // It is there now, also under its whole name.
    let whole: ImageRef = "acme/late:2".parse().unwrap();
    let never = driver.run_task(spec(whole.canonical(), PullPolicy::Never)).await.unwrap();
    assert!(never.is_success());
    let nowhere = driver.run_task(spec("acme/none:1", PullPolicy::Missing)).await.unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::ImageNotFound);
    driver.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_long_tasks_statistics_are_kept_short_and_read_back_from_a_database() {
    let driver = site().await;
    let kept = Arc::new(Mutex::new(Decimator::new(20)));
    let sink = Arc::clone(&kept);
    let io = TaskIo::none().stats(move |sample| sink.lock().unwrap().push(sample));
    let spec = job("/hang").timeout(Duration::from_secs(300)).build().unwrap();
    let exit = driver.run_task(Task::new(spec).io(io)).await.unwrap();
    assert_eq!(exit.outcome, Outcome::TimedOut);
    driver.close().await.unwrap();

    let kept = kept.lock().unwrap();
    assert!(kept.taken() > 250, "one a second: {}", kept.taken());
    let series = kept.series();
    assert!((2..=20).contains(&series.samples().len()), "{}", series.samples().len());
    let read: Series = series.to_string().parse().unwrap();
    assert_eq!(read, series);
}
