//! Ends of streams, hooks and futures that behave as badly as a caller's may.

mod hooks;
mod lender;
mod polls;
mod readers;
mod writers;

pub(crate) use hooks::Counting;
pub(crate) use lender::{Books, Lender};
pub(crate) use polls::poll_at_most;
pub(crate) use readers::Silent;
pub(crate) use writers::{Taken, Writer};
