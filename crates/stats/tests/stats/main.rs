//! The behaviour that users of the crate see.

// The kernel's figures.
mod cgroup;
// Engines' figures.
mod engine;
// The answers of Fn's own `Decimate`.
mod oracle;
// Which samples a point stands for: helpers.
mod partition;
// Decimating while samples arrive.
mod streaming;
// Decimating at once.
mod windows;
