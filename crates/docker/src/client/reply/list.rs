//! Lists of what has labels: containers, networks, volumes.

use std::collections::HashMap;

use serde::Deserialize;

use super::labels::our_labels;
use super::nullable;

/// One thing of a list: a container, a network, a volume.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Listed {
    /// Its id.
    #[serde(deserialize_with = "nullable")]
    pub(crate) id: String,
    /// Of a container: its names, each after a slash.
    #[serde(deserialize_with = "nullable")]
    pub(crate) names: Vec<String>,
    /// Of a container: such as `created`, `running`, `exited`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) state: String,
    /// Its labels, as far as they are ours.
    #[serde(deserialize_with = "our_labels")]
    pub(crate) labels: HashMap<String, String>,
}

impl Listed {
    /// What one of our labels says. Where there is nothing to say, it has no value.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The answer to `GET /volumes`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Volumes {
    /// The volumes.
    #[serde(deserialize_with = "nullable")]
    pub(crate) volumes: Vec<Volume>,
}

/// A volume, which has a name and no id.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Volume {
    /// Its name.
    #[serde(deserialize_with = "nullable")]
    pub(crate) name: String,
    /// Its labels, as far as they are ours.
    #[serde(deserialize_with = "our_labels")]
    pub(crate) labels: HashMap<String, String>,
}

impl From<Volume> for Listed {
    fn from(volume: Volume) -> Self {
        Self { id: volume.name, labels: volume.labels, ..Self::default() }
    }
}
