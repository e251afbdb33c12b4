//! What programs can do, and what is done to them.

use longshore_driver_api::{
    ByteSize, Cpus, DriverExt as _, Exit, OomEvidence, Outcome, Security, Signal, Task, TaskIo,
    TaskSpec, TaskSpecBuilder,
};
use longshore_mock::{Config, Ended, Engine, MockDriver, Program};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

fn engine(program: Program) -> (Engine, MockDriver) {
    let engine = Engine::new();
    engine.run(|_| true, program);
    let driver = engine.driver(Config::new());
    (engine, driver)
}

fn spec() -> TaskSpecBuilder {
    TaskSpec::builder("alpine")
}

async fn run(program: Program, spec: TaskSpecBuilder) -> (Exit, String) {
    let (_engine, driver) = engine(program);
    let (io, captured) = TaskIo::captured();
    let exit = driver.run_task(Task::new(spec.build().unwrap()).io(io)).await.unwrap();
    (exit, String::from_utf8(captured.stdout()).unwrap())
}

fn signal(name: &str) -> Signal {
    name.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn steps_do_what_they_say() {
    let start = Instant::now();
    let (exit, text) =
        run(Program::steps().stdout("a").sleep(2 * SECOND).stdout("b").exit(9), spec()).await;
    assert_eq!((exit.outcome, text.as_str()), (Outcome::Code(9), "ab"));
    assert_eq!(start.elapsed(), 2 * SECOND);
    let (exit, _) = run(Program::steps().die(signal("SEGV")), spec()).await;
    assert_eq!((exit.outcome, exit.code), (Outcome::Signal(signal("SEGV")), Some(139)));
    let (exit, _) = run(Program::steps().out_of_memory(), spec()).await;
    assert_eq!((exit.outcome, exit.oom), (Outcome::OutOfMemory, OomEvidence::Kills(1)));
    let (exit, _) = run(Program::steps().child_out_of_memory().exit(0), spec()).await;
    assert_eq!((exit.outcome, exit.oom), (Outcome::Code(0), OomEvidence::Kills(1)));
}

#[tokio::test(start_paused = true)]
async fn a_kill_after_a_childs_death_for_want_of_memory_is_told_as_what_it_may_be() {
    let (exit, _) = run(Program::steps().child_out_of_memory().die(Signal::KILL), spec()).await;
    assert_eq!(exit.outcome, Outcome::OutOfMemory);
    assert_eq!(exit.alternatives, [Outcome::Signal(Signal::KILL)]);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_panics_ends_with_101() {
    let (exit, _) = run(
        Program::new(|process| async move {
            assert!(process.args().is_empty(), "that is what this test is about");
        }),
        spec().args(["x"]),
    )
    .await;
    assert_eq!(exit.outcome, Outcome::Code(101));
}

#[tokio::test(start_paused = true)]
async fn a_frozen_program_and_its_timeout_stand_still() {
    let (_engine, driver) = engine(Program::steps().sleep(3 * SECOND).stdout("done").exit(0));
    let task = spec().timeout(5 * SECOND).build().unwrap();
    let (io, captured) = TaskIo::captured();
    let container = driver.prepare(Task::new(task).io(io)).await.unwrap();
    let running = container.start().await.unwrap();
    tokio::time::sleep(SECOND).await;
    container.freeze().await.unwrap();
    running.signal(signal("WINCH")).await.unwrap();
    tokio::time::sleep(3600 * SECOND).await;
    assert!(captured.stdout().is_empty());
    container.unfreeze().await.unwrap();
    let start = Instant::now();
    assert_eq!(running.wait().await.outcome, Outcome::Code(0));
    assert_eq!(start.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_signal_to_a_frozen_program_waits_and_a_kill_does_not() {
    for (sent, frozen_for) in [(Signal::TERM, 10 * SECOND), (Signal::KILL, Duration::ZERO)] {
        let (_engine, driver) = engine(Program::steps().forever());
        let container = driver.prepare(spec().build().unwrap()).await.unwrap();
        let running = container.start().await.unwrap();
        container.freeze().await.unwrap();
        let start = Instant::now();
        running.signal(sent).await.unwrap();
        let thaw = async {
            tokio::time::sleep(10 * SECOND).await;
            let _ = container.unfreeze().await;
        };
        let wait = async { (running.wait().await, start.elapsed()) };
        let ((exit, after), ()) = tokio::join!(wait, thaw);
        assert_eq!((exit.outcome, after), (Outcome::Signal(sent), frozen_for));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_process_makes_no_progress_until_it_is_continued() {
    let (_engine, driver) = engine(Program::new(|process| async move {
        for _ in 0..3 {
            tokio::time::sleep(SECOND).await;
            process.stdout().write_all(b".").await.unwrap();
        }
    }));
    let (io, captured) = TaskIo::captured();
    let container = driver.prepare(Task::new(spec().build().unwrap()).io(io)).await.unwrap();
    let running = container.start().await.unwrap();
    tokio::time::sleep(SECOND * 3 / 2).await;
    running.signal(signal("STOP")).await.unwrap();
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(captured.stdout(), b".");
    running.signal(signal("CONT")).await.unwrap();
    assert!(running.wait().await.is_success());
    assert_eq!(captured.stdout(), b"...");
}

#[tokio::test(start_paused = true)]
async fn process_1_does_not_hear_what_it_does_not_handle() {
    let mut security = Security::default();
    security.init = false;
    let task = spec().security(security).stop_grace(4 * SECOND).build().unwrap();
    let (_engine, driver) = engine(Program::steps().forever());
    let container = driver.prepare(task).await.unwrap();
    let running = container.start().await.unwrap();
    let start = Instant::now();
    running.stop(None).await.unwrap();
    assert_eq!(start.elapsed(), 4 * SECOND);
    assert_eq!(running.wait().await.sent.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn trapped_signals_come_in_order_and_nothing_else_happens() {
    let program = Program::new(|process| async move {
        let mut usr1 = process.trap(signal("USR1"));
        process.ignore(Signal::TERM);
        process.raise(signal("USR1")).await;
        process.raise(Signal::TERM).await;
        usr1.recv().await;
        process.raise(signal("USR2")).await;
        Ended::Code(70)
    });
    let (exit, _) = run(program, spec()).await;
    assert_eq!(exit.outcome, Outcome::Signal(signal("USR2")));
}

#[tokio::test(start_paused = true)]
async fn memory_that_is_given_back_can_be_taken_again_and_too_much_kills_the_one_who_asks() {
    let program = Program::new(|process| async move {
        for _ in 0..3 {
            let memory = process.allocate(60 << 20).await;
            assert_eq!(memory.bytes(), 60 << 20);
        }
        let _kept = process.allocate(40 << 20).await;
        let greedy = Program::new(|process| async move {
            let _memory = process.allocate(30 << 20).await;
        });
        let child = process.spawn(&greedy, ["greedy"]).unwrap();
        match child.wait().await {
            Ended::Signal(Signal::KILL) => Ended::Code(0),
            other => panic!("the child ended by {other:?}"),
        }
    });
    let (exit, _) = run(program, spec().memory(ByteSize::mib(64))).await;
    assert_eq!((exit.outcome, exit.oom), (Outcome::Code(0), OomEvidence::Kills(1)));
}

#[tokio::test(start_paused = true)]
async fn there_are_as_many_processes_as_the_limit_allows_and_all_end_with_the_main_one() {
    let program = Program::new(|process| async move {
        let mut children = 0_u8;
        while process.spawn(&Program::steps().forever(), ["child"]).is_ok() {
            children += 1;
        }
        Ended::Code(children)
    });
    // The init and the main process count.
    let (exit, _) = run(program, spec().pids(5)).await;
    assert_eq!(exit.outcome, Outcome::Code(3));
}

#[tokio::test(start_paused = true)]
async fn half_a_cpu_takes_twice_as_long() {
    let start = Instant::now();
    run(Program::steps().burn(3 * SECOND).exit(0), spec().cpus(Cpus::milli(500))).await;
    assert_eq!(start.elapsed(), 6 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_child_has_its_parents_streams_and_output_ends_with_the_last_of_them() {
    let program = Program::new(|process| async move {
        let upper = Program::new(|process| async move {
            let mut text = String::new();
            process.stdin().read_to_string(&mut text).await.unwrap();
            process.stdout().write_all(text.to_uppercase().as_bytes()).await.unwrap();
        });
        let child = process.spawn(&upper, ["upper"]).unwrap();
        process.stdout().close();
        process.stdin().close();
        child.wait().await
    });
    let (_engine, driver) = engine(program);
    let (io, captured) = TaskIo::captured();
    let task = Task::new(spec().build().unwrap()).io(io.stdin(&b"abc"[..]));
    assert!(driver.run_task(task).await.unwrap().is_success());
    assert_eq!(captured.stdout(), b"ABC");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_writes_for_ever_does_not_stop_the_time() {
    let yes =
        Program::new(
            |process| async move { while process.stdout().write_all(b"y\n").await.is_ok() {} },
        );
    let (exit, _) = run(yes.clone(), spec().timeout(Duration::from_millis(3))).await;
    assert_eq!(exit.outcome, Outcome::TimedOut);
    let (_engine, driver) = engine(yes);
    let task = spec().timeout(Duration::from_millis(3)).build().unwrap();
    assert_eq!(driver.run_task(task).await.unwrap().outcome, Outcome::TimedOut);
}
