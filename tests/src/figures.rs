//! Figures that a full run writes into the documents.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A table with a title: one row for each thing that was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new<'a>(title: &str, columns: impl IntoIterator<Item = &'a str>) -> Self {
        let columns = columns.into_iter().map(str::to_owned).collect();
        Self { title: title.to_owned(), columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl ToString>) {
        self.rows.push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }

    /// The table in Markdown, without its title.
    #[must_use]
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule: Vec<String> = self.columns.iter().map(|_| "---".to_owned()).collect();
        let mut text = line(&self.columns) + &line(&rule);
        for row in &self.rows {
            let _ = write!(text, "{}", line(row));
        }
        text
    }

    /// Writes it into `docs/reliability.md`, in the place of an older one with the same title, with
    /// a sentence on how it was measured.
    ///
    /// # Errors
    ///
    /// The file could not be read or written.
    pub fn publish(&self, how: &str) -> io::Result<()> {
        let path = document();
        // Others may publish at the same time: tests of this process, and a run on another engine. A lock
        // is one of the opened file.
        let file = File::open(&path)?;
        file.lock()?;
        let text = std::fs::read_to_string(&path)?;
        // Each engine has its own section.
        let title = match std::env::var("LONGSHORE_TEST_KIND") {
            Ok(kind) => format!("{} ({kind})", self.title),
            Err(_) => self.title.clone(),
        };
        std::fs::write(&path, replaced(&text, &title, &format!("{how}\n\n{}", self.markdown())))
    }
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reliability.md")
}

/// The document with the section of that title holding `body`; a new section comes last.
fn replaced(text: &str, title: &str, body: &str) -> String {
    let heading = format!("## {title}\n");
    let section = format!("{heading}\n{}\n", body.trim_end());
    let Some(start) = text.find(&heading) else {
        return format!("{}\n\n{section}", text.trim_end());
    };
    let after = start + heading.len();
    match text[after..].find("\n## ") {
        Some(end) => format!("{}{section}{}", &text[..start], &text[after + end..]),
        None => format!("{}{section}", &text[..start]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_the_place_of_its_former_self_and_of_no_other() {
        let text = "# Reliability\n\nIntro.\n\n## A\n\nold\n\n## B\n\nkept\n";
        let once = replaced(text, "A", "new");
        assert_eq!(once, "# Reliability\n\nIntro.\n\n## A\n\nnew\n\n## B\n\nkept\n");
        assert_eq!(replaced(&once, "A", "new"), once);
        let more = replaced(&once, "C", "last");
        assert!(more.ends_with("## B\n\nkept\n\n## C\n\nlast\n"), "{more}");
        assert_eq!(replaced(&more, "C", "last"), more);
    }

    #[test]
    fn a_table_is_written_as_markdown() {
        let mut table = Table::new("T", ["what", "runs"]);
        table.row(["a", "1"]);
        table.row([2, 3]);
        assert_eq!(table.markdown(), "| what | runs |\n| --- | --- |\n| a | 1 |\n| 2 | 3 |\n");
    }
}
