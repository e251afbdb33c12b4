//! What the label of a keeper promises, and how a reaper judges an owner by it. No clock of any
//! machine is in it, so that no difference between clocks can be: there are only the times that have
//! passed between a reaper's own looks.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Keepers;

/// The form of the label.
const VERSION: &str = "1";
/// A promise for longer is none of ours.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Looks this part of the time apart are looks in a row.
const A_ROW: u32 = 4;

/// For how long a living owner is without a keeper at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Promise {
    grace: Duration,
}

impl Promise {
    pub(super) fn of(grace: Duration) -> Self {
        Self { grace: grace.min(LONGEST) }
    }

    pub(super) fn grace(self) -> Duration {
        self.grace
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}.{}", self.grace.as_millis())
    }
}

/// Of a form that this version does not know.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown;

impl FromStr for Promise {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let millis = text.strip_prefix(VERSION).and_then(|rest| rest.strip_prefix('.'));
        let millis = millis.and_then(|millis| millis.parse().ok()).ok_or(Unknown)?;
        let grace = Duration::from_millis(millis);
        // Without a time there would be no protection.
        if grace.is_zero() || grace > LONGEST { Err(Unknown) } else { Ok(Self { grace }) }
    }
}

/// What a reaper knows after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A keeper runs.
    Alive,
    /// None did, for as long as is known; nothing is proven yet.
    Unproven,
    /// None ran and none was made for as long as was promised, while the engine answered.
    Dead,
}

/// The watch for the keeper of one owner, from the first look that met none that runs.
#[derive(Debug)]
pub(super) struct Watch {
    promise: Promise,
    known: Keepers,
    /// The first and the last of the looks in a row, on whatever scale the caller counts.
    row: Option<(Duration, Duration)>,
}

impl Watch {
    pub(super) fn new(promise: Promise, known: Keepers) -> Self {
        Self { promise, known, row: None }
    }

    /// The keepers that were seen.
    pub(super) fn known(&self) -> &Keepers {
        &self.known
    }

    /// A look at `at` has met these keepers.
    pub(super) fn look(&mut self, at: Duration, met: Keepers) -> Verdict {
        if met.running {
            return Verdict::Alive;
        }
        let is_new = !met.are_among(&self.known);
        self.known.ids.extend(met.ids);
        let begin = match self.row {
            // Between two looks that are far apart the engine may have been away, and the owner
            // without a chance. Whoever makes another keeper is at it.
            Some((begin, last))
                if !is_new && at.saturating_sub(last) <= self.promise.grace / A_ROW =>
            {
                begin
            }
            _ => at,
        };
        self.row = Some((begin, at));
        if at.saturating_sub(begin) >= self.promise.grace {
            Verdict::Dead
        } else {
            Verdict::Unproven
        }
    }

    /// A look has failed: what was seen before it does not count.
    pub(super) fn failed(&mut self) {
        self.row = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keepers(ids: &[u8], running: bool) -> Keepers {
        Keepers { ids: ids.iter().map(ToString::to_string).collect(), running }
    }

    fn watch(seconds: u64) -> Watch {
        Watch::new(Promise::of(secs(seconds)), keepers(&[1], false))
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_promise_reads_back_and_what_is_none_is_unknown() {
        let promise = Promise::of(secs(60));
        assert_eq!(promise.to_string(), "1.60000");
        assert_eq!(promise.to_string().parse(), Ok(promise));
        for wrong in ["", "1", "1.", "1.0", "2.60000", "1.60000.1", "1.-1", "1.99999999999"] {
            assert_eq!(wrong.parse::<Promise>(), Err(Unknown), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_proven_before_the_time_is_over() {
        let mut watch = watch(8);
        for at in 100..108 {
            assert_eq!(watch.look(secs(at), keepers(&[1], false)), Verdict::Unproven, "{at}");
        }
        assert_eq!(watch.look(secs(108), keepers(&[1], false)), Verdict::Dead);
    }

    #[test]
    fn a_keeper_that_is_gone_proves_no_more_than_one_that_has_ended() {
        let mut watch = watch(8);
        for at in 0..8 {
            assert_eq!(watch.look(secs(at), Keepers::default()), Verdict::Unproven);
        }
        assert_eq!(watch.look(secs(8), Keepers::default()), Verdict::Dead);
    }

    #[test]
    fn a_failed_look_a_pause_and_a_new_keeper_begin_the_time_anew() {
        let again: [fn(&mut Watch); 2] = [Watch::failed, |watch| {
            assert_eq!(watch.look(secs(7), keepers(&[1, 2], false)), Verdict::Unproven);
        }];
        for begin_anew in again {
            let mut watch = watch(8);
            for at in 0..8 {
                watch.look(secs(at), keepers(&[1], false));
            }
            begin_anew(&mut watch);
            assert_eq!(watch.look(secs(8), keepers(&[1, 2], false)), Verdict::Unproven);
        }
        let mut watch = watch(8);
        for at in [0, 1, 2, 100] {
            assert_eq!(watch.look(secs(at), keepers(&[1], false)), Verdict::Unproven);
        }
    }

    /// What a reaper meets: nothing for some time, a failure, an ended or a running keeper, each
    /// under a number.
    #[derive(Debug, Clone)]
    enum Met {
        Failure,
        Keepers(Vec<u8>, bool),
    }

    fn met() -> impl Strategy<Value = (u64, Met)> {
        let keepers = (prop::collection::vec(0_u8..3, 0..3), prop::bool::weighted(0.03));
        let met = prop_oneof![
            1 => Just(Met::Failure),
            30 => keepers.prop_map(|(ids, running)| Met::Keepers(ids, running)),
        ];
        (1_u64..4_000, met)
    }

    proptest! {
        /// Whatever a reaper meets, and wherever its own scale of time begins: who is taken for dead
        /// had no running keeper, nor a new one, in looks in a row for as long as was promised.
        #[test]
        fn nobody_is_taken_for_dead_who_gave_a_sign_of_life_in_time(
            history in prop::collection::vec(met(), 1..80),
            begin in 0_u64..7_200_000,
            grace in 2_000_u64..20_000,
        ) {
            let grace = Duration::from_millis(grace);
            let mut watch = Watch::new(Promise::of(grace), Keepers::default());
            let mut known: Vec<u8> = Vec::new();
            // The looks since the last sign of life, as the test counts them.
            let mut row: Vec<u64> = Vec::new();
            let mut now = begin;
            for (passed, met) in history {
                now += passed;
                match met {
                    Met::Failure => {
                        watch.failed();
                        row.clear();
                    }
                    Met::Keepers(ids, running) => {
                        let verdict =
                            watch.look(Duration::from_millis(now), keepers(&ids, running));
                        if running {
                            prop_assert_eq!(verdict, Verdict::Alive);
                            break;
                        }
                        let is_new = ids.iter().any(|id| !known.contains(id));
                        known.extend(ids);
                        let is_far = row.last().is_some_and(|last| {
                            Duration::from_millis(now - last) > grace / A_ROW
                        });
                        if is_new || is_far {
                            row.clear();
                        }
                        row.push(now);
                        let proven = Duration::from_millis(now - row[0]) >= grace;
                        let expected = if proven { Verdict::Dead } else { Verdict::Unproven };
                        prop_assert_eq!(verdict, expected);
                    }
                }
            }
        }
    }
}
