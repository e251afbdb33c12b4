//! Finds an engine, or gets one, or says what to do.

use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::Shell;

use super::{Engine, Kind, Private};
use crate::http::Endpoint;
use crate::install;
use crate::workspace::Workspace;

/// An engine to use, and whether it has to be stopped afterwards.
pub(crate) struct Obtained {
    pub(crate) engine: Engine,
    private: Option<Private>,
}

impl Obtained {
    /// Stops the engine if it was started for this use alone.
    pub(crate) fn release(mut self) -> Result<()> {
        match self.private.take() {
            Some(private) => private.down(),
            None => Ok(()),
        }
    }
}

/// The same after an error or a panic on the way. What a signal leaves is taken over by the next run.
impl Drop for Obtained {
    fn drop(&mut self) {
        if let Some(private) = self.private.take()
            && let Err(error) = private.down()
        {
            eprintln!("stop the private engine: {error:#}");
        }
    }
}

/// Looks where a user's engine is: `DOCKER_HOST`, else the usual sockets.
///
/// # Errors
/// Why there is none, and what to do about it.
pub(crate) fn find() -> Result<Engine> {
    if let Ok(url) = std::env::var("DOCKER_HOST") {
        let endpoint = url.parse().context("DOCKER_HOST")?;
        return Engine::connect(endpoint).context(
            "DOCKER_HOST names an engine that doesn't answer; unset it or start that engine",
        );
    }
    let mut sockets = vec!["/var/run/docker.sock".into()];
    if let Some(dir) = std::env::var_os("XDG_RUNTIME_DIR") {
        sockets.push(Path::new(&dir).join("docker.sock"));
    }
    let mut reasons = Vec::new();
    for socket in sockets {
        if !socket.exists() {
            reasons.push(format!("{} does not exist", socket.display()));
            continue;
        }
        match Engine::connect(Endpoint::Unix(socket)) {
            Ok(engine) => return Ok(engine),
            Err(error) if is_denied(&error) => {
                reasons.push(format!(
                    "{error:#}; join the group that owns the socket: sudo usermod -aG docker $USER"
                ));
            }
            Err(error) => reasons.push(format!("{error:#}")),
        }
    }
    bail!("no Docker Engine answers: {}", reasons.join("; "))
}

/// How to come by an engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    /// One of this kind, and of its own.
    pub(crate) kind: Option<Kind>,
    /// One of its own, even where one answers: nobody else's containers are then in the count.
    pub(crate) private: bool,
    /// Install one where that can be done.
    pub(crate) may_install: bool,
}

impl Default for Want {
    fn default() -> Want {
        Want { kind: None, private: false, may_install: true }
    }
}

/// The engine that answers, else a private one, installed first where that can be done.
///
/// # Errors
/// Why there can be none, and what to do about it.
pub(crate) fn obtain(sh: &Shell, workspace: &Workspace, want: Want) -> Result<Obtained> {
    if want.private || want.kind.is_some() {
        return private(sh, workspace, want, "a private engine is asked for");
    }
    match find() {
        Ok(engine) => Ok(Obtained { engine, private: None }),
        Err(reason) if std::env::var_os("DOCKER_HOST").is_some() => Err(reason),
        Err(reason) if !install::is_root() => bail!(
            "{reason:#}. Start one (sudo systemctl start docker), or install it \
             (Debian: sudo apt-get install docker.io), or set DOCKER_HOST"
        ),
        Err(reason) => private(sh, workspace, want, &format!("{reason:#}")),
    }
}

fn private(sh: &Shell, workspace: &Workspace, want: Want, reason: &str) -> Result<Obtained> {
    println!("{reason}: one is started for this run");
    if want.kind.is_none() && !install::has("dockerd") {
        if !(want.may_install && install::is_debian()) {
            bail!("{reason}, and dockerd is not installed. On Debian: apt-get install docker.io");
        }
        install::apt(sh, &["docker.io", "iproute2"])?;
    }
    let kind = want.kind.unwrap_or(Kind::Installed);
    let private = Private::named(workspace, &format!("run-{kind}"))?;
    let engine = private.up(sh, workspace, kind, want.may_install)?;
    Ok(Obtained { engine, private: Some(private) })
}

fn is_denied(error: &anyhow::Error) -> bool {
    let io = error.root_cause().downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::PermissionDenied)
}
