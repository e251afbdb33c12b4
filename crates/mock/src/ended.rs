//! How a process ended.

use longshore_driver_api::Signal;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// By itself, with this code.
    Code(u8),
    /// By this signal.
    Signal(Signal),
}

impl From<u8> for Ended {
    fn from(code: u8) -> Self {
        Self::Code(code)
    }
}

impl From<()> for Ended {
    fn from((): ()) -> Self {
        Self::Code(0)
    }
}
