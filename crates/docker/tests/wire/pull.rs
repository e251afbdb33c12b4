//! Pulls on a scripted engine: shared, bounded, understood, and checked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::stage::Stage;
use crate::support::{Request, Script, Step, chunk, chunked, json};
use base64::prelude::{BASE64_URL_SAFE, Engine as _};
use longshore_driver_api::{
    Container, ContainerExt as _, Driver, Error, ErrorKind, PullPolicy, PullProgress, Result, Task,
    TaskHooks, TaskSpec,
};
use longshore_images::InlineConfig;
use tokio::sync::Notify;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Whatever hangs has hung by then.
const LONG: Duration = Duration::from_secs(30);

impl Stage {
    fn container(&self, spec: TaskSpec) -> (Arc<dyn Container>, Arc<Hooks>) {
        let hooks = Arc::new(Hooks::default());
        let container = self.driver.container(Task::new(spec).hooks(Arc::clone(&hooks) as _));
        (container.unwrap(), hooks)
    }

    async fn pull(&self, spec: TaskSpec) -> Result<()> {
        let (container, _) = self.container(spec);
        tokio::time::timeout(LONG, container.pull_image()).await.expect("no pull hangs")
    }

    fn pulls(&self) -> usize {
        self.engine.seen().iter().filter(|request| request.is("POST /images/create")).count()
    }
}

/// Remembers what it was told, and says that it was told.
#[derive(Debug, Default)]
struct Hooks {
    told: Mutex<Vec<PullProgress>>,
    word: Notify,
}

impl Hooks {
    fn told(&self) -> Vec<PullProgress> {
        self.told.lock().unwrap().clone()
    }
}

impl TaskHooks for Hooks {
    fn pull_progress(&self, progress: &PullProgress) {
        self.told.lock().unwrap().push(progress.clone());
        self.word.notify_one();
    }
}

fn spec(image: &str) -> TaskSpec {
    TaskSpec::builder(image).pull(PullPolicy::Always).build().unwrap()
}

fn line(value: &str) -> Step {
    chunk(format!("{value}\r\n").as_bytes())
}

fn end() -> Step {
    Step::Send(b"0\r\n\r\n".to_vec())
}

