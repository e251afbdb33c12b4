//! `ci` and `soak`: everything, the cheap checks first.

use anyhow::{Context, Result, ensure};
use lexopt::prelude::*;
use xshell::{Shell, cmd};

use crate::engine::Kind;
use crate::sample::{self, Size};
use crate::steps::Steps;
use crate::test::{self, Options};
use crate::workspace::{Package, Workspace};
use crate::{install, tidy};

/// `soak` runs at full size what `ci` samples. Kinds that are named take the place of the engines
/// that either runs on of itself.
pub(crate) fn run(
    sh: &Shell,
    workspace: &Workspace,
    mut args: lexopt::Parser,
    soak: bool,
) -> Result<()> {
    let mut options = Options::new();
    options.require_engines = true;
    options.soak = soak;
    options.more = if soak {
        Kind::NAMED.map(|kind| (kind, Size::Whole)).to_vec()
    } else {
        vec![(Kind::Docker26, Size::Sample)]
    };
    let mut named = Vec::new();
    while let Some(arg) = args.next()? {
        match arg {
            Long("kind") => named.push(args.value()?.parse()?),
            Long("private-engine") => options.engine.private = true,
            Long("seed") => options.seed = args.value()?.parse()?,
            _ => return Err(arg.unexpected().into()),
        }
    }
    options.name_kinds(&named);
    if options.engine.private {
        // The oldest that there is, whatever this machine has: the rest of `more` is newer.
        options.engine.kind.get_or_insert(Kind::Docker20);
    }
    let mut steps = Steps::default();
    let all = features_alone(workspace);
    let (step, features) = if soak {
        ("clippy, each feature alone", all)
    } else {
        ("clippy, some features alone", sample::draw(&all, options.seed))
    };
    checks(sh, workspace, (step, &features), &mut steps);
    // Tests take minutes: what is already known to be wrong comes first.
    if steps.passed() {
        test::all(sh, workspace, &options, &mut steps)?;
        steps.run("memory of what waits", || {
            let memory = ["--package", "longshore-docker", "--example", "waiting", "--", "memory"];
            Ok(cmd!(sh, "cargo run --quiet {memory...}").quiet().run()?)
        });
    } else {
        steps.skip("tests", "mend the checks above first");
    }
    steps.finish()
}

/// Each feature of each package, as `package/feature`; none of them as `package/`.
fn features_alone(workspace: &Workspace) -> Vec<String> {
    let of = |package: &Package| {
        let features = package.features_alone();
        features.map(|feature| format!("{}/{feature}", package.name)).collect::<Vec<_>>()
    };
    workspace.packages.iter().flat_map(of).collect()
}

/// Everything that reads the code and doesn't run it: the features by themselves too that are given,
/// which is the long part.
fn checks(
    sh: &Shell,
    workspace: &Workspace,
    (alone, features): (&str, &[String]),
    steps: &mut Steps,
) {
    steps.run("fmt", || Ok(cmd!(sh, "cargo fmt --all --check").quiet().run()?));
    steps.run("tidy", || tidy::run(workspace));
    steps.run("clippy", || {
        let all = ["--workspace", "--all-features"];
        clippy(sh, &[&all[..], &["--all-targets"]].concat())?;
        // Targets with `test = false` are not among all targets.
        let mut names: Vec<&str> = Vec::new();
        for target in workspace.packages.iter().flat_map(Package::engine_tests) {
            names.extend(["--test", &target.name]);
        }
        if names.is_empty() {
            return Ok(());
        }
        clippy(sh, &[&all[..], &names].concat())
    });
    steps.run(alone, || {
        let mut failed = Vec::new();
        for feature in features {
            let (package, name) = feature.split_once('/').context("a feature has a package")?;
            println!("{feature}");
            let alone = ["-p", package, "--no-default-features", "--features", name];
            if clippy(sh, &alone).is_err() {
                failed.push(feature.as_str());
            }
        }
        ensure!(failed.is_empty(), "{}", failed.join(", "));
        Ok(())
    });
    steps.run("docs", || {
        // Libraries only: in a program, doc comments are the text of --help.
        let doc = cmd!(sh, "cargo doc --quiet --workspace --lib --all-features --no-deps");
        Ok(doc.env("RUSTDOCFLAGS", "-D warnings").quiet().run()?)
    });
    for (program, args) in [
        ("cargo-deny", &["deny", "--all-features", "check"][..]),
        ("cargo-machete", &["machete"]),
        ("typos", &[]),
    ] {
        if !is_installed(program) {
            steps.skip(program, "it is not installed");
            continue;
        }
        steps.run(program, || match program {
            "typos" => Ok(cmd!(sh, "typos").quiet().run()?),
            _ => Ok(cmd!(sh, "cargo {args...}").quiet().run()?),
        });
    }
}

fn clippy(sh: &Shell, args: &[&str]) -> Result<()> {
    cmd!(sh, "cargo clippy --quiet {args...} -- -D warnings").quiet().run()?;
    Ok(())
}

fn is_installed(program: &str) -> bool {
    let cargo = std::env::var_os("CARGO_HOME").map(std::path::PathBuf::from);
    install::has(program) || cargo.is_some_and(|home| home.join("bin").join(program).exists())
}
