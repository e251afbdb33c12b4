//! Random words from the operating system, so that a forked process never repeats its parent's.

use longshore_driver_api::{Error, ErrorKind, Result};
use rand::TryRng;
use rand::rngs::SysRng;

const BYTES: usize = 16;

/// 128 random bits in lower-case hexadecimal digits.
pub(crate) fn word() -> Result<String> {
    let mut bytes = [0_u8; BYTES];
    SysRng.try_fill_bytes(&mut bytes).map_err(|cause| {
        Error::new(ErrorKind::Io, "lease")
            .message("the operating system gives no random bytes")
            .because(cause.to_string())
    })?;
    Ok(hex(&bytes))
}

/// Whether `text` can be what [`word`] gave.
pub(crate) fn is_word(text: &str) -> bool {
    text.len() == 2 * BYTES && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_differ_and_are_recognised() {
        let (one, two) = (word().unwrap(), word().unwrap());
        assert_ne!(one, two);
        assert!(is_word(&one) && is_word(&two));
        for other in ["", "abc", "../../../../../../etc/passwd.....", &one.to_uppercase()] {
            assert!(!is_word(other), "{other}");
        }
    }
}
