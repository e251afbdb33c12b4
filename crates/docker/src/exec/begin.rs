//! The requests that make and start a further process.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, ExecSpec, Result, TaskIo};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::supervise::supervise;
use super::{DockerExec, Run, kill, refused};
use crate::client::error::ClientError;
use crate::client::stream::RawStream;
use crate::container::core::Core;
use crate::detach;
use crate::error::engine_error;
use crate::retry::if_unsent;

/// For how long a caller whose start was not answered waits until the process is killed, if the engine
/// has begun it.
const SOON: Duration = Duration::from_secs(1);

/// A process that was not begun, as far as is known.
struct NotBegun {
    error: Error,
    /// Its id, where the answer to its start was lost: it may begin all the same.
    lost: Option<String>,
}

impl From<Error> for NotBegun {
    fn from(error: Error) -> Self {
        Self { error, lost: None }
    }
}

/// Makes the process, tells the caller, and watches over it to its end.
pub(super) async fn begin(
    core: Arc<Core>,
    container: String,
    spec: ExecSpec,
    io: TaskIo,
    tell: oneshot::Sender<Result<DockerExec>>,
) {
    core.touch();
    let stdin = io.stdin.is_some();
    let started = tokio::select! {
        biased;
        // The removal under way kills what was started.
        () = core.ending.cancelled() => Err(core.closed_error("exec").into()),
        started = start(&core, &container, &spec, stdin, &tell) => started,
    };
    let (id, stream) = match started {
        Ok(started) => started,
        Err(not_begun) => {
            give_up(&core, &container, not_begun, tell).await;
            return;
        }
    };
    let run = Arc::new(Run {
        core,
        id,
        spec,
        cancel: CancellationToken::new(),
        sent: Mutex::default(),
        exit: watch::Sender::new(None),
    });
    // A caller who has gone drops the handle, which cancels the process.
    drop(tell.send(Ok(DockerExec(Arc::clone(&run)))));
    supervise(run, container, stream, io).await;
}

/// Tells the caller that there is no process. One that may begin all the same, with nobody to hear it,
/// is killed, however late the engine gets to it.
async fn give_up(
    core: &Core,
    container: &str,
    not_begun: NotBegun,
    tell: oneshot::Sender<Result<DockerExec>>,
) {
    let NotBegun { error, lost } = not_begun;
    let kill = async {
        let Some(id) = lost else { return };
        let killed = tokio::select! {
            biased;
            // The removal kills it.
            () = core.ending.cancelled() => return,
            killed = kill::kill(core, container, &id) => killed,
        };
        if let Err(error) = killed {
            tracing::warn!(container = core.name, %error, "a process may be left running");
        }
    };
    let mut kill = std::pin::pin!(kill);
    let killed = tokio::time::timeout(SOON, &mut kill).await;
    // Whoever asked may have gone.
    let _ = tell.send(Err(error));
    if killed.is_err() {
        kill.await;
    }
}

async fn start(
    core: &Arc<Core>,
    container: &str,
    spec: &ExecSpec,
    stdin: bool,
    tell: &oneshot::Sender<Result<DockerExec>>,
) -> std::result::Result<(String, RawStream), NotBegun> {
    let api = &core.shared.api;
    let body = body(spec, stdin);
    let created = if_unsent("create_exec", || api.create_exec(container, &body)).await;
    let id = created.map_err(|error| failed(core, error))?.id;
    if tell.is_closed() {
        let error = Error::new(ErrorKind::Cancelled, "exec").message("nobody waits for it");
        return Err(error.into());
    }
    match if_unsent("start_exec", || api.start_exec(&id, spec.tty)).await {
        Ok(stream) => Ok((id, stream)),
        Err(error) => {
            let lost = error.is_answer_lost().then_some(id);
            Err(NotBegun { error: failed(core, error), lost })
        }
    }
}

/// Both output streams are always attached: their end tells the end of the process.
fn body(spec: &ExecSpec, stdin: bool) -> Value {
    let env: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut body = json!({
        "AttachStdin": stdin,
        "AttachStdout": true,
        "AttachStderr": true,
        "Tty": spec.tty,
        "Cmd": spec.command,
        "Env": env,
        "Privileged": false,
    });
    if stdin {
        body["DetachKeys"] = Value::from(detach::of_exec());
    }
    if let Some(path) = &spec.work_dir {
        body["WorkingDir"] = Value::from(path.as_str());
    }
    if let Some(user) = &spec.user {
        body["User"] = Value::from(user.as_str());
    }
    body
}

fn failed(core: &Core, error: ClientError) -> Error {
    if core.ending.is_cancelled() {
        return core.closed_error("exec");
    }
    // That the task has ended, or was frozen by somebody else, is in the words.
    if error.status() == Some(409) {
        return refused(core, &error.to_string()).because(error);
    }
    let failed = engine_error("exec", &core.subject(), error);
    // That would be the task's user. Podman refuses the process's so, Docker in its output.
    match failed.what_to_do().is_some_and(|what| what.contains("(security.user")) {
        true => failed.remedy("name one that is in the image, or give a number (user)"),
        false => failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_holds_what_was_asked_for_and_never_privileges() {
        let spec = ExecSpec::new(["a", "b"]).env("N", "v").work_dir("/w").user("1:2").tty(true);
        let expected = json!({
            "AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "Tty": true,
            "Cmd": ["a", "b"], "Env": ["N=v"], "Privileged": false, "WorkingDir": "/w", "User": "1:2",
        });
        let mut sent = body(&spec, true);
        let keys = sent.as_object_mut().unwrap().remove("DetachKeys").unwrap();
        assert!(keys.as_str().unwrap().starts_with("ctrl-^,ctrl-@,"), "{keys}");
        assert_eq!(sent, expected);
        let plain = body(&ExecSpec::new(["a"]), false);
        assert!(plain.get("DetachKeys").is_none());
        assert!(plain.get("User").is_none() && plain.get("WorkingDir").is_none());
    }
}
