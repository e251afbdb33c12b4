//! The images of our own programs: made here, loaded into the engine, never pulled.

use std::io;
use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, Result};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::program::{Machine, Program, machine};
use crate::client::api::DockerApi;
use crate::client::deadline::within;
use crate::client::load::Archive;
use crate::error::engine_error;
use crate::retry::again;

impl Program {
    /// What fails when there is none.
    fn op(self) -> &'static str {
        match self {
            Self::Placeholder => "make a placeholder",
            Self::Keeper => "make a keeper",
        }
    }

    fn repository(self) -> &'static str {
        match self {
            Self::Placeholder => "longshore/placeholder",
            Self::Keeper => "longshore/keeper",
        }
    }

    /// Its path in the image.
    fn path(self) -> &'static str {
        match self {
            Self::Placeholder => "hold",
            Self::Keeper => "keep",
        }
    }

    fn none_for(self, platform: &str) -> String {
        match self {
            Self::Placeholder => format!(
                "there is no placeholder of our own for {platform}: name an image that waits, in pre_fork_image"
            ),
            Self::Keeper => format!("there is no keeper for {platform}"),
        }
    }
}

/// Sees to it that the image is on the engine, where taking it in has `work` for it, and gives its name.
///
/// The same bytes make the same image, so it does no harm if two are at it at once.
pub(crate) async fn ensure(
    api: &dyn DockerApi,
    platform: &str,
    program: Program,
    work: Duration,
) -> Result<String> {
    let op = program.op();
    let machine = machine(platform).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, op).message(program.none_for(platform))
    })?;
    let image = Image::of(machine, program).map_err(|error| {
        Error::new(ErrorKind::Io, op).message("the image cannot be put together").because(error)
    })?;
    let failed = |error| engine_error(op, &format!("image {}", image.name), error);
    match again("inspect_image", || api.inspect_image(&image.name)).await {
        Ok(_) => return Ok(image.name),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(failed(error)),
    }
    // The bound of a load is one for archives of any size, and this one has a few KiB.
    within(work, api.load_images(Archive::bytes(image.archive))).await.map_err(failed)?;
    tracing::debug!(image = image.name, "loaded an image of our own");
    Ok(image.name)
}

/// An image as `docker save` writes it.
struct Image {
    /// Its tag is made from what is in it: another program is another image.
    name: String,
    archive: Vec<u8>,
}

impl Image {
    fn of(machine: &Machine, program: Program) -> io::Result<Self> {
        let layer = tar(&[(program.path(), 0o755, &machine.executable(program))])?;
        let digest = format!("{:x}", Sha256::digest(&layer));
        let name = format!("{}:{}", program.repository(), &digest[..12]);
        let config = json!({
            "architecture": machine.name,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {"Entrypoint": [format!("/{}", program.path())], "User": "65534:65534"},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
        })
        .to_string();
        let config_name = format!("{:x}.json", Sha256::digest(&config));
        let manifest =
            json!([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]);
        let archive = tar(&[
            ("layer.tar", 0o644, &layer),
            (&config_name, 0o644, config.as_bytes()),
            ("manifest.json", 0o644, manifest.to_string().as_bytes()),
        ])?;
        Ok(Self { name, archive })
    }
}

fn tar(files: &[(&str, u32, &[u8])]) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mode, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(0);
        builder.append_data(&mut header, name, *bytes)?;
    }
    builder.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_program_makes_the_same_image_and_another_one_another() {
        let of = |platform| Image::of(machine(platform).unwrap(), Program::Placeholder).unwrap();
        let (one, two, other) = (of("linux/amd64"), of("linux/amd64"), of("linux/arm64"));
        assert_eq!((&one.name, &one.archive), (&two.name, &two.archive));
        assert_ne!(one.name, other.name);
        let keeper = Image::of(machine("linux/amd64").unwrap(), Program::Keeper).unwrap();
        assert_ne!(one.name, keeper.name);
        assert!(one.archive.len() < 16 * 1024, "{} bytes", one.archive.len());
    }
}
