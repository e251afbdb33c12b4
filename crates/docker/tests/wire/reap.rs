//! Removing what dead owners left, against a scripted engine.

use crate::stage;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Request, Script, ScriptedEngine, Step, empty, json, usual};
use crate::until::until;
use longshore_docker::DockerDriver;
use longshore_driver_api::{
    Driver as _, LABEL_APPLICATION, LABEL_LEASE, LABEL_OWNER, LABEL_RECOVERABLE_UNTIL, ReapOptions,
    Reaped,
};
use longshore_host::{Adopt, RunDir};
use serde_json::{Value, json as value};
use tokio::sync::Notify;

#[tokio::test]
async fn the_first_look_for_what_dead_owners_left_is_not_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let lease = RunDir::open(Some(&run_dir)).unwrap().lease("longshore").unwrap();
    let listed = format!(
        r#"[{{"Id":"late","State":"created","Labels":{{"{LABEL_APPLICATION}":"longshore","{LABEL_OWNER}":"{}","{LABEL_LEASE}":"{}"}}}}]"#,
        lease.owner(),
        lease.domain(),
    );
    // As a death does, this gives the lock free and leaves the file.
    drop(lease);
    let looks = AtomicUsize::new(0);
    let engine = ScriptedEngine::start(move |request| {
        if !request.is("GET /containers/json") {
            return usual(request);
        }
        match looks.fetch_add(1, Ordering::Relaxed) {
            0 => json(500, r#"{"message":"not yet"}"#),
            _ => json(200, &listed),
        }
    });
    let mut config = stage::config(&engine, folder.path());
    config.reap_on_open = true;
    let driver = DockerDriver::open(config).await.unwrap();

    until("it is removed", async || engine.count("DELETE /containers/late") > 0).await;
    driver.close().await.unwrap();
}

/// An owner who died just now.
struct Dead {
    owner: String,
    domain: String,
}

impl Dead {
    fn new(run_dir: &RunDir) -> Self {
        let lease = run_dir.lease("longshore").unwrap();
        Self { owner: lease.owner().to_owned(), domain: lease.domain().to_string() }
    }

    /// The same, as one whose process is seen to be gone.
    fn gone(run_dir: &RunDir) -> Self {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = format!("{}-1", child.id());
        child.wait().unwrap();
        let Self { owner, domain } = Self::new(run_dir);
        let mut words: Vec<&str> = domain.split('.').collect();
        words[5] = &process;
        Self { owner, domain: words.join(".") }
    }

    fn container(&self, id: &str, until: Option<&str>) -> Value {
        let mut labels = value!({
            LABEL_APPLICATION: "longshore", LABEL_OWNER: self.owner, LABEL_LEASE: self.domain,
        });
        if let Some(until) = until {
            labels[LABEL_RECOVERABLE_UNTIL] = until.into();
        }
        value!({"Id": id, "State": "running", "Labels": labels})
    }
}

const PASSED: &str = "2041-05-06T07:00:00Z";
const NOW: &str = "2041-05-06T07:08:09Z";
const TO_COME: &str = "2041-05-06T08:00:00Z";

/// An engine that lists these containers until they are removed, and what else `special` says.
fn engine(
    containers: Vec<Value>,
    special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
) -> ScriptedEngine {
    let containers = Mutex::new(containers);
    ScriptedEngine::usual_but(move |request| {
        if let Some(script) = special(request) {
            return Some(script);
        }
        let mut containers = containers.lock().unwrap();
        if request.is("DELETE /containers/") {
            containers.retain(|it| {
                let id = it["Id"].as_str().unwrap();
                !request.is(&format!("DELETE /containers/{id}"))
            });
        }
        let info = || json(200, &value!({"MemoryLimit": true, "SystemTime": NOW}).to_string());
        let list = || json(200, &Value::Array(containers.clone()).to_string());
        let listed = request.is("GET /containers/json").then(list);
        listed.or_else(|| request.is("GET /info").then(info))
    })
}

fn ids(things: &[Reaped]) -> Vec<&str> {
    things.iter().map(|thing| thing.id.as_str()).collect()
}

