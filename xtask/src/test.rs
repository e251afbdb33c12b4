//! `test`: every test, those that need an engine where there is one.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;
use xshell::{Shell, cmd};

use crate::engine::{Engine, Kind, Obtained, Private, Want, obtain};
use crate::image;
use crate::leaks::{self, Scope};
use crate::registry::Registry;
use crate::sample::{self, Size};
use crate::skips::{self, Skip};
use crate::stalls::Stalls;
use crate::steps::{Seen, Steps};
use crate::targets::{COMMAND, RESTART, engine_tests};
use crate::workspace::Workspace;

/// Names the kind of engine: figures are written in a section for each.
const KIND: &str = "LONGSHORE_TEST_KIND";

/// How many tests of a program run at a time.
const THREADS: &str = "RUST_TEST_THREADS";

/// The test of the matrix of faults.
const MATRIX: &str = "every_step_survives_every_fault_whatever_the_caller_does";

/// What tests are told by environment variables.
type Env = BTreeMap<&'static str, String>;

/// What a run of tests is asked to do.
pub(crate) struct Options {
    /// Whatever is not run, for want of an engine or a registry or by its own word, is a failure.
    pub(crate) require_engines: bool,
    pub(crate) engine: Want,
    /// Private engines to run the engine tests on as well, after the first, and how much of them.
    pub(crate) more: Vec<(Kind, Size)>,
    /// Everything at full size.
    pub(crate) soak: bool,
    /// What samples are drawn with.
    pub(crate) seed: u64,
}

pub(crate) fn run(sh: &Shell, workspace: &Workspace, mut args: lexopt::Parser) -> Result<()> {
    let mut options = Options::new();
    let mut named = Vec::new();
    while let Some(arg) = args.next()? {
        match arg {
            Long("require-engines") => options.require_engines = true,
            Long("no-install") => options.engine.may_install = false,
            Long("private-engine") => options.engine.private = true,
            Long("kind") => named.push(args.value()?.parse()?),
            Long("seed") => options.seed = args.value()?.parse()?,
            _ => return Err(arg.unexpected().into()),
        }
    }
    options.name_kinds(&named);
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
            more: Vec::new(),
            soak: false,
            seed: given.unwrap_or(clock),
        }
    }

    /// The first kind is that of the first engine, each further one brings another. None changes
    /// nothing.
    pub(crate) fn name_kinds(&mut self, kinds: &[Kind]) {
        if let Some((first, more)) = kinds.split_first() {
            self.engine.kind = Some(*first);
            self.more = more.iter().map(|kind| (*kind, Size::Whole)).collect();
        }
    }
}

/// What a run on one engine is called by, and how much of it there is.
struct Part<'a> {
    /// Before the steps' names; empty for the first engine.
    prefix: String,
    size: Size,
    seed: u64,
    engine: &'a Engine,
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

    let mut first = None;
    match ready(sh, workspace, options.engine, &testee) {
        Ok(obtained) => {
            let engine = &obtained.engine;
            first = Some(engine.version.clone());
            let kind = options.engine.kind.or_else(|| Kind::of(&engine.version));
            if let Some(kind) = kind {
                env.insert(KIND, kind.to_string());
            }
            let part =
                Part { prefix: String::new(), size: Size::Whole, seed: options.seed, engine };
            let tested = with_engine(sh, workspace, options, &part, &env, steps);
            obtained.release()?;
            tested?;
        }
        Err(reason) => {
            let strict = options.require_engines;
            steps.run_tests("cargo test", strict, |seen| ordinary_tests(sh, &env, &mut seen.skips));
            let reason = format!("{reason:#}");
            for tests in engine_tests(workspace, false) {
                skip(steps, options, &tests.label, &reason);
            }
        }
    }
    for (kind, size) in &options.more {
        // The first engine was perhaps of this kind.
        if first.as_ref().is_some_and(|version| kind.matches(version)) {
            continue;
        }
        let want = Want { kind: Some(*kind), ..options.engine };
        match ready(sh, workspace, want, &testee) {
            Ok(obtained) => {
                env.insert(KIND, kind.to_string());
                let part = Part {
                    prefix: format!("{kind}: "),
                    size: *size,
                    seed: options.seed,
                    engine: &obtained.engine,
                };
                let tested = with_engine(sh, workspace, options, &part, &env, steps);
                obtained.release()?;
                tested?;
            }
            Err(reason) => skip(steps, options, kind.name(), &format!("{reason:#}")),
        }
    }
    Ok(())
}

