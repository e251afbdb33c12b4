//! The longshore command: runs tasks in containers from a shell.

fn main() {}
