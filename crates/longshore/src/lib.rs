//! Runs tasks in containers: fast, bounded, and never leaked.

#![deny(missing_docs)]
