//! The behaviour that users of the crate see.

// The answers of Fn's own `Decimate`.
mod oracle;
// Which samples a point stands for: helpers.
mod partition;
// Decimating while samples arrive.
mod streaming;
// Decimating at once.
mod windows;
