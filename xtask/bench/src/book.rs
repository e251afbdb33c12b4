//! Figures as a table, and the document that keeps the last table of every bench.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::chart;
use crate::frame::Figures;

const HEAD: &str = "\
# Benchmarks

Each bench runs its rivals interleaved, in an order shuffled every round, and compares them round by
round. A ratio says how many times better a case is than its baseline: above 1 is better. It is the median of
the rounds' ratios; that of p90 compares the two p90. Repeat one with `cargo xtask bench NAME`, which writes its
section here anew.
";

pub(crate) fn table(figures: &[Figures]) -> String {
    let mut text =
        "| case | ratio | of p90 | p50 | p90 | min | unit | rounds | baseline |\n".to_owned();
    text += "| --- | --: | --: | --: | --: | --: | --- | --: | --- |\n";
    for Figures { case, ratio, ratio_p90, p50, p90, min, unit, n, baseline, .. } in figures {
        let [ratio, of_p90, p50, p90, min] =
            [ratio, ratio_p90, p50, p90, min].map(|figure| chart::number(*figure));
        text += &format!(
            "| {case} | {ratio} | {of_p90} | {p50} | {p90} | {min} | {unit} | {n} | {baseline} |\n"
        );
    }
    text
}

/// Writes the bench's section into `benchmarks.md` and its picture beside it.
pub(crate) fn write(
    docs: &Path,
    name: &str,
    about: &str,
    machine: &str,
    figures: &[Figures],
) -> Result<()> {
    let pictures = docs.join("bench");
    fs::create_dir_all(&pictures).with_context(|| format!("make {}", pictures.display()))?;
    let picture = pictures.join(format!("{name}.svg"));
    fs::write(&picture, chart::draw(figures))
        .with_context(|| format!("write {}", picture.display()))?;

    let path = docs.join("benchmarks.md");
    let old = if path.exists() {
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?
    } else {
        HEAD.to_owned()
    };
    let mut section = format!("## {name}\n\n{about}\n\n![{name}](bench/{name}.svg)\n\n");
    write!(section, "{}\nOn {}.\n", table(figures), machine)?;
    fs::write(&path, replaced(&old, name, &section))
        .with_context(|| format!("write {}", path.display()))
}

/// The document with the section between the bench's marks replaced, or added at the end.
fn replaced(old: &str, name: &str, section: &str) -> String {
    let (open, close) = (format!("<!-- bench {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let new = format!("{open}{section}{close}");
    let before = old.split_once(&open);
    let parts = before.and_then(|(before, rest)| Some((before, rest.split_once(&close)?.1)));
    match parts {
        Some((before, after)) => format!("{before}{new}{after}"),
        None => format!("{}\n\n{new}", old.trim_end()),
    }
}

/// What the figures are measured on, and how busy it is with other things: to be asked beforehand.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    let about = read("/proc/cpuinfo");
    let model = about.lines().find(|line| line.starts_with("model name"));
    let model =
        model.and_then(|line| line.split_once(": ")).map_or("an unknown processor", |m| m.1);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let release = kernel.split('-').next().unwrap_or_default().trim();
    format!("{model}, {cores} cores, Linux {release}, load average before the run {load}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_added_once_and_then_replaced() {
        let one = replaced("# Title\n", "a", "first\n");
        assert_eq!(one, "# Title\n\n<!-- bench a -->\nfirst\n<!-- end of a -->\n");
        let two = replaced(&one, "b", "other\n");
        let three = replaced(&two, "a", "second\n");
        let expected = "# Title\n\n<!-- bench a -->\nsecond\n<!-- end of a -->\n\n\
                        <!-- bench b -->\nother\n<!-- end of b -->\n";
        assert_eq!(three, expected);
    }
}
