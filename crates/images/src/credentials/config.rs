//! Docker's configuration: which helper to ask for a registry, and what is written for it.

use std::fmt;

use docker_credential::DockerCredential;
use longshore_driver_api::{Credential, Error, Result, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::misconfigured;
use super::registry::Registry;

/// A read configuration.
///
/// Its entries are examined only when their registry is asked for, so that one broken entry does
/// no harm to the others.
#[derive(Clone, Default)]
pub(crate) struct Config {
    origin: String,
    auths: Map<String, Value>,
    helpers: Map<String, Value>,
    store: Option<Value>,
}

impl Config {
    /// Reads the text of a `config.json`, or of the older form that has the entries at its top.
    ///
    /// `origin` names the text in errors. No error holds a part of the text.
    pub(crate) fn parse(text: &str, origin: &str) -> Result<Self> {
        let fault = |what: &str| misconfigured(format!("{origin} {what}: correct it"));
        // An error of syntax says where it is and quotes nothing.
        let value: Value = serde_json::from_str(text)
            .map_err(|cause| fault(&format!("is not valid JSON ({cause})")))?;
        let Value::Object(mut all) = value else { return Err(fault("is not a JSON object")) };
        let mut section = |name: &str| match all.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(section)) => Ok(Some(section)),
            Some(_) => Err(fault(&format!("has a section {name:?} that is not a JSON object"))),
        };
        let (auths, helpers) = (section("auths")?, section("credHelpers")?);
        let store = all.remove("credsStore").filter(|store| !store.is_null());
        let auths = match auths {
            Some(auths) => auths,
            // The older form knows nothing but entries.
            None if helpers.is_none() && store.is_none() => {
                all.into_iter().filter(|(_, entry)| looks_like_entry(entry)).collect()
            }
            None => Map::new(),
        };
        Ok(Self { origin: origin.to_owned(), auths, helpers: helpers.unwrap_or_default(), store })
    }

    /// What names it in errors.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The helper to ask for a registry: its own, or else the one for all.
    pub(crate) fn helper(&self, registry: &Registry) -> Result<Option<&str>> {
        let own = keys(&self.helpers, registry).next().map(|(key, value)| (key.as_str(), value));
        let for_all = self.store.as_ref().map(|value| ("credsStore", value));
        let Some((key, value)) = own.or(for_all) else { return Ok(None) };
        let name = value.as_str().ok_or_else(|| self.fault(key, "names no credential helper"))?;
        Ok(Some(name).filter(|name| !name.is_empty()))
    }

    /// The credential that is written for a registry.
    pub(crate) fn entry(&self, registry: &Registry) -> Result<Option<Credential>> {
        for (key, value) in keys(&self.auths, registry) {
            let entry = Entry::deserialize(value)
                .map_err(|_| self.fault(key, "has a field that is not text"))?;
            if let Some(credential) = self.credential(key, entry, registry)? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    fn credential(&self, key: &str, entry: Entry, host: &Registry) -> Result<Option<Credential>> {
        let entry = entry.without_empty();
        if let Some(token) = entry.registrytoken {
            return Ok(Some(Credential::RegistryToken(Secret::new(token))));
        }
        if entry.is_empty() {
            return Ok(None);
        }
        // The library sees this one entry alone, under the host that was asked for: its own
        // search takes other hosts' names for Docker Hub's, and helpers in another order.
        let alone = serde_json::json!({ "auths": { (host.host()): entry } }).to_string();
        let fault = "holds no readable credential";
        match docker_credential::get_credential_from_reader(alone.as_bytes(), host.host()) {
            Ok(DockerCredential::IdentityToken(token)) => {
                Ok(Some(Credential::IdentityToken(Secret::new(token))))
            }
            Ok(DockerCredential::UsernamePassword(username, password)) => {
                // Docker pads short passwords with zero bytes.
                let password = password.trim_end_matches('\0');
                Ok(Some(Credential::password(username, password)))
            }
            Err(_) => Err(self.fault(key, fault)),
        }
    }

    fn fault(&self, key: &str, what: &str) -> Error {
        let remedy = "correct it, or log in again";
        misconfigured(format!("the entry {key:?} of {} {what}: {remedy}", self.origin))
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("origin", &self.origin)
            .field("auths", &self.auths.keys())
            .field("helpers", &self.helpers)
            .field("store", &self.store)
            .finish()
    }
}

/// What may be written for a registry.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identitytoken: Option<String>,
    #[serde(skip_serializing)]
    registrytoken: Option<String>,
}

impl Entry {
    /// Clients write empty texts, and entries without any, for what a helper keeps.
    fn without_empty(self) -> Self {
        let full = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self {
            auth: full(self.auth),
            username: full(self.username),
            password: full(self.password),
            identitytoken: full(self.identitytoken),
            registrytoken: full(self.registrytoken),
        }
    }

    fn is_empty(&self) -> bool {
        self.auth.is_none() && self.identitytoken.is_none() && self.password.is_none()
    }
}

fn looks_like_entry(value: &Value) -> bool {
    value.as_object().is_some_and(|entry| {
        ["auth", "username", "identitytoken", "registrytoken"]
            .iter()
            .any(|it| entry.contains_key(*it))
    })
}

/// The values whose key means `registry`, the key that is the very host first.
fn keys<'a>(
    map: &'a Map<String, Value>,
    registry: &Registry,
) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    let mut found: Vec<_> =
        map.iter().filter(|(key, _)| Registry::of_key(key).as_ref() == Some(registry)).collect();
    found.sort_by_key(|(key, _)| *key != registry.host());
    found.into_iter()
}
