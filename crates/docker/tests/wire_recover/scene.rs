//! An owner who is dead, and an engine that has a container of its.

use std::sync::{Mutex, MutexGuard, PoisonError};

use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{
    Captured, Driver as _, Handle, LABEL_APPLICATION, LABEL_LEASE, LABEL_OWNER,
    LABEL_RECOVERABLE_UNTIL, Recovered, TaskIo, TaskSpec,
};
use longshore_host::RunDir;
use serde_json::{Value, json as value};

use crate::stage::{self, brief};
use crate::support::{Request, Script, ScriptedEngine, Step, chunk, chunked, json};

/// The time on the engine's clock, which is nobody else's.
pub(crate) const NOW: &str = "2041-05-06T07:08:09.5Z";
pub(crate) const STARTED: &str = "2041-05-06T07:08:02.5Z";
pub(crate) const UNTIL: &str = "2041-05-06T08:00:00Z";

/// What this process goes by where it is no engine.
const USUAL: &str = "wire";

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// An owner who is dead, and what the engine has of it. There is one at a time, since this process can
/// take an engine's name.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    pub(crate) labels: Value,
    _turn: MutexGuard<'static, ()>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        go_by(USUAL);
        let folder = tempfile::tempdir().unwrap();
        let run_dir = RunDir::open(Some(&folder.path().join("run"))).unwrap();
        let lease = run_dir.lease("app").unwrap();
        let labels = value!({
            LABEL_APPLICATION: "app",
            LABEL_OWNER: lease.owner(),
            LABEL_LEASE: lease.domain().to_string(),
            LABEL_RECOVERABLE_UNTIL: UNTIL,
        });
        Self { folder, labels, _turn: turn }
    }

    /// The answer to an inspection.
    pub(crate) fn container(&self, state: &Value, log: &Value) -> String {
        value!({
            "Id": "c1", "Name": "/longshore-x", "State": state, "Config": {"Labels": self.labels},
            "HostConfig": {"LogConfig": log},
        })
        .to_string()
    }

    pub(crate) async fn open(&self, engine: &ScriptedEngine) -> DockerDriver {
        self.open_with(engine, |_| ()).await
    }

    pub(crate) async fn open_with(
        &self,
        engine: &ScriptedEngine,
        change: impl FnOnce(&mut DockerConfig),
    ) -> DockerDriver {
        let mut config = stage::config(engine, self.folder.path());
        brief(&mut config);
        config.application = "app".to_owned();
        change(&mut config);
        DockerDriver::open(config).await.unwrap()
    }
}

pub(crate) fn running() -> Value {
    value!({"Status": "running", "Running": true, "StartedAt": STARTED, "FinishedAt": "0001-01-01T00:00:00Z"})
}

pub(crate) fn ended(code: i64) -> Value {
    value!({"Status": "exited", "Running": false, "ExitCode": code, "StartedAt": STARTED, "FinishedAt": "2041-05-06T07:08:06.5Z"})
}

pub(crate) fn local() -> Value {
    value!({"Type": "local", "Config": {"max-size": "1m", "max-file": "2"}})
}

pub(crate) fn info() -> Script {
    json(200, &value!({"ID": "E1", "SystemTime": NOW, "MemoryLimit": true}).to_string())
}

pub(crate) fn handle(spec: &TaskSpec, stdout: u64) -> Handle {
    handle_of("E1", spec, stdout)
}

pub(crate) fn handle_of(engine: &str, spec: &TaskSpec, stdout: u64) -> Handle {
    let second = value!({"secs": 1, "nanos": 0});
    let state = value!({
        "engine": engine, "process": null, "container": "c1", "task": spec, "ran": second,
        "frozen": {"secs": 0, "nanos": 0}, "held": false,
    });
    Handle::new("docker", 1, &state).unwrap().at(stdout, 0).keeping_output(true)
}

fn go_by(name: &str) {
    std::fs::write("/proc/self/comm", name).unwrap();
}

/// A handle that was taken while this process, which listens at the scripted engine's socket, went by
/// the name of a real engine, as it does until the next scene.
pub(crate) fn handle_of_this_process(stdout: u64) -> Handle {
    go_by("dockerd");
    let process = i32::try_from(std::process::id()).unwrap();
    let process = longshore_host::running_program(process, "dockerd").expect("its name is changed");
    let text = handle(&spec(), stdout).to_string();
    let mut text: Value = serde_json::from_str(&text).unwrap();
    text["state"]["process"] = process.into();
    text.to_string().parse().unwrap()
}

pub(crate) fn spec() -> TaskSpec {
    TaskSpec::builder("x").build().unwrap()
}

/// An engine with the container, and what else `special` says.
pub(crate) fn engine(
    container: String,
    special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
) -> ScriptedEngine {
    ScriptedEngine::usual_but(move |request| {
        special(request)
            .or_else(|| request.is("GET /info").then(info))
            .or_else(|| request.is("GET /containers/c1/json").then(|| json(200, &container)))
    })
}

pub(crate) fn logs(frames: &[Vec<u8>]) -> Script {
    let mut script = chunked();
    script.extend(frames.iter().map(|frame| chunk(frame)));
    script.push(Step::Send(b"0\r\n\r\n".to_vec()));
    script
}

pub(crate) async fn recovered(driver: &DockerDriver, handle: &Handle) -> (Recovered, Captured) {
    let (io, captured) = TaskIo::captured();
    (driver.recover(handle, io).await.unwrap(), captured)
}
