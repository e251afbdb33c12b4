//! The cases, a file for each part of the contract.

pub(crate) mod lifecycle;
pub(crate) mod output;
