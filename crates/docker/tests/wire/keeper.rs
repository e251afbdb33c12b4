//! Keepers, against a scripted engine: the owner's side and the reaper's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{
    Request, Script, ScriptedEngine, Step, empty, json as answer, upgrade, usual,
};
use crate::until::until;
use longshore_docker::{DockerConfig, DockerDriver, KeeperUse};
use longshore_driver_api::{
    Driver as _, DriverExt as _, ErrorKind, LABEL_APPLICATION, LABEL_KEEPER,
    LABEL_KEEPER_GENERATION, LABEL_LEASE, LABEL_OWNER, LABEL_RECOVERABLE_UNTIL, LABEL_TASK,
    ReapOptions, Task, TaskSpec,
};
use serde_json::{Value, json};

/// An owner on another machine, by its labels.
const OWNER: &str = "0123456789abcdef0123456789abcdef";
const ELSEWHERE: &str = "1.aa.bb.cc.1-2.7-8";
/// What the owners of these tests promise.
const GRACE: Duration = Duration::from_secs(4);
const SOON: Duration = Duration::from_secs(30);

fn config(engine: &ScriptedEngine, keeper: KeeperUse) -> (DockerConfig, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = DockerConfig::default();
    config.host = Some(engine.address());
    config.run_dir = Some(folder.path().join("run"));
    config.reap_on_open = false;
    config.keeper = keeper;
    (config, folder)
}

