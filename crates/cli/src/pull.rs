//! `longshore pull`: images onto the engine.

use std::sync::Arc;

use longshore::{Driver, ImageRef, PullPolicy, Task, TaskSpec};

use crate::engine;
use crate::failure::{Failure, note};
use crate::progress::Progress;
use crate::signals::Signals;
use crate::stdio;

/// Pulls images onto the engine
///
/// Shows the progress on a terminal, and prints the full name of each image once it is there.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    engine: engine::Args,
    /// The platform of the images, os/arch[/variant]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Shows no progress
    #[arg(short, long)]
    quiet: bool,
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

pub(crate) async fn main(args: Args) -> Result<u8, Failure> {
    let mut signals = Signals::catch()?;
    // All are checked before the first is pulled.
    let specs =
        args.images.iter().map(|image| spec(image, &args)).collect::<Result<Vec<_>, _>>()?;
    let driver = signals.unless(args.engine.open()).await?;
    let pulled = signals
        .unless(async {
            for spec in specs {
                pull(&driver, spec, args.quiet).await?;
            }
            Ok(())
        })
        .await;
    engine::ended(pulled, driver.close().await, note)?;
    Ok(0)
}

fn spec(image: &str, args: &Args) -> Result<TaskSpec, Failure> {
    let mut spec = TaskSpec::builder(image).pull(PullPolicy::Always);
    if let Some(platform) = &args.platform {
        spec = spec.platform(platform);
    }
    Ok(spec.build()?)
}

async fn pull(driver: &Arc<dyn Driver>, spec: TaskSpec, quiet: bool) -> Result<(), Failure> {
    let image: ImageRef = spec.image.parse().map_err(|error| Failure::new(format!("{error}")))?;
    let progress = Arc::new(Progress::new(&spec.image, quiet));
    let container = driver.container(Task::new(spec).hooks(Arc::clone(&progress) as _))?;
    let pulled = container.pull_image().await;
    progress.clear();
    // What this leaves stays with the driver, whose own closing tells it.
    let _ = container.close().await;
    pulled?;
    stdio::print(&format!("{}\n", image.with_default_tag())).await
}
