//! Borrowed networks that are lost before a task could start, against a scripted engine.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::stage::Stage;
use crate::support::{Request, Script, Step, empty, json, upgrade, waited};
use crate::until::until;
use async_trait::async_trait;
use longshore_driver_api::{
    Chosen, Container, ContainerExt as _, Driver as _, DriverExt as _, Error, ErrorKind,
    NamespaceLease, NamespaceRequest, NamespaceSource, Namespaces, NetworkMode, NetworkReport,
    Result, State, TaskSpec,
};
use serde_json::Value;
use tokio::sync::{Notify, watch};

/// Lends h1, h2 and so on, each of which is lost as soon as the engine has refused it.
#[derive(Debug)]
struct Lends {
    /// How many there are.
    most: usize,
    lent: AtomicUsize,
    given_back: Arc<AtomicUsize>,
    /// How many had come back when each was asked for, and how long the task had waited.
    asked: Mutex<Vec<(usize, Duration)>>,
    refused: watch::Sender<usize>,
}

impl Lends {
    fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            lent: AtomicUsize::new(0),
            given_back: Arc::default(),
            asked: Mutex::default(),
            refused: watch::Sender::new(0),
        })
    }
}

#[async_trait]
impl NamespaceSource for Lends {
    async fn lease(&self, request: NamespaceRequest) -> Result<Option<Box<dyn NamespaceLease>>> {
        self.asked.lock().unwrap().push((self.given_back.load(SeqCst), request.waited));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let number = self.lent.fetch_add(1, SeqCst) + 1;
        if number > self.most {
            return Err(Error::new(ErrorKind::PoolEmpty, "lease").message("there are no more"));
        }
        Ok(Some(Box::new(Lent {
            number,
            namespaces: Namespaces::network("docker", format!("h{number}")),
            given_back: Arc::clone(&self.given_back),
            refused: self.refused.subscribe(),
        })))
    }

    fn own_network(&self) -> Option<Chosen> {
        None
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Lent {
    number: usize,
    namespaces: Namespaces,
    given_back: Arc<AtomicUsize>,
    refused: watch::Receiver<usize>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.given_back.fetch_add(1, SeqCst);
    }
}

#[async_trait]
impl NamespaceLease for Lent {
    fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    fn generation(&self) -> u64 {
        self.number as u64
    }

    fn lost(&self) -> Option<String> {
        (*self.refused.borrow() >= self.number).then(|| "it died".to_owned())
    }

    async fn until_lost(&self) -> String {
        let mut refused = self.refused.clone();
        // The sender is in the source, which the driver has.
        drop(refused.wait_for(|refused| *refused >= self.number).await);
        "it died".to_owned()
    }
}

/// What an engine does that refuses to start the first so many containers.
struct Refusals {
    starts: usize,
    /// The pool is told of it a little later.
    told: bool,
    /// The state of what was refused.
    status: &'static str,
    /// What it waits for before it removes anything.
    removal: Option<Arc<Notify>>,
}

impl Refusals {
    fn of(starts: usize) -> Self {
        Self { starts, told: true, status: "created", removal: None }
    }