/// An engine with the test images.
fn ready(sh: &Shell, workspace: &Workspace, want: Want, testee: &Path) -> Result<Obtained> {
    let obtained = obtain(sh, workspace, want)?;
    image::make(&obtained.engine, testee).context("make the test images")?;
    Ok(obtained)
}

fn with_engine(
    sh: &Shell,
    workspace: &Workspace,
    options: &Options,
    part: &Part<'_>,
    env: &Env,
    steps: &mut Steps,
) -> Result<()> {
    let Part { prefix, size, seed, engine } = part;
    println!("\nengine: {} {} at {}", engine.name, engine.version, engine.endpoint);
    let mut env = env.clone();
    env.insert("LONGSHORE_TEST_DOCKER_HOST", engine.endpoint.to_string());
    env.insert("LONGSHORE_TEST_IMAGE", image::TESTEE.to_owned());
    env.insert("LONGSHORE_TEST_VOLUME_IMAGE", image::VOLUME.to_owned());
    env.insert("LONGSHORE_TEST_REFUSED_IMAGE", image::REFUSED.to_owned());
    let scope = Scope::of(engine, workspace)?;
    // Runs on engines of their own go on beside each other.
    let name = scope.private().map_or("tests", Private::name);
    let registries = Registry::pair(sh, workspace, name);
    if let Ok((plain, auth)) = &registries {
        env.insert("LONGSHORE_TEST_REGISTRY", plain.address.clone());
        env.insert("LONGSHORE_TEST_REGISTRY_AUTH", auth.address.clone());
        env.insert("LONGSHORE_TEST_REGISTRY_USER", Registry::USER.to_owned());
        env.insert("LONGSHORE_TEST_REGISTRY_PASSWORD", Registry::PASSWORD.to_owned());
    }
    let folder = &workspace.target;
    let strict = options.require_engines;
    let tested = (|| {
        if *size == Size::Sample {
            let name = "engine_conformance";
            let all = cargo_list(sh, name, &env)?;
            let some = sample::draw(&all, *seed);
            counted(steps, &format!("{prefix}{name}, sampled"), strict, &scope, folder, |skips| {
                println!("{} of {} cases", some.len(), all.len());
                cargo_test(sh, &["--test", name], &some, &env, skips)
            });
            let name = "engine_faults";
            env.insert("LONGSHORE_FAULTS", sample::FAULTS.to_string());
            counted(steps, &format!("{prefix}{name}, sampled"), strict, &scope, folder, |skips| {
                let matrix = [MATRIX.to_owned()];
                cargo_test(sh, &["--test", name], &matrix, &env, skips)
            });
            return Ok(());
        }
        // What needs no engine is the same with each.
        if prefix.is_empty() {
            counted(steps, "cargo test", strict, &scope, folder, |skips| {
                ordinary_tests(sh, &env, skips)
            });
        }
        let podman = engine.name.contains("Podman");
        let without: &[&str] = if podman { &["--exclude", COMMAND] } else { &[] };
        for tests in engine_tests(workspace, podman) {
            let (label, name) = (format!("{prefix}{}", tests.label), tests.name);
            if let Some(reason) = tests.refused {
                // Never a failure: no engine of this kind could do better.
                println!("SKIPPED {label}: {reason}");
                steps.skip(&label, reason);
                continue;
            }
            match &registries {
                _ if name == RESTART => {
                    restarting(sh, workspace, options, &scope, &label, &env, steps)?;
                }
                Err(reason) if name.starts_with("engine_registry") => {
                    skip(steps, options, &label, &format!("{reason:#}"));
                }
                _ => {
                    counted(steps, &label, strict, &scope, folder, |skips| {
                        cargo_test(sh, &[&["--test", &name], without].concat(), &[], &env, skips)
                    });
                }
            }
        }
        Ok(())
    })();
    if let Ok((plain, auth)) = registries {
        plain.down()?;
        auth.down()?;
    }
    tested
}

