//! What Podman answers where Docker answers otherwise, as 4.3.1 and 5.4.2 wrote it.

use std::time::Duration;

use crate::stage::{self, Stage};
use crate::support::{Request, Script, frame, json, upgrade, waited};
use longshore_docker::DockerPlaceholders;
use longshore_driver_api::{
    ByteSize, ContainerExt as _, Driver, DriverExt as _, ErrorKind, ExecSpec, LogDriver,
    NotStarted, OomEvidence, Outcome, Signal, Task, TaskIo, TaskSpec, TaskSpecBuilder,
};
use serde_json::Value;

const VERSION_4: &str = r#"{"Platform":{"Name":"linux/amd64/debian-12"},"Components":[
    {"Name":"Podman Engine","Version":"4.3.1","Details":{"APIVersion":"4.3.1","MinAPIVersion":"4.0.0"}},
    {"Name":"Conmon","Version":"conmon version 2.1.6, commit: unknown"},
    {"Name":"OCI Runtime (runc)","Version":"runc version 1.1.5+ds1"}],
    "Version":"4.3.1","ApiVersion":"1.41","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64"}"#;

/// A driver on a scripted Podman.
async fn stage(special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static) -> Stage {
    let podman = move |request: &Request| {
        let info = || json(200, r#"{"MemoryLimit":true,"CgroupVersion":"1"}"#);
        special(request)
            .or_else(|| request.is("GET /version").then(|| json(200, VERSION_4)))
            .or_else(|| request.is("GET /info").then(info))
    };
    Stage::brief(podman).await
}

fn task() -> TaskSpecBuilder {
    TaskSpec::builder("x")
}

/// An end with a code, as wait and inspection tell it.
fn ends_with(code: i64) -> impl Fn(&Request) -> Option<Script> + Send + Sync + 'static {
    move |request| {
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::ZERO, code));
        }
        let state = format!(
            r#"{{"Id":"c1","State":{{"Status":"exited","Running":false,"OOMKilled":false,"ExitCode":{code},"Error":""}}}}"#
        );
        request.is("GET /containers/c1/json").then(|| json(200, &state))
    }
}

#[tokio::test]
async fn a_removal_kills_at_once() {
    let stage = stage(|_| None).await;
    stage.driver.run_task(Task::new(task().build().unwrap())).await.unwrap();
    let seen = stage.engine.seen();
    let create = seen.iter().find(|request| request.is("POST /containers/create")).unwrap();
    let body: Value = serde_json::from_slice(&create.body).unwrap();
    assert_eq!(body["StopTimeout"], 0);
}

#[tokio::test]
async fn what_goes_while_it_looks_is_not_there() {
    let gone = r#"{"cause":"no such container","response":500,
        "message":"container c1 does not exist in database: no such container"}"#;
    let stage = stage(|request| request.is("DELETE /containers/c1").then(|| json(500, gone))).await;
    let container = stage.driver.prepare(Task::new(task().build().unwrap())).await.unwrap();
    container.close().await.unwrap();
    let seen = stage.engine.seen();
    let removals = seen.iter().filter(|request| request.is("DELETE /containers/c1"));
    assert_eq!(removals.count(), 1, "there is nothing to be tried again");
}

#[tokio::test]
async fn it_is_not_asked_for_its_events() {
    let stage = stage(ends_with(0)).await;
    let (exit, _) = stage.run().await;
    assert!(exit.is_success(), "{exit:?}");
    stage.driver.close().await.unwrap();
    assert_eq!(stage.engine.count("GET /events"), 0);
}