#[tokio::test]
async fn an_owner_whose_files_cannot_be_used_does_not_keep_the_others_from_being_reaped() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = RunDir::open(Some(&folder.path().join("run"))).unwrap();
    let mut dead = [Dead::new(&run_dir), Dead::new(&run_dir)];
    dead.sort_by(|one, other| one.owner.cmp(&other.owner));
    let [first, second] = dead;
    // A folder is where the file would be by which a reaper claims it.
    let leases = run_dir.path().join("owners/longshore");
    let adopted = run_dir.adopt("longshore", &first.owner, &first.domain, "stuck").unwrap();
    let names = std::fs::read_dir(&leases).unwrap().map(|entry| entry.unwrap().path());
    let claim = names.into_iter().find(|path| path.extension().is_some_and(|it| it == "adopted"));
    let claim = claim.expect("an adopter's claim is a file");
    drop(adopted);
    std::fs::remove_file(&claim).unwrap();
    std::fs::create_dir(&claim).unwrap();
    let listed = vec![first.container("stuck", Some(PASSED)), second.container("removed", None)];
    let engine = engine(listed, |_| None);
    let driver = DockerDriver::open(stage::config(&engine, folder.path())).await.unwrap();
    let report = driver.reap(ReapOptions::new()).await.unwrap();
    assert_eq!((ids(&report.removed), ids(&report.failed)), (vec!["removed"], vec!["stuck"]));
    let why = report.failed[0].error.as_deref().unwrap_or_default();
    assert!(why.contains(".adopted"), "{why}");
    assert_eq!(engine.count("DELETE /containers/stuck"), 0);
    assert!(run_dir.owners("longshore").unwrap().contains(&first.owner));
    assert!(!run_dir.owners("longshore").unwrap().contains(&second.owner));
    driver.close().await.unwrap();
}

