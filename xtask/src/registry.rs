//! `registry up|down`: Debian's docker-registry on loopback, with the testee in it.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use lexopt::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};
use xshell::{Shell, cmd};

use crate::engine::process;
use crate::http::Endpoint;
use crate::workspace::Workspace;
use crate::{image, install};

/// What those are called that a person starts.
const NAME: &str = "shared";

/// A running registry.
pub(crate) struct Registry {
    pub(crate) address: String,
    dir: PathBuf,
    auth: bool,
}

pub(crate) fn run(sh: &Shell, workspace: &Workspace, mut args: lexopt::Parser) -> Result<()> {
    let (mut action, mut auth) = (None, false);
    while let Some(arg) = args.next()? {
        match arg {
            Value(value) if action.is_none() => action = Some(value.string()?),
            Long("auth") => auth = true,
            _ => return Err(arg.unexpected().into()),
        }
    }
    match action.as_deref() {
        Some("up") => {
            let registry = Registry::up(sh, workspace, NAME, auth)?;
            let address = &registry.address;
            let mut about =
                json!({"address": address, "image": format!("{address}/{}", image::TESTEE)});
            if auth {
                about["user"] = Registry::USER.into();
                about["password"] = Registry::PASSWORD.into();
            }
            println!("{about}");
            Ok(())
        }
        Some("down") => stop(&folder(workspace, NAME, auth)),
        _ => bail!("registry up [--auth], or registry down [--auth]"),
    }
}

impl Registry {
    pub(crate) const USER: &str = "mate";
    pub(crate) const PASSWORD: &str = "open sesame";

    /// One that anybody may use and one that asks for the password, beside those of other names.
    pub(crate) fn pair(
        sh: &Shell,
        workspace: &Workspace,
        name: &str,
    ) -> Result<(Registry, Registry)> {
        let plain = Registry::up(sh, workspace, name, false)?;
        match Registry::up(sh, workspace, name, true) {
            Ok(auth) => Ok((plain, auth)),
            Err(error) => {
                plain.down()?;
                Err(error)
            }
        }
    }

    /// Starts a registry anew and puts the testee into it.
    fn up(sh: &Shell, workspace: &Workspace, name: &str, auth: bool) -> Result<Registry> {
        let program = program(sh, workspace)?;
        let testee = image::build_testee(sh, workspace)?;
        let dir = folder(workspace, name, auth);
        stop(&dir).context("remove an earlier registry")?;
        fs::create_dir_all(dir.join("data")).with_context(|| format!("make {}", dir.display()))?;
        // The port is free now; nobody else is likely to take it before the registry does.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let config = configuration(&dir, &address, auth)?;
        fs::write(config_path(&dir), config).context("write the registry's configuration")?;
        let log = File::create(dir.join("log")).context("make the registry's log")?;
        let daemon = Command::new(&program)
            .arg("serve")
            .arg(config_path(&dir))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        fs::write(dir.join("pid"), daemon.id().to_string()).context("write the pid file")?;
        let registry = Registry { address, dir, auth };
        registry.await_answer()?;
        registry.push(image::TESTEE, &testee)?;
        Ok(registry)
    }

    pub(crate) fn down(&self) -> Result<()> {
        stop(&self.dir)
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::Tcp(self.address.clone())
    }

