//! Further processes against an engine that misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::stage::{self, Stage};
use crate::support::{Request, Script, Step, frame, json, upgrade, waited};
use crate::until::until;
use longshore_docker::DockerConfig;
use longshore_driver_api::{
    ByteSize, Container, ContainerExt as _, Driver as _, ErrorKind, ExecOutput, ExecSpec,
    NotStarted, Outcome, Running, StreamEnd, TaskIo,
};

/// How often an engine says that a process has not begun yet: for more than a second.
const NOT_YET: usize = 10;

/// A container whose task runs for a minute, on a scripted engine.
struct Scene {
    container: Arc<dyn Container>,
    _running: Arc<dyn Running>,
    stage: Stage,
}

fn exec_calls(request: &Request) -> Option<Script> {
    if request.is("POST /containers/c1/wait") {
        return Some(waited(Duration::from_secs(60), 0));
    }
    request.is("POST /containers/c1/exec").then(|| json(201, r#"{"Id":"e1"}"#))
}

async fn scene(special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static) -> Scene {
    scene_of(stage::brief, special).await
}

/// Bounds for an engine that is slow and not gone.
fn long_work(config: &mut DockerConfig) {
    stage::brief(config);
    config.timeouts.work = Duration::from_secs(20);
}

async fn scene_of(
    change: impl FnOnce(&mut DockerConfig),
    special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
) -> Scene {
    let special = move |request: &Request| special(request).or_else(|| exec_calls(request));
    let stage = Stage::new(change, special).await;
    let container = stage.prepared().await;
    let running = container.start().await.unwrap();
    Scene { container, _running: running, stage }
}

impl Scene {
    async fn run(&self) -> ExecOutput {
        self.container.exec_output(ExecSpec::new(["p"]), ByteSize::mib(1)).await.unwrap()
    }
}

fn state(running: bool, code: &str, pid: u32) -> Script {
    json(200, &format!(r#"{{"Running":{running},"ExitCode":{code},"Pid":{pid}}}"#))
}

const WORDS: &[u8] =
    b"OCI runtime exec failed: exec failed: unable to start container process: exec: \"p\": executable file not found in $PATH: unknown\r\n";

#[tokio::test]
async fn the_engines_refusal_is_an_outcome_and_no_output() {
    let scene = scene(|request| {
        if request.is("POST /exec/e1/start") {
            return Some(upgrade(&frame(1, WORDS)));
        }
        request.is("GET /exec/e1/json").then(|| state(false, "126", 0))
    })
    .await;
    let output = scene.run().await;
    assert_eq!(output.exit.outcome, Outcome::NotStarted(NotStarted::NotFound));
    assert!(output.stdout.is_empty());
    assert!(output.exit.engine_error.is_some_and(|words| words.contains("not found in $PATH")));
    scene.stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_process_that_writes_the_same_words_has_them_delivered() {
    let scene = scene(|request| {
        if request.is("POST /exec/e1/start") {
            return Some(upgrade(&frame(1, WORDS)));
        }
        request.is("GET /exec/e1/json").then(|| state(false, "3", 4711))
    })
    .await;
    let output = scene.run().await;
    assert_eq!(output.exit.outcome, Outcome::Code(3));
    assert_eq!(output.stdout, WORDS);
    scene.stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_breaks_in_a_frame_is_cut_and_the_code_is_known() {
    let scene = scene(|request| {
        if request.is("POST /exec/e1/start") {
            let mut bytes = frame(1, b"first");
            bytes.extend(&frame(1, b"second")[..10]);
            return Some(upgrade(&bytes));
        }
        request.is("GET /exec/e1/json").then(|| state(false, "0", 4711))
    })
    .await;
    let output = scene.run().await;
    assert_eq!(output.stdout, b"firstse");
    assert_eq!(output.exit.output.stdout.end, StreamEnd::Cut);
    assert_eq!(output.exit.code, Some(0));
    scene.stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_stands_still_in_its_first_frame_is_cut_once_the_process_has_ended() {
    let scene = scene(|request| {
        if request.is("POST /exec/e1/start") {
            let mut script = upgrade(&frame(1, b"first")[..10]);
            script.push(Step::Hold);
            return Some(script);
        }
        request.is("GET /exec/e1/json").then(|| state(false, "0", 4711))
    })
    .await;
    let run = tokio::time::timeout(Duration::from_secs(20), scene.run());
    let output = run.await.expect("it does not wait for the rest");
    assert_eq!(output.stdout, b"fi");
    assert_eq!(output.exit.output.stdout.end, StreamEnd::Cut);
    assert_eq!(output.exit.code, Some(0));
    scene.stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_process_id_that_means_another_process_here_is_not_killed() {
    // The engine names this very process.
    let own = std::process::id();
    let scene = scene(move |request| {
        if request.is("POST /exec/e1/start") {
            let mut script = upgrade(b"");
            script.push(Step::Hold);
            return Some(script);
        }
        request.is("GET /exec/e1/json").then(|| state(true, "null", own))
    })
    .await;
    let exec = scene.container.exec(ExecSpec::new(["p"]), TaskIo::none()).await.unwrap();
    exec.cancel();
    let exit = exec.wait().await;
    assert_eq!((exit.outcome, exit.code), (Outcome::Cancelled, None));
    assert!(exit.sent.is_empty(), "{exit:?}");
    let why = exit.engine_error.unwrap();
    let can_kill = scene.stage.driver.capabilities().exec_kill;
    let expected = if can_kill { "is none of container c1" } else { "may live until" };
    assert!(why.contains(expected), "{why}");
    scene.stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn an_engine_that_says_that_nothing_runs_is_a_wrong_state() {
    let scene = scene(|request| {
        let refused = r#"{"message":"Container c1 is paused, unpause the container before exec"}"#;
        request.is("POST /containers/c1/exec").then(|| json(409, refused))
    })
    .await;
    let refused = scene.container.exec(ExecSpec::new(["p"]), TaskIo::none()).await;
    let error = refused.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    assert!(error.to_string().contains("is paused"), "{error}");
    scene.stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_process_that_the_engine_forgets_is_lost_and_never_success() {
    let scene = scene(|request| {
        if request.is("POST /exec/e1/start") {
            return Some(upgrade(&frame(1, b"some")));
        }
        let gone = r#"{"message":"No such exec instance: e1"}"#;
        request.is("GET /exec/e1/json").then(|| json(404, gone))
    })
    .await;
    let output = scene.run().await;
    assert_eq!(output.exit.outcome, Outcome::Lost, "{:?}", output.exit);
    assert_eq!(output.stdout, b"some");
    // What it wrote last may be missing.
    assert_eq!(output.exit.output.stdout.end, StreamEnd::Cut);
    assert!(scene.stage.engine.lines().iter().any(|line| line.contains("/exec/e1/json")));
    scene.stage.driver.close().await.unwrap();
}

/// An engine that gets to the process late: the process is then `running`.
fn late(running: impl Fn() -> Script + Send + Sync) -> impl Fn() -> Script + Send + Sync {
    let looks = AtomicUsize::new(0);
    move || match looks.fetch_add(1, Ordering::SeqCst) {
        look if look < NOT_YET => state(false, "null", 0),
        _ => running(),
    }
}

#[tokio::test]
async fn a_process_that_has_not_begun_when_it_is_cancelled_is_killed_once_it_has() {
    let own = std::process::id();
    let look = late(move || state(true, "null", own));
    let scene = scene_of(long_work, move |request| {
        if request.is("POST /exec/e1/start") {
            let mut script = upgrade(b"");
            script.push(Step::Hold);
            return Some(script);
        }
        request.is("GET /exec/e1/json").then(&look)
    })
    .await;
    if !scene.stage.driver.capabilities().exec_kill {
        eprintln!("SKIPPED: nothing can be killed from here");
        return;
    }
    let exec = scene.container.exec(ExecSpec::new(["p"]), TaskIo::none()).await.unwrap();
    exec.cancel();
    let exit = exec.wait().await;
    // It is this very process, and so is spared: but it was meant.
    let why = exit.engine_error.unwrap_or_default();
    assert!(why.contains("is none of container c1"), "{why}");
    scene.stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_process_whose_start_was_not_answered_is_looked_for_until_it_begins() {
    let own = std::process::id();
    let look = late(move || state(true, "null", own));
    let scene = scene_of(long_work, move |request| {
        if request.is("POST /exec/e1/start") {
            // The connection ends.
            return Some(Vec::new());
        }
        request.is("GET /exec/e1/json").then(&look)
    })
    .await;
    if !scene.stage.driver.capabilities().exec_kill {
        eprintln!("SKIPPED: nothing can be killed from here");
        return;
    }
    let failed = scene.container.exec(ExecSpec::new(["p"]), TaskIo::none()).await;
    assert_eq!(failed.map(drop).unwrap_err().kind(), ErrorKind::Disconnected);
    // The caller is told before.
    assert!(scene.stage.engine.count("GET /exec/e1/json") <= NOT_YET);
    let engine = &scene.stage.engine;
    until("it is met", async || engine.count("GET /exec/e1/json") > NOT_YET).await;
    scene.stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_process_that_has_not_begun_has_not_ended() {
    let look = late(|| state(false, "3", 4711));
    let scene = scene_of(long_work, move |request| {
        if request.is("POST /exec/e1/start") {
            return Some(upgrade(b""));
        }
        request.is("GET /exec/e1/json").then(&look)
    })
    .await;
    assert_eq!(scene.run().await.exit.outcome, Outcome::Code(3));
    scene.stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_process_that_the_engine_never_begins_is_lost_within_a_bound() {
    let scene = scene(move |request| {
        if request.is("POST /exec/e1/start") {
            return Some(upgrade(b""));
        }
        request.is("GET /exec/e1/json").then(|| state(false, "null", 0))
    })
    .await;
    let exit = tokio::time::timeout(Duration::from_secs(20), scene.run()).await.unwrap().exit;
    assert_eq!(exit.outcome, Outcome::Lost);
    assert!(exit.engine_error.is_some_and(|why| why.contains("has not begun it")));
    scene.stage.driver.close().await.unwrap();
}
