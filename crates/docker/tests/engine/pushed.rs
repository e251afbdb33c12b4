//! Images that a test pushes to the registry, under a name that nobody else has.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::engine;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Where the testee is in the registry.
const TESTEE: &str = "longshore/testee";

/// The label of its images: one whose name has moved on has no other mark.
const LABEL: &str = "longshore-test.repository";

/// A repository in the registry. Its images are removed from the engine at the end.
pub(crate) struct Repository {
    registry: String,
    name: String,
}

/// A manifest in the registry.
#[derive(Debug, Clone)]
pub(crate) struct Pushed {
    pub(crate) digest: String,
    size: usize,
    architecture: String,
}

/// The testee in the registry: what all these images have in common.
pub(crate) fn common() -> String {
    format!("{}/{TESTEE}:latest", registry())
}

fn registry() -> String {
    std::env::var("LONGSHORE_TEST_REGISTRY").unwrap_or_else(|_| {
        panic!("LONGSHORE_TEST_REGISTRY is not set; `cargo xtask test` starts the registries")
    })
}

/// The engine runs here: its platform's architecture, by Go's name.
pub(crate) fn host() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// What an image is made of: the testee, which runs wherever the image says that it does, and bytes
/// that no other image has.
pub(crate) struct Made<'a> {
    pub(crate) architecture: &'a str,
    /// The code of a task without arguments of its own.
    pub(crate) code: u8,
    pub(crate) more: usize,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let registry = registry();
        let folder = tempfile::tempdir().unwrap();
        let random = folder.path().file_name().unwrap().to_string_lossy().to_lowercase();
        let random: String = random.chars().filter(char::is_ascii_alphanumeric).collect();
        let name = format!("longshore-test/pushed-{random}");
        Self { registry, name }
    }

    /// The name of what has this tag.
    pub(crate) fn tagged(&self, tag: &str) -> String {
        format!("{}/{}:{tag}", self.registry, self.name)
    }

    /// The name of what has this digest.
    pub(crate) fn pinned(&self, pushed: &Pushed) -> String {
        format!("{}/{}@{}", self.registry, self.name, pushed.digest)
    }

    /// Pushes an image, under a tag where there is one.
    pub(crate) fn push(&self, tag: Option<&str>, made: &Made<'_>) -> Pushed {
        let testee = self.get(&format!("/v2/{TESTEE}/manifests/latest"), MANIFEST);
        let of_testee = |part: &Value| part["digest"].as_str().unwrap().to_owned();
        let layer = of_testee(&testee["layers"][0]);
        let mount = format!("/v2/{}/blobs/uploads/?mount={layer}&from={TESTEE}", self.name);
        self.send("POST", &mount, "application/octet-stream", &[]).expect(201);
        let config = of_testee(&testee["config"]);
        let mut config = self.get(&format!("/v2/{TESTEE}/blobs/{config}"), CONFIG);
        let mut layers = vec![testee["layers"][0].clone()];
        if made.more > 0 {
            let layer = unique(made);
            config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(digest(&layer).into());
            layers.push(self.upload(LAYER, &layer));
        }
        config["architecture"] = made.architecture.into();
        config["config"]["Labels"] = json!({LABEL: self.name});
        config["config"]["Cmd"] = json!(["exit", made.code.to_string()]);
        let config = self.upload(CONFIG, config.to_string().as_bytes());
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        let manifest = manifest.to_string();
        let digest = self.put(tag, MANIFEST, &manifest);
        Pushed { digest, size: manifest.len(), architecture: made.architecture.to_owned() }
    }

    /// Pushes a list of images for one platform each.
    pub(crate) fn push_index(&self, tag: &str, images: &[Pushed]) {
        let images = images.iter().map(|image| {
            json!({
                "mediaType": MANIFEST, "digest": image.digest, "size": image.size,
                "platform": {"os": "linux", "architecture": image.architecture},
            })
        });
        let images = images.collect::<Vec<_>>();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": images});
        self.put(Some(tag), INDEX, &index.to_string());
    }

    fn put(&self, tag: Option<&str>, kind: &str, manifest: &str) -> String {
        let digest = digest(manifest.as_bytes());
        let target = format!("/v2/{}/manifests/{}", self.name, tag.unwrap_or(&digest));
        self.send("PUT", &target, kind, manifest.as_bytes()).expect(201);
        digest
    }

    /// Uploads a blob and says how a manifest names it.
    fn upload(&self, kind: &str, blob: &[u8]) -> Value {
        let bytes = "application/octet-stream";
        let begun = self.send("POST", &format!("/v2/{}/blobs/uploads/", self.name), bytes, &[]);
        let place = begun.expect(202).header("location");
        let place = place.strip_prefix(&format!("http://{}", self.registry)).unwrap_or(&place);
        let digest = digest(blob);
        self.send("PUT", &format!("{place}&digest={digest}"), bytes, blob).expect(201);
        json!({"mediaType": kind, "digest": digest, "size": blob.len()})
    }

    fn get(&self, target: &str, kind: &str) -> Value {
        let answer = self.send("GET", target, kind, &[]).expect(200);
        serde_json::from_slice(&answer.body).unwrap()
    }

    fn send(&self, method: &str, target: &str, kind: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.registry).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // Version 1.0: the answer ends with the connection and is not cut into chunks.
        write!(
            stream,
            "{method} {target} HTTP/1.0\r\nHost: {}\r\nAccept: {kind}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.registry,
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer");
        let body = answer.split_off(end + 4);
        Answer { head: String::from_utf8(answer).unwrap(), body }
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let filters = format!("%7B%22label%22%3A%5B%22{LABEL}%3D{}%22%5D%7D", self.name);
        // Whatever fails here fails the next test that counts what there is.
        let listed = engine::call("GET", &format!("/images/json?filters={filters}"));
        let listed = listed.map(|(_, images)| images).unwrap_or_default();
        for image in listed.as_array().into_iter().flatten() {
            let id = image["Id"].as_str().unwrap_or_default();
            let _ = engine::call("DELETE", &format!("/images/{id}?force=1"));
        }
    }
}

struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    fn expect(self, status: u16) -> Self {
        let found = self.head.split(' ').nth(1).unwrap_or_default();
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(found, status.to_string(), "{} {body}", self.head);
        self
    }

    fn header(&self, wanted: &str) -> String {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.next().expect("the header").1.to_owned()
    }
}

/// A layer with bytes that no compression makes smaller, and no other image has.
fn unique(made: &Made<'_>) -> Vec<u8> {
    let seed = tempfile::tempdir().unwrap();
    let mut digest = Sha256::digest(seed.path().to_string_lossy().as_bytes());
    let mut bytes = Vec::new();
    while bytes.len() < made.more {
        bytes.extend_from_slice(&digest);
        digest = Sha256::digest(digest);
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, "data", &bytes[..]).unwrap();
    builder.into_inner().unwrap()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}
