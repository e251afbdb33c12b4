//! Owners that die one after the other, on an engine in memory.

use longshore_driver_api::{
    Container, Driver, DriverExt as _, ErrorKind, LogDriver, Missing, Outcome, OutputLimit,
    ReapOptions, Running, Task, TaskIo, TaskSpec,
};
use longshore_mock::{Config, Engine, Op, Program, Rule};
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Duration, sleep};

const HOUR: Duration = Duration::from_secs(3600);

/// An engine whose programs write a letter each second, twenty of them.
fn engine() -> Engine {
    let engine = Engine::new();
    let letters = Program::new(|process| async move {
        let mut stdout = process.stdout();
        for letter in b'a'..=b't' {
            let _ = stdout.write_all(&[letter]).await;
            process.sleep(Duration::from_secs(1)).await;
        }
        longshore_mock::Ended::Code(5)
    });
    engine.run(|_| true, letters);
    engine
}

fn spec() -> TaskSpec {
    let log = LogDriver::named("local");
    TaskSpec::builder("alpine").recoverable_for(HOUR).log(log).build().unwrap()
}

async fn started(
    driver: &dyn Driver,
    spec: TaskSpec,
    io: TaskIo,
) -> (Arc<dyn Container>, Arc<dyn Running>) {
    let container = driver.prepare(Task::new(spec).io(io)).await.unwrap();
    let running = container.start().await.unwrap();
    (container, running)
}

#[tokio::test(start_paused = true)]
async fn a_task_outlives_one_owner_after_the_other_without_losing_a_byte() {
    let engine = engine();
    let driver = engine.driver(Config::new().owner("0"));
    let (io, captured) = TaskIo::captured();
    let (mut container, mut running) = started(&driver, spec(), io).await;
    let mut told = Vec::new();
    let mut captured = captured;
    for owner in 1..=3 {
        sleep(Duration::from_millis(2500)).await;
        let handle = running.handle().unwrap();
        // What comes behind the handle's position is told again.
        sleep(Duration::from_secs(1)).await;
        engine.kill_owner(&(owner - 1).to_string());
        told.extend(&captured.stdout()[..usize::try_from(handle.stdout()).unwrap() - told.len()]);
        assert!(handle.keeps_output());
        sleep(Duration::from_secs(1)).await;
        let next = engine.driver(Config::new().owner(owner.to_string()));
        let (io, now) = TaskIo::captured();
        let recovered = next.recover(&handle, io).await.unwrap();
        assert_eq!(recovered.lost.stdout, Missing::Nothing);
        assert_eq!(handle.stdout(), told.len() as u64);
        (container, running, captured) = (recovered.container, recovered.running, now);
    }
    let exit = running.wait().await;
    assert_eq!(exit.outcome, Outcome::Code(5));
    assert!(!exit.output.is_incomplete(), "{exit:?}");
    told.extend(captured.stdout());
    assert_eq!(told, b"abcdefghijklmnopqrst");
    assert_eq!(exit.timings.run, Some(Duration::from_secs(20)));
    container.close().await.unwrap();
    assert_eq!(engine.counts().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_is_counted() {
    let engine = engine();
    let driver = engine.driver(Config::new().owner("one"));
    let mut task = spec();
    task.log = LogDriver::default();
    let (io, _) = TaskIo::captured();
    let (_container, running) = started(&driver, task, io).await;
    sleep(Duration::from_millis(4500)).await;
    let handle = running.handle().unwrap();
    assert_eq!((handle.stdout(), handle.keeps_output()), (5, false));
    sleep(Duration::from_secs(2)).await;
    engine.kill_owner("one");
    sleep(Duration::from_secs(3)).await;
    let (io, captured) = TaskIo::captured();
    let next = engine.driver(Config::new());
    let recovered = next.recover(&handle, io).await.unwrap();
    assert_eq!(
        (recovered.lost.stdout, recovered.lost.stderr),
        (Missing::Bytes(5), Missing::Nothing)
    );
    let exit = recovered.running.wait().await;
    assert_eq!(captured.stdout(), b"klmnopqrst");
    assert!(exit.output.stdout.is_incomplete() && !exit.output.stderr.is_incomplete(), "{exit:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_output_counts_what_the_former_owner_got() {
    let engine = engine();
    let driver = engine.driver(Config::new().owner("one"));
    let mut task = spec();
    task.limits.output = Some(OutputLimit::discard_beyond(longshore_driver_api::ByteSize(8)));
    let (io, _) = TaskIo::captured();
    let (_container, running) = started(&driver, task, io).await;
    sleep(Duration::from_millis(4500)).await;
    let handle = running.handle().unwrap();
    engine.kill_owner("one");
    let (io, captured) = TaskIo::captured();
    let next = engine.driver(Config::new());
    let recovered = next.recover(&handle, io).await.unwrap();
    let exit = recovered.running.wait().await;
    assert_eq!(captured.stdout(), b"fgh");
    assert_eq!((exit.output.stdout.delivered, exit.output.stdout.discarded), (3, 12));
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_adopter_left_is_removed_after_its_time_and_not_before() {
    let engine = engine();
    let driver = engine.driver(Config::new().owner("one"));
    let (_container, running) = started(&driver, spec(), TaskIo::none()).await;
    let handle = running.handle().unwrap();
    engine.kill_owner("one");
    let second = engine.driver(Config::new().owner("two"));
    let _recovered = second.recover(&handle, TaskIo::none()).await.unwrap();
    let reaper = engine.driver(Config::new());
    engine.kill_owner("two");
    assert_eq!(reaper.reap(ReapOptions::new()).await.unwrap().kept, 1);
    sleep(HOUR).await;
    assert_eq!(reaper.reap(ReapOptions::new()).await.unwrap().removed.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_recovery_whose_answer_is_lost_leaves_the_task_free() {
    let engine = engine();
    let driver = engine.driver(Config::new().owner("one"));
    let (_container, running) = started(&driver, spec(), TaskIo::none()).await;
    let handle = running.handle().unwrap();
    engine.kill_owner("one");
    let late = Duration::from_millis(10);
    engine.rule(
        Rule::on(Op::Recover).times(1).fail(ErrorKind::Disconnected).delay(late).lose_reply(),
    );
    let next = engine.driver(Config::new());
    let failed = next.recover(&handle, TaskIo::none()).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Disconnected);
    next.recover(&handle, TaskIo::none()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn handles_of_another_engine_or_application_are_foreign_and_input_is_refused() {
    let engine = engine();
    let driver = engine.driver(Config::new().owner("one"));
    let (_container, running) = started(&driver, spec(), TaskIo::none()).await;
    let handle = running.handle().unwrap();
    engine.kill_owner("one");
    let elsewhere = Engine::new().driver(Config::new());
    let other = engine.driver(Config::new().application("other"));
    for stranger in [&elsewhere, &other] {
        let error = stranger.recover(&handle, TaskIo::none()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HandleForeign);
    }
    let next = engine.driver(Config::new());
    let error = next.recover(&handle, TaskIo::none().stdin(tokio::io::empty())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