    /// A driver on such an engine, which calls its containers c1, c2 and so on.
    async fn stage(self, source: &Arc<Lends>) -> Stage {
        let (lends, refused) = (Arc::clone(source), source.refused.clone());
        let made = AtomicUsize::new(0);
        let answer = move |request: &Request| {
            if request.is("POST /containers/create") {
                let number = made.fetch_add(1, SeqCst) + 1;
                return Some(json(201, &format!(r#"{{"Id":"c{number}"}}"#)));
            }
            if request.is("DELETE /containers/") {
                let first = self.removal.clone().map(Step::Until);
                return Some(first.into_iter().chain(empty(204)).collect());
            }
            let (_, rest) = request.line.split_once("/containers/c")?;
            let number: usize = rest.split(['/', '?']).next()?.parse().ok()?;
            let is_refused = number <= self.starts;
            self.about(request, number, is_refused, &refused)
        };
        Stage::new(move |config| config.namespaces = Some(lends), answer).await
    }

    fn about(
        &self,
        request: &Request,
        number: usize,
        is_refused: bool,
        refused: &watch::Sender<usize>,
    ) -> Option<Script> {
        if request.line.contains("/start") && is_refused {
            if self.told {
                let refused = refused.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    refused.send_replace(number);
                });
            }
            let said = format!(
                r#"{{"message":"cannot join network of a non running container: h{number}"}}"#
            );
            return Some(json(409, &said));
        }
        if request.line.contains("/attach") {
            return Some(upgrade(b""));
        }
        if request.line.contains("/wait") {
            return Some(waited(Duration::ZERO, 0));
        }
        let status = if is_refused { self.status } else { "exited" };
        let state = format!(r#"{{"Id":"c{number}","State":{{"Status":"{status}","ExitCode":0}}}}"#);
        request.line.contains("/json").then(|| json(200, &state))
    }
}

fn borrower() -> TaskSpec {
    TaskSpec::builder("x").network(NetworkMode::Prefork).build().unwrap()
}

/// What the containers were to join that were asked for, in order.
fn joined(stage: &Stage) -> Vec<String> {
    let made = stage.engine.calls("POST /containers/create");
    let body = |request: &Request| serde_json::from_slice::<Value>(&request.body).unwrap();
    let mode = |body: Value| body["HostConfig"]["NetworkMode"].as_str().unwrap().to_owned();
    made.iter().map(body).map(mode).collect()
}

fn removed(stage: &Stage) -> Vec<String> {
    let calls = stage.engine.calls("DELETE /containers/");
    let id = |request: &Request| {
        let (_, rest) = request.line.split_once("/containers/").unwrap();
        rest.split('?').next().unwrap().to_owned()
    };
    calls.iter().map(id).collect()
}

#[tokio::test]
async fn a_task_whose_network_is_lost_before_its_start_has_another() {
    let source = Lends::new(9);
    let stage = Refusals::of(2).stage(&source).await;
    let exit = stage.driver.run_task(borrower()).await.unwrap();
    assert_eq!((exit.code, &exit.network), (Some(0), &NetworkReport::Lent));
    assert_eq!(joined(&stage), ["container:h1", "container:h2", "container:h3"]);
    // What was refused is gone before another is made, and all have the one name that is known.
    assert_eq!(removed(&stage), ["c1", "c2", "c3"]);
    let names: Vec<String> =
        stage.engine.lines().into_iter().filter(|line| line.contains("/create?")).collect();
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    let asked = source.asked.lock().unwrap().clone();
    assert_eq!(asked.iter().map(|(back, _)| *back).collect::<Vec<_>>(), [0, 1, 2]);
    // What it has waited counts on.
    assert!(asked[0].1.is_zero() && asked[1].1 >= Duration::from_millis(20), "{asked:?}");
    assert!(asked[2].1 >= asked[1].1 + Duration::from_millis(20), "{asked:?}");
    assert!(exit.timings.lease.unwrap() >= Duration::from_millis(60), "{:?}", exit.timings);
    assert_eq!(source.given_back.load(SeqCst), 3);
}

#[tokio::test]
async fn it_is_tried_three_times_and_no_more() {
    let source = Lends::new(9);
    let stage = Refusals::of(9).stage(&source).await;
    let error = stage.driver.run_task(borrower()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.is_retryable() && error.to_string().contains("run the task again"), "{error}");
    assert_eq!(joined(&stage).len(), 3);
    assert_eq!(removed(&stage), ["c1", "c2", "c3"]);
    assert_eq!(source.given_back.load(SeqCst), 3);
}

#[tokio::test]
async fn where_there_is_no_other_network_it_is_an_error_that_says_why_one_is_wanted() {
    let source = Lends::new(1);
    let stage = Refusals::of(1).stage(&source).await;
    let container = stage.driver.prepare(borrower()).await.unwrap();
    let error = container.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolEmpty, "{error}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("was lost before the start"), "{cause}");
    container.close().await.unwrap();
    assert_eq!(removed(&stage), ["c1"]);
}

/// Sees that a start fails as it did, and that nothing is made in its place.
async fn stays(stage: &Stage, container: &dyn Container) {
    let error = container.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert_eq!((container.state(), joined(stage).len()), (State::Created, 1));
    assert_eq!(container.engine_id().as_deref(), Some("c1"));
    assert_eq!(removed(stage), [""; 0]);
    container.close().await.unwrap();
    assert_eq!(removed(stage), ["c1"]);
}

#[tokio::test]
async fn what_holds_files_of_the_callers_is_not_made_anew() {
    let stage = Refusals::of(1).stage(&Lends::new(9)).await;
    let container = stage.driver.prepare(borrower()).await.unwrap();
    container.write_file("/tmp/a", b"a", 0o644).await.unwrap();
    stays(&stage, &*container).await;
}

#[tokio::test]
async fn what_may_have_run_is_not_made_anew() {
    let refusals = Refusals { status: "exited", ..Refusals::of(1) };
    let stage = refusals.stage(&Lends::new(9)).await;
    let container = stage.driver.prepare(borrower()).await.unwrap();
    stays(&stage, &*container).await;
}

#[tokio::test]
async fn nothing_is_given_back_to_be_lent_again_that_the_lender_does_not_know_as_lost() {
    let refusals = Refusals { told: false, ..Refusals::of(1) };
    let stage = refusals.stage(&Lends::new(9)).await;
    let container = stage.driver.prepare(borrower()).await.unwrap();
    stays(&stage, &*container).await;
}

#[tokio::test]
async fn a_start_that_is_dropped_meanwhile_leaves_nothing() {
    let removal = Arc::new(Notify::new());
    let refusals = Refusals { removal: Some(Arc::clone(&removal)), ..Refusals::of(1) };
    let source = Lends::new(9);
    let stage = refusals.stage(&source).await;
    let container = stage.driver.prepare(borrower()).await.unwrap();
    tokio::select! {
        started = container.start() => panic!("{started:?}"),
        () = until("it is removed", async || !removed(&stage).is_empty()) => {}
    }
    // The removal that was given up, and the one that closing asks for.
    let lets = async {
        until("both are asked for", async || removed(&stage).len() == 2).await;
        removal.notify_waiters();
        removal.notify_one();
    };
    let (closed, ()) = tokio::join!(container.close(), lets);
    closed.unwrap();
    assert_eq!(joined(&stage).len(), 1);
    assert_eq!(source.given_back.load(SeqCst), 1);
}

#[tokio::test]
async fn who_copies_while_another_is_made_is_told_to_come_again() {
    let removal = Arc::new(Notify::new());
    let refusals = Refusals { removal: Some(Arc::clone(&removal)), ..Refusals::of(1) };
    let stage = refusals.stage(&Lends::new(9)).await;
    let container = stage.driver.prepare(borrower()).await.unwrap();
    let copies = async {
        until("it is removed", async || !removed(&stage).is_empty()).await;
        let error = container.write_file("/tmp/a", b"a", 0o644).await.unwrap_err();
        removal.notify_one();
        error
    };
    let (started, error) = tokio::join!(container.start(), copies);
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.is_retryable() && error.to_string().contains("try again"), "{error}");
    container.write_file("/tmp/a", b"a", 0o644).await.unwrap();
    drop(started.unwrap());
    removal.notify_one();
    container.close().await.unwrap();
}

#[tokio::test]
async fn a_network_that_is_refused_when_the_container_is_made_is_replaced_as_well() {
    let source = Lends::new(9);
    let (lends, refused) = (Arc::clone(&source), source.refused.clone());
    let stage = Stage::new(
        move |config| config.namespaces = Some(lends),
        move |request| {
            let joins_the_first = String::from_utf8_lossy(&request.body).contains("container:h1");
            (request.is("POST /containers/create") && joins_the_first).then(|| {
                refused.send_replace(1);
                json(404, r#"{"message":"No such container: h1"}"#)
            })
        },
    )
    .await;
    let exit = stage.driver.run_task(borrower()).await.unwrap();
    assert_eq!(exit.network, NetworkReport::Lent);
    assert_eq!(joined(&stage), ["container:h1", "container:h2"]);
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn nothing_is_borrowed_while_an_image_is_pulled() {
    let source = Lends::new(9);
    let (lends, given_back) = (Arc::clone(&source), Arc::clone(&source.given_back));
    // How many had come back when the pull began, plus one.
    let pulling = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&pulling);
    let stage = Stage::new(
        move |config| config.namespaces = Some(lends),
        move |request| {
            if request.is("POST /images/create") {
                pulling.store(given_back.load(SeqCst) + 1, SeqCst);
                return Some(json(200, "{\"status\":\"Status: Downloaded newer image\"}\n"));
            }
            if request.is("GET /containers/h") {
                return Some(json(200, r#"{"Id":"h","State":{"Running":true}}"#));
            }
            let about_it = request.is("POST /containers/create") || request.is("GET /images/");
            let missing = about_it && pulling.load(SeqCst) == 0;
            missing.then(|| json(404, r#"{"message":"No such image: x:latest"}"#))
        },
    )
    .await;
    let container = stage.driver.prepare(borrower()).await.unwrap();
    assert_eq!(joined(&stage), ["container:h1", "container:h2"]);
    assert_eq!(seen.load(SeqCst), 2);
    container.close().await.unwrap();
    assert_eq!(source.given_back.load(SeqCst), 2);
}
