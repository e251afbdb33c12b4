//! Owners that die: processes of their own that are killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use longshore_driver_api::{Driver, DriverExt as _, Error, ErrorKind, Result, State, TaskSpec};
use serde::{Deserialize, Serialize};

const ASKED: &str = "LONGSHORE_CONFORMANCE_ORPHAN";
const READY: &str = "the orphan is there";

/// What an owner is asked to leave behind when it dies.
///
/// A fixture for a real engine makes orphans with a test of its own, which does something else when
/// it is not asked, such as leaving an orphan and reaping it:
///
/// ```
/// # use std::sync::Arc;
/// use longshore_conformance::Orphan;
/// use longshore_driver_api::{Driver, Result, State, TaskSpec};
///
/// // How the test `dies` begins, in the process that is killed and in the ordinary one.
/// async fn dies(driver: Arc<dyn Driver>) -> Result<()> {
///     if let Some(orphan) = Orphan::asked() {
///         orphan.make(driver).await?;
///     }
///     Ok(())
/// }
///
/// // What `Fixture::orphan` does.
/// async fn orphan(spec: TaskSpec, stage: State) -> Result<()> {
///     Orphan::new(spec, stage).leave("dies", &[("APPLICATION", "mine")]).await
/// }
/// # let _ = (dies, orphan);
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Orphan {
    spec: TaskSpec,
    started: bool,
    frozen: bool,
}

impl Orphan {
    /// An orphan of this task, at this stage: created, running or frozen.
    #[must_use]
    pub fn new(spec: TaskSpec, stage: State) -> Self {
        let frozen = stage == State::Frozen;
        Self { spec, started: frozen || stage == State::Running, frozen }
    }

    /// What this process is asked for, if [`leave`](Self::leave) started it.
    #[must_use]
    pub fn asked() -> Option<Self> {
        serde_json::from_str(&std::env::var(ASKED).ok()?).ok()
    }

    /// Makes the container with a driver of this process, and waits to be killed.
    ///
    /// # Errors
    ///
    /// What the driver returns; it returns only then.
    pub async fn make(self, driver: Arc<dyn Driver>) -> Result<()> {
        let container = driver.prepare(self.spec).await?;
        let _running = if self.started { Some(container.start().await?) } else { None };
        if self.frozen {
            container.freeze().await?;
        }
        println!("\n{READY}");
        std::future::pending().await
    }

    /// Runs the test of this name of this test binary in a process of its own, with these
    /// variables, until it has made the container. Then kills it with SIGKILL.
    ///
    /// # Errors
    ///
    /// `Io` if the process ended before it made the container; its output says why.
    pub async fn leave(self, test: &str, env: &[(&str, &str)]) -> Result<()> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Io, "leave an orphan").message(format!("{test}: {error}"))
        };
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        let asked = serde_json::to_string(&self).map_err(std::io::Error::from).map_err(failed)?;
        command.args([test, "--exact", "--include-ignored", "--nocapture"]).env(ASKED, asked);
        command.envs(env.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped());
        let done = tokio::task::spawn_blocking(move || until_ready(command)).await;
        done.map_err(std::io::Error::from).and_then(|ended| ended).map_err(failed)
    }
}

/// The process never outlives this call.
fn until_ready(mut command: Command) -> std::io::Result<()> {
    let mut child = command.spawn()?;
    let heard = listen(&mut child);
    if !matches!(heard, Ok(Some(_))) {
        child.kill()?;
    }
    let status = child.wait()?;
    match heard? {
        None => Ok(()),
        Some(said) => {
            let text = format!("ended with {status} before it was killed: {said}");
            Err(std::io::Error::other(text))
        }
    }
}

/// `None` once it is ready, or everything that it said until its end.
fn listen(child: &mut Child) -> std::io::Result<Option<String>> {
    let mut said = String::new();
    let stdout = child.stdout.take();
    for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line?;
        if line == READY {
            return Ok(None);
        }
        said.push_str(&line);
        said.push('\n');
    }
    Ok(Some(said))
}
