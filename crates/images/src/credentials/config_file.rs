//! Docker's configuration file as a source of credentials.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use longshore_driver_api::{Credential, CredentialSource, Error, ErrorKind, Result};
use longshore_image_ref::ImageRef;

use super::config::Config;
use super::helper::HelperOptions;
use super::misconfigured;
use super::registry::Registry;

/// No configuration is larger.
const LARGEST: u64 = 16 << 20;

/// The credentials that `docker login` keeps.
///
/// The file is read anew each time, so that a login counts at once. The registry's own helper
/// (`credHelpers`), or else the one for all (`credsStore`), is asked first, as Docker does; if it
/// has no credential, what is written in the file counts. A file that is not there has none.
///
/// A registry's host must be the one of the key exactly, port included; a key may also be a URL
/// such as `https://host/v1/`. Docker Hub's several names are known.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    candidates: Vec<PathBuf>,
    helpers: HelperOptions,
}

impl ConfigFile {
    /// The configuration in the file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { candidates: vec![path.into()], helpers: HelperOptions::new() }
    }

    /// The user's configuration: `$DOCKER_CONFIG/config.json`; without that variable
    /// `~/.docker/config.json`, or the older `~/.dockercfg` if the former is not there.
    #[must_use]
    pub fn usual() -> Self {
        let set =
            |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let candidates = candidates(set("DOCKER_CONFIG"), set("HOME"));
        Self { candidates, helpers: HelperOptions::new() }
    }

    /// How credential helpers are run.
    #[must_use]
    pub fn helpers(mut self, options: HelperOptions) -> Self {
        self.helpers = options;
        self
    }
}

#[async_trait]
impl CredentialSource for ConfigFile {
    async fn credential(&self, image: &ImageRef) -> Result<Option<Credential>> {
        let Some(registry) = Registry::of_image(image) else { return Ok(None) };
        let candidates = self.candidates.clone();
        let read = tokio::task::spawn_blocking(move || read_first(&candidates)).await;
        let read = read.map_err(|cause| {
            Error::new(ErrorKind::Cancelled, "find credential")
                .message("the configuration was not read to its end")
                .because(cause)
        })?;
        match read? {
            Some(config) => find(&config, &registry, &self.helpers).await,
            None => Ok(None),
        }
    }
}

/// What a configuration has for a registry, with the help of its helpers.
pub(crate) async fn find(
    config: &Config,
    registry: &Registry,
    helpers: &HelperOptions,
) -> Result<Option<Credential>> {
    if let Some(helper) = config.helper(registry)?
        && let Some(credential) = helpers.ask(helper, config.origin(), registry).await?
    {
        return Ok(Some(credential));
    }
    config.entry(registry)
}

fn candidates(configured: Option<PathBuf>, home: Option<PathBuf>) -> Vec<PathBuf> {
    match (configured, home) {
        (Some(directory), _) => vec![directory.join("config.json")],
        (None, Some(home)) => vec![home.join(".docker/config.json"), home.join(".dockercfg")],
        (None, None) => Vec::new(),
    }
}

fn read_first(candidates: &[PathBuf]) -> Result<Option<Config>> {
    for path in candidates {
        match read(path) {
            Ok(text) => return Config::parse(&text, &path.display().to_string()).map(Some),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => {
                let message = format!(
                    "cannot read {} ({cause}): correct it, or name another one in DOCKER_CONFIG",
                    path.display()
                );
                return Err(misconfigured(message).because(cause));
            }
        }
    }
    Ok(None)
}

fn read(path: &Path) -> io::Result<String> {
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = String::new();
    if File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)? as u64 > LARGEST {
        return Err(io::Error::other("it is too large"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_file_is_where_docker_has_it() {
        let path = |text: &str| Some(PathBuf::from(text));
        let found = candidates(path("/etc/docker-client"), path("/home/ann"));
        assert_eq!(found, [PathBuf::from("/etc/docker-client/config.json")]);
        let found = candidates(None, path("/home/ann"));
        let expected = ["/home/ann/.docker/config.json", "/home/ann/.dockercfg"];
        assert_eq!(found, expected.map(PathBuf::from));
        assert!(candidates(None, None).is_empty());
    }
}