/// The usual answers, and a keeper that lives for as long as its connection.
fn with_keeper(request: &Request) -> Script {
    if request.is("POST /containers/create?name=longshore-keeper-") {
        return answer(201, r#"{"Id":"k1"}"#);
    }
    if request.is("POST /containers/k1/attach") {
        let mut script = upgrade(b"");
        script.push(Step::Hold);
        return script;
    }
    if request.is("GET /containers/k1/json") {
        return answer(200, r#"{"Id":"k1","State":{"Status":"running","Running":true}}"#);
    }
    usual(request)
}

#[tokio::test]
async fn a_keeper_runs_before_anything_else_is_made_and_goes_last() {
    let engine = ScriptedEngine::start(with_keeper);
    let (config, _folder) = config(&engine, KeeperUse::Always);
    let driver = DockerDriver::open(config).await.unwrap();
    let calls: Vec<Request> = engine.seen();
    let made = calls.iter().position(|it| it.is("POST /containers/create")).unwrap();
    let order =
        ["POST /containers/k1/attach", "POST /containers/k1/start", "GET /containers/k1/json"];
    for (call, expected) in calls[made + 1..].iter().zip(order) {
        assert!(call.is(expected), "{}", call.line);
    }
    assert!(calls[made + 1].line.contains("stdin=1&stdout=1"), "{}", calls[made + 1].line);
    let body: Value = serde_json::from_slice(&calls[made].body).unwrap();
    assert_eq!(body["OpenStdin"], true);
    assert_eq!(body["StdinOnce"], true);
    assert_eq!(body["User"], "65534:65534");
    assert_eq!(body["StopSignal"], "SIGKILL");
    let host = &body["HostConfig"];
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
    assert_eq!(host["NetworkMode"], "none");
    assert!(host["Memory"].is_number() && host["PidsLimit"].is_number(), "{host}");
    assert_eq!(body["Labels"][LABEL_KEEPER_GENERATION], "1");
    assert_eq!(body["Labels"][LABEL_KEEPER], "1.60000");

    let task = TaskSpec::builder("x").build().unwrap();
    driver.run_task(Task::new(task)).await.unwrap();
    let seen = engine.seen();
    let task = seen.iter().filter(|it| it.is("POST /containers/create")).nth(1).unwrap();
    let labels = serde_json::from_slice::<Value>(&task.body).unwrap()["Labels"].clone();
    assert_eq!(labels[LABEL_KEEPER], "1.60000");
    assert_eq!(labels[LABEL_KEEPER_GENERATION], "");
    assert_eq!(labels[LABEL_OWNER], body["Labels"][LABEL_OWNER]);

    driver.close().await.unwrap();
    let seen = engine.seen();
    let removed: Vec<&Request> = seen.iter().filter(|it| it.is("DELETE /containers/")).collect();
    assert!(removed.last().unwrap().is("DELETE /containers/longshore-keeper-"), "{removed:?}");
}

#[tokio::test]
async fn an_engine_that_is_here_costs_no_call_more() {
    let engine = ScriptedEngine::start(usual);
    let (config, _folder) = config(&engine, KeeperUse::Auto);
    let driver = DockerDriver::open(config).await.unwrap();
    let task = TaskSpec::builder("x").build().unwrap();
    driver.run_task(Task::new(task)).await.unwrap();
    driver.close().await.unwrap();
    assert_eq!(engine.count("POST /containers/create"), 1);
    let seen = engine.seen();
    let made = seen.iter().find(|it| it.is("POST /containers/create")).unwrap();
    // Written all the same: an image may have labels of these names.
    let labels = serde_json::from_slice::<Value>(&made.body).unwrap()["Labels"].clone();
    for none in [LABEL_KEEPER, LABEL_KEEPER_GENERATION, LABEL_RECOVERABLE_UNTIL] {
        assert_eq!(labels[none], "", "{none}");
    }
    for some in [LABEL_APPLICATION, LABEL_OWNER, LABEL_LEASE, LABEL_TASK] {
        assert!(labels[some].as_str().is_some_and(|it| !it.is_empty()), "{some}");
    }
    assert!(!seen.iter().any(|it| it.line.contains("longshore/keeper")));
}

#[tokio::test]
async fn a_keeper_that_cannot_be_made_fails_the_opening_and_leaves_nothing() {
    for (call, expects_removal) in
        [("POST /containers/create", false), ("POST /containers/k1/start", true)]
    {
        let engine = ScriptedEngine::start(move |request| {
            if request.is(call) {
                return answer(409, r#"{"message":"no keepers here"}"#);
            }
            with_keeper(request)
        });
        let (config, folder) = config(&engine, KeeperUse::Always);
        let error = DockerDriver::open(config).await.unwrap_err();
        assert!(error.to_string().contains("no keepers here"), "{error}");
        assert!(error.to_string().contains("keeper = \"never\""), "{error}");
        let removals = engine.count("DELETE /containers/longshore-keeper-");
        assert_eq!(removals, usize::from(expects_removal), "{call}");
        assert!(!folder.path().join("run/owners/longshore").exists(), "the lease is given up");
    }
}

#[tokio::test]
async fn a_keeper_whose_first_connection_was_lost_is_not_attached_to_again() {
    let engine = ScriptedEngine::start(|request| {
        // The engine may have attached to its input, and ended that since.
        if request.is("POST /containers/k1/attach") { Vec::new() } else { with_keeper(request) }
    });
    let (config, _folder) = config(&engine, KeeperUse::Always);
    let error = DockerDriver::open(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected, "{error}");
    assert_eq!(engine.count("POST /containers/k1/attach"), 1);
    assert_eq!(engine.count("DELETE /containers/longshore-keeper-"), 1);
}

#[tokio::test]
async fn an_image_of_our_own_that_the_engine_does_not_take_in_does_not_hold_up_the_opening() {
    let engine = ScriptedEngine::start(|request| {
        if request.is("GET /images/longshore/keeper") {
            return answer(404, r#"{"message":"No such image"}"#);
        }
        if request.is("POST /images/load") {
            return vec![Step::Hold];
        }
        with_keeper(request)
    });
    let (mut config, _folder) = config(&engine, KeeperUse::Always);
    config.timeouts.work = Duration::from_secs(1);
    let opening = tokio::time::timeout(SOON, DockerDriver::open(config)).await;
    let error = opening.expect("it has a bound").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
}

#[tokio::test]
async fn an_opening_that_is_dropped_leaves_no_keeper() {
    let engine = ScriptedEngine::start(|request| {
        if request.is("POST /containers/k1/start") {
            return vec![Step::Hold];
        }
        with_keeper(request)
    });
    let (config, folder) = config(&engine, KeeperUse::Always);
    let opening = tokio::spawn(DockerDriver::open(config));
    until("the start", async || engine.count("POST /containers/k1/start") == 1).await;
    opening.abort();
    until("the removal", async || engine.count("DELETE /containers/longshore-keeper-") == 1).await;
    until("the end of the lease", async || !folder.path().join("run/owners/longshore").exists())
        .await;
}

#[tokio::test]
async fn a_keeper_whose_connection_ends_is_followed_by_another_and_removed() {
    let cut = AtomicBool::new(false);
    let engine = ScriptedEngine::start(move |request| {
        if request.is("POST /containers/k1/attach") && !cut.swap(true, Ordering::Relaxed) {
            let mut script = upgrade(b"");
            script.push(Step::Pause(Duration::from_millis(300)));
            return script;
        }
        with_keeper(request)
    });
    let (config, _folder) = config(&engine, KeeperUse::Always);
    let driver = DockerDriver::open(config).await.unwrap();
    let first_is_gone = async || {
        let seen = engine.seen();
        seen.iter()
            .any(|it| it.is("DELETE /containers/longshore-keeper-") && it.line.contains("-1?"))
    };
    until("the end of the first", first_is_gone).await;
    let seen = engine.seen();
    let made: Vec<&Request> = seen.iter().filter(|it| it.is("POST /containers/create")).collect();
    let labels = serde_json::from_slice::<Value>(&made[1].body).unwrap()["Labels"].clone();
    assert_eq!((made.len(), &labels[LABEL_KEEPER_GENERATION]), (2, &json!("2")));
    driver.close().await.unwrap();
    assert_eq!(engine.count("DELETE /containers/longshore-keeper-"), 2);
}

#[tokio::test]
async fn a_keeper_that_ends_without_a_word_is_found_out() {
    let looks = AtomicUsize::new(0);
    let engine = ScriptedEngine::start(move |request| {
        // The connection stays open, and the second look meets an end.
        if request.is("GET /containers/k1/json") && looks.fetch_add(1, Ordering::Relaxed) == 1 {
            return answer(200, r#"{"Id":"k1","State":{"Status":"exited","Running":false}}"#);
        }
        with_keeper(request)
    });
    let (mut config, _folder) = config(&engine, KeeperUse::Always);
    config.timeouts.engine_gone = Duration::from_secs(1);
    let driver = DockerDriver::open(config).await.unwrap();
    until("another", async || engine.count("POST /containers/create") == 2).await;
    driver.close().await.unwrap();
}

/// A thing of the owner's elsewhere, as a list has it.
fn thing(id: &str, state: &str, more: &[(&str, &str)]) -> Value {
    let mut thing = json!({"Id": id, "State": state, "Labels": {
        LABEL_APPLICATION: "longshore", LABEL_OWNER: OWNER, LABEL_LEASE: ELSEWHERE,
        LABEL_KEEPER: format!("1.{}", GRACE.as_millis()),
    }});
    for (name, value) in more {
        thing["Labels"][*name] = json!(value);
    }
    thing
}

fn keeper(id: &str, state: &str, generation: &str) -> Value {
    thing(id, state, &[(LABEL_KEEPER_GENERATION, generation)])
}

/// An engine with these things, which go when they are removed. `change` may change what is there
/// from one list to the next, by the time since the first; an answer of its own stands for the list.
fn engine_with(
    things: Vec<Value>,
    change: impl Fn(Duration, &mut Vec<Value>) -> Option<Script> + Send + Sync + 'static,
) -> ScriptedEngine {
    let things = Arc::new(std::sync::Mutex::new(things));
    let begun = std::sync::OnceLock::new();
    ScriptedEngine::start(move |request| {
        let mut things = things.lock().unwrap();
        if request.is("GET /containers/json") {
            let since = begun.get_or_init(Instant::now).elapsed();
            if let Some(script) = change(since, &mut things) {
                return script;
            }
            let keepers_only = request.line.contains(LABEL_KEEPER_GENERATION);
            let is_keeper = |it: &&Value| !it["Labels"][LABEL_KEEPER_GENERATION].is_null();
            let listed: Vec<&Value> =
                things.iter().filter(|it| !keepers_only || is_keeper(it)).collect();
            return answer(200, &serde_json::to_string(&listed).unwrap());
        }
        if request.is("DELETE /containers/") {
            things.retain(|it| !request.line.contains(it["Id"].as_str().unwrap()));
            return empty(204);
        }
        usual(request)
    })
}

/// What one reap removes, in order, with how much was kept and how long it took.
async fn reap(engine: &ScriptedEngine) -> (Vec<String>, usize, Duration) {
    let (config, _folder) = config(engine, KeeperUse::Never);
    let driver = DockerDriver::open(config).await.unwrap();
    let begun = Instant::now();
    let report = driver.reap(ReapOptions::new()).await.unwrap();
    let took = begun.elapsed();
    assert!(report.failed.is_empty(), "{report:?}");
    driver.close().await.unwrap();
    let mut removed: Vec<String> = report.removed.into_iter().map(|reaped| reaped.id).collect();
    removed.sort();
    (removed, report.kept, took)
}

#[tokio::test]
async fn an_owner_elsewhere_whose_keeper_is_over_is_reaped_after_its_time() {
    // However a keeper is over: it ended, it never was started, it is gone.
    let ways = [
        vec![keeper("k1", "exited", "1")],
        vec![keeper("k1", "exited", "1"), keeper("k2", "created", "2")],
        vec![],
    ];
    let reaps = ways.into_iter().map(|keepers| async {
        let mut expected: Vec<String> =
            keepers.iter().map(|it| it["Id"].as_str().unwrap().to_owned()).collect();
        expected.insert(0, "c1".to_owned());
        let mut things = vec![thing("c1", "running", &[])];
        things.extend(keepers);
        let engine = engine_with(things, |_, _| None);
        let (removed, kept, took) = reap(&engine).await;
        assert_eq!((removed, kept), (expected, 0));
        assert!(took >= GRACE, "{took:?}");
    });
    futures_util::future::join_all(reaps).await;
}

#[tokio::test]
async fn an_owner_elsewhere_that_may_live_is_left_alone() {
    let c1 = || thing("c1", "running", &[]);
    let strange = |text: &str| thing("c2", "running", &[(LABEL_KEEPER, text)]);
    let unlabelled = || {
        let mut thing = thing("c1", "running", &[]);
        thing["Labels"].as_object_mut().unwrap().remove(LABEL_KEEPER);
        thing
    };
    let ways = [
        vec![c1(), keeper("k1", "running", "1")],
        // Of two, one is the last one's.
        vec![c1(), keeper("k1", "exited", "1"), keeper("k2", "running", "2")],
        // It cannot end, and nobody knows whether it would have.
        vec![c1(), keeper("k1", "paused", "1")],
        // A later version promises something else.
        vec![c1(), strange("2.something")],
        // It was promised nothing: the owner is judged by its lease alone.
        vec![unlabelled()],
        vec![thing("c1", "running", &[(LABEL_KEEPER, "")])],
    ];
    for things in ways {
        let count = things.len();
        let engine = engine_with(things, |_, _| None);
        let (removed, kept, took) = reap(&engine).await;
        assert_eq!((removed, kept), (Vec::new(), count));
        assert!(took < GRACE, "there is nothing to wait for: {took:?}");
    }
}

#[tokio::test]
async fn a_label_without_a_value_counts_as_none() {
    let none = [(LABEL_KEEPER_GENERATION, ""), (LABEL_RECOVERABLE_UNTIL, ""), (LABEL_TASK, "")];
    let things = vec![thing("c1", "running", &none), thing("c2", "running", &none)];
    let engine = engine_with(things, |_, _| None);
    let (config, _folder) = config(&engine, KeeperUse::Never);
    let driver = DockerDriver::open(config).await.unwrap();
    let report = driver.reap(ReapOptions::new()).await.unwrap();
    driver.close().await.unwrap();
    let removed: Vec<_> = report.removed.iter().map(|it| (it.id.as_str(), &it.task)).collect();
    assert_eq!(removed, [("c1", &None), ("c2", &None)], "{report:?}");
}

#[tokio::test]
async fn an_owner_that_comes_back_within_its_time_is_left_alone() {
    // As after a restart of the engine, or of the network.
    let things = vec![thing("c1", "running", &[]), keeper("k1", "exited", "1")];
    let engine = engine_with(things, |since, things| {
        if since > GRACE / 2 && things.len() == 2 {
            things.push(keeper("k2", "running", "2"));
        }
        None
    });
    let (removed, kept, _) = reap(&engine).await;
    assert_eq!((removed, kept), (Vec::new(), 2));
}

#[tokio::test]
async fn the_time_does_not_count_while_the_engine_does_not_answer() {
    let things = vec![thing("c1", "running", &[]), keeper("k1", "exited", "1")];
    let away = GRACE / 2..GRACE * 3 / 4;
    let back = away.end;
    let engine = engine_with(things, move |since, _| {
        away.contains(&since).then(|| answer(404, r#"{"message":"not now"}"#))
    });
    let (removed, _, took) = reap(&engine).await;
    assert_eq!(removed, ["c1", "k1"]);
    assert!(took >= back + GRACE, "{took:?}");
}

#[tokio::test]
async fn what_may_have_been_recovered_is_left_alone_by_a_reaper_elsewhere() {
    let until = [(LABEL_RECOVERABLE_UNTIL, "2001-01-01T00:00:00Z")];
    let things = vec![
        thing("c1", "running", &until),
        thing("c2", "running", &[]),
        keeper("k1", "exited", "1"),
    ];
    let engine = engine_with(things, |_, _| None);
    let (removed, kept, _) = reap(&engine).await;
    assert_eq!((removed, kept), (vec!["c2".to_owned(), "k1".to_owned()], 1));
}

#[tokio::test]
async fn a_dry_run_names_what_a_real_one_removes_and_removes_nothing() {
    let things = vec![thing("c1", "running", &[]), keeper("k1", "exited", "1")];
    let engine = engine_with(things, |_, _| None);
    let (config, _folder) = config(&engine, KeeperUse::Never);
    let driver = DockerDriver::open(config).await.unwrap();
    let report = driver.reap(ReapOptions::new().dry_run(true)).await.unwrap();
    let named: Vec<&str> = report.removed.iter().map(|reaped| reaped.id.as_str()).collect();
    assert_eq!((named, report.kept), (vec!["c1", "k1"], 0));
    driver.close().await.unwrap();
    assert_eq!(engine.count("DELETE /containers/"), 0);
}

#[tokio::test]
async fn a_keeper_that_is_wanted_where_none_can_be_is_refused_with_what_to_do() {
    let engine = ScriptedEngine::start(|request| {
        if request.is("GET /version") {
            return answer(
                200,
                r#"{"Version":"4.3","ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","Arch":"amd64","Components":[{"Name":"Podman Engine","Version":"4.3"}]}"#,
            );
        }
        usual(request)
    });
    let (config, _folder) = config(&engine, KeeperUse::Always);
    let error = DockerDriver::open(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("keeper = \"never\""), "{error}");
}
