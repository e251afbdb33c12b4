//! Taking up tasks of dead owners.

mod kept;
mod time;

pub(crate) use kept::handle;
pub(crate) use time::{engine_time, later};

use std::sync::Arc;

use longshore_driver_api::{
    Error, ErrorKind, Handle as TaskHandle, ImageRef, LABEL_APPLICATION, LABEL_LEASE, LABEL_OWNER,
    LABEL_RECOVERABLE_UNTIL, Lost, Missing, Recovered, Result, TaskIo,
};
use longshore_host::{Adopt, Adoption};
use longshore_stats::Timestamp;
use serde_json::json;

use self::kept::Kept;
use crate::blocking::off_the_runtime;
use crate::capabilities::engine_id;
use crate::client::api::{DockerApi, Streams, WaitCondition};
use crate::client::reply::{Container, LogConfig, State};
use crate::client::stream::RawStream;
use crate::container::DockerContainer;
use crate::container::core::{Core, Found, Handle};
use crate::error::engine_error;
use crate::retry::{again, if_unsent, repeat};
use crate::running::{Log, Resumed, Source, Waiting, resume};
use crate::shared::Shared;

const OP: &str = "recover";
const STARTED_AGAIN: &str = "somebody has started the container again while nobody had the task: what it did before is not known";

/// Takes a task up. Until everything is ready nothing is changed but the claim, which goes with the
/// future.
pub(crate) async fn recover(
    shared: &Arc<Shared>,
    left: &TaskHandle,
    io: TaskIo,
) -> Result<Recovered> {
    check(shared, &io)?;
    let kept = Kept::of(left)?;
    let id = kept.container.as_str();
    let info = again("info", || shared.api.info()).await;
    let info = info.map_err(|error| engine_error(OP, "engine", error))?;
    if engine_id(&shared.capabilities, &info) != kept.engine {
        return Err(error(ErrorKind::HandleForeign, "the handle is one of another engine"));
    }
    let now = time::time(&info.system_time).map_err(|error| engine_error(OP, "engine", error))?;
    let claim = claim(shared, id, now).await?;
    // Only now it stays what it is.
    let container = find(shared, id).await?;
    let (api, state) = (&*shared.api, &container.state);
    if state.status == "created" {
        return Err(error(ErrorKind::InvalidState, &format!("container {id} never was started")));
    }
    let begun = time::begun(&kept, state, now)?;
    let streams =
        Streams { stdin: false, stdout: io.stdout.is_some(), stderr: io.stderr.is_some() };
    // Podman tells another one, without its options.
    let log = kept.log.as_ref().unwrap_or(&container.host_config.log_config);
    let is_another_run = time::is_another_run(&kept, &container)?;
    let clock = if is_another_run { time::kept(&kept) } else { time::clock(&kept, state, now)? };
    let (source, lost) = if is_another_run {
        (Source::Streams(None), lost(&kept, streams, Missing::Unknown))
    } else {
        output(shared, left, &kept, (log, state), streams).await?
    };
    let wait = if is_another_run {
        Waiting::InVain(STARTED_AGAIN)
    } else if state.running {
        let wait = repeat("wait", || api.wait(id, WaitCondition::NotRunning)).await;
        Waiting::For(wait.map_err(|error| engine_error(OP, id, error))?)
    } else {
        // Asked after its end was: whoever is the same then has not been away in between.
        let seen = shared.is_engine(kept.process.as_deref()).await?;
        Waiting::Over { state: state.clone(), seen }
    };
    let image: ImageRef = kept.task.image.parse().map_err(|wrong| {
        error(ErrorKind::HandleUnknown, &format!("image {:?}: {wrong}", kept.task.image))
    })?;
    let found = Found {
        id: id.to_owned(),
        name: container.name.trim_start_matches('/').to_owned(),
        options: json!({"HostConfig": {"LogConfig": log}}),
        frozen: state.paused,
        started_within: kept.started_within,
        claim,
    };
    let core = Core::adopted(Arc::clone(shared), kept.task, &io, image.with_default_tag(), found);
    let core = Arc::new(core);
    shared.enter(&core)?;
    // From here on it is this owner's, and dropping it closes it. Nothing is awaited any more.
    let handle = Arc::new(Handle::new(core));
    let running = resume(&handle, id, io, left, Resumed { wait, source, lost, clock, begun });
    let container = DockerContainer::started(handle, Arc::clone(&running));
    Ok(Recovered::new(Arc::new(container), running, lost))
}

fn check(shared: &Shared, io: &TaskIo) -> Result<()> {
    let can = &shared.capabilities;
    if !can.recover {
        let text = format!("tasks on {} {} cannot be recovered", can.engine, can.engine_version);
        return Err(error(ErrorKind::Unsupported, &text));
    }
    if shared.closing.is_cancelled() {
        return Err(error(ErrorKind::Closed, "the driver is closed"));
    }
    if io.stdin.is_some() {
        let text = "the task's input has ended with its first owner";
        return Err(error(ErrorKind::InvalidInput, text).remedy("give none"));
    }
    Ok(())
}

