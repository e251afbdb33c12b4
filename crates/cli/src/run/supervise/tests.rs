//! Interrupts at every stage, against an engine in memory.

use std::time::Duration;

use longshore::mock::{Config, Engine, Image, Op, Program, Rule};
use longshore::{ErrorKind, Outcome};
use tokio::sync::mpsc::UnboundedSender;

use super::*;

struct Rig {
    engine: Engine,
    driver: Arc<dyn Driver>,
    sender: UnboundedSender<Signal>,
    signals: Signals,
}

impl Rig {
    fn new() -> Self {
        let engine = Engine::new();
        engine.add_image("forever", Image::new(Program::steps().forever())).unwrap();
        let driver = Arc::new(engine.driver(Config::new()));
        let (sender, signals) = Signals::from_test();
        Self { engine, driver, sender, signals }
    }

    /// Runs a task to its end while `meanwhile` interferes.
    async fn run(
        &mut self,
        image: &str,
        meanwhile: impl AsyncFnOnce(&Engine, &UnboundedSender<Signal>),
    ) -> Ended {
        let ended = self.until_given_up(image, meanwhile).await;
        assert_eq!(self.engine.counts().total(), 0, "something is left");
        ended
    }

    /// The same where something may be left.
    async fn until_given_up(
        &mut self,
        image: &str,
        meanwhile: impl AsyncFnOnce(&Engine, &UnboundedSender<Signal>),
    ) -> Ended {
        let mut ended = Ended {
            result: Err(Failure::new("nothing was run")),
            interrupted: None,
            write_errors: Vec::new(),
            container: None,
            ports: Vec::new(),
        };
        let spec = TaskSpec::builder(image).args(["x"]).build().unwrap();
        let files = Files { stdin: Stdin::Usual, stats: None };
        tokio::join!(
            on_driver(&self.driver, &spec, files, true, &mut self.signals, &mut ended),
            meanwhile(&self.engine, &self.sender),
        );
        ended
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_ends_a_task_and_its_status_is_that_of_the_first() {
    let mut rig = Rig::new();
    let ended = rig
        .run("forever", async |engine, sender| {
            engine.until(|engine| engine.counts().running == 1).await;
            sender.send(Signal::INT).unwrap();
        })
        .await;
    assert_eq!(ended.interrupted, Some(Signal::INT));
    assert_eq!(ended.result.unwrap().outcome, Outcome::Cancelled);
    assert!(ended.container.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_second_interrupt_does_not_stop_the_removal() {
    let mut rig = Rig::new();
    rig.engine.rule(Rule::on(Op::Remove).delay(Duration::from_secs(20)));
    let ended = rig
        .run("forever", async |engine, sender| {
            engine.until(|engine| engine.counts().running == 1).await;
            for signal in [Signal::INT, Signal::TERM] {
                sender.send(signal).unwrap();
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            assert_eq!(engine.counts().total(), 1, "it is still being removed");
        })
        .await;
    assert_eq!(ended.interrupted, Some(Signal::INT));
}

#[tokio::test(start_paused = true)]
async fn a_third_interrupt_ends_the_command_where_the_engine_ends_or_removes_nothing() {
    for op in [Op::Kill, Op::Remove] {
        let mut rig = Rig::new();
        rig.engine.rule(Rule::on(op).never_answer());
        let begun = tokio::time::Instant::now();
        let ended = rig
            .until_given_up("forever", async |engine, sender| {
                engine.until(|engine| engine.counts().running == 1).await;
                for signal in [Signal::INT, Signal::TERM, Signal::INT] {
                    sender.send(signal).unwrap();
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            })
            .await;
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        assert_eq!(ended.interrupted, Some(Signal::INT), "{op:?}");
        if op == Op::Kill {
            assert_eq!(ended.result.unwrap_err().code, 130);
        } else {
            assert_eq!(ended.result.unwrap().outcome, Outcome::Cancelled);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_before_the_start_is_a_failure_with_its_status() {
    for (op, image) in [
        (Op::ImageStatus, "forever"),
        (Op::Pull, "remote"),
        (Op::Create, "forever"),
        (Op::Start, "forever"),
    ] {
        for late in [false, true] {
            let mut rig = Rig::new();
            let rule = Rule::on(op).never_answer();
            rig.engine.rule(if late { rule.lose_reply() } else { rule });
            let ended = rig
                .run(image, async |_, sender| {
                    // Long enough to be there, short enough for no bound to pass.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    sender.send(Signal::TERM).unwrap();
                })
                .await;
            let failure = ended.result.unwrap_err();
            assert_eq!(failure.code, 143, "{op:?}");
            assert!(failure.text().contains("cancelled by SIGTERM"), "{op:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_that_comes_after_the_end_changes_nothing() {
    let mut rig = Rig::new();
    rig.engine.rule(Rule::on(Op::Remove).delay(Duration::from_secs(20)));
    let ended = rig
        .run("anything", async |engine, sender| {
            engine.until(|engine| engine.counts().exited == 1).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            sender.send(Signal::INT).unwrap();
        })
        .await;
    assert_eq!(ended.result.unwrap().outcome, Outcome::Code(0));
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_refuses_is_a_failure_and_leaves_nothing() {
    for op in [Op::Create, Op::Start] {
        let mut rig = Rig::new();
        rig.engine.rule(Rule::on(op).fail(ErrorKind::Engine));
        let ended = rig.run("forever", async |_, _| {}).await;
        let failure = ended.result.unwrap_err();
        assert_eq!((failure.code, failure.kind()), (125, Some(ErrorKind::Engine)), "{op:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_fails_at_first_is_tried_again() {
    let mut rig = Rig::new();
    rig.engine.rule(Rule::on(Op::Remove).once().fail(ErrorKind::Engine));
    let ended = rig.run("anything", async |_, _| {}).await;
    assert_eq!(ended.result.unwrap().outcome, Outcome::Code(0));
}

#[tokio::test(start_paused = true)]
async fn the_tasks_terminal_gets_the_size_of_ours() {
    let here = TtySize { rows: 24, columns: 80 };
    let engine = Engine::new();
    let program = Program::new(async |process: longshore::mock::Process| {
        while process.tty_size() != Some(TtySize { rows: 24, columns: 80 }) {
            process.sleep(Duration::from_millis(1)).await;
        }
    });
    engine.add_image("sized", Image::new(program)).unwrap();
    let driver = engine.driver(Config::new());
    let spec = TaskSpec::builder("sized").args(["x"]).tty(true).build().unwrap();
    let container = driver.container(spec.into()).unwrap();
    container.create().await.unwrap();
    let running = container.start().await.unwrap();
    let exit = tokio::select! {
        exit = running.wait() => exit,
        never = follow_size(&*running, || Some(here)) => never.unwrap(),
    };
    assert!(exit.is_success());
    driver.close().await.unwrap();
}

#[test]
fn a_terminal_has_the_size_of_this_one_from_the_start_where_that_can_be() {
    let here = Some(TtySize { rows: 24, columns: 80 });
    let own = TtySize { rows: 31, columns: 97 };
    let task = |tty| TaskSpec::builder("x").tty(tty);
    let size = |spec: longshore::TaskSpecBuilder, able, here| {
        sized(spec.build().unwrap(), able, here).tty_size
    };
    assert_eq!(size(task(true), true, here), here);
    assert_eq!(size(task(true), true, None), None);
    assert_eq!(size(task(true).tty_size(own), true, here), Some(own));
    assert_eq!(size(task(true), false, here), None, "the engine would refuse the task");
    assert_eq!(size(task(false), true, here), None);
}
