//! `test`: every test, those that need an engine where there is one.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;
use xshell::{Shell, cmd};

use crate::engine::{Engine, Want, obtain};
use crate::image;
use crate::leaks::{self, Scope};
use crate::registry::Registry;
use crate::steps::Steps;
use crate::workspace::Workspace;

/// What tests are told by environment variables.
type Env = BTreeMap<&'static str, String>;

/// What a run of tests is asked to do.
pub(crate) struct Options {
    /// A missing engine or registry is a failure, not a skip.
    pub(crate) require_engines: bool,
    pub(crate) engine: Want,
    /// Everything at full size.
    pub(crate) soak: bool,
    /// What samples are drawn with.
    pub(crate) seed: u64,
}

pub(crate) fn run(sh: &Shell, workspace: &Workspace, mut args: lexopt::Parser) -> Result<()> {
    let mut options = Options::new();
    while let Some(arg) = args.next()? {
        match arg {
            Long("require-engines") => options.require_engines = true,
            Long("no-install") => options.engine.may_install = false,
            Long("private-engine") => options.engine.private = true,
            Long("seed") => options.seed = args.value()?.parse()?,
            _ => return Err(arg.unexpected().into()),
        }
    }
    let mut steps = Steps::default();
    all(sh, workspace, &options, &mut steps)?;
    steps.finish()
}

impl Options {
    /// As a user runs it. A seed from the environment repeats an earlier run.
    pub(crate) fn new() -> Options {
        let given = std::env::var("LONGSHORE_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs());
        Options {
            require_engines: false,
            engine: Want::default(),
            soak: false,
            seed: given.unwrap_or(clock),
        }
    }
}

/// Adds a step for the ordinary tests and one for each that needs an engine.
pub(crate) fn all(
    sh: &Shell,
    workspace: &Workspace,
    options: &Options,
    steps: &mut Steps,
) -> Result<()> {
    leaks::adopt()?;
    println!("seed: LONGSHORE_SEED={}", options.seed);
    let testee = image::build_testee(sh, workspace).context("build the testee")?;
    let mut env = Env::new();
    env.insert("LONGSHORE_TESTEE", testee.display().to_string());
    env.insert("LONGSHORE_SEED", options.seed.to_string());
    if options.soak {
        env.insert("LONGSHORE_SOAK", "1".to_owned());
    }

    let obtained = obtain(sh, workspace, options.engine).and_then(|obtained| {
        image::make(&obtained.engine, &testee).context("make the test images")?;
        Ok(obtained)
    });
    match obtained {
        Ok(obtained) => {
            let engine = &obtained.engine;
            println!("engine: Docker {} at {}", engine.version, engine.endpoint);
            env.insert("LONGSHORE_TEST_DOCKER_HOST", engine.endpoint.to_string());
            env.insert("LONGSHORE_TEST_IMAGE", image::TESTEE.to_owned());
            env.insert("LONGSHORE_TEST_VOLUME_IMAGE", image::VOLUME.to_owned());
            let tested = with_engine(sh, workspace, options, engine, env, steps);
            obtained.release()?;
            tested
        }
        Err(reason) => {
            steps.run("cargo test", || cargo_test(sh, &[], &env));
            let reason = format!("{reason:#}");
            for target in engine_targets(workspace).keys() {
                skip(steps, options, target, &reason);
            }
            Ok(())
        }
    }
}

fn with_engine(
    sh: &Shell,
    workspace: &Workspace,
    options: &Options,
    engine: &Engine,
    mut env: Env,
    steps: &mut Steps,
) -> Result<()> {
    let registries = Registry::pair(sh, workspace);
    if let Ok((plain, auth)) = &registries {
        env.insert("LONGSHORE_TEST_REGISTRY", plain.address.clone());
        env.insert("LONGSHORE_TEST_REGISTRY_AUTH", auth.address.clone());
        env.insert("LONGSHORE_TEST_REGISTRY_USER", Registry::USER.to_owned());
        env.insert("LONGSHORE_TEST_REGISTRY_PASSWORD", Registry::PASSWORD.to_owned());
    }
    let scope = Scope::of(engine, workspace);
    let tested = scope.map(|scope| {
        counted(steps, "cargo test", &scope, || cargo_test(sh, &[], &env));
        for (label, name) in engine_targets(workspace) {
            match &registries {
                Err(reason) if name.starts_with("engine_registry") => {
                    skip(steps, options, &label, &format!("{reason:#}"));
                }
                _ => counted(steps, &label, &scope, || cargo_test(sh, &["--test", &name], &env)),
            }
        }
    });
    if let Ok((plain, auth)) = registries {
        plain.down()?;
        auth.down()?;
    }
    tested
}

/// A step that must also leave nothing behind.
fn counted(steps: &mut Steps, name: &str, scope: &Scope, test: impl FnOnce() -> Result<()>) {
    steps.run(name, || {
        let before = scope.look()?;
        let tested = test();
        // A failed test is the first thing to say; what it left is worth saying as well.
        match (tested, scope.expect_no_more_than(&before)) {
            (Err(failed), Err(leaked)) => bail!("{failed:#}\n{leaked:#}"),
            (tested, clean) => tested.and(clean),
        }
    });
}

/// The same features for every run, so that nothing is built twice.
fn cargo_test(sh: &Shell, args: &[&str], env: &Env) -> Result<()> {
    let command =
        cmd!(sh, "cargo test --quiet --no-fail-fast --workspace --all-features {args...}");
    command.envs(env).quiet().run()?;
    Ok(())
}

/// What needs an engine: how it is shown, and the name that cargo knows it by. Targets of the same
/// name in several packages run together.
fn engine_targets(workspace: &Workspace) -> BTreeMap<String, String> {
    let mut packages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &workspace.packages {
        for target in package.engine_tests() {
            packages.entry(&target.name).or_default().push(&package.name);
        }
    }
    let labels = packages.into_iter();
    labels
        .map(|(name, packages)| (format!("{}/{name}", packages.join("+")), name.to_owned()))
        .collect()
}

fn skip(steps: &mut Steps, options: &Options, target: &str, reason: &str) {
    if options.require_engines {
        steps.fail(target, &format!("skipped: {reason}"));
    } else {
        println!("SKIPPED {target}: {reason}");
        steps.skip(target, reason);
    }
}
