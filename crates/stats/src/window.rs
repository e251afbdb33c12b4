//! The windows in which samples are averaged: those of Fn's driver.

/// Where windows of time end, for moments that come in ascending order.
///
/// A window is `(last - first) / max` whole nanoseconds wide and includes its upper bound. Empty
/// windows are passed over. The last window that `max` allows takes all that is left. Where the
/// moments span fewer than `max` nanoseconds a window has no width, and each moment has its own.
pub(crate) struct Windows {
    width: i128,
    /// The upper bound of the window that is next.
    upper: i128,
    /// How many windows there may still be.
    left: usize,
}

impl Windows {
    /// At most `max` windows, which is not zero, for moments from `first` to `last`.
    pub(crate) fn new(max: usize, first: i128, last: i128) -> Self {
        let width = (last - first) / max as i128;
        Self { width, upper: first + width, left: max }
    }

    /// The upper bound of the next window that is not empty, which `moment` is the first of.
    pub(crate) fn next_upper(&mut self, moment: i128) -> i128 {
        if self.left <= 1 {
            return i128::MAX;
        }
        self.left -= 1;
        let beyond = moment - self.upper;
        if beyond > 0 {
            // Passes over all empty windows at once: a gap may be many windows long.
            self.upper += if self.width == 0 {
                beyond
            } else {
                (beyond + self.width - 1) / self.width * self.width
            };
        }
        let upper = self.upper;
        self.upper += self.width;
        upper
    }
}

#[cfg(test)]
mod tests {
    //! Bounds, gaps and degenerate spans.

    use super::*;

    fn cut(max: usize, moments: &[i128]) -> Vec<Vec<i128>> {
        let mut windows = Windows::new(max, moments[0], moments[moments.len() - 1]);
        let mut cut = Vec::new();
        let mut rest = moments;
        while let Some(&first) = rest.first() {
            let upper = windows.next_upper(first);
            let (window, after) = rest.split_at(rest.partition_point(|&moment| moment <= upper));
            cut.push(window.to_vec());
            rest = after;
        }
        cut
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
