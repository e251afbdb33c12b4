//! What is wrong with a file, without the values in it: they may be secrets.

use std::ops::Range;

/// An error of the TOML reader, with its place instead of the line that it shows.
pub(crate) fn in_toml(text: &str, error: &toml::de::Error) -> String {
    let place = error.span().map(|span| place(text, &span)).unwrap_or_default();
    format!("{place}{}", without_value(error.message()))
}

/// An error of the JSON reader, which tells the place itself.
pub(crate) fn in_json(error: &serde_json::Error) -> String {
    without_value(&error.to_string())
}

fn place(text: &str, span: &Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: ")
}

/// The reader says what it met and what it expected; what it met is told by its type alone.
fn without_value(message: &str) -> String {
    match (message.find("string \""), message.rfind("\", expected")) {
        (Some(start), Some(end)) if start < end => {
            format!("{}a string{}", &message[..start], &message[end + 1..])
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use longshore::TaskSpec;

    use super::*;

    #[test]
    fn no_value_of_a_file_is_in_what_is_said_of_it() {
        for text in [
            "image = 'x'\n[env]\nDB_PASSWORD = \"hunter2",
            "image = 'x'\n[env]\nDB_PASSWORD = \"a\" hunter2",
            "image = 'x'\nenv = 'hunter2'",
            "image = 'x'\nmounts = 'a\", expected hunter2'",
        ] {
            let error = toml::from_str::<TaskSpec>(text).unwrap_err();
            let said = in_toml(text, &error);
            assert!(!said.contains("hunter2") && said.contains("line"), "{said}");
        }
        let text = r#"{"image":"x","env":"hunter2"}"#;
        let said = in_json(&serde_json::from_str::<TaskSpec>(text).unwrap_err());
        assert!(!said.contains("hunter2") && said.contains("column"), "{said}");
    }

    #[test]
    fn the_place_and_the_key_are_told() {
        let text = "image = 'x'\nimagee = 'y'";
        let said = in_toml(text, &toml::from_str::<TaskSpec>(text).unwrap_err());
        assert!(said.starts_with("line 2, column 1: unknown field `imagee`"), "{said}");
    }
}
