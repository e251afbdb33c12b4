//! The accounts of the images on the engine, and who of this driver uses them.

use std::path::{Path, PathBuf};

use longshore_driver_api::{ByteSize, Capabilities, Error, ErrorKind, Result};
use longshore_images::{ImageCache, ImageFigures};
use sha2::{Digest, Sha256};

use crate::client::reply::{DiskUsage, Image};
use crate::config::DockerConfig;
use crate::podman;

/// Whether the images of this engine can be bounded.
pub(crate) fn check(config: &DockerConfig, can: &Capabilities) -> Result<()> {
    let bounded = config.image_clean_max_size.is_some_and(|ByteSize(limit)| limit > 0);
    if bounded && can.engine == podman::NAME {
        // What it lists as the size of all layers did not fit what was there.
        return Err(Error::new(ErrorKind::Unsupported, "open image cache").message(
            "Podman's images are not bounded: leave image_clean_max_size out, and have \
             `podman image prune` run at times",
        ));
    }
    Ok(())
}

/// The accounts, where the configuration bounds the images; none otherwise. Blocks while it reads
/// the file that keeps their order.
pub(crate) fn open(
    config: &DockerConfig,
    run_dir: &Path,
    engine: &str,
) -> Result<Option<ImageCache>> {
    let Some(ByteSize(limit @ 1..)) = config.image_clean_max_size else { return Ok(None) };
    let path = match &config.image_clean_state_file {
        Some(path) => path.clone(),
        None => run_dir.join(state_file(&config.application, engine)),
    };
    // Damage is logged where it is found, and mended by the next save.
    let (cache, _) = ImageCache::open(limit, &config.image_clean_exempt_tags, path)?;
    Ok(Some(cache))
}

/// A file for each application and engine, under a name that is one whatever theirs are.
fn state_file(application: &str, engine: &str) -> PathBuf {
    let mut digest = Sha256::new();
    digest.update(application.as_bytes());
    digest.update([0]);
    digest.update(engine.as_bytes());
    let digest: String =
        digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    PathBuf::from("images").join(format!("{digest}.json"))
}

/// Takes over what the engine lists, those that were made first first.
pub(super) fn update(cache: &ImageCache, mut listed: DiskUsage) {
    listed.images.sort_by_key(|image| image.created);
    let images = listed.images.into_iter().map(|image| {
        ImageFigures::new(image.id, bytes(image.size))
            .shared(bytes(image.shared_size))
            .tags(image.repo_tags)
            .digests(image.repo_digests)
    });
    cache.update(images.collect(), listed.layers_size.map(bytes));
}

/// Counts an image in that was just pulled.
pub(super) fn add(cache: &ImageCache, image: &Image) {
    let figures = ImageFigures::new(&image.id, bytes(image.size))
        .tags(&image.repo_tags)
        .digests(&image.repo_digests);
    cache.add(figures);
}

fn bytes(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_application_on_each_engine_has_a_file_of_its_own() {
        let names =
            [("a", "unix:///b"), ("a", "unix:///c"), ("../x/ y", "unix:///b"), ("au", "nix:///b")];
        let files: Vec<PathBuf> = names.iter().map(|(one, two)| state_file(one, two)).collect();
        for (nth, file) in files.iter().enumerate() {
            assert_eq!(file.components().count(), 2, "{file:?}");
            assert!(!files[..nth].contains(file));
        }
    }

    #[test]
    fn nothing_is_bounded_unless_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = DockerConfig::default();
        assert!(open(&config, folder.path(), "e").unwrap().is_none());
        config.image_clean_max_size = Some(ByteSize(0));
        assert!(open(&config, folder.path(), "e").unwrap().is_none());
        config.image_clean_max_size = Some(ByteSize::mib(1));
        assert!(open(&config, folder.path(), "e").unwrap().is_some());
        config.image_clean_exempt_tags = vec!["Not/A ref".to_owned()];
        let error = open(&config, folder.path(), "e").unwrap_err();
        assert!(error.to_string().contains("Not/A ref"), "{error}");
    }
}
