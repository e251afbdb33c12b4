//! Container image references: the grammar and normalisation of Docker's reference implementation, parsed without allocating.

#![deny(missing_docs)]
