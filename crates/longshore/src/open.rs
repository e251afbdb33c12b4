//! From a configuration to a driver.

use std::sync::Arc;

use longshore_driver_api::{Driver, Error, ErrorKind, Registry, Result};

use crate::Config;

#[cfg(feature = "prefork")]
use crate::prefork::Pool;
/// Nothing: there is no pool in this build.
#[cfg(all(not(feature = "prefork"), any(feature = "docker", feature = "mock")))]
type Pool = std::convert::Infallible;

/// A driver, and the pool that was made for it.
#[cfg(any(feature = "docker", feature = "mock"))]
type Opened = (Arc<dyn Driver>, Option<Arc<Pool>>);

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

/// As [`open`], with the pool of networks that the configuration asks for. Closing the driver closes
/// the pool.
///
/// Dropping the future leaves nothing behind.
///
/// # Errors
///
/// As [`open`]; `InvalidInput` too if the configuration gives the pool no size.
#[cfg(feature = "prefork")]
pub async fn open_with_pool(config: Config) -> Result<(Arc<dyn Driver>, Arc<Pool>)> {
    config.prefork.validate()?;
    let name = config.driver.clone().unwrap_or_else(|| AUTOMATIC[0].to_owned());
    let (driver, pool) = match name.as_str() {
        #[cfg(feature = "docker")]
        "docker" => docker(config).await?,
        #[cfg(feature = "mock")]
        "mock" => mock(&config)?,
        _ => (registry().open(&name, config).await?, None),
    };
    let pool = pool.ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "open")
            .message(format!("the backend {name:?} has a source of networks of its own"))
    })?;
    Ok((driver, pool))
}

#[cfg(feature = "docker")]
async fn open_docker(config: Config) -> Result<Arc<dyn Driver>> {
    Ok(docker(config).await?.0)
}

#[cfg(feature = "docker")]
async fn docker(config: Config) -> Result<Opened> {
    use crate::docker::DockerDriver;
    let mut docker = config.docker;
    if docker.credentials.is_none() {
        docker.credentials = Some(config.credentials.source());
    }
    #[cfg(feature = "prefork")]
    if config.prefork.is_on() && docker.namespaces.is_none() {
        return docker_with_pool(docker, config.prefork).await;
    }
    Ok((Arc::new(DockerDriver::open(docker).await?), None))
}

/// The pool begins to make placeholders once all else is done that can fail or take long, and in the
/// same step it is handed out: whoever drops the future before leaves none.
#[cfg(all(feature = "docker", feature = "prefork"))]
async fn docker_with_pool(
    mut docker: crate::docker::DockerConfig,
    options: crate::prefork::PoolOptions,
) -> Result<Opened> {
    use longshore_driver_api::Placeholders as _;

    use crate::docker::{DockerDriver, DockerPlaceholders};
    use crate::late::LatePool;

    // Before the first call to an engine.
    options.validate()?;
    let placeholders = Arc::new(DockerPlaceholders::open(docker.clone()).await?);
    let late = Arc::new(LatePool::default());
    docker.namespaces = Some(late.clone());
    let driver = match DockerDriver::open(docker).await {
        Ok(driver) => driver,
        Err(error) => {
            // The error that made it useless is the one to report.
            let _ = placeholders.close().await;
            return Err(error);
        }
    };
    // It cannot fail here: the options are valid, and this is within a runtime.
    let pool = Arc::new(Pool::open(options, placeholders)?);
    late.begin(Arc::clone(&pool));
    Ok((Arc::new(driver), Some(pool)))
}

#[cfg(feature = "mock")]
async fn open_mock(config: Config) -> Result<Arc<dyn Driver>> {
    Ok(mock(&config)?.0)
}

#[cfg(feature = "mock")]
fn mock(config: &Config) -> Result<Opened> {
    let engine = crate::mock::Engine::new();
    config.mock.fill(&engine)?;
    let settings = crate::mock::Config::new();
    #[cfg(feature = "prefork")]
    if config.prefork.is_on() {
        let placeholders = engine.placeholders(crate::mock::Config::new());
        let pool = Arc::new(Pool::open(config.prefork.clone(), Arc::new(placeholders))?);
        let driver = engine.driver(settings.namespaces(pool.clone()));
        return Ok((Arc::new(driver), Some(pool)));
    }
    Ok((Arc::new(engine.driver(settings)), None))
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
