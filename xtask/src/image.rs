//! `image`: the images that tests run, made without a registry.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use xshell::{Shell, cmd};

use crate::engine::{self, Engine};
use crate::workspace::Workspace;

/// The testee as the entry point.
pub(crate) const TESTEE: &str = "longshore/testee:latest";
/// The same with an anonymous volume at `/data`.
pub(crate) const VOLUME: &str = "longshore/testee-volume:latest";
/// Another one with volumes, which tests refuse.
pub(crate) const REFUSED: &str = "longshore/testee-refused:latest";
/// The same as [`TESTEE`], by the name that the demonstration uses.
pub(crate) const DEMO: &str = "longshore/demo:latest";

/// Holds a digest of what the image was made from, so that an image is made once.
const MADE_FROM: &str = "longshore.test.made-from";

pub(crate) fn run(sh: &Shell, workspace: &Workspace) -> Result<()> {
    let engine = engine::find()?;
    let testee = build_testee(sh, workspace)?;
    println!("testee: {}", testee.display());
    for image in make(&engine, &testee)? {
        println!("image: {image} on {}", engine.endpoint);
    }
    Ok(())
}

/// Builds the static binary and returns its path.
pub(crate) fn build_testee(sh: &Shell, workspace: &Workspace) -> Result<PathBuf> {
    let about = cmd!(sh, "rustc -vV").quiet().read()?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc -vV doesn't name its host")?;
    // With --target, the flags reach what runs in the container and no build script.
    let args = ["--package", "longshore-testee", "--profile", "testee", "--target", host];
    cmd!(sh, "cargo build --quiet {args...}")
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .quiet()
        .run()?;
    Ok(workspace.target.join(host).join("testee/longshore-testee"))
}

/// Makes the images on the engine, each only if what is there was made from something else.
pub(crate) fn make(engine: &Engine, testee: &Path) -> Result<[&'static str; 4]> {
    let program = fs::read(testee).with_context(|| format!("read {}", testee.display()))?;
    let layer = layer(&program)?;
    let volume = "VOLUME /data".to_owned();
    make_one(engine, TESTEE, &layer, &[])?;
    make_one(engine, VOLUME, &layer, std::slice::from_ref(&volume))?;
    make_one(engine, REFUSED, &layer, &[volume, "VOLUME /refused".to_owned()])?;
    engine.tag(TESTEE, DEMO)?;
    Ok([TESTEE, VOLUME, REFUSED, DEMO])
}

fn make_one(engine: &Engine, image: &str, layer: &[u8], more: &[String]) -> Result<()> {
    let mut changes = vec![
        r#"ENTRYPOINT ["/testee"]"#.to_owned(),
        "ENV PATH=/".to_owned(),
        "WORKDIR /".to_owned(),
    ];
    changes.extend_from_slice(more);
    let mut digest = Sha256::new();
    digest.update(layer);
    digest.update(changes.join("\n"));
    let made_from = format!("{:x}", digest.finalize());
    if engine.image_label(image, MADE_FROM)?.as_ref() == Some(&made_from) {
        return Ok(());
    }
    // An import moves the name; the image that had it would stay, nameless.
    engine.remove_image(image)?;
    changes.push(format!("LABEL {MADE_FROM}={made_from}"));
    engine.import(image, layer, &changes)
}

/// The whole file system of the image.
pub(crate) fn layer(program: &[u8]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: tar::EntryType, mode: u32, owner: u64, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(0);
        tar.append_data(&mut header, path, bytes)
    };
    let (dir, file) = (tar::EntryType::Directory, tar::EntryType::Regular);
    add("data/", dir, 0o755, 1000, b"")?;
    add("etc/", dir, 0o755, 0, b"")?;
    add("etc/group", file, 0o644, 0, b"root:x:0:\nuser:x:1000:\n")?;
    let passwd = b"root:x:0:0:root:/:/testee\nuser:x:1000:1000:user:/tmp:/testee\n";
    add("etc/passwd", file, 0o644, 0, passwd)?;
    add("not-executable", file, 0o644, 0, b"This file has no execute bit.\n")?;
    add("testee", file, 0o755, 0, program)?;
    add("tmp/", dir, 0o1777, 0, b"")?;
    Ok(tar.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_is_the_same_for_the_same_program() {
        assert!(layer(b"program").unwrap() == layer(b"program").unwrap());
        assert!(layer(b"program").unwrap() != layer(b"another").unwrap());
    }

    #[test]
    fn the_layer_holds_what_tests_rely_on() {
        let bytes = layer(b"program").unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let header = entry.header();
            found.push((
                path,
                header.mode().unwrap(),
                header.uid().unwrap(),
                header.size().unwrap(),
            ));
        }
        for expected in [("testee", 0o755, 0, 7), ("tmp/", 0o1777, 0, 0), ("data/", 0o755, 1000, 0)]
        {
            let (path, mode, uid, size) = expected;
            assert!(found.contains(&(path.to_owned(), mode, uid, size)), "{found:?}");
        }
        assert!(found.iter().any(|(path, mode, ..)| path == "not-executable" && mode & 0o111 == 0));
    }
}
