//! What each byte can be in a reference, as a table, and the check of a digest's digits.

/// `a` to `z`.
pub(crate) const LOWER: u8 = 1;
/// `A` to `Z`.
pub(crate) const UPPER: u8 = 2;
/// `0` to `9`.
pub(crate) const DIGIT: u8 = 4;
/// `.`
pub(crate) const DOT: u8 = 8;
/// `_`
pub(crate) const UNDERSCORE: u8 = 16;
/// `-`
pub(crate) const DASH: u8 = 32;

/// The class of `bytes[at]`: one of the bits above, or 0 for any other byte and for the end.
#[inline]
pub(crate) fn class(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).map_or(0, |&byte| CLASSES[usize::from(byte)])
}

/// The end of the run of bytes of `classes` that starts at `at`.
#[inline]
pub(crate) fn run(bytes: &[u8], mut at: usize, classes: u8) -> usize {
    while class(bytes, at) & classes != 0 {
        at += 1;
    }
    at
}

/// Whether every byte is one of `0-9a-f`.
///
/// Without early exits, in blocks of a fixed size, so that the compiler uses vector instructions;
/// digit by digit, a digest would cost more than all the rest of a reference.
#[inline]
pub(crate) fn is_lower_hex(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let block = |block: &[u8]| block.iter().fold(true, |all, &byte| all & is_lower_hex_digit(byte));
    blocks.iter().fold(true, |all, bytes| all & block(bytes)) & block(rest)
}

/// Whether `byte` is one of `0-9a-f`.
#[inline]
pub(crate) fn is_lower_hex_digit(byte: u8) -> bool {
    (byte.wrapping_sub(b'0') < 10) | (byte.wrapping_sub(b'a') < 6)
}

static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = match byte {
            b'a'..=b'z' => LOWER,
            b'A'..=b'Z' => UPPER,
            b'0'..=b'9' => DIGIT,
            b'.' => DOT,
            b'_' => UNDERSCORE,
            b'-' => DASH,
            _ => 0,
        };
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    //! The table and the block-wise check against the plain definitions.

    use super::*;

    #[test]
    fn the_table_knows_letters_digits_and_separators_and_nothing_else() {
        for byte in 0..=u8::MAX {
            let expected = match byte {
                _ if byte.is_ascii_lowercase() => LOWER,
                _ if byte.is_ascii_uppercase() => UPPER,
                _ if byte.is_ascii_digit() => DIGIT,
                b'.' => DOT,
                b'_' => UNDERSCORE,
                b'-' => DASH,
                _ => 0,
            };
            assert_eq!(class(&[byte], 0), expected, "byte {byte:#04x}");
        }
        assert_eq!(class(b"a", 1), 0, "the end");
    }

    #[test]
    fn one_wrong_digit_anywhere_is_seen() {
        for length in [0, 1, 31, 32, 33, 64, 96, 128] {
            let digits = vec![b'f'; length];
            assert!(is_lower_hex(&digits));
            for at in 0..length {
                for wrong in [b'g', b'F', b'/', b':', b'`', 0, 0xc3] {
                    let mut digits = digits.clone();
                    digits[at] = wrong;
                    assert!(!is_lower_hex(&digits), "{wrong:#04x} at {at} of {length}");
                }
            }
        }
    }
}
