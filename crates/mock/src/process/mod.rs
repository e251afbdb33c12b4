//! A process in a container, as its program and the engine see it.

mod child;
mod inner;
mod signals;
mod streams;
mod toll;

pub use child::{Child, Memory};
pub use signals::Trap;
pub use streams::{Input, Output};

pub(crate) use inner::{Extra, Inner, Kin};
pub(crate) use streams::{In, Out, Streams};

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{Env, Signal, TaskSpec, TtySize};

use crate::{Ended, Program};

/// The process that a [`Program`] runs as: its arguments, environment, streams, signals, memory
/// and children. Clones are the same process.
///
/// When the main process ends, all others of its container are killed.
#[derive(Debug, Clone)]
pub struct Process(pub(crate) Arc<Inner>);

impl Process {
    /// The program's name and its arguments.
    #[must_use]
    pub fn args(&self) -> &[String] {
        self.0.argv()
    }

    /// The environment that the task's description sets, an engine option, or the exec that it was
    /// started by.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.spec().env
    }

    /// The description that the container was created from, engine options included. A further
    /// process (`Container::exec`) sees its own command, environment, directory and terminal in it.
    #[must_use]
    pub fn spec(&self) -> &TaskSpec {
        self.0.spec()
    }

    /// The process's number in its container. The main process without an init is number 1.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// What it reads.
    #[must_use]
    pub fn stdin(&self) -> Input {
        Input::new(&self.0.slots().stdin)
    }

    /// What it writes to, and all that it writes if it has a terminal.
    #[must_use]
    pub fn stdout(&self) -> Output {
        Output::new(&self.0.slots().stdout)
    }

    /// What it writes errors to.
    #[must_use]
    pub fn stderr(&self) -> Output {
        Output::new(&self.0.slots().stderr)
    }

    /// Whether its streams are a terminal. It is a raw one: nothing is echoed or translated.
    #[must_use]
    pub fn has_tty(&self) -> bool {
        self.spec().tty
    }

    /// The size of its terminal, if that was ever set.
    #[must_use]
    pub fn tty_size(&self) -> Option<TtySize> {
        self.0.tty_size()
    }

    /// Waits. Time in which the container is frozen does not count.
    pub async fn sleep(&self, time: Duration) {
        let freezer = &self.0.sandbox().freezer;
        freezer.reaches(freezer.elapsed().saturating_add(time)).await;
    }

    /// Uses so much CPU time, in as much time on the clock, or more where CPU is limited to less
    /// than one.
    pub async fn burn(&self, cpu: Duration) {
        /// How often the figure grows for those who watch it.
        const SLICE: Duration = Duration::from_millis(100);
        let milli = self.spec().limits.cpus.map_or(1000, |cpus| cpus.as_milli().clamp(1, 1000));
        let mut left = cpu;
        while !left.is_zero() {
            let slice = left.min(SLICE);
            self.sleep(slice * 1000 / milli).await;
            self.0.sandbox().use_cpu(slice);
            left -= slice;
        }
    }

    /// Handles a signal itself from here on: it has no other effect any more.
    #[must_use]
    pub fn trap(&self, signal: Signal) -> Trap {
        self.0.signals().lock().trap(signal)
    }

    /// Ignores a signal from here on.
    pub fn ignore(&self, signal: Signal) {
        self.0.signals().lock().ignore(signal);
    }

    /// Sends itself a signal. It does not return if the signal ends the process. The main process
    /// without an init is process 1, on which a signal that it does not handle has no effect.
    pub async fn raise(&self, signal: Signal) {
        if !self.0.raise(signal) {
            std::future::pending::<()>().await;
        }
    }

    /// Takes memory until the value is dropped. Where the container's limit does not allow it, the
    /// process is killed for it, and this never returns.
    pub async fn allocate(&self, bytes: u64) -> Memory {
        if !self.0.sandbox().take_memory(&self.0, bytes) {
            self.0.sandbox().count_oom_kill();
            self.0.end(Ended::Signal(Signal::KILL));
            std::future::pending::<()>().await;
        }
        Memory::new(Arc::clone(&self.0), bytes)
    }

    /// Starts a child with these arguments, the program's name first, and with the same streams.
    ///
    /// # Errors
    ///
    /// `WouldBlock` (`EAGAIN`, as `fork` says) if the container has as many processes as it may
    /// have, its init included.
    pub fn spawn<A: Into<String>>(
        &self,
        program: &Program,
        args: impl IntoIterator<Item = A>,
    ) -> std::io::Result<Child> {
        const EAGAIN: i32 = 11;
        let argv = args.into_iter().map(Into::into).collect();
        let sandbox = self.0.sandbox();
        match sandbox.spawn(program, argv, self.0.slots().inherited(), self.0.kin().clone()) {
            Some(child) => Ok(Child::new(child)),
            None => Err(std::io::Error::from_raw_os_error(EAGAIN)),
        }
    }

    /// The content of a file of the container: one that was copied in or written.
    ///
    /// # Errors
    ///
    /// `NotFound`, and `IsADirectory` for a folder.
    pub fn read_file(&self, path: &str) -> std::io::Result<Vec<u8>> {
        self.0.sandbox().files.lock().read(path)
    }

    /// Writes a file of the container, in place of what has its name.
    ///
    /// # Errors
    ///
    /// `NotFound` if its folder is not there, and `IsADirectory` if there is one of its name.
    pub fn write_file(&self, path: &str, bytes: impl Into<Vec<u8>>) -> std::io::Result<()> {
        self.0.sandbox().files.lock().write(path, 0o644, bytes.into())
    }

    pub(crate) fn count_oom_kill(&self) {
        self.0.sandbox().count_oom_kill();
    }
}
