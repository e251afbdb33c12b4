//! Archives and the image cache on a real engine.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;
#[path = "support/until.rs"]
mod until;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{
    ByteSize, ContainerExt as _, Driver as _, DriverExt as _, ErrorKind, ImageStatus, PullPolicy,
    Task, TaskSpec,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use until::until;

/// Bytes of each image of the archive, roughly.
const SIZE: usize = 1 << 20;
/// Whatever happens has happened by then.
const LONG: Duration = Duration::from_secs(60);

/// An archive of three images that nobody else has. They are removed from the engine at the end.
struct Archive {
    folder: tempfile::TempDir,
    repository: String,
}

impl Archive {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let random = folder.path().file_name().unwrap().to_string_lossy().to_lowercase();
        let random: String = random.chars().filter(char::is_ascii_alphanumeric).collect();
        let repository = format!("longshore-test/images-{random}");
        let mut files = Vec::new();
        let mut manifest = Vec::new();
        for nth in 1..=3_u8 {
            // Bytes that no compression makes smaller, and no other image has.
            let mut bytes = Vec::new();
            let mut digest = Sha256::digest(format!("{random} {nth}"));
            while bytes.len() < SIZE {
                bytes.extend_from_slice(&digest);
                digest = Sha256::digest(digest);
            }
            let layer = tar(&[("data".to_owned(), bytes)]);
            let config = json!({
                "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/data"]},
                "created": format!("2001-01-0{nth}T00:00:00Z"),
                "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{:x}", Sha256::digest(&layer))]},
            });
            files.push((format!("{nth}.tar"), layer));
            files.push((format!("{nth}.json"), config.to_string().into_bytes()));
            manifest.push(json!({
                "Config": format!("{nth}.json"), "Layers": [format!("{nth}.tar")],
                // With the registry: Podman takes a name without one for this host's own.
                "RepoTags": [format!("docker.io/{repository}:{nth}")],
            }));
        }
        files.push(("manifest.json".to_owned(), Value::from(manifest).to_string().into_bytes()));
        std::fs::write(folder.path().join("images.tar"), tar(&files)).unwrap();
        Self { folder, repository }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("images.tar")
    }

    fn name(&self, nth: u8) -> String {
        format!("{}:{nth}", self.repository)
    }

    /// Which of the images are on the engine.
    fn there(&self) -> Vec<u8> {
        let is_there = |name: String| {
            let (status, _) = engine::call("GET", &format!("/images/{name}/json")).unwrap();
            status == 200
        };
        (1..=3).filter(|nth| is_there(self.name(*nth))).collect()
    }

    async fn until_there(&self, expected: &[u8]) {
        let what = format!("of the images {expected:?} are there");
        until(&what, async || self.there() == expected).await;
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        for nth in 1..=4 {
            // It may not be there.
            let _ = engine::call("DELETE", &format!("/images/{}?force=1", self.name(nth)));
        }
    }
}

fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn spec(image: &str) -> TaskSpec {
    TaskSpec::builder(image).pull(PullPolicy::Never).build().unwrap()
}

/// A driver that keeps the images under what there was before and a number of halves of the
/// archive's.
fn bounded(fixture: &fixture::Docker, before: &Before, half_images: u64) -> DockerConfig {
    let mut config = fixture.config();
    let more = half_images * SIZE as u64 / 2;
    config.image_clean_max_size = Some(ByteSize(before.size + more));
    config.image_clean_exempt_tags.clone_from(&before.ids);
    config
}

/// What was on the engine before.
struct Before {
    ids: Vec<String>,
    size: u64,
}

impl Before {
    fn now() -> Self {
        let (status, usage) = engine::call("GET", "/system/df").unwrap();
        assert_eq!(status, 200, "{usage}");
        let images = usage["Images"].as_array().cloned().unwrap_or_default();
        let id =
            |image: &Value| Some(image["Id"].as_str()?.trim_start_matches("sha256:").to_owned());
        // Podman leaves out how they are made.
        let ids = images.iter().filter_map(id).map(|id| format!("sha256:{id}"));
        Self { ids: ids.collect(), size: usage["LayersSize"].as_u64().unwrap() }
    }
}

#[tokio::test]
async fn an_archive_is_loaded_and_the_cache_keeps_what_is_used_and_removes_what_is_not() {
    let (before, archive) = (Before::now(), Archive::new());
    let fixture = fixture::Docker::new();
    let mut config = fixture.config();
    config.docker_load_file = Some(archive.path());
    let other = DockerDriver::open(config).await.unwrap();
    assert_eq!(archive.there(), [1, 2, 3]);
    // A container of a driver without a cache: only the engine knows that it uses the image.
    let used = other.prepare(spec(&archive.name(1))).await.unwrap();

    if other.capabilities().engine == "podman" {
        used.close().await.unwrap();
        let refused = DockerDriver::open(bounded(&fixture, &before, 5)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
        return other.close().await.unwrap();
    }
    let driver = DockerDriver::open(bounded(&fixture, &before, 5)).await.unwrap();
    archive.until_there(&[1, 3]).await;
    // It counts what the engine refused after it has removed what it could.
    until("one image is kept", async || driver.image_cache().unwrap().kept == 1).await;
    let container = driver.prepare(spec(&archive.name(3))).await.unwrap();
    assert_eq!(driver.image_cache().unwrap().busy, 1);
    driver.close().await.unwrap();
    drop(container);
    used.close().await.unwrap();
    other.close().await.unwrap();

    // The third was used last: the file tells a driver that comes later. It has two names.
    let (status, _) = engine::call(
        "POST",
        &format!("/images/{}/tag?repo={}&tag=4", archive.name(1), archive.repository),
    )
    .unwrap();
    assert_eq!(status, 201);
    let driver = DockerDriver::open(bounded(&fixture, &before, 3)).await.unwrap();
    archive.until_there(&[3]).await;
    // Its names go one after the other.
    let other_name = format!("/images/{}/json", archive.name(4));
    until("its other name goes as well", async || {
        engine::call("GET", &other_name).unwrap().0 == 404
    })
    .await;
    let task = Task::new(spec(&archive.name(1)));
    let container = driver.container(task).unwrap();
    assert_eq!(container.image_status().await.unwrap(), ImageStatus::NeedsPull);
    let task = Task::new(spec(&archive.name(3)));
    driver.container(task).unwrap().ensure_image().await.unwrap();
    let now = Before::now();
    assert!(now.ids.len() > before.ids.len(), "an exempt image went");
    driver.close().await.unwrap();
}

#[tokio::test]
async fn an_archive_that_is_broken_is_refused_by_name_and_soon() {
    let archive = Archive::new();
    let fixture = fixture::Docker::new();
    let whole = std::fs::read(archive.path()).unwrap();
    let cut = whole[..whole.len() / 2].to_vec();
    let empty = tar(&[]);
    for (what, bytes) in [
        ("rubbish", vec![b'x'; 100_000]),
        ("cut", cut),
        ("without images", empty),
        ("nothing", Vec::new()),
    ] {
        let path: &Path = &archive.folder.path().join("broken.tar");
        std::fs::write(path, bytes).unwrap();
        let mut config = fixture.config();
        config.docker_load_file = Some(path.to_owned());
        let start = Instant::now();
        let error = DockerDriver::open(config).await.expect_err(what);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{what}: {error}");
        assert!(error.to_string().contains("broken.tar"), "{what}: {error}");
        assert!(start.elapsed() < LONG);
    }
}
