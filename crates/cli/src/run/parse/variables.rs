//! Environment variables, from options and files.

/// A variable with its value, or to be taken from the environment of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::run) struct Variable {
    pub(in crate::run) name: String,
    pub(in crate::run) value: Option<String>,
}

pub(in crate::run) fn variable(text: &str) -> Result<Variable, String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    if name.is_empty() {
        return Err("expected NAME=VALUE, or NAME to take its value from here".to_owned());
    }
    Ok(Variable { name: name.to_owned(), value })
}

/// Reads a file of variables: one a line; space before it, empty lines and lines that begin with
/// `#` do not count. A value is everything behind the first `=`, as it is.
///
/// # Errors
///
/// The line that is no variable, without its value, which may be secret.
pub(in crate::run) fn variables_of_file(file: &str, text: &str) -> Result<Vec<Variable>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why: &str| format!("{file}:{number}: {why}");
        let variable = variable(line).map_err(|error| wrong(&error))?;
        if variable.name.contains(char::is_whitespace) {
            return Err(wrong("the name of the variable has white space in it"));
        }
        variables.push(variable);
    }
    Ok(variables)
}
