//! Images that nobody else has, put into a registry.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one request to the registry may take.
const BOUND: Duration = Duration::from_secs(60);

/// An image in a registry.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// Its name without a registry and with a tag.
    pub name: String,
    /// Its name without a registry and tag.
    pub repository: String,
    /// The digest of its manifest.
    pub digest: String,
}

/// Puts an image for `linux/amd64` into the registry, with a layer of `size` bytes that no other
/// image has: an engine has to download it.
///
/// # Errors
///
/// The registry did not answer as it should.
pub async fn push(registry: &str, size: usize) -> io::Result<Pushed> {
    let seed: [u8; 16] = rand::random();
    let random: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    let repository = format!("longshore/random-{random}");
    let layer = archive(&random, size)?;
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/data"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
    });
    let config = config.to_string().into_bytes();
    for blob in [&layer, &config] {
        upload(registry, &repository, blob).await?;
    }
    let part = |kind: &str, blob: &[u8]| {
        let kind = format!("application/vnd.oci.image.{kind}");
        json!({"mediaType": kind, "digest": digest(blob), "size": blob.len()})
    };
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest: Value = json!({
        "schemaVersion": 2, "mediaType": kind, "config": part("config.v1+json", &config),
        "layers": [part("layer.v1.tar", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let target = format!("/v2/{repository}/manifests/1");
    send(registry, "PUT", &target, kind, &manifest, "201").await?;
    Ok(Pushed { name: format!("{repository}:1"), repository, digest: digest(&manifest) })
}

async fn upload(registry: &str, repository: &str, blob: &[u8]) -> io::Result<()> {
    let bytes = "application/octet-stream";
    let target = format!("/v2/{repository}/blobs/uploads/");
    let head = send(registry, "POST", &target, bytes, &[], "202").await?;
    let place = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    });
    let place =
        place.ok_or_else(|| io::Error::other("the registry names no place to upload to"))?;
    let place = place.strip_prefix(&format!("http://{registry}")).unwrap_or(&place).to_owned();
    let target = format!("{place}&digest={}", digest(blob));
    send(registry, "PUT", &target, bytes, blob, "201").await.map(drop)
}

/// Sends a request and gives the head of its answer. In the old version of HTTP the answer ends with
/// its connection.
async fn send(
    registry: &str,
    method: &str,
    target: &str,
    kind: &str,
    body: &[u8],
    expected: &str,
) -> io::Result<String> {
    let talk = async {
        let mut stream = TcpStream::connect(registry).await?;
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.0\r\nHost: {registry}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer =
        timeout(BOUND, talk).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    if answer.split(' ').nth(1) == Some(expected) {
        return Ok(answer);
    }
    Err(io::Error::other(format!("{method} {target}: {answer}")))
}

/// A layer of bytes that no compression makes smaller.
fn archive(seed: &str, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size);
    let mut block = Sha256::digest(seed);
    while bytes.len() < size {
        bytes.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, "data", &bytes[..])?;
    tar.into_inner()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}