async fn find(shared: &Shared, id: &str) -> Result<Container> {
    again("inspect_container", || shared.api.inspect_container(id)).await.map_err(|failed| {
        if failed.is_not_found() {
            return error(ErrorKind::NotFound, &format!("container {id} is gone: it was removed"));
        }
        engine_error(OP, id, failed)
    })
}

/// Makes a container this process's, if nobody has it and it is within its time.
async fn claim(shared: &Shared, id: &str, now: Timestamp) -> Result<Adoption> {
    let labels = find(shared, id).await?.config.labels;
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    let application = label(LABEL_APPLICATION);
    if application != shared.application {
        let text = format!(
            "container {id} is one of application {application:?}, and this is {:?}",
            shared.application
        );
        return Err(error(ErrorKind::HandleForeign, &text)
            .remedy("open the driver with the application that has made it (application)"));
    }
    let (run_dir, owner, lease) = (shared.run_dir.clone(), label(LABEL_OWNER), label(LABEL_LEASE));
    let thing = id.to_owned();
    let adopt = move || run_dir.adopt(&application, &owner, &lease, &thing);
    let claim = match off_the_runtime(adopt).await?? {
        Adopt::Won(claim) => claim,
        Adopt::Taken(why) => {
            let text = format!("container {id} has an owner who lives, or may live: {why}");
            return Err(error(ErrorKind::OwnerAlive, &text)
                .remedy("leave it to whoever has it, which may be this driver; once that has ended, try again"));
        }
        Adopt::Busy(why) => {
            return Err(error(ErrorKind::Busy, &format!("container {id}: {why}")));
        }
        Adopt::Elsewhere(why) => {
            let text =
                format!("nobody can tell from here whether container {id} has an owner: {why}");
            return Err(error(ErrorKind::OwnerAlive, &text)
                .remedy("open the driver with the run directory of its first owner (run_dir)"));
        }
        other => return Err(error(ErrorKind::OwnerAlive, &format!("container {id}: {other:?}"))),
    };
    let until = label(LABEL_RECOVERABLE_UNTIL);
    let is_within = until.parse::<Timestamp>().is_ok_and(|until| now < until);
    if !is_within {
        let text =
            format!("container {id} could be recovered until {until:?}, and that has passed");
        return Err(error(ErrorKind::Expired, &text));
    }
    Ok(claim)
}

/// Where the output comes from now, and what was lost of it.
async fn output(
    shared: &Shared,
    left: &TaskHandle,
    kept: &Kept,
    (config, state): (&LogConfig, &State),
    streams: Streams,
) -> Result<(Source, Lost)> {
    let (api, id) = (&*shared.api, kept.container.as_str());
    let lost = |missing| lost(kept, streams, missing);
    if streams.is_empty() {
        return Ok((Source::Streams(None), lost(Missing::NotAttached)));
    }
    let passed = [left.stdout(), left.stderr()];
    if let Some(log) = Log::of(&shared.capabilities, config, kept.task.tty, passed) {
        let whole = log.is_whole(api, id).await.map_err(|error| engine_error(OP, id, error))?;
        // An engine that was started anew has lost what it had in hand.
        let same = !log.is_the_engines() || shared.is_engine(kept.process.as_deref()).await?;
        let missing = if whole && same { Missing::Nothing } else { Missing::Unknown };
        return Ok((Source::Log(log), lost(missing)));
    }
    let attached =
        if state.running { Some(attach(api, id, streams, state.paused).await?) } else { None };
    Ok((Source::Streams(attached), lost(Missing::Unknown)))
}

/// What was lost of the streams that somebody wants.
fn lost(kept: &Kept, streams: Streams, missing: Missing) -> Lost {
    let of = |wanted: bool| if wanted { missing } else { Missing::NotAttached };
    // With a terminal there is no second stream.
    Lost::new(of(streams.stdout), of(streams.stderr && !kept.task.tty))
}

/// Attaches to the streams from now on. To those of a frozen task an engine does not attach: it is
/// let go for a moment.
async fn attach(
    api: &dyn DockerApi,
    id: &str,
    streams: Streams,
    frozen: bool,
) -> Result<RawStream> {
    let failed = |error| engine_error(OP, id, error);
    if frozen {
        if_unsent("unpause_container", || api.unpause_container(id)).await.map_err(failed)?;
    }
    let attached = repeat("attach", || api.attach(id, streams, "")).await;
    if frozen {
        if_unsent("pause_container", || api.pause_container(id)).await.map_err(failed)?;
    }
    attached.map_err(failed)
}

fn error(kind: ErrorKind, text: &str) -> Error {
    Error::new(kind, OP).message(text)
}
