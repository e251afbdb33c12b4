//! What a test needs to understand the program that it ran in a container.
//!
//! The package builds one static binary, `longshore-testee`, with a subcommand for every behaviour
//! that a container driver has to survive: ends with a code, dies by a signal, floods its streams,
//! runs out of memory, ignores `SIGTERM`. The library beside it holds the two things that the test
//! on the outside has to share with it: the bytes that it writes and the reports that it prints.
//!
//! ```
//! use std::io::Read;
//! use longshore_testee::{STDOUT, pattern};
//!
//! // What `longshore-testee write --stdout 5 --seed 7` writes.
//! let mut wrote = Vec::new();
//! pattern(7, STDOUT).take(5).read_to_end(&mut wrote)?;
//! assert_eq!(wrote, pattern(7, STDOUT).bytes_of(5));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # The program
//!
//! `longshore-testee help` lists the subcommands. Each ends with 0 when it did what it says, 64 when
//! its arguments are wrong, 70 when it can't do it here and 74 when reading or writing failed.
//!
//! Reports are one JSON object on one line of stdout, of the types in this crate.

#![deny(missing_docs)]

mod pattern;
mod report;

pub use pattern::{Pattern, STDERR, STDOUT, pattern};
pub use report::{
    Burnt, Capabilities, ChildFate, Filled, Forked, Limit, Listening, Mount, Opened, Resolved,
    Terminals, World,
};