/// A pull that goes well, in no time.
fn pulled() -> Script {
    stream([line(r#"{"status":"Status: Downloaded newer image for x"}"#), end()])
}

fn stream(steps: impl IntoIterator<Item = Step>) -> Script {
    let mut script = chunked();
    script.extend(steps);
    script
}

/// The answer to a pull, where it is one.
fn pull_with(request: &Request, script: impl FnOnce() -> Script) -> Option<Script> {
    request.is("POST /images/create").then(script)
}

const DOWNLOADING: &str =
    r#"{"status":"Downloading","progressDetail":{"current":512,"total":2048},"id":"aa"}"#;

#[tokio::test]
async fn one_pull_serves_all_and_a_late_one_is_told_at_once_how_far_it_is() {
    let go_on = Arc::new(Notify::new());
    let word = Arc::clone(&go_on);
    let stage = Stage::new(
        |_| {},
        move |request| {
            pull_with(request, || {
                stream([
                    line(DOWNLOADING),
                    Step::Until(Arc::clone(&word)),
                    line(r#"{"status":"Pull complete","progressDetail":{},"id":"aa"}"#),
                    end(),
                ])
            })
        },
    )
    .await;
    let (early, early_hooks) = stage.container(spec("r.io/x:1"));
    let early = tokio::spawn(async move { early.pull_image().await });
    early_hooks.word.notified().await;
    let (late, late_hooks) = stage.container(spec("r.io/x:1"));
    let late = tokio::spawn(async move { late.pull_image().await });
    // Nothing more has come from the engine.
    tokio::time::timeout(LONG, late_hooks.word.notified()).await.unwrap();
    let told = late_hooks.told();
    assert_eq!((told[0].bytes_done, told[0].bytes, told[0].layers), (512, 2048, 1));
    go_on.notify_one();
    early.await.unwrap().unwrap();
    late.await.unwrap().unwrap();
    for hooks in [early_hooks, late_hooks] {
        let last = hooks.told().pop().unwrap();
        assert_eq!((last.layers_done, last.bytes_done), (1, 2048), "the end was not told");
    }
    assert_eq!(stage.pulls(), 1);
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn who_leaves_by_a_deadline_of_its_own_does_not_take_the_pull_along() {
    let go_on = Arc::new(Notify::new());
    let word = Arc::clone(&go_on);
    let stage = Stage::new(
        |_| {},
        move |request| {
            let script = || stream([line(DOWNLOADING), Step::Until(Arc::clone(&word)), end()]);
            pull_with(request, script)
        },
    )
    .await;
    let (first, _first_hooks) = stage.container(spec("r.io/x:1"));
    let (second, hooks) = stage.container(spec("r.io/x:1"));
    let mut first = Box::pin(first.pull_image());
    let second = tokio::spawn(async move { second.pull_image().await });
    tokio::select! {
        _ = &mut first => panic!("the pull stands still"),
        () = hooks.word.notified() => {}
    }
    drop(first);
    go_on.notify_one();
    second.await.unwrap().unwrap();
    assert_eq!(stage.pulls(), 1);
}

#[tokio::test]
async fn a_pull_that_stands_still_and_one_that_takes_too_long_have_bounds_of_their_own() {
    let still = Stage::new(
        |config| {
            config.timeouts.pull_idle = Duration::from_millis(150);
            config.pull_attempts = 2;
        },
        |request| pull_with(request, || stream([line(DOWNLOADING), Step::Hold])),
    )
    .await;
    let error = still.pull(spec("r.io/x:1")).await.unwrap_err();
    assert_eq!((error.kind(), still.pulls()), (ErrorKind::Deadline, 2), "{error}");
    assert!(error.to_string().contains("stood still for 150ms"), "{error}");

    let steps: Vec<Step> = (0..200)
        .flat_map(|_| [line(DOWNLOADING), Step::Pause(Duration::from_millis(20))])
        .collect();
    let long = Stage::new(
        |config| {
            config.timeouts.pull_idle = LONG;
            config.timeouts.pull_total = Duration::from_millis(300);
        },
        move |request| pull_with(request, || stream(steps.clone())),
    )
    .await;
    let error = long.pull(spec("r.io/x:1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(error.to_string().contains("300ms"), "{error}");
}

#[tokio::test]
async fn what_a_registry_answers_within_a_stream_is_understood() {
    for (message, expected) in [
        ("unauthorized: authentication required", ErrorKind::RegistryUnauthorized),
        ("toomanyrequests: slow down; retry after 1h", ErrorKind::RegistryBusy),
        ("manifest for r.io/x:1 not found: manifest unknown", ErrorKind::ImageNotFound),
        (
            "no matching manifest for linux/amd64 in the manifest list entries",
            ErrorKind::ImageNotFound,
        ),
        ("received unexpected HTTP status: 500 Internal Server Error", ErrorKind::RegistryFailed),
    ] {
        let stage = Stage::new(
            |config| config.pull_attempts = 1,
            move |request| {
                let text =
                    serde_json::json!({"errorDetail": {"message": message}, "error": message});
                pull_with(request, || stream([line(DOWNLOADING), line(&text.to_string()), end()]))
            },
        )
        .await;
        let error = stage.pull(spec("r.io/x:1")).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{message}: {error}");
        assert!(error.to_string().contains("r.io/x:1"), "{error}");
        let hour = message.contains("1h").then(|| Duration::from_secs(3600));
        assert_eq!(error.asks_to_wait(), hour);
    }
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_stays_is_not() {
    let answer = |messages: &'static [&'static str]| {
        let count = AtomicUsize::new(0);
        move |request: &Request| {
            pull_with(request, || {
                let nth = count.fetch_add(1, Ordering::Relaxed);
                match messages.get(nth) {
                    Some(message) => stream([line(&format!("{{\"error\":\"{message}\"}}")), end()]),
                    None => pulled(),
                }
            })
        }
    };
    let stage = Stage::new(|_| {}, answer(&["unexpected EOF", "toomanyrequests: x"])).await;
    stage.pull(spec("r.io/x:1")).await.unwrap();
    assert_eq!(stage.pulls(), 3);
    let stage = Stage::new(|_| {}, answer(&["unauthorized: x"])).await;
    stage.pull(spec("r.io/x:1")).await.unwrap_err();
    assert_eq!(stage.pulls(), 1);
    let stage =
        Stage::new(|_| {}, answer(&["unexpected EOF", "unexpected EOF", "unexpected EOF"])).await;
    let error = stage.pull(spec("r.io/x:1")).await.unwrap_err();
    assert_eq!((error.kind(), stage.pulls()), (ErrorKind::RegistryFailed, 3));
}

#[tokio::test]
async fn what_was_pulled_is_what_was_asked_for_or_an_error() {
    let image = format!(
        r#"{{"Id":"sha256:1","Os":"linux","Architecture":"arm64","RepoDigests":["r.io/x@{DIGEST}"]}}"#
    );
    let stage = Stage::new(
        |_| {},
        move |request| {
            let image = request.is("GET /images/").then(|| json(200, &image));
            image.or_else(|| pull_with(request, pulled))
        },
    )
    .await;
    let on = |platform: &str| TaskSpec::builder("r.io/x:1").platform(platform).build().unwrap();
    stage.pull(on("linux/arm64")).await.unwrap();
    let error = stage.pull(on("linux/amd64")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound);
    assert!(error.to_string().contains("linux/arm64"), "{error}");

    let other = DIGEST.replace("0123", "3210");
    stage.pull(spec(&format!("r.io/x:1@{DIGEST}"))).await.unwrap();
    let error = stage.pull(spec(&format!("r.io/x:1@{other}"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageRejected);
    assert!(error.to_string().contains(DIGEST), "{error}");
    assert_eq!(stage.pulls(), 4, "it was tried again");
}

#[tokio::test]
async fn an_image_for_another_platform_or_with_another_digest_is_not_there() {
    let image = format!(
        r#"{{"Id":"sha256:1","Os":"linux","Architecture":"arm64","RepoDigests":["r.io/x@{DIGEST}"]}}"#
    );
    let stage =
        Stage::new(|_| {}, move |request| request.is("GET /images/").then(|| json(200, &image)))
            .await;
    let ensured = async |image: &str, platform: &str| -> Result<(), Error> {
        let spec = TaskSpec::builder(image).platform(platform).pull(PullPolicy::Never);
        stage.container(spec.build().unwrap()).0.ensure_image().await
    };
    ensured("r.io/x:1", "linux/arm64").await.unwrap();
    ensured(&format!("r.io/x@{DIGEST}"), "linux/arm64").await.unwrap();
    let error = ensured("r.io/x:1", "linux/amd64").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound);
    assert!(error.to_string().contains("for linux/amd64"), "{error}");
    let other = DIGEST.replace("0123", "3210");
    let error = ensured(&format!("r.io/x@{other}"), "linux/arm64").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound);
    assert_eq!(stage.pulls(), 0);
}

#[tokio::test]
async fn each_kind_of_credential_goes_to_its_own_registry_and_nowhere_else() {
    let config = r#"{"auths":{
        "r.io":{"auth":"YW5uOj8/Pz4+Pn5+"},
        "id.io":{"auth":"YW5uOg==","identitytoken":"tok?en>1"},
        "bearer.io:5000":{"registrytoken":"tok?en>2"}}}"#;
    let source = InlineConfig::parse(config).unwrap();
    let stage = Stage::new(
        |config| config.credentials = Some(Arc::new(source)),
        |request| pull_with(request, pulled),
    )
    .await;
    let table = [
        ("r.io/x:1", Some(("password", "???>>>~~", "r.io"))),
        ("id.io/x:1", Some(("identitytoken", "tok?en>1", "id.io"))),
        ("bearer.io:5000/x:1", Some(("registrytoken", "tok?en>2", "bearer.io:5000"))),
        ("bearer.io/x:1", None),
        ("sub.r.io/x:1", None),
        ("x:1", None),
    ];
    for (image, expected) in table {
        stage.pull(spec(image)).await.unwrap();
        let seen = stage.engine.seen();
        let pull = seen.iter().rfind(|request| request.is("POST /images/create")).unwrap();
        let header = pull.header("x-registry-auth").map(|header| {
            let text = BASE64_URL_SAFE.decode(header).expect("base64 for URLs");
            serde_json::from_slice::<serde_json::Value>(&text).unwrap()
        });
        match expected {
            Some((field, secret, host)) => {
                let header = header.unwrap();
                assert_eq!(header[field], secret, "{image}");
                assert_eq!(header["serveraddress"], host, "{image}");
            }
            None => {
                let text = header.map(|header| header.to_string()).unwrap_or_default();
                assert!(!text.contains("tok") && !text.contains("ann"), "{image}: {text}");
            }
        }
    }
}
