//! Networks against a scripted engine: the driver's choice, joining more than one, published ports,
//! and what a dead owner left of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::stage::{self, Stage};
use crate::support::{Request, Script, ScriptedEngine, empty, json, usual, waited};
use async_trait::async_trait;
use longshore_docker::{DockerConfig, DockerDriver, EngineOptions};
use longshore_driver_api::{
    Chosen, ContainerExt as _, Driver, DriverExt as _, ErrorKind, LABEL_APPLICATION, LABEL_LEASE,
    LABEL_OWNER, LeastUsed, NamespaceLease, NamespaceRequest, NamespaceSource, Namespaces,
    NetworkMode, Protocol, PublishedPort, ReapOptions, ResourceKind, Result, Task, TaskSpec,
    TaskSpecBuilder,
};
use longshore_host::RunDir;
use serde_json::Value;
use tokio::sync::Notify;

async fn stage(special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static) -> Stage {
    let change = |config: &mut DockerConfig| {
        config.networks = vec!["one".to_owned(), "two".to_owned()];
        config.timeouts.work = Duration::from_secs(2);
    };
    Stage::new(change, special).await
}

fn auto() -> TaskSpec {
    TaskSpec::builder("x").network(NetworkMode::Auto).build().unwrap()
}

/// The networks of the containers that were asked for, in order.
fn networks(stage: &Stage) -> Vec<String> {
    let made = stage.engine.calls("POST /containers/create");
    let network = |body: Value| body["HostConfig"]["NetworkMode"].as_str().unwrap().to_owned();
    made.iter().map(json_of).map(network).collect()
}