/// The step whose tests restart their engine: the one at hand if it is private, else one more.
fn restarting(
    sh: &Shell,
    workspace: &Workspace,
    options: &Options,
    scope: &Scope,
    label: &str,
    env: &Env,
    steps: &mut Steps,
) -> Result<()> {
    let mut env = env.clone();
    let mut more = None;
    let mut own = None;
    if scope.private().is_none() {
        let want = Want { kind: None, private: true, ..options.engine };
        let testee = Path::new(&env["LONGSHORE_TESTEE"]).to_owned();
        match ready(sh, workspace, want, &testee) {
            Ok(obtained) => {
                env.insert("LONGSHORE_TEST_DOCKER_HOST", obtained.engine.endpoint.to_string());
                own = Some(Scope::of(&obtained.engine, workspace)?);
                more = Some(obtained);
            }
            Err(reason) => {
                skip(steps, options, label, &format!("{reason:#}"));
                return Ok(());
            }
        }
    }
    let scope = own.as_ref().unwrap_or(scope);
    let private = scope.private().context("the engine that was started is a private one")?;
    // A build may have put another program in the place of this one by now.
    let xtask = format!("/proc/{}/exe", std::process::id());
    let command = serde_json::json!([xtask, "engine", "restart", "--name", private.name()]);
    env.insert("LONGSHORE_TEST_RESTART", command.to_string());
    let folder = &workspace.target;
    counted(steps, label, options.require_engines, scope, folder, |skips| {
        cargo_test(sh, &["--test", RESTART], &[], &env, skips)
    });
    more.map_or(Ok(()), Obtained::release)
}

/// A step of tests that must also leave nothing behind. What fails while the machine stands still is
/// run once more, which the table tells; what leaks is not.
fn counted(
    steps: &mut Steps,
    name: &str,
    strict: bool,
    scope: &Scope,
    folder: &Path,
    test: impl Fn(&mut Vec<Skip>) -> Result<()>,
) {
    let once = |seen: &mut Seen, stalls: &Stalls| {
        let before = scope.look()?;
        let tested = test(&mut seen.skips);
        if tested.is_err() {
            scope.show_troubles();
        }
        // A failed test is the first thing to say; what it left is worth saying as well.
        match (tested, scope.expect_no_more_than(&before)) {
            (Err(failed), Err(leaked)) => bail!("{failed:#}\n{leaked:#}"),
            (Err(failed), Ok(())) if seen.again.is_none() => {
                seen.again = stalls.longest();
                if seen.again.is_none() { Err(failed) } else { Ok(Some(failed)) }
            }
            (tested, clean) => tested.and(clean).map(|()| None),
        }
    };
    steps.run_tests(name, strict, |seen| {
        let stalls = Stalls::watch(folder);
        if let Some(failed) = once(seen, &stalls)? {
            let stall = seen.again.as_deref().unwrap_or_default();
            eprintln!("error: {failed:#}\nonce more, since {stall} meanwhile");
            seen.skips.clear();
            once(seen, &stalls)?;
        }
        Ok(())
    });
}

/// All tests that need no engine. Most of them wait, so more of them run at a time than there are
/// processors, unless the environment says how many.
fn ordinary_tests(sh: &Shell, env: &Env, skips: &mut Vec<Skip>) -> Result<()> {
    let mut env = env.clone();
    if std::env::var_os(THREADS).is_none() {
        let processors = std::thread::available_parallelism()?.get();
        env.insert(THREADS, (4 * processors).to_string());
    }
    cargo_test(sh, &[], &[], &env, skips)
}

/// The same features for every run, so that nothing is built twice. Tests by their exact names; none
/// means all.
fn cargo_test(
    sh: &Shell,
    args: &[&str],
    tests: &[String],
    env: &Env,
    skips: &mut Vec<Skip>,
) -> Result<()> {
    let exact: &[&str] = if tests.is_empty() { &[] } else { &["--exact"] };
    let command = cmd!(
        sh,
        "cargo test --quiet --no-fail-fast --workspace --all-features {args...} -- {exact...} {tests...}"
    );
    // Cargo colours nothing that goes through a pipe.
    let colour = if std::io::stderr().is_terminal() { "always" } else { "auto" };
    let command = command.env("CARGO_TERM_COLOR", colour);
    skips::run(command.envs(env).into(), skips)
}

/// The names of a target's tests.
fn cargo_list(sh: &Shell, target: &str, env: &Env) -> Result<Vec<String>> {
    let command = cmd!(
        sh,
        "cargo test --quiet --workspace --all-features --test {target} -- --list --format terse"
    );
    let list = command.envs(env).quiet().read()?;
    let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

fn skip(steps: &mut Steps, options: &Options, target: &str, reason: &str) {
    if options.require_engines {
        steps.fail(target, &format!("skipped: {reason}"));
    } else {
        println!("SKIPPED {target}: {reason}");
        steps.skip(target, reason);
    }
}
