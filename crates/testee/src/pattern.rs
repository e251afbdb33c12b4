//! The bytes that `write` writes: any test can make the same ones again.

use std::io::{self, Read};

/// The stream number of stdout.
pub const STDOUT: u8 = 1;
/// The stream number of stderr.
pub const STDERR: u8 = 2;

/// An endless run of bytes that depends on nothing but its seed and its stream.
///
/// Read it through [`Read`], or take a prefix with [`bytes_of`](Pattern::bytes_of). All 256 values
/// occur, line feeds and zeros among them, so that code which expects text breaks.
#[derive(Clone, Debug)]
pub struct Pattern {
    state: u64,
    word: [u8; 8],
    used: usize,
}

/// The bytes of one stream under one seed, from its first.
///
/// How the reader cuts them makes no difference: the byte at a position is always the same.
#[must_use]
pub fn pattern(seed: u64, stream: u8) -> Pattern {
    // The stream goes through the mixer as well, so that neighbouring seeds don't share bytes.
    let state = mix(seed ^ mix(u64::from(stream) + 1));
    Pattern { state, word: [0; 8], used: 8 }
}

impl Pattern {
    /// The first `length` bytes that are still to come.
    #[must_use]
    pub fn bytes_of(mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes
    }

    /// Writes the next bytes over all of `bytes`.
    pub fn fill(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            if self.used == self.word.len() {
                self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                self.word = mix(self.state).to_le_bytes();
                self.used = 0;
            }
            let n = bytes.len().min(self.word.len() - self.used);
            let (now, later) = bytes.split_at_mut(n);
            now.copy_from_slice(&self.word[self.used..self.used + n]);
            self.used += n;
            bytes = later;
        }
    }
}

impl Read for Pattern {
    /// Fills all of `bytes`; never fails and never ends.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.fill(bytes);
        Ok(bytes.len())
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn how_it_is_cut_changes_nothing(seed: u64, stream: u8, cuts in prop::collection::vec(0usize..40, 0..20)) {
            let mut cut = pattern(seed, stream);
            let mut pieces = Vec::new();
            for n in &cuts {
                let mut piece = vec![0; *n];
                cut.fill(&mut piece);
                pieces.extend(piece);
            }
            prop_assert_eq!(&pieces, &pattern(seed, stream).bytes_of(pieces.len()));
        }
    }

    #[test]
    fn streams_and_seeds_differ() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..50 {
            for stream in 0..3 {
                assert!(seen.insert(pattern(seed, stream).bytes_of(16)));
            }
        }
    }

    #[test]
    fn every_byte_value_occurs_early() {
        let seen: std::collections::BTreeSet<u8> =
            pattern(1, STDOUT).bytes_of(4096).into_iter().collect();
        assert_eq!(seen.len(), 256);
    }

    #[test]
    fn it_is_the_same_on_every_machine() {
        let computed_elsewhere = [22, 73, 154, 232, 224, 11, 126, 101, 82, 51, 22, 189];
        assert_eq!(pattern(0, STDOUT).bytes_of(12), computed_elsewhere);
    }
}
