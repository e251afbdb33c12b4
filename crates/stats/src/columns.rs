//! Many rows of numbers summed at once.

use crate::divide::Divisor;

/// The sums of up to 2^32 rows of numbers, by column.
///
/// A sum of 64-bit numbers needs up to 96 bits, of which `low` has the lower 64. The sum of the upper
/// halves alone tells the rest, and never carries: so the compiler can put several columns into one
/// register.
pub(crate) struct Columns<const WIDTH: usize> {
    low: [u64; WIDTH],
    upper_halves: [u64; WIDTH],
}

impl<const WIDTH: usize> Columns<WIDTH> {
    /// More rows than that are not summed right.
    pub(crate) const MAX_ROWS: u64 = 1 << 32;

    pub(crate) fn new() -> Self {
        Self { low: [0; WIDTH], upper_halves: [0; WIDTH] }
    }

    #[inline]
    pub(crate) fn add(&mut self, row: &[u64; WIDTH]) {
        for (column, &value) in row.iter().enumerate() {
            self.low[column] = self.low[column].wrapping_add(value);
            self.upper_halves[column] = self.upper_halves[column].wrapping_add(value >> 32);
        }
    }

    /// The exact means, for as many rows as `divisor` divides by.
    #[inline]
    pub(crate) fn means(&self, divisor: &Divisor) -> [u64; WIDTH] {
        let sum = |column: usize| {
            let upper = self.upper_halves[column];
            // The sum of the lower halves has no more than 64 bits.
            let lower = self.low[column].wrapping_sub(upper << 32);
            (u128::from(upper) << 32) + u128::from(lower)
        };
        std::array::from_fn(|column| divisor.mean(sum(column)))
    }
}

#[cfg(test)]
mod tests {
    //! Sums that need more than 64 bits.

    use super::*;

    #[test]
    fn nothing_is_lost_where_both_halves_carry() {
        let rows = [[u64::MAX, u64::MAX, 1 << 32], [u64::MAX, u64::MAX, 1], [u64::MAX, 1, 0]];
        let mut columns = Columns::new();
        rows.iter().for_each(|row| columns.add(row));
        let means = [u64::MAX, u64::MAX / 3 * 2, (1 << 32) / 3 + 1];
        assert_eq!(columns.means(&Divisor::new(3)), means);
    }

    #[test]
    fn as_many_rows_as_are_allowed_have_the_exact_mean() {
        let rows = Columns::<1>::MAX_ROWS;
        let columns = Columns {
            low: [u64::MAX.wrapping_mul(rows)],
            upper_halves: [u64::from(u32::MAX) * rows],
        };
        assert_eq!(columns.means(&Divisor::new(rows)), [u64::MAX]);
    }
}
