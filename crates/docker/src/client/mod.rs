//! The engine's API: the calls that the driver makes, and how they reach the engine.
//!
//! Only this folder knows of HTTP.

pub(crate) mod address;
mod answer;
pub(crate) mod api;
mod call;
pub(crate) mod connect;
mod date;
pub(crate) mod deadline;
pub(crate) mod demux;
pub(crate) mod discover;
pub(crate) mod engine;
pub(crate) mod error;
pub(crate) mod files;
pub(crate) mod lines;
pub(crate) mod load;
mod piece;
pub(crate) mod pull;
mod quirks;
pub(crate) mod reply;
pub(crate) mod stream;
#[cfg(feature = "tls")]
mod tls;
pub(crate) mod transport;
pub(crate) mod upload;
pub(crate) mod version;
pub(crate) mod wait;

#[cfg(test)]
mod tests;
