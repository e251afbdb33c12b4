//! Rules: calls that are late, fail, or are never answered.

use longshore_driver_api::{
    ContainerExt as _, Driver as _, DriverExt as _, ErrorKind, Outcome, State, TaskSpec,
};
use longshore_mock::{CallResult, Config, Engine, Op, Program, Rule};
use tokio::time::{Duration, Instant};

fn spec(id: &str) -> TaskSpec {
    TaskSpec::builder("alpine").id(id).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_rule_fails_only_the_calls_of_the_tasks_that_it_names() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    engine.rule(Rule::on(Op::Start).task("bad").fail_with(ErrorKind::DiskFull, "no room"));
    assert!(driver.run_task(spec("good")).await.unwrap().is_success());
    let error = driver.run_task(spec("bad")).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::DiskFull, "start: no room"));
    assert_eq!(engine.counts().total(), 0);
    engine.clear_rules();
    assert!(driver.run_task(spec("bad")).await.unwrap().is_success());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_answered_ends_at_the_drivers_bound() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new().call_timeout(Duration::from_secs(7)));
    engine.rule(Rule::on(Op::Create).once().never_answer());
    let container = driver.container(spec("a").into()).unwrap();
    container.ensure_image().await.unwrap();
    let start = Instant::now();
    let error = container.create().await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed()), (ErrorKind::Deadline, Duration::from_secs(7)));
    assert_eq!(engine.counts().total(), 0);
    container.create().await.unwrap();
    assert_eq!(engine.counts().created, 1);
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_reply_is_lost_leaves_nothing_when_it_is_tried_again() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    engine.rule(Rule::on(Op::Create).once().lose_reply().fail(ErrorKind::Disconnected));
    let container = driver.container(spec("a").into()).unwrap();
    container.ensure_image().await.unwrap();
    container.create().await.unwrap_err();
    assert_eq!((engine.counts().created, container.state()), (1, State::Reserved));
    container.create().await.unwrap();
    assert_eq!(engine.counts().created, 2);
    container.close().await.unwrap();
    assert_eq!(engine.counts().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_reply_is_lost_is_undone() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    engine.run_task("a", Program::steps().forever());
    engine.rule(Rule::on(Op::Start).lose_reply().fail(ErrorKind::Disconnected));
    let container = driver.prepare(spec("a")).await.unwrap();
    container.start().await.unwrap_err();
    engine.until(|engine| engine.counts().total() == 0).await;
    assert_eq!(container.start().await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_failed_can_be_tried_again() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    engine.rule(Rule::on(Op::Start).once().fail(ErrorKind::Busy));
    let container = driver.prepare(spec("a")).await.unwrap();
    assert!(container.start().await.unwrap_err().is_retryable());
    let running = container.start().await.unwrap();
    assert!(running.wait().await.is_success());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_fails_loses_the_task_and_cancel_still_ends_one_that_is_never_answered() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    engine.rule(Rule::on(Op::Wait).once().fail(ErrorKind::Disconnected));
    let exit = driver.run_task(spec("a")).await.unwrap();
    assert_eq!((exit.outcome, exit.code), (Outcome::Lost, None));
    assert!(exit.engine_error.is_some());

    engine.rule(Rule::on(Op::Wait).never_answer());
    let container = driver.prepare(spec("b")).await.unwrap();
    let running = container.start().await.unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(3600), running.wait()).await;
    assert!(waited.is_err(), "{waited:?}");
    running.cancel();
    assert_eq!(running.wait().await.outcome, Outcome::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_an_end_that_the_engine_never_tells() {
    let lost = || Rule::on(Op::Remove).lose_reply().fail(ErrorKind::Disconnected);
    for remove in [None, Some(lost()), Some(Rule::on(Op::Remove).fail(ErrorKind::Engine))] {
        let engine = Engine::new();
        let driver = engine.driver(Config::new());
        engine.rule(Rule::on(Op::Wait).never_answer());
        let removed = remove.is_none();
        if let Some(rule) = remove {
            engine.rule(rule.once());
        }
        let container = driver.prepare(spec("a")).await.unwrap();
        let running = container.start().await.unwrap();
        assert_eq!(container.close().await.is_ok(), removed);
        assert_eq!(running.wait().await.outcome, Outcome::Cancelled);
        engine.until(|engine| engine.counts().total() == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_cannot_be_killed_is_cancelled_and_its_container_still_removed() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    engine.run_task("a", Program::steps().forever());
    engine.rule(Rule::on(Op::Kill).fail(ErrorKind::Engine));
    let container = driver.prepare(spec("a")).await.unwrap();
    let running = container.start().await.unwrap();
    running.cancel();
    let exit = running.wait().await;
    assert_eq!(exit.outcome, Outcome::Cancelled);
    assert!(exit.engine_error.is_some(), "{exit:?}");
    assert_eq!(engine.counts().running, 1);
    container.close().await.unwrap();
    assert_eq!(engine.counts().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_the_engine_refuses_is_an_error_and_no_outcome() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    engine.run_task("a", Program::steps().sleep(Duration::from_secs(60)).exit(4));
    engine.rule(Rule::on(Op::Stop).fail(ErrorKind::Engine));
    let container = driver.prepare(spec("a")).await.unwrap();
    let running = container.start().await.unwrap();
    assert_eq!(running.stop(None).await.unwrap_err().kind(), ErrorKind::Engine);
    let exit = running.wait().await;
    assert_eq!((exit.outcome, exit.sent.len()), (Outcome::Code(4), 0));
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_fails_is_reported_tried_again_and_named_when_the_driver_is_closed() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    engine.rule(Rule::on(Op::Remove).times(3).fail(ErrorKind::Engine));
    let container = driver.prepare(spec("a")).await.unwrap();
    container.close().await.unwrap_err();
    assert_eq!(container.state(), State::Closed);
    assert_eq!(engine.image_users("alpine").unwrap(), 0);
    engine.until(|engine| engine.counts().total() == 0).await;
    container.close().await.unwrap();

    engine.rule(Rule::on(Op::Remove).fail(ErrorKind::Engine));
    let container = driver.prepare(spec("b")).await.unwrap();
    let id = container.engine_id().unwrap();
    drop(container);
    let error = driver.close().await.unwrap_err();
    assert!(error.to_string().contains(&id), "{error}");
    engine.clear_rules();
    driver.close().await.unwrap();
    assert_eq!(engine.counts().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_removal_goes_on_after_the_last_handle_and_close_waits_for_it() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    engine.rule(Rule::on(Op::Remove).delay(Duration::from_secs(5)));
    let container = driver.prepare(spec("a")).await.unwrap();
    drop(container);
    assert_eq!(engine.counts().created, 1);
    let start = Instant::now();
    driver.close().await.unwrap();
    assert_eq!((engine.counts().total(), start.elapsed()), (0, Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_when_each_call_was_made_and_what_came_of_it() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new().owner("ann"));
    engine.rule(Rule::on(Op::Create).delay(Duration::from_secs(2)));
    engine.rule(Rule::on(Op::Ping).never_answer());
    let start = Instant::now();
    let log = engine.log();
    let waiting = {
        let log = log.clone();
        tokio::spawn(async move {
            log.wait_for(|call| call.is(Op::Create, "a") && call.result == CallResult::Done).await
        })
    };
    driver.run_task(spec("a")).await.unwrap();
    let create = waiting.await.unwrap();
    assert_eq!((create.at, create.took()), (start, Some(Duration::from_secs(2))));
    assert_eq!(create.owner, "ann");
    let ops: Vec<Op> = log.calls().iter().map(|call| call.op).collect();
    let expected = [
        Op::Reserve,
        Op::ImageStatus,
        Op::Pull,
        Op::ImageStatus,
        Op::Create,
        Op::Start,
        Op::Wait,
        Op::Close,
        Op::Remove,
    ];
    assert_eq!(ops, expected);
    let dropped = tokio::time::timeout(Duration::from_secs(1), driver.ping()).await;
    assert!(dropped.is_err());
    assert_eq!(log.calls().last().unwrap().result, CallResult::Dropped);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_story() {
    async fn story(seed: u64) -> Vec<(Op, CallResult, Duration)> {
        let engine = Engine::with_seed(seed);
        let (least, most) = (Duration::ZERO, Duration::from_millis(50));
        engine.rule(Rule::any().delay_between(least, most));
        engine.rule(Rule::any().probability(0.2).fail(ErrorKind::Busy));
        let driver = engine.driver(Config::new());
        let start = Instant::now();
        for n in 0..30 {
            let _ = driver.run_task(spec(&n.to_string())).await;
        }
        let calls = engine.log().calls();
        calls.iter().map(|call| (call.op, call.result, call.at - start)).collect()
    }
    assert_eq!(story(7).await, story(7).await);
    assert_ne!(story(7).await, story(8).await);
}