fn json_of(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn a_task_that_leaves_the_choice_gets_the_network_that_is_used_least() {
    let stage = stage(|_| None).await;
    let first = stage.driver.prepare(auto()).await.unwrap();
    let second = stage.driver.prepare(auto()).await.unwrap();
    // Closing twice gives it back once.
    second.close().await.unwrap();
    second.close().await.unwrap();
    let third = stage.driver.prepare(auto()).await.unwrap();
    let fourth = stage.driver.prepare(auto()).await.unwrap();
    assert_eq!(networks(&stage), ["one", "two", "two", "one"]);
    drop((first, third, fourth));
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_network_is_given_back_however_making_and_running_fail() {
    let failures = AtomicUsize::new(0);
    let stage = stage(move |request| {
        let fails =
            request.is("POST /containers/create") && failures.fetch_add(1, Ordering::SeqCst) < 2;
        fails.then(|| json(409, r#"{"message":"no"}"#))
    })
    .await;
    for _ in 0..2 {
        stage.driver.prepare(auto()).await.unwrap_err();
    }
    // One that is only reserved counts, until it is dropped and thereby closed.
    let reserved = stage.driver.container(auto().into()).unwrap();
    stage.driver.run_task(auto()).await.unwrap();
    reserved.close().await.unwrap();
    let unused = stage.driver.prepare(auto()).await.unwrap();
    unused.close().await.unwrap();
    assert_eq!(networks(&stage), ["one", "one", "two", "one"]);
}

#[tokio::test]
async fn further_networks_are_joined_before_the_start_under_the_same_aliases() {
    let stage = stage(|request| {
        // An earlier attempt whose answer was lost had joined the first of them.
        let twice =
            r#"{"message":"endpoint with name longshore-x already exists in network back"}"#;
        request.is("POST /networks/back/connect").then(|| json(403, twice))
    })
    .await;
    let spec = TaskSpec::builder("x").network("front".into()).edit(|spec| {
        spec.network.also = vec!["back".to_owned(), "side".to_owned()];
        spec.network.aliases = vec!["web".to_owned()];
    });
    let exit = stage.driver.run_task(spec.build().unwrap()).await.unwrap();
    assert!(exit.is_success(), "{exit:?}");
    let joined = stage.engine.calls("POST /networks/");
    assert_eq!(joined.len(), 2);
    assert!(joined[0].is("POST /networks/back/connect"));
    assert!(joined[1].is("POST /networks/side/connect"));
    let body = json_of(&joined[1]);
    assert_eq!(body["Container"], "c1");
    assert_eq!(body["EndpointConfig"]["Aliases"][0], "web");
    let order: Vec<String> = stage.engine.lines();
    let place = |what: &str| order.iter().position(|line| line.contains(what)).unwrap();
    assert!(place("/networks/side/connect") < place("/c1/start"));
}

#[tokio::test]
async fn a_further_network_that_is_not_there_is_named_and_the_container_removed() {
    let stage = stage(|request| {
        let missing = r#"{"message":"network back not found"}"#;
        request.is("POST /networks/back/connect").then(|| json(404, missing))
    })
    .await;
    let spec = TaskSpec::builder("x").network("front".into());
    let spec = spec.edit(|spec| spec.network.also = vec!["back".to_owned()]).build().unwrap();
    let container = stage.driver.container(spec.into()).unwrap();
    container.ensure_image().await.unwrap();
    let error = container.create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NetworkNotFound, "{error}");
    assert!(error.to_string().contains("back"), "{error}");
    // A second attempt finds the container that is there and joins again.
    assert_eq!(container.create().await.unwrap_err().kind(), ErrorKind::NetworkNotFound);
    assert_eq!(stage.engine.calls("POST /containers/create").len(), 1);
    assert_eq!(stage.engine.calls("POST /networks/back/connect").len(), 2);
    container.close().await.unwrap();
    assert_eq!(stage.engine.calls("DELETE /containers/longshore-").len(), 1);
}

fn published(port: PublishedPort) -> TaskSpecBuilder {
    TaskSpec::builder("x").network(NetworkMode::Bridge).publish(port)
}

#[tokio::test]
async fn where_a_task_can_be_reached_is_asked_once_and_only_if_it_is_wanted() {
    let running = r#"{"Id":"c1","State":{"Status":"running","Running":true},"NetworkSettings":{
        "Networks":{"bridge":{"IPAddress":"172.17.0.2"}},
        "Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"49153"}]}}}"#;
    let stage = stage(move |request| {
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::from_millis(400), 0));
        }
        request.is("GET /containers/c1/json").then(|| json(200, running))
    })
    .await;
    let spec = published(PublishedPort::tcp(80)).build().unwrap();
    let container = stage.driver.prepare(spec).await.unwrap();
    let task = container.start().await.unwrap();
    assert_eq!(stage.engine.calls("GET /containers/c1/json").len(), 0);
    let body = json_of(&stage.engine.calls("POST /containers/create")[0]);
    assert_eq!(body["ExposedPorts"], serde_json::json!({"80/tcp": {}}));
    assert_eq!(body["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"], "");
    let info = task.network().await.unwrap();
    assert_eq!(info.address(), Some("172.17.0.2".parse().unwrap()));
    assert_eq!(info.host_port(80, Protocol::Tcp), Some(49153));
    assert_eq!(stage.engine.calls("GET /containers/c1/json").len(), 1);
    task.wait().await;
    let asked = stage.engine.calls("GET /containers/c1/json").len();
    // What was known is still told.
    assert_eq!(task.network().await.unwrap(), info);
    assert_eq!(stage.engine.calls("GET /containers/c1/json").len(), asked);
    container.close().await.unwrap();
}

