//! What a program is handed when it starts: its arguments and its environment.

use super::TaskSpec;

/// The longest argument, and the longest variable with its name, in bytes: `MAX_ARG_STRLEN` of
/// Linux with its usual pages, less the zero at the end. An engine that is asked for more does not
/// say so: the task seems to end with 1.
const LONGEST: usize = 131_071;
/// What a word takes beside its bytes: the zero at its end, and a pointer to it.
const BESIDE: usize = 9;

/// What is wrong with a word that is `length` bytes long with all that belongs to it.
pub(crate) fn problem(word: &str, length: usize) -> Option<String> {
    if word.contains('\0') {
        Some("holds a null byte".to_owned())
    } else if length > LONGEST {
        Some(format!(
            "takes {length} bytes, and the kernel takes {LONGEST} at most: put it into a file"
        ))
    } else {
        None
    }
}

/// How long a variable is as a program gets it.
pub(crate) fn variable(name: &str, value: &str) -> usize {
    name.len() + 1 + value.len()
}

impl TaskSpec {
    /// What the kernel has to hand to the program, in bytes: its arguments and its environment, with
    /// a pointer to each. What the image adds is not in it. Linux takes 128 KiB always, and at most
    /// a quarter of what the stack may grow to, or 6 MiB; beyond that it refuses to start a program.
    #[must_use]
    pub fn argument_bytes(&self) -> usize {
        let words = self.entrypoint.iter().flatten().chain(&self.args).map(String::len);
        let variables = self.env.iter().map(|(name, value)| variable(name, value));
        words.chain(variables).map(|length| length + BESIDE).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_longest_length_is_taken_and_one_byte_more_is_not() {
        assert_eq!(problem("x", LONGEST), None);
        let told = problem("x", LONGEST + 1).unwrap();
        assert!(told.contains("131072 bytes") && told.contains("131071 at most"), "{told}");
        assert_eq!(problem("a\0b", 3).unwrap(), "holds a null byte");
    }

    #[test]
    fn what_is_handed_over_counts_every_word_and_variable() {
        let spec = TaskSpec::builder("i").args(["abc", "de"]).env("A", "1").build().unwrap();
        assert_eq!(spec.argument_bytes(), (3 + 9) + (2 + 9) + (3 + 9));
    }
}
