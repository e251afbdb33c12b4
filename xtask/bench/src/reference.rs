//! `ref`: parsing an image reference.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use longshore_image_ref::{ImageRef, RefParts};
use oci_spec::distribution::Reference;

use crate::frame::{Case, Plan, nanoseconds};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(crate) fn plan() -> Result<Plan> {
    let texts = [
        ("short", "busybox".to_owned()),
        ("typical", "ghcr.io/longshore/testee:v1.2.3".to_owned()),
        ("with-port", "registry.example.com:5000/team/project/app:1.27-alpine".to_owned()),
        ("with-digest", format!("registry.example.com/team/app@{DIGEST}")),
    ];
    let mut cases = Vec::new();
    for (what, text) in texts {
        agree(&text).with_context(|| text.clone())?;
        let mut case = |who, run| {
            let what = what.to_owned();
            cases.push(Case::new(who, what, run));
        };
        let (a, b, c) = (text.clone(), text.clone(), text);
        let borrowed = nanoseconds(1, move || drop(black_box(RefParts::parse(black_box(&a)))));
        let owned = nanoseconds(1, move || drop(black_box(ImageRef::parse(black_box(&b)))));
        let theirs = nanoseconds(1, move || drop(black_box(black_box(&c).parse::<Reference>())));
        case("longshore", borrowed);
        case("longshore-owned", owned);
        case("oci-spec", theirs);
    }
    Ok(Plan {
        name: "ref",
        about:
            "Parsing an image reference: `longshore` borrows the text, `longshore-owned` keeps a \
                copy, the crate `oci-spec` keeps its parts."
                .to_owned(),
        unit: "ns",
        baseline: "oci-spec",
        rounds: 51,
        cases,
    })
}

/// Rivals that don't give the same answer are none.
fn agree(text: &str) -> Result<()> {
    let ours = ImageRef::parse(text)?;
    let theirs: Reference = text.parse()?;
    ensure!(ours.domain() == theirs.registry(), "{} is not {}", ours.domain(), theirs.registry());
    ensure!(ours.path() == theirs.repository(), "{} is not {}", ours.path(), theirs.repository());
    ensure!(ours.digest() == theirs.digest(), "the digests differ");
    Ok(())
}
