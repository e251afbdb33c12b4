//! Which engine, and how to reach it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use longshore::prefork::PoolOptions;
use longshore::{Config, Driver, NetworkMode, Signal, TaskSpec};

use crate::failure::{Failure, note};
use crate::input::{self, blocking};
use crate::signals::Signals;
use crate::unreadable;

/// Which engine to use.
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Engine")]
pub(crate) struct Args {
    /// The backend [default: the first that works]
    #[arg(long, value_name = "NAME")]
    pub(crate) driver: Option<String>,
    /// A configuration in TOML; - is stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl Args {
    /// Reads the configuration, if there is one. Options win over it. When the future is dropped,
    /// nobody waits for the file any more.
    pub(crate) async fn config(&self) -> Result<Config, Failure> {
        let mut config = match self.config.clone() {
            Some(path) => blocking(move || read(&path)).await?,
            None => Config::default(),
        };
        if self.driver.is_some() {
            config.driver.clone_from(&self.driver);
        }
        Ok(config)
    }

    /// Opens the engine for what borrows no network. Dropping the future leaves nothing behind.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Driver>, Failure> {
        let mut config = self.config().await?;
        config.prefork = PoolOptions::default();
        self.open_with(config).await
    }

    /// Opens the engine for one task, unless a signal comes first. One that borrows its network has a
    /// pool of one, unless the configuration says more; for any other there is none.
    pub(crate) async fn open_for(
        &self,
        spec: &TaskSpec,
        signals: &mut Signals,
    ) -> Result<Result<Arc<dyn Driver>, Failure>, Signal> {
        let mut config = tokio::select! {
            config = self.config() => match config {
                Ok(config) => config,
                Err(failure) => return Ok(Err(failure)),
            },
            signal = signals.next() => return Err(signal),
        };
        if spec.network.mode != NetworkMode::Prefork {
            config.prefork = PoolOptions::default();
        } else if !config.prefork.is_on() {
            config.prefork.size = 1;
        }
        // Without a pool, nothing is made that would have to be removed.
        let patience = if config.prefork.is_on() { PATIENCE } else { Duration::ZERO };
        opened(self.open_with(config), signals, patience, async |driver| driver.close().await).await
    }

    async fn open_with(&self, config: Config) -> Result<Arc<dyn Driver>, Failure> {
        let scripted = self.is_scripted(&config);
        let driver = longshore::open(config).await?;
        say_if_in_memory(&*driver, scripted);
        Ok(driver)
    }

    /// Whether the configuration says what the engine in memory holds. Whoever wrote that knows what
    /// it is.
    pub(crate) fn is_scripted(&self, config: &Config) -> bool {
        self.driver.is_none() && !config.mock.images.is_empty()
    }

    /// The configuration for a command that looks before it acts: opening removes nothing that dead
    /// owners left, and makes no pool.
    pub(crate) async fn config_to_look(&self) -> Result<Look, Failure> {
        let mut config = self.config().await?;
        config.docker.reap_on_open = false;
        let pool = std::mem::take(&mut config.prefork);
        Ok(Look { config, pool })
    }
}

/// A configuration to look with, and the pool that it would have.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) config: Config,
    pub(crate) pool: PoolOptions,
}

/// How long an opening that a signal interrupts may still take, so that what it has made is removed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Opens something unless a signal comes first. What has been begun by then is closed before this
/// returns, if it is open within that time; else it is left to the next reaper.
pub(crate) async fn opened<T>(
    opening: impl Future<Output = Result<T, Failure>>,
    signals: &mut Signals,
    patience: Duration,
    close: impl AsyncFnOnce(T) -> longshore::Result<()>,
) -> Result<Result<T, Failure>, Signal> {
    tokio::pin!(opening);
    let signal = tokio::select! {
        opened = &mut opening => return Ok(opened),
        signal = signals.next() => signal,
    };
    if let Ok(Ok(opened)) = tokio::time::timeout(patience, opening).await
        && let Err(error) = close(opened).await
    {
        note(not_removed(&error));
    }
    Err(signal)
}

pub(crate) fn say_if_in_memory(driver: &dyn Driver, scripted: bool) {
    if driver.name() == "mock" && !scripted {
        note("the driver mock is in memory: no image is pulled and no program runs");
    }
}

