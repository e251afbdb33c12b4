//! The container driver contract as a test suite, for any backend.
#![deny(missing_docs)]

mod cases;
mod expect;
mod fixture;
#[macro_use]
mod list;
mod run;
mod suite;
mod testee;
mod tools;
mod trial;
mod verdict;

pub use fixture::{Fixture, Hosting, Scene};
pub use run::{Runtime, test_case, try_case};
pub use suite::cases;
pub use testee::{Act, NO_SUCH_PROGRAM, NOT_EXECUTABLE, Write};
pub use verdict::Verdict;
