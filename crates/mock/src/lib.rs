//! A container driver in memory: scriptable, deterministic, on tokio's time.

#![deny(missing_docs)]
