//! `demo`: the main job on a real engine, from nothing.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use lexopt::prelude::*;
use serde_json::Value as Json;
use xshell::{Shell, cmd};

use crate::engine::{Engine, Want, obtain};
use crate::image;
use crate::leaks::{self, Scope};
use crate::workspace::Workspace;

const IMAGE: &str = "longshore/demo";

/// One command line of the demonstration.
struct Scene {
    /// What it shows.
    title: &'static str,
    options: &'static [&'static str],
    command: &'static [&'static str],
    stdin: &'static str,
    status: i32,
}

const SCENES: [Scene; 6] = [
    Scene {
        title: "Input and output pass through",
        options: &[],
        command: &["cat"],
        stdin: "hello from outside\n",
        status: 0,
    },
    Scene {
        title: "The task's own code",
        options: &[],
        command: &["exit", "42"],
        stdin: "",
        status: 42,
    },
    Scene {
        title: "Ended by a signal: 128 and its number",
        options: &[],
        command: &["die", "SIGSEGV"],
        stdin: "",
        status: 139,
    },
    Scene {
        title: "A task that would run for ever, and its deadline",
        options: &["--timeout", "1s"],
        command: &["sleep", "forever"],
        stdin: "",
        status: 124,
    },
    Scene {
        title: "A task that wants 200 MB, and a limit of 32 MiB",
        options: &["--memory", "32MiB"],
        command: &["alloc", "200000000"],
        stdin: "",
        status: 137,
    },
    Scene {
        title: "A task that writes far too much, and a limit of 20 bytes",
        options: &["--output-limit", "20"],
        command: &["say", "more", "--times", "1000000"],
        stdin: "",
        status: 0,
    },
];

pub(crate) fn run(sh: &Shell, workspace: &Workspace, mut args: lexopt::Parser) -> Result<()> {
    let mut want = Want::default();
    while let Some(arg) = args.next()? {
        match arg {
            Long("private-engine") => want.private = true,
            Long("no-install") => want.may_install = false,
            _ => return Err(arg.unexpected().into()),
        }
    }
    leaks::adopt()?;
    let obtained = obtain(sh, workspace, want)?;
    let shown = show(sh, workspace, &obtained.engine);
    obtained.release()?;
    shown
}

fn show(sh: &Shell, workspace: &Workspace, engine: &Engine) -> Result<()> {
    println!("engine: Docker {} at {}", engine.version, engine.endpoint);
    println!("building the program and the image {IMAGE} …");
    let testee = image::build_testee(sh, workspace)?;
    image::make(engine, &testee)?;
    cmd!(sh, "cargo build --quiet --package longshore-cli").quiet().run()?;
    let longshore = workspace.target.join("debug/longshore");
    let scope = Scope::of(engine, workspace)?;
    let before = scope.look()?;

    for scene in &SCENES {
        scene.play(&longshore, engine)?;
    }
    hardened(&longshore, engine)?;
    statistics(workspace, &longshore, engine)?;

    println!("\n# What is left of all that");
    scope.expect_no_more_than(&before)?;
    for (kind, count) in scope.look()?.counts() {
        println!("{kind}: {count}, as before");
    }
    Ok(())
}

impl Scene {
    fn play(&self, longshore: &Path, engine: &Engine) -> Result<()> {
        println!("\n# {}", self.title);
        let args = [self.options, &[IMAGE], self.command].concat();
        let pipe = if self.stdin.is_empty() { "" } else { "echo hello from outside | " };
        println!("$ {pipe}longshore run {}", args.join(" "));
        let mut command = longshore_run(longshore, engine, &args);
        let stdin = if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
        let mut child = command.stdin(stdin).spawn().context("start longshore")?;
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(self.stdin.as_bytes()).context("write to longshore")?;
        }
        let status = child.wait().context("wait for longshore")?;
        println!("[exit status {}]", status.code().unwrap_or(-1));
        ensure!(
            status.code() == Some(self.status),
            "{}: expected exit status {}",
            self.title,
            self.status
        );
        Ok(())
    }
}

/// What a task gets that asks for nothing.
fn hardened(longshore: &Path, engine: &Engine) -> Result<()> {
    println!("\n# The world of a task that asks for nothing\n$ longshore run {IMAGE} world");
    let output = longshore_run(longshore, engine, &[IMAGE, "world"]).output();
    let output = output.context("start longshore")?;
    let world: Json = serde_json::from_slice(&output.stdout).context("read the task's world")?;
    for key in ["uid", "no_new_privs", "seccomp", "interfaces", "init"] {
        println!("{key}: {}", world[key]);
    }
    println!("capabilities: {}", world["capabilities"]["bounding"]);
    Ok(())
}

fn statistics(workspace: &Workspace, longshore: &Path, engine: &Engine) -> Result<()> {
    println!("\n# Half a processor for a task that wants a whole one, and the figures afterwards");
    let (stats, exit) =
        (workspace.target.join("demo-stats.json"), workspace.target.join("demo-exit.json"));
    let (stats_path, exit_path) = (stats.display().to_string(), exit.display().to_string());
    let options = ["--cpus", "0.5", "--stats", &stats_path, "--json", &exit_path];
    let args = [&options[..], &[IMAGE, "burn", "1500"]].concat();
    println!("$ longshore run --cpus 0.5 --stats STATS --json EXIT {IMAGE} burn 1500");
    let status = longshore_run(longshore, engine, &args).stdin(Stdio::null()).status();
    ensure!(status.context("start longshore")?.success(), "the task failed");
    let read = |path: &Path| -> Result<Json> {
        let text = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        fs::remove_file(path).with_context(|| format!("remove {}", path.display()))?;
        Ok(serde_json::from_slice(&text)?)
    };
    let samples = read(&stats)?;
    let samples = samples.as_array().context("the statistics are no list")?;
    println!("{} samples; the last: {}", samples.len(), samples.last().unwrap_or(&Json::Null));
    println!("exit: {}", read(&exit)?);
    Ok(())
}

fn longshore_run(longshore: &Path, engine: &Engine, args: &[&str]) -> Command {
    let mut command = Command::new(longshore);
    command.arg("run").args(args).env("DOCKER_HOST", engine.endpoint.to_string());
    command
}
