//! The description of a further process.

use serde::{Deserialize, Serialize};

use crate::task::words;
use crate::{Env, Error, ErrorKind, OutputLimit, Result};

/// A further process in the container of a task that runs: plain data.
///
/// It has what the container has (its limits, capabilities and mounts) and never more.
///
/// ```
/// use longshore_driver_api::ExecSpec;
///
/// let spec = ExecSpec::new(["ls", "-l"]).env("LANG", "C").work_dir("/data");
/// assert!(spec.validate().is_ok());
/// assert!(ExecSpec::new([""; 0]).validate().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExecSpec {
    /// The program and its arguments. The image's entry point has no part in it.
    pub command: Vec<String>,
    /// Environment variables, on top of the container's.
    #[serde(default, skip_serializing_if = "Env::is_empty")]
    pub env: Env,
    /// The absolute path of the working directory. Absent: the container's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<String>,
    /// `user[:group]` by name or number. Absent: the container's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether it has a terminal: then there is one output stream, stdout.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tty: bool,
    /// How much of each output stream is delivered. Absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputLimit>,
}

impl ExecSpec {
    /// A process of this program with these arguments.
    pub fn new<T: Into<String>>(command: impl IntoIterator<Item = T>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            env: Env::default(),
            work_dir: None,
            user: None,
            tty: false,
            output: None,
        }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.set(name, value);
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn work_dir(mut self, path: impl Into<String>) -> Self {
        self.work_dir = Some(path.into());
        self
    }

    /// Sets the user, `user[:group]`.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Gives it a terminal, or none.
    #[must_use]
    pub fn tty(mut self, tty: bool) -> Self {
        self.tty = tty;
        self
    }

    /// Limits what is delivered of each output stream.
    #[must_use]
    pub fn output(mut self, limit: OutputLimit) -> Self {
        self.output = Some(limit);
        self
    }

    /// Checks the whole description.
    ///
    /// # Errors
    ///
    /// `InvalidInput` with all problems at once, each with the name of its field.
    pub fn validate(&self) -> Result<()> {
        let problems = self.problems();
        if problems.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidInput, "exec").message(problems.join("; ")))
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.command.first().is_none_or(String::is_empty) {
            problems.push("command: names no program".to_owned());
        }
        for (index, word) in self.command.iter().enumerate() {
            if let Some(problem) = words::problem(word, word.len()) {
                problems.push(format!("command[{index}]: {problem}"));
            }
        }
        for (name, value) in self.env.iter() {
            if name.is_empty() || name.contains(['=', '\0']) {
                problems.push(format!(
                    "env: {name:?} is not a name: it is empty, or holds '=' or a null byte"
                ));
            }
            if let Some(problem) = words::problem(value, words::variable(name, value)) {
                problems.push(format!("env.{name}: {problem}"));
            }
        }
        if let Some(path) = &self.work_dir
            && let Some(problem) = crate::archive::path_problem(path)
        {
            problems.push(format!("work_dir: {path:?} {problem}"));
        }
        if let Some(user) = &self.user
            && !is_user(user)
        {
            problems.push(format!("user: {user:?} is not of the form user or user:group"));
        }
        problems
    }
}

fn is_user(text: &str) -> bool {
    let name = |text: &str| {
        !text.is_empty()
            && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == ':')
    };
    match text.split_once(':') {
        Some((user, group)) => name(user) && name(group),
        None => name(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_told_at_once() {
        let mut spec = ExecSpec::new(["", "a\0"]).env("A=B", "x").work_dir("relative").user("a b");
        spec.env.set("C", "\0");
        let error = spec.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = error.to_string();
        for field in ["command:", "command[1]", "env:", "env.C", "work_dir", "user"] {
            assert!(text.contains(field), "{field} is not in {text}");
        }
    }

    #[test]
    fn it_can_be_written_and_read() {
        let spec = ExecSpec::new(["ls"]).env("A", "b").user("1:2").tty(true);
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ExecSpec>(&text).unwrap(), spec);
        assert!(
            serde_json::from_str::<ExecSpec>(r#"{"command":["ls"],"privileged":true}"#).is_err()
        );
    }
}
