//! The container driver contract as a test suite, for any backend.

#![deny(missing_docs)]
