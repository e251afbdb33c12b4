//! Owners that die: processes of their own that are killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use longshore_driver_api::{
    Driver, DriverExt as _, Error, ErrorKind, Handle, Result, State, Task, TaskIo, TaskSpec,
};
use serde::{Deserialize, Serialize};

const ASKED: &str = "LONGSHORE_CONFORMANCE_ORPHAN";
const READY: &str = "the orphan is there";
const HANDLE: &str = "its handle: ";

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
///     Orphan::new(spec, stage).leave("dies", &[("APPLICATION", "mine")]).await.map(drop)
/// }
/// # let _ = (dies, orphan);
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Orphan {
    spec: TaskSpec,
    started: bool,
    frozen: bool,
    /// How much of its stdout comes to the owner before it takes the task's handle.
    written: Option<u64>,
}

impl Orphan {
    /// An orphan of this task, at this stage: created, running or frozen.
    #[must_use]
    pub fn new(spec: TaskSpec, stage: State) -> Self {
        let frozen = stage == State::Frozen;
        Self { spec, started: frozen || stage == State::Running, frozen, written: None }
    }

    /// One that leaves a handle, which its owner takes when so many bytes of its stdout have come.
    /// It has to run, and all of its output is attached.
    #[must_use]
    pub fn with_handle(mut self, written: u64) -> Self {
        self.started = true;
        self.written = Some(written);
        self
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
        let mut task = Task::new(self.spec);
        let (io, captured) = TaskIo::captured();
        if self.written.is_some() {
            task = task.io(io);
        }
        let container = driver.prepare(task).await?;
        let running = if self.started { Some(container.start().await?) } else { None };
        if self.frozen {
            container.freeze().await?;
        }
        if let (Some(running), Some(written)) = (&running, self.written) {
            while (captured.stdout().len() as u64) < written {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            println!("\n{HANDLE}{}", running.handle()?);
        }
        println!("\n{READY}");
        std::future::pending().await
    }

    /// Runs the test of this name of this test binary in a process of its own, with these
    /// variables, until it has made the container. Then kills it with SIGKILL. Gives the handle
    /// that it has left, if it was asked for one.
    ///
    /// # Errors
    ///
    /// `Io` if the process ended before it made the container; its output says why.
    pub async fn leave(self, test: &str, env: &[(&str, &str)]) -> Result<Option<Handle>> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Io, "leave an orphan").message(format!("{test}: {error}"))
        };
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        let asked = serde_json::to_string(&self).map_err(std::io::Error::from).map_err(failed)?;
        command.args([test, "--exact", "--include-ignored", "--nocapture"]).env(ASKED, asked);
        command.envs(env.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped());
        let done = tokio::task::spawn_blocking(move || until_ready(command)).await;
        let left = done.map_err(std::io::Error::from).and_then(|ended| ended).map_err(failed)?;
        left.map(|handle| handle.parse()).transpose()
    }
}

/// The process never outlives this call.
fn until_ready(mut command: Command) -> std::io::Result<Option<String>> {
    let mut child = command.spawn()?;
    let heard = listen(&mut child);
    if !matches!(heard, Ok(Heard::End(_))) {
        child.kill()?;
    }
    let status = child.wait()?;
    match heard? {
        Heard::Ready(handle) => Ok(handle),
        Heard::End(said) => {
            let text = format!("ended with {status} before it was killed: {said}");
            Err(std::io::Error::other(text))
        }
    }
}

enum Heard {
    /// It is ready, and this is the handle, if there is one.
    Ready(Option<String>),
    /// It has ended, and said this.
    End(String),
}

fn listen(child: &mut Child) -> std::io::Result<Heard> {
    let mut handle = None;
    let mut said = String::new();
    let stdout = child.stdout.take();
    for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line?;
        if line == READY {
            return Ok(Heard::Ready(handle));
        }
        if let Some(text) = line.strip_prefix(HANDLE) {
            handle = Some(text.to_owned());
        }
        said.push_str(&line);
        said.push('\n');
    }
    Ok(Heard::End(said))
}
