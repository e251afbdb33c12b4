//! The contract between code that runs tasks in containers and the engines that run them.

#![deny(missing_docs)]
