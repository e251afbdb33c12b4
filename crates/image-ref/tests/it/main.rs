//! The crate's behaviour from outside, against the originals' answers, a model and another crate.

mod allocations;
mod errors;
mod grammar;
mod model;
mod oci_spec;
mod oracle;
mod parse_image;
mod properties;
#[cfg(feature = "serde")]
mod serde;
mod strategies;