#[tokio::test]
async fn a_task_that_has_ended_cannot_be_reached_any_more() {
    let stage = stage(|_| None).await;
    let container = stage.driver.prepare(TaskSpec::builder("x").build().unwrap()).await.unwrap();
    let task = container.start().await.unwrap();
    task.wait().await;
    let error = task.network().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    container.close().await.unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_conflict_that_names_it() {
    let stage = stage(|request| {
        let taken = r#"{"message":"driver failed programming external connectivity on endpoint longshore-x: Bind for 0.0.0.0:8080 failed: port is already allocated"}"#;
        request.is("POST /containers/c1/start").then(|| json(500, taken))
    })
    .await;
    let spec = published(PublishedPort::tcp(80).host(8080)).build().unwrap();
    let error = stage.driver.run_task(spec).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(error.to_string().contains("8080"), "{error}");
}

#[tokio::test]
async fn networks_and_volumes_of_a_dead_owner_are_removed_after_its_containers() {
    let stage = stage(|_| None).await;
    let lease =
        RunDir::open(Some(&stage.folder.path().join("run"))).unwrap().lease("longshore").unwrap();
    let labels = |owner: &str, domain: &str| {
        format!(
            r#""Labels":{{"{LABEL_APPLICATION}":"longshore","{LABEL_OWNER}":"{owner}","{LABEL_LEASE}":"{domain}"}}"#
        )
    };
    let dead = labels(lease.owner(), &lease.domain().to_string());
    let unknown = labels("somebody", "elsewhere");
    drop(lease);
    let engine = ScriptedEngine::start(move |request| {
        if request.is("GET /containers/json") {
            return json(200, &format!(r#"[{{"Id":"c9",{dead}}}]"#));
        }
        if request.is("GET /networks") {
            return json(200, &format!(r#"[{{"Id":"n9",{dead}}},{{"Id":"n8","Labels":null}}]"#));
        }
        if request.is("GET /volumes") {
            let list = format!(r#"[{{"Name":"v9",{dead}}},{{"Name":"v8",{unknown}}}]"#);
            return json(200, &format!(r#"{{"Volumes":{list}}}"#));
        }
        if request.is("DELETE /volumes/") { json(404, "{}") } else { usual(request) }
    });
    let driver = DockerDriver::open(stage::config(&engine, stage.folder.path())).await.unwrap();
    let dry = driver.reap(ReapOptions::new().dry_run(true)).await.unwrap();
    let kinds: Vec<_> = dry.removed.iter().map(|it| (it.kind, it.id.as_str())).collect();
    let all = [
        (ResourceKind::Container, "c9"),
        (ResourceKind::Network, "n9"),
        (ResourceKind::Volume, "v9"),
    ];
    assert_eq!((kinds, dry.kept), (all.to_vec(), 2));
    assert!(!engine.lines().iter().any(|line| line.starts_with("DELETE")));
    let report = driver.reap(ReapOptions::new()).await.unwrap();
    assert!(report.failed.is_empty() && report.removed.len() == 3, "{report:?}");
    let removed: Vec<String> =
        engine.lines().into_iter().filter(|line| line.starts_with("DELETE")).collect();
    assert!(removed[0].contains("/containers/c9?"), "{removed:?}");
    assert!(removed[1].ends_with("/networks/n9"), "{removed:?}");
    assert!(removed[2].ends_with("/volumes/v9"), "{removed:?}");
}

#[tokio::test]
async fn no_call_is_made_for_networks_that_nobody_asked_for() {
    let stage = stage(|request| request.is("POST /networks").then(|| empty(500))).await;
    stage.driver.run_task(auto()).await.unwrap();
    assert!(stage.engine.calls("POST /networks").is_empty());
}

/// Lends always or never, and remembers what it was asked for.
#[derive(Debug)]
struct Lends {
    lends: bool,
    /// Where those are that it lends nothing to.
    networks: LeastUsed,
    asked: Mutex<Vec<bool>>,
    /// What it waits for before it lends.
    gate: Option<Arc<Notify>>,
}

impl Default for Lends {
    fn default() -> Self {
        let networks = LeastUsed::new(<[&str; 0]>::default());
        Self { lends: true, networks, asked: Mutex::default(), gate: None }
    }
}

#[async_trait]
impl NamespaceSource for Lends {
    async fn lease(&self, request: NamespaceRequest) -> Result<Option<Box<dyn NamespaceLease>>> {
        self.asked.lock().unwrap().push(request.changes);
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        if !self.lends {
            return Ok(None);
        }
        Ok(Some(Box::new(Lent(Namespaces::network("docker", "h1")))))
    }

    fn own_network(&self) -> Option<Chosen> {
        self.networks.choose()
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Lent(Namespaces);

#[async_trait]
impl NamespaceLease for Lent {
    fn namespaces(&self) -> &Namespaces {
        &self.0
    }

    fn generation(&self) -> u64 {
        1
    }

    fn lost(&self) -> Option<String> {
        None
    }

    async fn until_lost(&self) -> String {
        std::future::pending().await
    }
}

async fn borrowing(source: &Arc<Lends>) -> Stage {
    let lends = Arc::clone(source);
    Stage::new(move |config| config.namespaces = Some(lends), |_| None).await
}

fn borrower() -> TaskSpec {
    TaskSpec::builder("x").network(NetworkMode::Prefork).build().unwrap()
}

#[tokio::test]
async fn whoever_lends_a_network_is_told_of_powers_that_were_given_by_engine_options() {
    let source = Arc::new(Lends::default());
    let stage = borrowing(&source).await;
    let options = [
        None,
        Some(("/HostConfig/CapAdd", "[\"NET_ADMIN\"]")),
        Some(("/HostConfig/Privileged", "true")),
    ];
    for option in options {
        let container = stage.driver.container(Task::new(borrower())).unwrap();
        let mut edit = |options: &mut dyn std::any::Any| {
            let options = options.downcast_mut::<EngineOptions>().unwrap();
            if let Some((place, value)) = option {
                options.set(place, value).unwrap();
            }
        };
        container.edit_engine_options(&mut edit).unwrap();
        container.create().await.unwrap();
        container.close().await.unwrap();
    }
    let made = stage.engine.calls("POST /containers/create");
    assert_eq!(json_of(&made[1])["HostConfig"]["NetworkMode"], "container:h1");
    assert_eq!(json_of(&made[1])["HostConfig"]["CapAdd"][0], "NET_ADMIN");
    assert_eq!(*source.asked.lock().unwrap(), [false, true, true]);
}

#[tokio::test]
async fn engine_options_cannot_be_changed_behind_the_back_of_whoever_lends() {
    let gate = Arc::new(Notify::new());
    let source = Arc::new(Lends { gate: Some(Arc::clone(&gate)), ..Lends::default() });
    let stage = borrowing(&source).await;
    let container = stage.driver.container(Task::new(borrower())).unwrap();
    let creating = Arc::clone(&container);
    let creating = tokio::spawn(async move { creating.create().await });
    while source.asked.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let mut edits = 0;
    let late = container.edit_engine_options(&mut |_| edits += 1).unwrap_err();
    assert_eq!((late.kind(), edits), (ErrorKind::InvalidState, 0));
    gate.notify_one();
    creating.await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_is_lent_nothing_is_on_the_lenders_networks_until_its_container_is_gone() {
    let networks = LeastUsed::new(["walled", "none"]);
    let lends = Lends { lends: false, networks: networks.clone(), ..Lends::default() };
    let stage = borrowing(&Arc::new(lends)).await;
    let first = stage.driver.prepare(borrower()).await.unwrap();
    let second = stage.driver.prepare(borrower()).await.unwrap();
    first.close().await.unwrap();
    let third = stage.driver.prepare(borrower()).await.unwrap();
    assert_eq!(self::networks(&stage), ["walled", "none", "walled"]);
    second.close().await.unwrap();
    third.close().await.unwrap();
    assert!(networks.users().iter().all(|(_, users)| *users == 0), "{networks:?}");
    // The engine's default network only where there is none else.
    let stage = borrowing(&Arc::new(Lends { lends: false, ..Lends::default() })).await;
    stage.driver.prepare(borrower()).await.unwrap();
    assert_eq!(self::networks(&stage), ["bridge"]);
}
