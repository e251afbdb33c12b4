//! Tasks on a real engine, beside the bare calls of its API and beside its own command.

mod output;
mod prefork;
mod rivals;
mod tasks;

use std::time::Instant;

use anyhow::{Context, Result};

pub(crate) use output::plan as output;
pub(crate) use prefork::plan as prefork;
pub(crate) use tasks::{many, plan as tasks};

/// The engine that is measured, and the image whose entry point is the testee.
fn engine() -> Result<(String, String)> {
    let variable = |name| {
        std::env::var(name).with_context(|| format!("{name} is not set; cargo xtask bench sets it"))
    };
    Ok((variable("LONGSHORE_TEST_DOCKER_HOST")?, variable("LONGSHORE_TEST_IMAGE")?))
}

/// The time that `run` takes, in milliseconds for each of `parts`.
fn milliseconds(
    parts: usize,
    mut run: impl FnMut() -> Result<()> + 'static,
) -> Box<dyn FnMut() -> Result<f64>> {
    Box::new(move || {
        let start = Instant::now();
        run()?;
        Ok(start.elapsed().as_secs_f64() * 1000.0 / parts as f64)
    })
}
