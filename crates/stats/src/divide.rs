//! Exact division, rounded half to even.

/// `(left + right) / 2`, rounded half to even, without leaving 64 bits.
pub(crate) fn mean_of_two(left: u64, right: u64) -> u64 {
    let below = (left & right) + ((left ^ right) >> 1);
    below + ((left ^ right) & below & 1)
}

/// As [`mean_of_two`], for moments in nanoseconds.
pub(crate) fn moment_of_two(left: i128, right: i128) -> i128 {
    let sum = left + right;
    let below = sum >> 1;
    below + (sum & below & 1)
}

/// Divides sums by one count without a division for each: multiplies by the reciprocal and
/// corrects.
pub(crate) struct Divisor {
    count: u64,
    reciprocal: u64,
}

impl Divisor {
    /// `count` must not be zero, and less than 2^63.
    pub(crate) fn new(count: u64) -> Self {
        Self { count, reciprocal: u64::MAX / count }
    }

    /// `sum / count`, rounded half to even, for a sum of that many 64-bit numbers.
    pub(crate) fn mean(&self, sum: u128) -> u64 {
        let (quotient, rest) = match u64::try_from(sum) {
            Ok(small) => self.divide(small),
            Err(_) => {
                let count = u128::from(self.count);
                let quotient = u64::try_from(sum / count)
                    .expect("the mean of 64-bit numbers has at most 64 bits");
                (
                    quotient,
                    u64::try_from(sum % count)
                        .expect("a remainder is smaller than its 64-bit divisor"),
                )
            }
        };
        quotient + u64::from(self.rounds_up(quotient & 1 == 1, rest))
    }

    /// `base` plus the mean of `count` offsets of that sum, rounded half to even.
    pub(crate) fn moment(&self, base: i128, offsets: i128) -> i128 {
        let (quotient, rest) = match u64::try_from(offsets) {
            Ok(small) => {
                let (quotient, rest) = self.divide(small);
                (quotient.into(), rest)
            }
            Err(_) => {
                let count = i128::from(self.count);
                let rest = u64::try_from(offsets.rem_euclid(count))
                    .expect("a remainder is smaller than its 64-bit divisor");
                (offsets.div_euclid(count), rest)
            }
        };
        let below = base + quotient;
        below + i128::from(self.rounds_up(below & 1 == 1, rest))
    }

    /// Quotient and remainder.
    fn divide(&self, sum: u64) -> (u64, u64) {
        // The reciprocal is too small by less than one in 2^64, so this is too small by at most
        // one.
        let quotient = ((u128::from(sum) * u128::from(self.reciprocal)) >> 64) as u64;
        let rest = sum - quotient * self.count;
        let short = u64::from(rest >= self.count);
        (quotient + short, rest - short * self.count)
    }

    /// A half rounds up where that makes the quotient even.
    fn rounds_up(&self, is_odd: bool, rest: u64) -> bool {
        2 * rest + u64::from(is_odd) > self.count
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! Rounding, against the plain way.

    use proptest::prelude::*;

    use super::*;

    pub(crate) fn plain_mean(sum: u128, count: u64) -> u64 {
        let (quotient, twice_rest) = (sum / u128::from(count), 2 * (sum % u128::from(count)));
        let up = twice_rest > count.into() || (twice_rest == count.into() && quotient % 2 == 1);
        u64::try_from(quotient + u128::from(up)).unwrap()
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let means: Vec<_> = [1, 3, 5, 7].map(|sum| Divisor::new(2).mean(sum)).to_vec();
        assert_eq!(means, [0, 2, 2, 4]);
        assert_eq!([-3, -1, 1, 3].map(|sum| Divisor::new(2).moment(0, sum)), [-2, 0, 0, 2]);
        for (left, right, mean) in [(0, 1, 0), (1, 2, 2), (-2, -1, -2), (-1, 0, 0), (4, 8, 6)] {
            assert_eq!(moment_of_two(left, right), mean);
        }
        assert_eq!(Divisor::new(2).moment(1, 1), 2, "evenness is the result's, not the offset's");
    }

    proptest! {
        #[test]
        fn dividing_by_the_reciprocal_is_exact(
            values in prop::collection::vec(any::<u64>(), 1..50),
            count in 1_u64..1 << 63,
            small: u64,
        ) {
            let sum = values.iter().copied().map(u128::from).sum();
            let length = values.len() as u64;
            prop_assert_eq!(Divisor::new(length).mean(sum), plain_mean(sum, length));
            for count in [count, length] {
                prop_assert_eq!(Divisor::new(count).mean(small.into()), plain_mean(small.into(), count));
            }
            let both = u128::from(small) + u128::from(values[0]);
            prop_assert_eq!(mean_of_two(small, values[0]), plain_mean(both, 2));
        }
    }
}
