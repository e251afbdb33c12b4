//! `tidy`: the rules of the house that no compiler checks.
//!
//! Each rule is a pure function from text or metadata to [`Problem`]s, with bad input in its tests.

mod docs;
mod floors;
pub(crate) mod manifests;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    place: String,
    text: String,
}

fn problem(place: impl Into<String>, text: impl Into<String>) -> Problem {
    Problem { place: place.into(), text: text.into() }
}

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut problems = floors::check(&workspace.packages);
    problems.extend(manifests::check_metadata(&workspace.packages));
    for package in &workspace.packages {
        let place = relative(workspace, &package.manifest_path);
        problems.extend(manifests::check_text(&place, &read(&package.manifest_path)?));
        let library = package.dir().join("src/lib.rs");
        if package.is_published() && package.has_library() {
            let place = relative(workspace, &library);
            problems.extend(sources::check_library(&place, &read(&library)?));
        }
    }
    let files = files(&workspace.root)?;
    let with = |extension: &'static str| {
        files.iter().filter(move |path| path.extension().is_some_and(|it| it == extension))
    };
    let sources: Vec<(String, String)> = with("rs")
        .map(|path| Ok((relative(workspace, path), read(path)?)))
        .collect::<Result<_>>()?;
    for (place, text) in &sources {
        problems.extend(sources::check(place, text));
    }
    for path in with("md") {
        let (place, text) = (relative(workspace, path), read(path)?);
        let exists = |link: &str| path.with_file_name(link).exists();
        problems.extend(docs::check_text(&place, &text, exists));
        problems.extend(docs::check_functions(&place, &text, &sources));
    }
    problems.extend(docs::check_present(|path| workspace.root.join(path).exists()));

    problems.sort();
    for Problem { place, text } in &problems {
        eprintln!("{place}: {text}");
    }
    if problems.is_empty() {
        println!("tidy: {} files, {} packages", files.len(), workspace.packages.len());
        return Ok(());
    }
    bail!("tidy found {} problems", problems.len())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

fn relative(workspace: &Workspace, path: &Path) -> String {
    let path = path.strip_prefix(&workspace.root).unwrap_or(path);
    path.display().to_string()
}

/// Every file below, but for what cargo and git keep there.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        let entries = fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))?;
        for entry in entries {
            let entry = entry?;
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if entry.file_type()?.is_file() {
                found.push(entry.path());
            } else if entry.file_type()?.is_dir() && !hidden && entry.file_name() != "target" {
                dirs.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}
