//! The cases, a file for each part of the contract.
//!
//! A case is given a [`Trial`](crate::trial::Trial), which it uses for everything that may get
//! stuck. It need not clean up: that is done for it, whatever comes of it.

pub(crate) mod borrow;
pub(crate) mod capabilities;
pub(crate) mod close;
pub(crate) mod concurrency;
pub(crate) mod copy;
pub(crate) mod drops;
pub(crate) mod exec;
pub(crate) mod exit;
pub(crate) mod freeze;
pub(crate) mod health;
pub(crate) mod images;
pub(crate) mod input;
pub(crate) mod lifecycle;
pub(crate) mod limits;
pub(crate) mod network;
pub(crate) mod output;
pub(crate) mod owner;
pub(crate) mod readers;
pub(crate) mod recovery;
pub(crate) mod secrets;
pub(crate) mod stats;
pub(crate) mod stop;
pub(crate) mod task;
pub(crate) mod time;
pub(crate) mod tty;
