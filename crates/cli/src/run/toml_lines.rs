//! Where the fields of a TOML text stand.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The line of each field, by its name as in `mounts[2].target`.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Where each line ends.
    ends: Vec<usize>,
    fields: BTreeMap<String, usize>,
}

impl Lines {
    /// Of a text that is not TOML, none.
    pub(super) fn of(text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at).collect();
        let mut lines = Self { ends, fields: BTreeMap::new() };
        if let Ok(table) = DeTable::parse(text) {
            lines.table("", table.get_ref());
        }
        lines
    }

    /// The line of a field, or of the nearest one that it is missing in.
    pub(super) fn line(&self, field: &str) -> Option<usize> {
        if let Some(line) = self.fields.get(field) {
            return Some(*line);
        }
        self.line(&field[..field.rfind(['.', '['])?])
    }

    fn table(&mut self, at: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let field = match at {
                "" => name.get_ref().to_string(),
                at => format!("{at}.{}", name.get_ref()),
            };
            self.value(field, name.span().start, value);
        }
    }

    fn value(&mut self, field: String, start: usize, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.table(&field, table),
            DeValue::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    self.value(format!("{field}[{index}]"), value.span().start, value);
                }
            }
            _ => {}
        }
        let before = self.ends.partition_point(|end| *end < start);
        self.fields.insert(field, before + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_line() {
        let text = "image = 'x'\n\n[limits]\nmemory = 1\nulimits = { nofile = 1 }\n\n[[mounts]]\n\
                    type = 'bind'\n[[mounts]]\ntype = 'tmpfs'\ntarget = '/t'\n";
        let lines = Lines::of(text);
        for (field, line) in [
            ("image", Some(1)),
            ("limits", Some(3)),
            ("limits.memory", Some(4)),
            ("limits.ulimits.nofile", Some(5)),
            ("mounts[0].type", Some(8)),
            ("mounts[0].target", Some(7)),
            ("mounts[1].target", Some(11)),
            ("absent", None),
        ] {
            assert_eq!(lines.line(field), line, "{field}");
        }
        assert_eq!(Lines::of("image = ").line("image"), None);
    }
}
