//! A part of many tests, drawn by a seed.

use sha2::{Digest, Sha256};

/// How much of the engine tests is run on an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// Every target.
    Whole,
    /// A part of the contract's cases, and of the faults of the connection.
    Sample,
}

/// How many faults of the connection a sample has: as many as take half a minute.
pub(crate) const FAULTS: usize = 120;

/// One in so many is drawn.
const ONE_IN: u8 = 4;

/// About a quarter, another one for each seed, and never none. A test's chance doesn't depend on
/// which others there are: a new one leaves the draw of the rest as it was.
pub(crate) fn draw(all: &[String], seed: u64) -> Vec<String> {
    let lot = |name: &String| {
        let mut digest = Sha256::new();
        digest.update(seed.to_be_bytes());
        digest.update(name);
        digest.finalize()
    };
    let drawn: Vec<String> =
        all.iter().filter(|name| lot(name)[0] % ONE_IN == 0).cloned().collect();
    if drawn.is_empty() {
        all.iter().min_by_key(|name| lot(name)).into_iter().cloned().collect()
    } else {
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("case {number}")).collect()
    }

    #[test]
    fn a_seed_draws_the_same_quarter_each_time_and_another_seed_another() {
        let all = names(400);
        let drawn = draw(&all, 1);
        assert_eq!(drawn, draw(&all, 1));
        assert_ne!(drawn, draw(&all, 2));
        assert!((60..140).contains(&drawn.len()), "{}", drawn.len());
    }

    #[test]
    fn every_test_is_drawn_by_some_seed() {
        let all = names(20);
        for name in &all {
            assert!((0..100).any(|seed| draw(&all, seed).contains(name)), "{name}");
        }
    }

    #[test]
    fn something_is_drawn_from_however_little() {
        for seed in 0..20 {
            assert_eq!(draw(&names(1), seed).len(), 1);
        }
        assert!(draw(&[], 1).is_empty());
    }
}
