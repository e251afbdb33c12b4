//! What happens to an engine behind its drivers' backs.

use std::sync::Arc;

use longshore_driver_api::{
    Container, Driver as _, DriverExt as _, ErrorKind, Outcome, ReapOptions, Running, Signal,
    State, StreamEnd, Task, TaskIo, TaskSpec,
};
use longshore_mock::{
    Config, Containers, Engine, Image, MockDriver, Op, OwnerState, Program, Rule,
};
use tokio::time::Duration;

fn spec(id: &str) -> TaskSpec {
    TaskSpec::builder("alpine").id(id).build().unwrap()
}

/// An engine on which everything runs for ever.
fn endless() -> (Engine, MockDriver) {
    let engine = Engine::new();
    engine.unknown_images(Some(Image::new(Program::steps().stdout("on").forever())));
    let driver = engine.driver(Config::new().owner("ann"));
    (engine, driver)
}

async fn started(driver: &MockDriver, id: &str) -> (Arc<dyn Container>, Arc<dyn Running>) {
    let container = driver.prepare(spec(id)).await.unwrap();
    let running = container.start().await.unwrap();
    (container, running)
}

#[tokio::test(start_paused = true)]
async fn tasks_are_lost_when_the_engine_stops_whatever_becomes_of_their_containers() {
    for (containers, left) in
        [(Containers::Survive, State::Running), (Containers::Die, State::Exited)]
    {
        let (engine, driver) = endless();
        let (io, captured) = TaskIo::captured();
        let container = driver.prepare(Task::new(spec("a")).io(io)).await.unwrap();
        let running = container.start().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        engine.stop(containers);
        let exit = running.wait().await;
        assert_eq!((exit.outcome, exit.code), (Outcome::Lost, None), "{containers:?}");
        assert_eq!(exit.output.stdout.end, StreamEnd::Cut);
        assert_eq!(captured.stdout(), b"on");
        assert_eq!(engine.containers()[0].state, left);

        assert_eq!(driver.ping().await.unwrap_err().kind(), ErrorKind::EngineUnavailable);
        assert_eq!(container.close().await.unwrap_err().kind(), ErrorKind::EngineUnavailable);
        // The reaper waits for the engine, however long that takes.
        tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
        assert_eq!(engine.counts().total(), 1);
        engine.start();
        engine.until(|engine| engine.counts().total() == 0).await;
        driver.ping().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_cut_off_when_the_engine_restarts() {
    let (engine, driver) = endless();
    engine.rule(Rule::on(Op::Ping).delay(Duration::from_secs(10)));
    let (pinged, ()) = tokio::join!(driver.ping(), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        engine.restart(Containers::Survive);
    });
    assert_eq!(pinged.unwrap_err().kind(), ErrorKind::Disconnected);
}

#[tokio::test(start_paused = true)]
async fn what_others_do_to_a_container_is_seen() {
    let (engine, driver) = endless();
    let (container, running) = started(&driver, "a").await;
    engine.signal_container(&container.engine_id().unwrap(), Signal::KILL).unwrap();
    let exit = running.wait().await;
    assert_eq!(exit.outcome, Outcome::Signal(Signal::KILL));
    assert!(exit.sent.is_empty(), "the driver sent nothing: {exit:?}");

    let (container, running) = started(&driver, "b").await;
    let id = container.engine_id().unwrap();
    engine.remove_container(&id).unwrap();
    assert_eq!(running.wait().await.outcome, Outcome::Lost);
    container.close().await.unwrap();
    assert_eq!(engine.remove_container(&id).unwrap_err().kind(), ErrorKind::NotFound);

    let container = driver.prepare(spec("c")).await.unwrap();
    engine.remove_container(&container.engine_id().unwrap()).unwrap();
    assert_eq!(container.start().await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_killed_owner_cleans_nothing_up_and_is_reaped() {
    let (engine, driver) = endless();
    let (container, running) = started(&driver, "a").await;
    let waiting = {
        let running = Arc::clone(&running);
        tokio::spawn(async move { running.wait().await })
    };
    tokio::task::yield_now().await;
    engine.kill_owner("ann");
    assert_eq!(waiting.await.unwrap().outcome, Outcome::Lost);
    assert_eq!(running.signal(Signal::TERM).await.ok(), Some(()), "what ended needs no signal");
    assert_eq!(driver.ping().await.unwrap_err().kind(), ErrorKind::Closed);
    container.close().await.unwrap();
    drop((container, running));
    driver.close().await.unwrap();
    drop(driver);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(engine.counts().running, 1);
    assert_eq!(engine.owner("ann"), OwnerState::Dead);

    let stranger = engine.driver(Config::new().application("another"));
    assert_eq!(stranger.reap(ReapOptions::new()).await.unwrap().removed, []);
    let other = engine.driver(Config::new());
    let report = other.reap(ReapOptions::new()).await.unwrap();
    assert_eq!(report.removed[0].task.as_deref(), Some("a"));
    assert_eq!(engine.counts().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_owner_of_whom_nothing_is_known_is_left_alone() {
    let (engine, driver) = endless();
    let (_container, _running) = started(&driver, "a").await;
    engine.kill_owner("ann");
    engine.set_owner("ann", OwnerState::Unknown);
    let other = engine.driver(Config::new());
    let report = other.reap(ReapOptions::new()).await.unwrap();
    assert_eq!((report.removed.len(), report.kept), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_owner_lives_until_its_last_driver_is_gone() {
    let engine = Engine::new();
    let one = engine.driver(Config::new().owner("ann"));
    let other = engine.driver(Config::new().owner("ann"));
    one.close().await.unwrap();
    assert_eq!(engine.owner("ann"), OwnerState::Alive);
    drop(other);
    assert_eq!(engine.owner("ann"), OwnerState::Dead);
    assert_eq!(engine.owner("bob"), OwnerState::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_reap_cannot_do_is_reported() {
    let (engine, driver) = endless();
    let (_container, _running) = started(&driver, "a").await;
    engine.kill_owner("ann");
    engine.rule(Rule::on(Op::Remove).once().fail(ErrorKind::Engine));
    let other = engine.driver(Config::new());
    let report = other.reap(ReapOptions::new()).await.unwrap();
    assert_eq!((report.removed.len(), report.failed.len()), (0, 1));
    assert!(report.failed[0].error.is_some());
    assert_eq!(other.reap(ReapOptions::new()).await.unwrap().removed.len(), 1);
}