#[tokio::test]
async fn a_container_that_is_frozen_below_the_engine_is_reaped() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = RunDir::open(Some(&folder.path().join("run"))).unwrap();
    let listed = vec![Dead::new(&run_dir).container("frozen", None)];
    let thawed = AtomicUsize::new(0);
    let engine = engine(listed, move |request| {
        if request.is("POST /containers/frozen/unpause") {
            // The engine does not know that it is frozen until it has frozen it itself.
            if thawed.load(Ordering::SeqCst) == 0 {
                return Some(json(500, r#"{"message":"Container frozen is not paused"}"#));
            }
            thawed.fetch_add(1, Ordering::SeqCst);
        }
        if request.is("POST /containers/frozen/pause") {
            thawed.store(1, Ordering::SeqCst);
        }
        let cannot = || {
            json(500, r#"{"message":"tried to kill container, but did not receive an exit event"}"#)
        };
        (request.is("DELETE /containers/frozen") && thawed.load(Ordering::SeqCst) < 2).then(cannot)
    });
    let driver = DockerDriver::open(stage::config(&engine, folder.path())).await.unwrap();
    let report = driver.reap(ReapOptions::new()).await.unwrap();
    assert_eq!((ids(&report.removed), report.failed), (vec!["frozen"], vec![]));
    driver.close().await.unwrap();
}

#[tokio::test]
async fn a_conflict_that_is_no_removal_under_way_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = RunDir::open(Some(&folder.path().join("run"))).unwrap();
    let dead = Dead::new(&run_dir);
    let listed = vec![dead.container("going", None), dead.container("stays", None)];
    let engine = engine(listed, |request| {
        let conflict = |text: &str| json(409, &value!({"message": text}).to_string());
        if request.is("DELETE /containers/going") {
            return Some(conflict("removal of container going is already in progress"));
        }
        if request.is("GET /containers/going/json") {
            return Some(json(404, r#"{"message":"No such container: going"}"#));
        }
        request.is("DELETE /containers/stays").then(|| conflict("something is in its way"))
    });
    let driver = DockerDriver::open(stage::config(&engine, folder.path())).await.unwrap();
    let report = driver.reap(ReapOptions::new()).await.unwrap();
    assert!(ids(&report.removed).contains(&"going"), "{report:?}");
    assert_eq!(ids(&report.failed), ["stays"]);
    driver.close().await.unwrap();
}

#[tokio::test]
async fn while_a_reaper_removes_what_an_owner_left_the_rest_can_be_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = RunDir::open(Some(&folder.path().join("run"))).unwrap();
    let dead = Dead::gone(&run_dir);
    let listed = vec![
        dead.container("slow", None),
        dead.container("expired", Some(PASSED)),
        dead.container("left", Some(TO_COME)),
    ];
    let go_on = Arc::new(Notify::new());
    let word = Arc::clone(&go_on);
    let engine = engine(listed, move |request| {
        let removal = || vec![Step::Until(Arc::clone(&word)), empty(204).remove(0)];
        request.is("DELETE /containers/slow").then(removal)
    });
    let driver = Arc::new(DockerDriver::open(stage::config(&engine, folder.path())).await.unwrap());
    let reaper = Arc::clone(&driver);
    let reaping = tokio::spawn(async move { reaper.reap(ReapOptions::new()).await });
    until("a removal takes its time", async || engine.count("DELETE /containers/slow") > 0).await;
    let (owner, domain) = (dead.owner.clone(), dead.domain.clone());
    let adopt = move || run_dir.adopt("longshore", &owner, &domain, "left").unwrap();
    let adopted = tokio::task::spawn_blocking(adopt).await.unwrap();
    assert!(matches!(adopted, Adopt::Won(_)), "{adopted:?}");
    // For this and for each look that follows.
    let nudging = tokio::spawn(async move {
        loop {
            go_on.notify_waiters();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let report = reaping.await.unwrap().unwrap();
    nudging.abort();
    // What is past its time is claimed and removed all the same.
    assert!(ids(&report.removed).contains(&"expired"), "{report:?}");
    assert_eq!((report.failed, report.kept), (vec![], 1));
    driver.close().await.unwrap();
}

#[tokio::test]
async fn a_network_that_cannot_be_removed_keeps_no_volume_and_a_container_keeps_both() {
    for (container_stays, volume_goes) in [(false, true), (true, false)] {
        let folder = tempfile::tempdir().unwrap();
        let dead = Dead::gone(&RunDir::open(Some(&folder.path().join("run"))).unwrap());
        let (network, volume) = (dead.container("n1", None), dead.container("v1", None));
        let volumes = value!({"Volumes": [{"Name": "v1", "Labels": volume["Labels"]}]});
        let engine = engine(vec![dead.container("c9", None)], move |request| {
            let refused = || json(403, r#"{"message":"network n1 has active endpoints"}"#);
            let stays = || json(500, r#"{"message":"device or resource busy"}"#);
            if request.is("DELETE /containers/c9") {
                return container_stays.then(stays);
            }
            if request.is("DELETE /networks/n1") {
                return Some(refused());
            }
            let networks = request.is("GET /networks").then(|| value!([network]).to_string());
            let listed =
                networks.or_else(|| request.is("GET /volumes").then(|| volumes.to_string()));
            listed.map(|list| json(200, &list))
        });
        let driver = DockerDriver::open(stage::config(&engine, folder.path())).await.unwrap();
        let report = driver.reap(ReapOptions::new()).await.unwrap();
        let is_gone = report.removed.iter().any(|it| it.id == "v1");
        assert_eq!(is_gone, volume_goes, "{report:?}");
        assert_eq!(engine.count("DELETE /volumes/v1") > 0, volume_goes);
        assert_eq!(report.kept, if container_stays { 2 } else { 0 }, "{report:?}");
        driver.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_somebody_runs_from_a_committed_task_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let dead = Dead::new(&RunDir::open(Some(&run_dir)).unwrap());
    let named = |id: &str, name: &str| {
        let mut container = dead.container(id, None);
        container["Names"] = value!([name]);
        container
    };
    let mut others = named("others", "/longshore-abc");
    others["Labels"][LABEL_APPLICATION] = "other".into();
    let listed = value!([
        named("ours", "/longshore-abc"),
        named("keeper", "longshore-keeper-abc-1"),
        // An engine that is asked for those of an application tells only them.
        others,
        named("strangers", "/their_database"),
    ]);
    let engine = ScriptedEngine::start(move |request| {
        let list = request.is("GET /containers/json");
        if list { json(200, &listed.to_string()) } else { usual(request) }
    });
    let driver = DockerDriver::open(stage::config(&engine, folder.path())).await.unwrap();
    let report = driver.reap(ReapOptions::new().dry_run(true)).await.unwrap();
    let removed: Vec<&str> = report.removed.iter().map(|it| it.id.as_str()).collect();
    assert_eq!((removed, report.kept), (vec!["ours", "keeper"], 2));
    driver.close().await.unwrap();
}
