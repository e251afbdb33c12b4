//! From a configuration to a driver.

use std::sync::Arc;

use longshore_driver_api::{Driver, Error, ErrorKind, Registry, Result};

use crate::Config;

/// The backends that a driver is looked for in when the configuration names none, best first.
const AUTOMATIC: [&str; 1] = ["docker"];

/// The backends of this build by name. More can be [registered](Registry::register) beside them.
#[must_use]
pub fn registry() -> Registry<Config> {
    let registry = Registry::new();
    #[cfg(feature = "docker")]
    let registry = with(registry, "docker", open_docker);
    #[cfg(feature = "mock")]
    let registry = with(registry, "mock", open_mock);
    registry
}

/// Opens the backend that the configuration names, or else the first that works: Docker, if an
/// engine answers.
///
/// Dropping the future leaves nothing behind.
///
/// # Errors
///
/// `InvalidInput` for a backend that this build is without, `EngineUnavailable` if none was named
/// and none works. What the backend says if it is there and cannot be used.
pub async fn open(config: Config) -> Result<Arc<dyn Driver>> {
    let registry = registry();
    match config.driver.clone() {
        Some(name) => registry.open(&name, config).await,
        None => open_first(&registry, &config).await,
    }
}

/// An engine that is there and cannot be used is reported: another one instead would come as a
/// surprise.
async fn open_first(registry: &Registry<Config>, config: &Config) -> Result<Arc<dyn Driver>> {
    let mut tried = Vec::new();
    for name in AUTOMATIC {
        if !registry.names().any(|known| known == name) {
            tried.push(format!("{name}: not in this build"));
            continue;
        }
        match registry.open(name, config.clone()).await {
            Err(error) if error.kind() == ErrorKind::EngineUnavailable => {
                let text = error.to_string();
                tried.push(format!("{name}: {}", text.strip_prefix("open: ").unwrap_or(&text)));
            }
            opened => return opened,
        }
    }
    Err(Error::new(ErrorKind::EngineUnavailable, "open")
        .message(format!("no backend works: {}", tried.join("; "))))
}

#[cfg(feature = "docker")]
async fn open_docker(config: Config) -> Result<Arc<dyn Driver>> {
    let mut docker = config.docker;
    if docker.credentials.is_none() {
        docker.credentials = Some(config.credentials.source()?);
    }
    Ok(Arc::new(crate::docker::DockerDriver::open(docker).await?))
}

#[cfg(feature = "mock")]
async fn open_mock(config: Config) -> Result<Arc<dyn Driver>> {
    let engine = crate::mock::Engine::new();
    config.mock.fill(&engine)?;
    Ok(Arc::new(engine.driver(crate::mock::Config::new())))
}

#[cfg(any(feature = "docker", feature = "mock"))]
fn with<O>(
    mut registry: Registry<Config>,
    name: &str,
    open: impl Fn(Config) -> O + Send + Sync + 'static,
) -> Registry<Config>
where
    O: Future<Output = Result<Arc<dyn Driver>>> + Send + 'static,
{
    registry.register(name, open).expect("each backend has a name of its own");
    registry
}
