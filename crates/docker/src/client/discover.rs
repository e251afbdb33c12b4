//! Which engine to use: what the caller says, then the environment, then Docker's contexts, then the
//! sockets that engines listen on by default.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::address::{Address, TlsFiles};
use super::error::{ClientError, Result};

/// The socket of an engine that runs as root.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// No configuration of Docker's is longer.
const LARGEST: u64 = 16 << 20;

/// What finding an engine depends on. It is a parameter so that a test can state it.
pub(crate) struct World<'a> {
    /// An environment variable; empty counts as not set.
    pub(crate) var: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whether a path exists.
    pub(crate) exists: &'a dyn Fn(&Path) -> bool,
    /// Who is told what is wrong and goes by.
    pub(crate) warn: &'a dyn Fn(&str),
}

impl World<'_> {
    fn var(&self, name: &str) -> Option<OsString> {
        (self.var)(name).filter(|value| !value.is_empty())
    }

    /// A variable that is a text. One that is none is not taken for one that is not set: another
    /// engine would be found.
    fn text(&self, name: &str) -> Result<Option<String>> {
        let text = self.var(name).map(OsString::into_string).transpose();
        text.map_err(|value| ClientError::Address(format!("{name} is not UTF-8: {value:?}")))
    }

    fn folder(&self) -> Option<PathBuf> {
        self.var("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| self.var("HOME").map(|home| Path::new(&home).join(".docker")))
    }
}

/// Finds the engine's address in this process's environment.
pub(crate) fn discover(host: Option<&str>) -> Result<Address> {
    let world = World {
        var: &|name| std::env::var_os(name),
        exists: &Path::exists,
        warn: &|text| tracing::warn!("{text}"),
    };
    discover_in(host, &world)
}

/// Finds the engine's address in a stated world.
pub(crate) fn discover_in(host: Option<&str>, world: &World<'_>) -> Result<Address> {
    if let Some(host) = host {
        return Address::parse(host, tls_of_environment(host, world)?);
    }
    if let Some(host) = world.text("DOCKER_HOST")? {
        return Address::parse(&host, tls_of_environment(&host, world)?).map_err(
            |error| match error {
                ClientError::Address(why) => ClientError::Address(format!("DOCKER_HOST: {why}")),
                other => other,
            },
        );
    }
    let context = match world.text("DOCKER_CONTEXT")? {
        Some(name) => Some(name),
        None => current_context(world),
    };
    match context.as_deref() {
        None | Some("default") => Ok(default_socket(world)),
        Some(name) => from_context(name, world),
    }
}

/// The first socket that exists; the usual one if none does, so that an error names it.
fn default_socket(world: &World<'_>) -> Address {
    let usual = PathBuf::from(DEFAULT_SOCKET);
    let rootless = world.var("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("docker.sock"));
    let desktop = world.var("HOME").map(|home| Path::new(&home).join(".docker/run/docker.sock"));
    let found = [Some(usual.clone()), rootless, desktop]
        .into_iter()
        .flatten()
        .find(|path| (world.exists)(path));
    Address::Unix(found.unwrap_or(usual))
}

fn tls_of_environment(host: &str, world: &World<'_>) -> Result<Option<TlsFiles>> {
    let named = world.var("DOCKER_CERT_PATH").map(PathBuf::from);
    // As Docker's own client: any text at all in DOCKER_TLS_VERIFY turns TLS on.
    if world.var("DOCKER_TLS_VERIFY").is_none() {
        let own = named.filter(|_| host.starts_with("https://"));
        return Ok(own.map(|folder| TlsFiles { folder: Some(folder) }));
    }
    let folder = named.or_else(|| world.folder());
    match folder {
        Some(folder) => Ok(Some(TlsFiles { folder: Some(folder) })),
        None => Err(ClientError::Address(
            "DOCKER_TLS_VERIFY is set and there are no certificates: set DOCKER_CERT_PATH".into(),
        )),
    }
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

/// The context that `docker context use` chose. As with Docker's own client, a file that cannot be
/// read has chosen none, and whoever runs this is told.
fn current_context(world: &World<'_>) -> Option<String> {
    let path = world.folder()?.join("config.json");
    let unread = |why: &str| {
        (world.warn)(&format!(
            "{why}; no Docker context is taken from it: correct it, or set DOCKER_HOST"
        ));
    };
    let text = match read_if_there(&path) {
        Ok(text) => text?,
        Err(error) => {
            unread(&error.to_string());
            return None;
        }
    };
    match serde_json::from_str::<ConfigFile>(&text) {
        Ok(config) => config.current_context.filter(|name| !name.is_empty()),
        Err(error) => {
            unread(&format!("{} is not what Docker writes there: {error}", path.display()));
            None
        }
    }
}

#[derive(Deserialize)]
struct ContextFile {
    #[serde(rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Endpoint,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Host")]
    host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    skip_tls_verify: bool,
}

fn from_context(name: &str, world: &World<'_>) -> Result<Address> {
    let wrong = |why: String| ClientError::Address(format!("Docker context `{name}`: {why}"));
    let folder = world
        .folder()
        .ok_or_else(|| wrong("HOME is not set, so there is no folder of contexts".into()))?
        .join("contexts");
    // Docker names the folder of a context by the digest of the context's name.
    let digest = hex(&Sha256::digest(name.as_bytes()));
    let path = folder.join("meta").join(&digest).join("meta.json");
    let text = read_if_there(&path)?.ok_or_else(|| {
        wrong("no such context; `docker context ls` lists them, DOCKER_CONTEXT chooses one".into())
    })?;
    let context: ContextFile = serde_json::from_str(&text)
        .map_err(|error| wrong(format!("{} cannot be read: {error}", path.display())))?;
    let endpoint = context.endpoints.docker;
    if endpoint.skip_tls_verify {
        return Err(wrong(
            "it skips the verification of TLS, which is not supported; give it the authority's ca.pem"
                .into(),
        ));
    }
    let certificates = folder.join("tls").join(&digest).join("docker");
    let tls = (world.exists)(&certificates).then_some(TlsFiles { folder: Some(certificates) });
    Address::parse(&endpoint.host, tls)
}

fn read_if_there(path: &Path) -> Result<Option<String>> {
    match read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(ClientError::Address(format!("{} cannot be read: {error}", path.display())))
        }
    }
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