#[tokio::test]
async fn there_are_no_placeholders() {
    let stage = stage(|_| None).await;
    let error = DockerPlaceholders::open(stage::config(&stage.engine, stage.folder.path()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("no placeholders on podman 4.3.1"), "{error}");
    assert!(error.to_string().contains("pre_fork_pool_size = 0"), "{error}");
}

#[tokio::test]
async fn a_code_of_one_may_be_its_inits() {
    let stage = stage(ends_with(1)).await;
    assert!(!stage.driver.capabilities().proves_one);
    let exit = stage.driver.run_task(Task::new(task().build().unwrap())).await.unwrap();
    assert_eq!(exit.outcome, Outcome::Code(1));
    let hidden = [NotStarted::NotFound, NotStarted::NotExecutable].map(Outcome::NotStarted);
    assert_eq!(exit.alternatives, hidden);
    let spec = task().edit(|spec| spec.security.init = false).build().unwrap();
    let exit = stage.driver.run_task(Task::new(spec)).await.unwrap();
    assert_eq!((exit.outcome, exit.alternatives), (Outcome::Code(1), vec![]));
}

#[tokio::test]
async fn a_monitor_that_misses_kills_for_want_of_memory_has_not_ruled_them_out() {
    let stage = stage(ends_with(137)).await;
    assert!(!stage.driver.capabilities().proves_oom);
    let spec = task().memory(ByteSize::mib(48)).build().unwrap();
    let exit = stage.driver.run_task(Task::new(spec)).await.unwrap();
    assert_eq!(exit.oom, OomEvidence::Unknown);
    assert_eq!(exit.outcome, Outcome::Code(137));
    // Asking again would not make it know better.
    let looks = stage.engine.lines().iter().filter(|line| line.ends_with("/c1/json")).count();
    assert_eq!(looks, 1);
}

#[tokio::test]
async fn signalling_what_has_ended_changes_nothing() {
    for status in [500, 409] {
        let stage = stage(move |request| {
            let words = r#"{"cause":"container state improper","message":"can only kill running containers. 5e0a6a09 is in state stopped: container state improper","response":500}"#;
            if request.is("POST /containers/c1/wait") {
                return Some(waited(Duration::from_millis(500), 0));
            }
            request.is("POST /containers/c1/kill").then(|| json(status, words))
        })
        .await;
        let container = stage.driver.prepare(task().build().unwrap()).await.unwrap();
        let running = container.start().await.unwrap();
        running.signal(Signal::TERM).await.unwrap();
        assert!(running.wait().await.sent.is_empty());
    }
}

#[tokio::test]
async fn a_log_driver_that_it_does_not_have_is_told_apart() {
    let stage = stage(|request| {
        let words = r#"{"cause":"invalid argument","message":"container create: running container create option: invalid log driver: invalid argument","response":500}"#;
        request.is("POST /containers/create").then(|| json(500, words))
    })
    .await;
    let spec = task().edit(|spec| spec.log = LogDriver::syslog("tcp://127.0.0.1:9", [])).build();
    let refused = stage.driver.run_task(Task::new(spec.unwrap())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::LogDriver, "{refused}");
    assert!(refused.to_string().contains("log driver \"syslog\""), "{refused}");
}

/// A further process that wrote one frame and ended with a code. Its number is forgotten by then.
async fn exec_that(frame: Vec<u8>, code: i64) -> longshore_driver_api::ExecOutput {
    let state = format!(r#"{{"Running":false,"ExitCode":{code},"Pid":0,"CanRemove":true}}"#);
    let stage = stage(move |request| {
        let table = [
            ("POST /containers/c1/wait", waited(Duration::from_secs(60), 0)),
            ("POST /containers/c1/exec", json(201, r#"{"Id":"e1"}"#)),
            ("POST /exec/e1/start", upgrade(&frame)),
            ("GET /exec/e1/json", json(200, &state)),
        ];
        table.into_iter().find(|(call, _)| request.is(call)).map(|(_, script)| script)
    })
    .await;
    let container = stage.driver.prepare(task().build().unwrap()).await.unwrap();
    let _running = container.start().await.unwrap();
    let output = container.exec_output(ExecSpec::new(["p"]), ByteSize::mib(1)).await.unwrap();
    stage.driver.close().await.unwrap();
    output
}

#[tokio::test]
async fn one_line_of_a_further_process_that_is_over_is_its_output() {
    let output = exec_that(frame(1, b"one line\r\n"), 0).await;
    assert!(output.exit.is_success(), "{:?}", output.exit);
    assert_eq!(output.stdout, b"one line\r\n");
}

#[tokio::test]
async fn a_further_process_that_may_not_have_been_started_is_unproven() {
    let words = b"Error: runc: exec failed: unable to start container process: exec: \"/missing\": stat /missing: no such file or directory: OCI runtime attempted to invoke a command that was not found\n";
    let starts =
        [(127, NotStarted::NotFound), (126, NotStarted::NotExecutable), (125, NotStarted::Refused)];
    for (code, why) in starts {
        let exit = exec_that(frame(2, words), code).await.exit;
        assert_eq!(exit.code, i32::try_from(code).ok());
        assert_eq!(exit.alternatives, [Outcome::NotStarted(why)], "{exit:?}");
    }
}

#[tokio::test]
async fn a_program_that_attaching_finds_missing_is_the_tasks_end() {
    for (words, why) in [
        ("stat /missing: no such file or directory", NotStarted::NotFound),
        ("permission denied: OCI permission denied", NotStarted::NotExecutable),
    ] {
        let stage = stage(move |request| {
            let text = format!(
                r#"{{"cause":"x","message":"preparing container c1 for attach: runc: runc create failed: unable to start container process: exec: \"/missing\": {words}","response":500}}"#
            );
            request.is("POST /containers/c1/attach").then(|| json(500, &text))
        })
        .await;
        let (io, _output) = TaskIo::captured();
        let task = Task::new(task().build().unwrap()).io(io);
        let exit = stage.driver.run_task(task).await.unwrap();
        assert_eq!(exit.outcome, Outcome::NotStarted(why), "{exit:?}");
        assert!(exit.engine_error.is_some_and(|error| error.contains("/missing")));
    }
}

#[tokio::test]
async fn a_health_check_is_refused_and_a_folder_is_looked_for_before_files_go_there() {
    let stage = stage(|request| {
        let words = r#"{"cause":"no such file or directory","message":"\"/none\" could not be found on container c1: no such file or directory","response":404}"#;
        request.is("HEAD /containers/c1/archive").then(|| json(404, words))
    })
    .await;
    let spec = task().edit(|spec| spec.health.wait = Some(Duration::from_secs(1)));
    let refused = stage.driver.run_task(Task::new(spec.build().unwrap())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
    assert!(refused.to_string().contains("health"), "{refused}");

    let container = stage.driver.prepare(task().build().unwrap()).await.unwrap();
    let error = container.write_file("/none/f", b"x", 0o644).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(!stage.engine.lines().iter().any(|line| line.starts_with("PUT ")));
}

#[tokio::test]
async fn a_user_that_a_further_process_cannot_have_is_told_by_the_processs_own_field() {
    let words = r#"{"cause":"no matching entries in passwd file","message":"unable to find user nobody-knows: no matching entries in passwd file","response":500}"#;
    let stage = stage(move |request| {
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::from_secs(60), 0));
        }
        if request.is("POST /exec/e1/start") {
            return Some(json(500, words));
        }
        request.is("POST /containers/c1/exec").then(|| json(201, r#"{"Id":"e1"}"#))
    })
    .await;
    let container = stage.prepared().await;
    let _running = container.start().await.unwrap();
    let spec = ExecSpec::new(["p"]).user("nobody-knows");
    let error = container.exec(spec, TaskIo::none()).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains("nobody-knows"), "{error}");
    assert!(error.what_to_do().unwrap().ends_with("give a number (user)"), "{error}");
    container.close().await.unwrap();
    stage.driver.close().await.unwrap();
}
