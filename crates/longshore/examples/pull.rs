//! Pulls an image onto the engine and shows how far it is.
//!
//! `cargo run --example pull -- alpine:3.20`

use std::sync::Arc;
use std::time::Duration;

use longshore::{ErrorKind, PullPolicy, PullProgress, Task, TaskHooks, TaskSpec};

/// Tells a person on stderr.
#[derive(Debug)]
struct Teller;

impl TaskHooks for Teller {
    fn pull_progress(&self, progress: &PullProgress) {
        let PullProgress { layers, layers_done, bytes, bytes_done, rate, status, .. } = progress;
        let rate = rate.map(|rate| format!(", {} KiB/s", rate / 1024)).unwrap_or_default();
        eprintln!("{status}: {layers_done}/{layers} layers, {bytes_done}/{bytes} bytes{rate}");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> longshore::Result<()> {
    let image = std::env::args().nth(1).unwrap_or_else(|| "alpine:3.20".to_owned());
    let driver = longshore::open(longshore::Config::default()).await?;
    let spec = TaskSpec::builder(image).pull(PullPolicy::Always).build()?;
    let container = driver.container(Task::new(spec).hooks(Arc::new(Teller)))?;

    // A deadline of our own. Should others wait for the same pull, it goes on for them.
    let minute = Duration::from_secs(60);
    match tokio::time::timeout(minute, container.pull_image()).await {
        Ok(Ok(())) => eprintln!("it is there"),
        Ok(Err(error)) if error.kind() == ErrorKind::RegistryBusy => {
            eprintln!("{error}; come back in {:?}", error.asks_to_wait().unwrap_or(minute));
        }
        Ok(Err(error)) => eprintln!("{error}"),
        Err(_) => eprintln!("not within a minute"),
    }
    container.close().await?;
    driver.close().await
}
