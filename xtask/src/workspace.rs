//! What cargo knows about this workspace.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use xshell::{Shell, cmd};

#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// `Some([])` is `publish = false`.
    pub(crate) publish: Option<Vec<String>>,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The requirement; `*` where the manifest states none.
    pub(crate) req: String,
    /// `None` for an ordinary one, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    pub(crate) path: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
    /// Whether `cargo test` runs it without being asked to.
    pub(crate) test: bool,
}

impl Workspace {
    pub(crate) fn load(sh: &Shell) -> Result<Workspace> {
        let text = cmd!(sh, "cargo metadata --format-version 1 --no-deps").quiet().read()?;
        let mut workspace: Workspace =
            serde_json::from_str(&text).context("read cargo metadata")?;
        workspace.packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(workspace)
    }
}

impl Package {
    pub(crate) fn dir(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("/"))
    }

    pub(crate) fn is_published(&self) -> bool {
        self.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    }

    pub(crate) fn has_library(&self) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "lib"))
    }

    /// What to pass as `--features` so that each is compiled alone: nothing, then one after the
    /// other. Nothing at all for a package without features.
    pub(crate) fn features_alone(&self) -> impl Iterator<Item = &str> {
        let features = self.features.keys().map(String::as_str);
        let none = (!self.features.is_empty()).then_some("");
        none.into_iter().chain(features.filter(|name| *name != "default"))
    }

    /// The test targets that need an engine: named `engine_…` and left out of plain `cargo test`.
    pub(crate) fn engine_tests(&self) -> impl Iterator<Item = &Target> {
        self.targets
            .iter()
            .filter(|target| target.kind == ["test"] && target.name.starts_with("engine_"))
    }
}

#[cfg(test)]
mod tests {
    use crate::tidy::manifests::tests::package;

    #[test]
    fn each_feature_is_compiled_alone_and_so_is_none() {
        let mut package = package("a", vec![]);
        assert_eq!(package.features_alone().count(), 0);
        for name in ["default", "tls", "serde"] {
            package.features.insert(name.to_owned(), vec![]);
        }
        assert_eq!(package.features_alone().collect::<Vec<_>>(), ["", "serde", "tls"]);
    }
}
