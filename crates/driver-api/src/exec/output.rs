//! What the short form of an exec gives.

use crate::{Captured, Exit};

/// What a process wrote, and how it ended.
///
/// Of each stream as much is here as was asked for at most; [`Exit::output`] tells how much more
/// there was.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ExecOutput {
    /// How it ended.
    pub exit: Exit,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
}

impl ExecOutput {
    pub(crate) fn new(exit: Exit, captured: &Captured) -> Self {
        Self { exit, stdout: captured.stdout(), stderr: captured.stderr() }
    }
}

/// Without what it wrote, which can be long, and secret.
impl std::fmt::Debug for ExecOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecOutput")
            .field("exit", &self.exit)
            .field("stdout", &self.stdout.len())
            .field("stderr", &self.stderr.len())
            .finish()
    }
}
