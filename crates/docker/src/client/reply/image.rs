//! What an engine says of images.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::nullable;

/// The answer to `GET /images/{name}/json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Image {
    /// The image's id.
    #[serde(deserialize_with = "nullable")]
    pub(crate) id: String,
    /// Its names with a tag.
    #[serde(deserialize_with = "nullable")]
    pub(crate) repo_tags: Vec<String>,
    /// Its names with a digest.
    #[serde(deserialize_with = "nullable")]
    pub(crate) repo_digests: Vec<String>,
    /// Bytes of all its layers.
    #[serde(deserialize_with = "nullable")]
    pub(crate) size: i64,
    /// The operating system.
    #[serde(deserialize_with = "nullable")]
    pub(crate) os: String,
    /// The processor, such as `amd64`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) architecture: String,
    /// The processor's variant, such as `v8`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) variant: String,
    /// What its containers begin with.
    #[serde(deserialize_with = "nullable")]
    pub(crate) config: ImageConfig,
}

/// What an image gives to its containers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ImageConfig {
    /// The volumes that it declares, by their paths.
    #[serde(deserialize_with = "nullable")]
    pub(crate) volumes: BTreeMap<String, Value>,
}

/// The answer to `GET /system/df`, as far as it is about images.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct DiskUsage {
    /// Bytes of all layers, each counted once.
    pub(crate) layers_size: Option<i64>,
    /// The images.
    #[serde(deserialize_with = "nullable")]
    pub(crate) images: Vec<ListedImage>,
}

/// One image of a list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ListedImage {
    /// The image's id.
    #[serde(deserialize_with = "nullable")]
    pub(crate) id: String,
    /// Its names with a tag.
    #[serde(deserialize_with = "nullable")]
    pub(crate) repo_tags: Vec<String>,
    /// Its names with a digest.
    #[serde(deserialize_with = "nullable")]
    pub(crate) repo_digests: Vec<String>,
    /// Bytes of all its layers.
    #[serde(deserialize_with = "nullable")]
    pub(crate) size: i64,
    /// Bytes of those of its layers that other images have as well; less than 0 if not known.
    #[serde(deserialize_with = "nullable")]
    pub(crate) shared_size: i64,
    /// The image that it was built on, where it was built here.
    #[serde(deserialize_with = "nullable")]
    pub(crate) parent_id: String,
    /// When it was made, in seconds since 1970.
    #[serde(deserialize_with = "nullable")]
    pub(crate) created: i64,
}
