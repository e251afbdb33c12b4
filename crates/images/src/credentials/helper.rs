//! Asking a credential helper, another program, without ever waiting for it too long.
//!
//! A helper may hang, or wait for a person. `docker_credential` runs one as well, but gives no
//! way to end it; so the few lines of the protocol are here: the server's name on standard input,
//! a JSON object or a reason on standard output.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_driver_api::{Credential, Error, ErrorKind, Result, Secret};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::misconfigured;
use super::registry::Registry;

/// No credential is longer than this.
const LONGEST_ANSWER: usize = 1 << 20;
/// How soon the thread notices that nobody waits for it any more, should what the helper left
/// running keep its output open.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// What helpers say when they have no credential for the server.
const NOT_FOUND: &str = "credentials not found";
/// The user's name that stands for an identity token.
const TOKEN: &str = "<token>";

/// How credential helpers are run.
#[derive(Debug, Clone)]
pub struct HelperOptions {
    timeout: Duration,
    path: Option<OsString>,
}

impl Default for HelperOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), path: None }
    }
}

impl HelperOptions {
    /// Thirty seconds, and the directories of the environment's `PATH`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a helper may take. After that it is killed, and the search ends with an error.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Where helpers are looked for, in the form of `PATH`.
    #[must_use]
    pub fn path(mut self, path: impl Into<OsString>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Asks the helper `name`, which `origin` names, for a registry's credential. Dropping the future
    /// kills the helper.
    pub(crate) async fn ask(
        &self,
        name: &str,
        origin: &str,
        registry: &Registry,
    ) -> Result<Option<Credential>> {
        let helper = format!("docker-credential-{name}");
        let program = self.find(&helper, origin)?;
        let (sender, receiver) = oneshot::channel();
        let process = Arc::new(Mutex::new(Process::Unborn));
        let _end = EndOnDrop(Arc::clone(&process));
        let server = registry.server().to_owned();
        // A thread of its own: one of the runtime's would keep the runtime from shutting down.
        std::thread::Builder::new()
            .name("credential-helper".to_owned())
            .spawn(move || {
                // Nobody receives it after a timeout.
                let _ = sender.send(run(&program, &server, &process));
            })
            .map_err(|cause| failed(&helper, "could not get a thread").because(cause))?;
        match tokio::time::timeout(self.timeout, receiver).await {
            Err(_) => {
                let message = format!(
                    "the credential helper {helper} took longer than {:?} and was killed: run it by hand to see what it waits for",
                    self.timeout
                );
                Err(Error::new(ErrorKind::Deadline, "find credential").message(message))
            }
            Ok(Err(_)) => Err(failed(&helper, "was not run to its end")),
            Ok(Ok(Err(cause))) => Err(failed(&helper, "could not be run").because(cause)),
            Ok(Ok(Ok((status, output)))) => understand(&helper, registry, status, &output),
        }
    }

    fn find(&self, helper: &str, origin: &str) -> Result<PathBuf> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !helper.bytes().all(plain) {
            return Err(misconfigured(format!(
                "{origin} names {helper:?}, which cannot be a credential helper: correct it"
            )));
        }
        let path = self.path.clone().or_else(|| env::var_os("PATH")).unwrap_or_default();
        env::split_paths(&path)
            .map(|directory| directory.join(helper))
            .find(|program| is_program(program))
            .ok_or_else(|| {
                misconfigured(format!(
                    "the credential helper {helper}, which {origin} names, is not in the PATH: install it, or take it out of there"
                ))
            })
    }
}

/// Where the helper's process is in its life. It is signalled only while it is known not to have
/// been waited for, so that its id cannot be another's.
enum Process {
    Unborn,
    Running(Pid),
    Over,
    Unwanted,
}

struct EndOnDrop(Arc<Mutex<Process>>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *process {
            Process::Running(id) => {
                // The whole group, for what the helper may have started. It may be gone already.
                let _ = kill_process_group(id, Signal::KILL);
                *process = Process::Unwanted;
            }
            Process::Unborn => *process = Process::Unwanted,
            Process::Over | Process::Unwanted => {}
        }
    }
}

/// Runs a helper to its end and returns what it wrote.
fn run(
    program: &Path,
    server: &str,
    process: &Mutex<Process>,
) -> io::Result<(ExitStatus, Vec<u8>)> {
    let (mut child, id) = {
        let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*process, Process::Unwanted) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let child = Command::new(program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It may hold secrets, and is for a person only.
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let id = Pid::from_child(&child);
        *process = Process::Running(id);
        (child, id)
    };
    let output = converse(&mut child, server, process);
    if output.is_err() {
        // What has said too much is not waited for.
        let _ = kill_process_group(id, Signal::KILL);
    }
    // Waits without taking the process away, which would free its id for another.
    let ended = waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
    if !matches!(*process, Process::Unwanted) {
        *process = Process::Over;
    }
    drop(process);
    let status = child.wait()?;
    ended?;
    Ok((status, output?))
}

fn converse(child: &mut Child, server: &str, process: &Mutex<Process>) -> io::Result<Vec<u8>> {
    if let Some(mut input) = child.stdin.take() {
        match input.write_all(server.as_bytes()) {
            // One that answers without reading is no fault.
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
    }
    let mut stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut output = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if matches!(*process.lock().unwrap_or_else(PoisonError::into_inner), Process::Unwanted) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut polled = [PollFd::new(&stdout, PollFlags::IN)];
        match poll(&mut polled, Some(&GLANCE)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(cause) => return Err(cause.into()),
        }
        match stdout.read(&mut buffer)? {
            0 => return Ok(output),
            n => output.extend_from_slice(&buffer[..n]),
        }
        if output.len() > LONGEST_ANSWER {
            return Err(io::Error::other("it wrote more than any credential has"));
        }
    }
}

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default, rename = "ServerURL")]
    server: String,
    username: String,
    secret: String,
}

fn understand(
    helper: &str,
    registry: &Registry,
    status: ExitStatus,
    output: &[u8],
) -> Result<Option<Credential>> {
    if !status.success() {
        let said = String::from_utf8_lossy(output).to_ascii_lowercase();
        if said.contains(NOT_FOUND) {
            return Ok(None);
        }
        return Err(failed(helper, &format!("failed with {status}")));
    }
    // What is wrong in it is not said: the answer holds a secret.
    let Ok(answer) = serde_json::from_slice::<Answer>(output) else {
        return Err(failed(helper, "gave an answer that is not of the protocol"));
    };
    if !answer.server.is_empty() && Registry::of_key(&answer.server).as_ref() != Some(registry) {
        // Some helpers look for what is similar.
        return Err(failed(helper, "answered for another registry"));
    }
    Ok(match (answer.username.as_str(), answer.secret) {
        ("", secret) if secret.is_empty() => None,
        (TOKEN, secret) => Some(Credential::IdentityToken(Secret::new(secret))),
        (username, secret) => Some(Credential::password(username, secret)),
    })
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

fn failed(helper: &str, what: &str) -> Error {
    let message =
        format!("the credential helper {helper} {what}: run `{helper} get` by hand to see why");
    Error::new(ErrorKind::Io, "find credential").message(message)
}
