//! Programs without code: simple things one after the other.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::Signal;
use tokio::io::AsyncWriteExt as _;

use crate::{Ended, Process, Program};

/// Simple things that a program does one after the other, made a [`Program`] by the one that ends
/// it.
///
/// ```
/// use std::time::Duration;
/// use longshore_mock::Program;
///
/// let slow = Program::steps()
///     .stdout("half ")
///     .sleep(Duration::from_secs(3))
///     .stdout("done")
///     .exit(0);
/// let greedy = Program::steps().stderr("more!").out_of_memory();
/// # let _ = (slow, greedy);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Steps(Vec<Step>);

#[derive(Debug, Clone)]
enum Step {
    Stdout(Arc<[u8]>),
    Stderr(Arc<[u8]>),
    Echo,
    Sleep(Duration),
    Burn(Duration),
    Ignore(Signal),
    Await(Signal),
    ChildOutOfMemory,
    Exit(u8),
    Die(Signal),
    OutOfMemory,
}

impl Steps {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes to stdout.
    #[must_use]
    pub fn stdout(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.then(Step::Stdout(bytes.into().into()))
    }

    /// Writes to stderr.
    #[must_use]
    pub fn stderr(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.then(Step::Stderr(bytes.into().into()))
    }

    /// Copies stdin to stdout until stdin's end.
    #[must_use]
    pub fn echo(self) -> Self {
        self.then(Step::Echo)
    }

    /// Waits, as long as it is not frozen.
    #[must_use]
    pub fn sleep(self, time: Duration) -> Self {
        self.then(Step::Sleep(time))
    }

    /// Uses so much CPU time; longer on the clock where CPU is limited to less than one.
    #[must_use]
    pub fn burn(self, cpu: Duration) -> Self {
        self.then(Step::Burn(cpu))
    }

    /// Ignores a signal from here on.
    #[must_use]
    pub fn ignore(self, signal: Signal) -> Self {
        self.then(Step::Ignore(signal))
    }

    /// Waits for a signal, which has no other effect then.
    #[must_use]
    pub fn wait_for(self, signal: Signal) -> Self {
        self.then(Step::Await(signal))
    }

    /// A child is killed because memory is used up, whatever the limit is.
    #[must_use]
    pub fn child_out_of_memory(self) -> Self {
        self.then(Step::ChildOutOfMemory)
    }

    /// Ends with this code.
    #[must_use]
    pub fn exit(self, code: u8) -> Program {
        self.then(Step::Exit(code)).program()
    }

    /// Dies by this signal, whatever its default action is.
    #[must_use]
    pub fn die(self, signal: Signal) -> Program {
        self.then(Step::Die(signal)).program()
    }

    /// Is killed because memory is used up, whatever the limit is.
    #[must_use]
    pub fn out_of_memory(self) -> Program {
        self.then(Step::OutOfMemory).program()
    }

    /// Runs until it is killed, or a signal ends it.
    #[must_use]
    pub fn forever(self) -> Program {
        self.sleep(Duration::MAX).exit(0)
    }

    fn then(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    fn program(self) -> Program {
        let steps = Arc::new(self.0);
        Program::new(move |process| {
            let steps = Arc::clone(&steps);
            async move {
                for step in steps.iter() {
                    match step.run(&process).await {
                        Ok(None) => {}
                        Ok(Some(ended)) => return ended,
                        // As a program does that checks what its system calls return.
                        Err(_) => return Ended::Code(74),
                    }
                }
                Ended::Code(0)
            }
        })
    }
}

impl Step {
    async fn run(&self, process: &Process) -> std::io::Result<Option<Ended>> {
        match self {
            Self::Stdout(bytes) => process.stdout().write_all(bytes).await?,
            Self::Stderr(bytes) => process.stderr().write_all(bytes).await?,
            Self::Echo => {
                tokio::io::copy(&mut process.stdin(), &mut process.stdout()).await?;
            }
            Self::Sleep(time) => process.sleep(*time).await,
            Self::Burn(time) => process.burn(*time).await,
            Self::Ignore(signal) => process.ignore(*signal),
            Self::Await(signal) => process.trap(*signal).recv().await,
            Self::ChildOutOfMemory => process.count_oom_kill(),
            Self::Exit(code) => return Ok(Some(Ended::Code(*code))),
            Self::Die(signal) => return Ok(Some(Ended::Signal(*signal))),
            Self::OutOfMemory => {
                process.count_oom_kill();
                return Ok(Some(Ended::Signal(Signal::KILL)));
            }
        }
        Ok(None)
    }
}
