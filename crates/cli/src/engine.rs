//! Which engine, and how to reach it.

use std::path::PathBuf;
use std::sync::Arc;

use longshore::{Config, Driver, Signal};

use crate::failure::Failure;
use crate::unreadable;

/// Which engine to use.
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Engine")]
pub(crate) struct Args {
    /// The backend [default: the first that works]
    #[arg(long, value_name = "NAME")]
    pub(crate) driver: Option<String>,
    /// A configuration in TOML
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl Args {
    /// Reads the configuration, if there is one. Options win over it.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let mut config = match &self.config {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Failure::io(path.display(), &error))?;
                toml::from_str(&text).map_err(|error| {
                    Failure::new(format!(
                        "{} is not a configuration: {}",
                        path.display(),
                        unreadable::in_toml(&text, &error)
                    ))
                    .help("the names above are all that there are; remove or correct the one at fault")
                })?
            }
            None => Config::default(),
        };
        if self.driver.is_some() {
            config.driver.clone_from(&self.driver);
        }
        Ok(config)
    }

    /// Opens the engine. Dropping the future leaves nothing behind.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Driver>, Failure> {
        Ok(longshore::open(self.config()?).await?)
    }

    /// The configuration for a command that looks before it acts: opening removes nothing that dead owners left.
    pub(crate) fn config_to_look(&self) -> Result<Config, Failure> {
        let mut config = self.config()?;
        config.docker.reap_on_open = false;
        Ok(config)
    }
}

/// A signal ended the command before there was anything to report.
pub(crate) fn cancelled(signal: Signal) -> Failure {
    Failure::new(format!("cancelled by {signal}")).code(128 + signal.number())
}