    fn await_answer(&self) -> Result<()> {
        let start = Instant::now();
        let expected = if self.auth { 401 } else { 200 };
        loop {
            match self.endpoint().get("/v2/") {
                Ok(response) if response.status == expected => return Ok(()),
                _ if start.elapsed() > Duration::from_secs(10) => {
                    let log = self.dir.join("log");
                    bail!("the registry does not answer; see {}", log.display())
                }
                _ => thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Uploads the image of a program, as the OCI distribution specification says.
    fn push(&self, image: &str, program: &Path) -> Result<()> {
        let (repo, tag) = image.rsplit_once(':').context("an image needs a tag here")?;
        let layer = image::layer(&fs::read(program).context("read the testee")?)?;
        let config = json!({
            "architecture": oci_architecture(),
            "os": "linux",
            "config": {"Entrypoint": ["/testee"], "Env": ["PATH=/"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        });
        let config = serde_json::to_vec(&config)?;
        for blob in [&layer, &config] {
            self.upload(repo, blob).context("upload a blob")?;
        }
        let part = |kind: &str, blob: &[u8]| {
            json!({
                "mediaType": format!("application/vnd.oci.image.{kind}"),
                "digest": digest(blob),
                "size": blob.len(),
            })
        };
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": kind,
            "config": part("config.v1+json", &config),
            "layers": [part("layer.v1.tar", &layer)],
        });
        let manifest = serde_json::to_vec(&manifest)?;
        let target = format!("/v2/{repo}/manifests/{tag}");
        self.send("PUT", &target, kind, &manifest)?.expect(&[201])?;
        Ok(())
    }

    fn upload(&self, repo: &str, blob: &[u8]) -> Result<()> {
        let bytes = "application/octet-stream";
        let target = format!("/v2/{repo}/blobs/uploads/");
        let started = self.send("POST", &target, bytes, &[])?.expect(&[202])?;
        let place = started.header("location").context("no place to upload to")?;
        let place = place.strip_prefix(&format!("http://{}", self.address)).unwrap_or(place);
        let target = format!("{place}&digest={}", digest(blob));
        self.send("PUT", &target, bytes, blob)?.expect(&[201])?;
        Ok(())
    }

    fn send(
        &self,
        method: &str,
        target: &str,
        kind: &str,
        body: &[u8],
    ) -> Result<crate::http::Response> {
        let token = BASE64_STANDARD.encode(format!("{}:{}", Registry::USER, Registry::PASSWORD));
        let basic = format!("Basic {token}");
        let mut headers = vec![("Content-Type", kind)];
        if self.auth {
            headers.push(("Authorization", &basic));
        }
        self.endpoint().request(method, target, &headers, body)
    }
}

fn folder(workspace: &Workspace, name: &str, auth: bool) -> PathBuf {
    let kind = if auth { "auth" } else { "plain" };
    workspace.target.join("registry").join(name).join(kind)
}

fn config_path(dir: &Path) -> PathBuf {
    dir.join("config.yml")
}

/// The configuration is YAML, of which JSON is a part.
fn configuration(dir: &Path, address: &str, auth: bool) -> Result<String> {
    let mut config = json!({
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": dir.join("data")}},
        "http": {"addr": address},
    });
    if auth {
        let htpasswd = dir.join("htpasswd");
        let hash = bcrypt::hash(Registry::PASSWORD, 4).context("hash the password")?;
        fs::write(&htpasswd, format!("{}:{hash}\n", Registry::USER)).context("write htpasswd")?;
        config["auth"] = json!({"htpasswd": {"realm": "longshore", "path": htpasswd}});
    }
    Ok(config.to_string())
}

/// The installed program, else the one from Debian's package, unpacked and not installed: the
/// package would start a service of its own.
fn program(sh: &Shell, workspace: &Workspace) -> Result<PathBuf> {
    let name = "docker-registry";
    if install::has(name) {
        return Ok(name.into());
    }
    let dir = workspace.target.join("registry/package");
    let program = dir.join("usr/bin").join(name);
    if !program.exists() {
        if !install::is_debian() {
            bail!(
                "{name} is not installed and this is not Debian, where it could be fetched by apt-get"
            );
        }
        println!("fetching by apt-get: {name}");
        fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
        let _there = sh.push_dir(&dir);
        let fetch =
            || cmd!(sh, "apt-get download -q {name}").quiet().ignore_stdout().ignore_stderr().run();
        if fetch().is_err() {
            cmd!(sh, "apt-get update -q").quiet().ignore_stdout().run()?;
            fetch()?;
        }
        for package in
            sh.read_dir(".")?.iter().filter(|path| path.extension().is_some_and(|e| e == "deb"))
        {
            cmd!(sh, "dpkg -x {package} .").quiet().run()?;
            sh.remove_path(package)?;
        }
    }
    Ok(program)
}

/// Stops the registry of this folder, if it runs, and removes the folder.
fn stop(dir: &Path) -> Result<()> {
    let pid = fs::read_to_string(dir.join("pid")).ok().and_then(|pid| pid.parse().ok());
    let config = config_path(dir).display().to_string();
    let ours = pid.and_then(process::one).filter(|process| process.command.contains(&config));
    if let Some(daemon) = ours {
        process::end(daemon.pid, Duration::from_secs(5))?;
    }
    if fs::exists(dir)? {
        fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
    }
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// This machine's architecture by Go's name for it.
fn oci_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
