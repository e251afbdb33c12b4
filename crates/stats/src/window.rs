//! The windows in which samples are averaged: those of Fn's driver.

use std::ops::Range;

/// Cuts `len` moments in ascending order into at most `max` runs, each of which is one window's.
///
/// A window is `(last - first) / max` whole nanoseconds wide and includes its upper bound. Empty
/// windows are passed over. The last run that `max` allows takes all that is left. Where the
/// moments span fewer than `max` nanoseconds a window has no width, and each run is one moment.
pub(crate) struct Windows<F> {
    moment: F,
    len: usize,
    max: usize,
    width: i128,
    /// The upper bound of the window that is next.
    upper: i128,
    taken: usize,
    runs: usize,
}

impl<F: Fn(usize) -> i128> Windows<F> {
    /// `span` is the first and the last moment of what is averaged: every `moment(i)` lies in it.
    /// `max` is not zero.
    pub(crate) fn new(max: usize, span: (i128, i128), len: usize, moment: F) -> Self {
        let width = (span.1 - span.0) / max as i128;
        Self { moment, len, max, width, upper: span.0 + width, taken: 0, runs: 0 }
    }
}

impl<F: Fn(usize) -> i128> Iterator for Windows<F> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if self.taken == self.len {
            return None;
        }
        let start = self.taken;
        let mut end = self.len;
        if self.runs + 1 < self.max {
            let beyond = (self.moment)(start) - self.upper;
            if beyond > 0 {
                // Passes over all empty windows at once: a gap may be many windows long.
                self.upper += if self.width == 0 {
                    beyond
                } else {
                    (beyond + self.width - 1) / self.width * self.width
                };
            }
            end = start + 1;
            while end < self.len && (self.moment)(end) <= self.upper {
                end += 1;
            }
            self.upper += self.width;
        }
        self.taken = end;
        self.runs += 1;
        Some(start..end)
    }
}

#[cfg(test)]
mod tests {
    //! Bounds, gaps and degenerate spans.

    use super::*;

    fn cut(max: usize, moments: &[i128]) -> Vec<Vec<i128>> {
        let span = (moments[0], moments[moments.len() - 1]);
        Windows::new(max, span, moments.len(), |at| moments[at])
            .map(|run| moments[run].to_vec())
            .collect()
    }

    #[test]
    fn the_upper_bound_is_inclusive_and_the_first_window_takes_one_more() {
        assert_eq!(cut(2, &[0, 1, 2, 3, 4]), [vec![0, 1, 2], vec![3, 4]]);
    }

    #[test]
    fn the_last_run_takes_what_the_division_left_over() {
        assert_eq!(cut(3, &[0, 3, 6, 9, 10, 11]), [vec![0, 3], vec![6], vec![9, 10, 11]]);
    }

    #[test]
    fn an_empty_window_shortens_the_list() {
        assert_eq!(cut(5, &[0, 1, 2, 3, 98, 99, 100]), [vec![0, 1, 2, 3], vec![98, 99, 100]]);
    }

    #[test]
    fn a_gap_of_any_length_is_one_step() {
        let far = i128::from(u64::MAX) * 16;
        assert_eq!(cut(1_000_000_000, &[0, 0, 1, far - 1, far]).len(), 2);
    }

    #[test]
    fn without_a_width_each_moment_is_a_run() {
        assert_eq!(cut(3, &[7, 7, 7, 7]), [vec![7, 7, 7, 7]]);
        assert_eq!(cut(4, &[5, 5, 5, 6, 6]), [vec![5, 5, 5], vec![6, 6]]);
        assert_eq!(cut(4, &[5, 5, 6, 8, 8]), [vec![5, 5], vec![6], vec![8, 8]]);
    }

    #[test]
    fn one_run_takes_everything() {
        assert_eq!(cut(1, &[0, 50, 51]), [vec![0, 50, 51]]);
    }
}
