//! Which requests are broken, and how.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::fault::Fault;
use super::step::Step;

/// Which requests are broken, and how: the first rule that fits, else chance if there is any, else
/// not at all.
#[derive(Debug, Clone, Default)]
pub struct Script {
    rules: Vec<Rule>,
    chance: Option<Chance>,
}

#[derive(Debug, Clone)]
struct Rule {
    step: Step,
    first: u32,
    last: u32,
    fault: Fault,
}

#[derive(Debug, Clone)]
struct Chance {
    seed: u64,
    share: f64,
    menu: Vec<(Step, Fault)>,
}

impl Script {
    /// Breaks nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Breaks the first request of a kind.
    #[must_use]
    pub fn once(self, step: Step, fault: Fault) -> Self {
        self.nth(step, 1, fault)
    }

    /// Breaks the `nth` request of a kind, from 1.
    #[must_use]
    pub fn nth(self, step: Step, nth: u32, fault: Fault) -> Self {
        self.range(step, nth, nth, fault)
    }

    /// Breaks every request of a kind.
    #[must_use]
    pub fn always(self, step: Step, fault: Fault) -> Self {
        self.range(step, 1, u32::MAX, fault)
    }

    /// Breaks a share of all requests, from 0 to 1, each with one of `menu` that is for its kind.
    ///
    /// Which ones depends on nothing but the seed, the kind and the request's number within its
    /// kind.
    #[must_use]
    pub fn random(seed: u64, share: f64, menu: impl IntoIterator<Item = (Step, Fault)>) -> Self {
        let chance = Chance { seed, share, menu: menu.into_iter().collect() };
        Self { rules: Vec::new(), chance: Some(chance) }
    }

    fn range(mut self, step: Step, first: u32, last: u32, fault: Fault) -> Self {
        self.rules.push(Rule { step, first, last, fault });
        self
    }

    /// What happens to the `nth` request of a kind.
    pub(super) fn fault(&self, step: Step, nth: u32) -> Option<Fault> {
        let fits = |rule: &&Rule| rule.step == step && (rule.first..=rule.last).contains(&nth);
        let rule = self.rules.iter().find(fits).map(|rule| rule.fault);
        rule.or_else(|| self.chance.as_ref()?.fault(step, nth))
    }
}

impl Chance {
    fn fault(&self, step: Step, nth: u32) -> Option<Fault> {
        // The default hasher has fixed keys: the same in every process of one toolchain.
        let mut hasher = DefaultHasher::new();
        (self.seed, step, nth).hash(&mut hasher);
        let mut rng = StdRng::seed_from_u64(hasher.finish());
        if !rng.random_bool(self.share) {
            return None;
        }
        let faults: Vec<Fault> =
            self.menu.iter().filter(|(on, _)| *on == step).map(|(_, fault)| *fault).collect();
        faults.choose(&mut rng).copied()
    }
}

/// How many requests of each kind there were.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<Step, u32>);

impl Counts {
    /// The number of the request that has just come.
    pub(super) fn next(&mut self, step: Step) -> u32 {
        let count = self.0.entry(step).or_default();
        *count += 1;
        *count
    }

    pub(super) fn of(&self, step: Step) -> u32 {
        self.0.get(&step).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_breaks_the_requests_that_it_names_and_no_other() {
        let script = Script::new()
            .nth(Step::Create, 2, Fault::Stall)
            .always(Step::Kill, Fault::Refuse)
            .once(Step::Kill, Fault::Garbage);
        assert_eq!(script.fault(Step::Create, 1), None);
        assert_eq!(script.fault(Step::Create, 2), Some(Fault::Stall));
        assert_eq!(script.fault(Step::Create, 3), None);
        // The first rule that fits is the one.
        assert_eq!(script.fault(Step::Kill, 1), Some(Fault::Refuse));
        assert_eq!(script.fault(Step::Kill, 99), Some(Fault::Refuse));
        assert_eq!(script.fault(Step::Start, 1), None);
    }

    #[test]
    fn chance_depends_on_the_seed_alone_and_keeps_to_its_share_and_menu() {
        let menu = [(Step::Create, Fault::Stall), (Step::Create, Fault::Refuse)];
        let script = |seed| Script::random(seed, 0.25, menu);
        let draw = |script: Script| -> Vec<Option<Fault>> {
            (1..=1000).map(|nth| script.fault(Step::Create, nth)).collect()
        };
        let drawn = draw(script(1));
        assert_eq!(drawn, draw(script(1)));
        assert_ne!(drawn, draw(script(2)));
        let broken = drawn.iter().flatten().count();
        assert!((200..300).contains(&broken), "{broken} of 1000");
        for (_, fault) in menu {
            assert!(drawn.contains(&Some(fault)), "{fault}");
        }
        assert!((1..=1000).all(|nth| script(1).fault(Step::Start, nth).is_none()));
    }
}
