//! The static program that the conformance suite runs inside containers.

fn main() {}