/// What a command comes to: its failure, or else that of the closing, which names what is left. Where
/// both failed, `tell` gets what is left.
pub(crate) fn ended<T>(
    worked: Result<T, Failure>,
    closed: longshore::Result<()>,
    tell: impl FnOnce(String),
) -> Result<T, Failure> {
    match (worked, closed) {
        (worked, Ok(())) => worked,
        (Ok(_), Err(error)) => Err(error.into()),
        (Err(failure), Err(error)) => {
            tell(not_removed(&error));
            Err(failure)
        }
    }
}

fn not_removed(error: &longshore::Error) -> String {
    format!("not everything could be removed: {error}; `longshore reap` tries again")
}

fn read(path: &Path) -> Result<Config, Failure> {
    let name = input::name(path);
    let text = input::read(path).map_err(|error| Failure::io(&name, &error).invalid())?;
    toml::from_str(&text).map_err(|error| {
        let said = unreadable::in_toml(&text, &error);
        let failure = Failure::new(format!("{name} is not a configuration: {said}")).invalid();
        failure.help(remedy(error.message()))
    })
}

/// What to do about a configuration that cannot be read. Only of an unknown key does the reader tell
/// the names that there are.
fn remedy(message: &str) -> &'static str {
    if message.starts_with("unknown field `") {
        "the names above are all that there are; remove or correct the one at fault"
    } else {
        "correct what is at this place, or leave it out"
    }
}

/// A signal ended the command before there was anything to report.
pub(crate) fn cancelled(signal: Signal) -> Failure {
    Failure::new(format!("cancelled by {signal}")).code(128 + signal.number())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The options for a configuration with a pool, whose file lives as long as what is beside them.
    fn with_a_pool() -> (tempfile::TempDir, Args) {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        let text = "driver = \"mock\"\n[prefork]\npre_fork_pool_size = 3\n";
        std::fs::write(&config, text).unwrap();
        (folder, Args { driver: None, config: Some(config) })
    }

    #[tokio::test]
    async fn a_pool_is_made_only_for_whoever_borrows_of_it() {
        let (_folder, args) = with_a_pool();
        for (mode, borrows) in [(NetworkMode::None, false), (NetworkMode::Prefork, true)] {
            let spec = TaskSpec::builder("x").network(mode).build().unwrap();
            let (_sender, mut signals) = Signals::from_test();
            let driver = args.open_for(&spec, &mut signals).await.unwrap().unwrap();
            assert_eq!(driver.capabilities().prefork, borrows);
            driver.close().await.unwrap();
        }
        let driver = args.open().await.unwrap();
        assert!(!driver.capabilities().prefork, "a pull borrows nothing");
        driver.close().await.unwrap();
        let Look { config, pool } = args.config_to_look().await.unwrap();
        assert_eq!(pool.size, 3);
        let to_look = longshore::open(config).await.unwrap();
        assert!(!to_look.capabilities().prefork, "nor does a look");
        to_look.close().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_being_opened_when_a_signal_came_is_closed() {
        for (takes, is_closed) in [(2, true), (60, false)] {
            let (sender, mut signals) = Signals::from_test();
            sender.send(Signal::INT).unwrap();
            let opening = async {
                tokio::time::sleep(Duration::from_secs(takes)).await;
                Ok(())
            };
            let mut closed = false;
            let close = async |()| {
                closed = true;
                Ok(())
            };
            let interrupted = opened(opening, &mut signals, PATIENCE, close).await.unwrap_err();
            assert_eq!((interrupted, closed), (Signal::INT, is_closed));
        }
    }

    #[test]
    fn what_is_left_is_told_also_where_the_work_failed() {
        let left = || longshore::Error::new(longshore::ErrorKind::Engine, "close").message("box-7");
        let mut told = String::new();
        let failure = ended(Err::<(), _>(Failure::new("no")), Err(left()), |text| told = text);
        assert_eq!(failure.unwrap_err().what(), "no");
        assert!(told.contains("box-7") && told.contains("`longshore reap`"), "{told}");
        let failure = ended(Ok(()), Err(left()), |_| panic!("it is the failure"));
        assert!(failure.unwrap_err().what().contains("box-7"));
        assert!(ended(Ok(()), Ok(()), |_| panic!("nothing is left")).is_ok());
    }
}
