//! Signals by name and number.

use std::fmt;
use std::str::FromStr;

use super::{ParseUnitError, serde_by_text};

/// A signal of Linux, 1 to 64.
///
/// Reads `"SIGTERM"`, `"TERM"`, `"term"` and `15`; writes the name, or `SIGRTMIN+n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
const RTMIN: u8 = 34;
const MAX: u8 = 64;

impl Signal {
    /// Interrupt, as by Ctrl-C.
    pub const INT: Self = Self(2);
    /// Kill: cannot be caught.
    pub const KILL: Self = Self(9);
    /// Terminate: the usual stop signal.
    pub const TERM: Self = Self(15);

    /// The signal with this number, if there is one (1 to 64).
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        if number >= 1 && number <= MAX { Some(Self(number)) } else { None }
    }

    /// The signal that a shell's exit code above 128 stands for, if there is one.
    #[must_use]
    pub fn from_exit_code(code: i32) -> Option<Self> {
        u8::try_from(code.checked_sub(128)?).ok().and_then(Self::from_number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0) - 1) {
            Some(name) => write!(f, "SIG{name}"),
            None if self.0 >= RTMIN => write!(f, "SIGRTMIN+{}", self.0 - RTMIN),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for Signal {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, ParseUnitError> {
        let fail = || {
            ParseUnitError::new(
                text,
                "signal",
                "a name such as \"SIGTERM\" or a number from 1 to 64",
            )
        };
        let upper = text.trim().to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(index) = NAMES.iter().position(|known| *known == name) {
            return u8::try_from(index + 1).ok().and_then(Self::from_number).ok_or_else(fail);
        }
        let (base, number) = match name.strip_prefix("RTMIN") {
            Some("") => (RTMIN, "0"),
            Some(rest) => (RTMIN, rest.strip_prefix('+').ok_or_else(fail)?),
            None => (0, name),
        };
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(fail());
        }
        let number: u8 = number.parse().map_err(|_| fail())?;
        base.checked_add(number).and_then(Self::from_number).ok_or_else(fail)
    }
}

serde_by_text!(Signal, "a signal such as \"SIGTERM\" or 15", |n| {
    u8::try_from(n).ok().and_then(Signal::from_number)
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_reads_what_it_writes() {
        for number in 1..=MAX {
            let signal = Signal::from_number(number).unwrap();
            assert_eq!(signal.to_string().parse(), Ok(signal));
        }
        assert_eq!("term".parse(), Ok(Signal::TERM));
        assert_eq!("SIGRTMIN+3".parse(), Signal::from_number(37).ok_or_else(|| unreachable!()));
    }

    #[test]
    fn what_is_not_a_signal_is_refused() {
        for text in ["", "0", "65", "SIG", "NOPE", "-9", "RTMIN+31", "SIGRTMIN-1", "+9"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }

    #[test]
    fn exit_codes_above_128_stand_for_signals() {
        assert_eq!(Signal::from_exit_code(137), Some(Signal::KILL));
        assert_eq!(Signal::from_exit_code(128), None);
        assert_eq!(Signal::from_exit_code(255), None);
        assert_eq!(Signal::from_exit_code(i32::MIN), None);
    }
}
