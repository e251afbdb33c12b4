//! What goes wrong, and when.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, Result};
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::{Calling, Op};

type When = Arc<dyn Fn(&Calling<'_>) -> bool + Send + Sync>;

/// How calls to the engine are answered: late, with an error, or never.
///
/// A rule says which calls it applies to, how often, and what happens then. Of the rules that apply
/// to a call, all delays add up, and the first answer that is not the usual one is given.
///
/// ```
/// use std::time::Duration;
/// use longshore_driver_api::ErrorKind;
/// use longshore_mock::{Engine, Op, Rule};
///
/// let engine = Engine::new();
/// // Every call takes 2 ms, the first two creates are told to come back later, and starts of one
/// // task never come back.
/// engine.rule(Rule::any().delay(Duration::from_millis(2)));
/// engine.rule(Rule::on(Op::Create).times(2).fail(ErrorKind::Busy));
/// engine.rule(Rule::on(Op::Start).task("job-7").never_answer());
/// ```
#[derive(Clone)]
pub struct Rule {
    ops: Ops,
    when: Vec<When>,
    skip: u64,
    times: Option<u64>,
    every: Option<u64>,
    probability: Option<f64>,
    delay: Option<(Duration, Duration)>,
    answer: Answer,
    carried_out: bool,
    met: u64,
    used: u64,
}

#[derive(Debug, Clone)]
enum Ops {
    Any,
    These(Vec<Op>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Usual,
    Fail(ErrorKind, Option<String>),
    Never,
}

impl Rule {
    fn new(ops: Ops) -> Self {
        Self {
            ops,
            when: Vec::new(),
            skip: 0,
            times: None,
            every: None,
            probability: None,
            delay: None,
            answer: Answer::Usual,
            carried_out: false,
            met: 0,
            used: 0,
        }
    }

    /// Applies to calls of this kind.
    #[must_use]
    pub fn on(op: Op) -> Self {
        Self::new(Ops::These(vec![op]))
    }

    /// Applies to calls of these kinds.
    #[must_use]
    pub fn on_these(ops: impl IntoIterator<Item = Op>) -> Self {
        Self::new(Ops::These(ops.into_iter().collect()))
    }

    /// Applies to every call that asks the engine.
    #[must_use]
    pub fn any() -> Self {
        Self::new(Ops::Any)
    }

    /// Applies only if `when` says so, and to no call that an earlier `when` refuses.
    #[must_use]
    pub fn when(mut self, when: impl Fn(&Calling<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.when.push(Arc::new(when));
        self
    }

    /// Applies only to calls for the task with this id.
    #[must_use]
    pub fn task(self, id: impl Into<String>) -> Self {
        let id = id.into();
        self.when(move |call| call.task.is_some_and(|task| task.id == id))
    }

    /// Lets the first `calls` pass.
    #[must_use]
    pub fn skip(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// Applies once.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Applies so many times at most. Without this, it always applies.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Applies to every `n`-th call, first to the `n`-th. Every call where `n` is 0 or 1.
    #[must_use]
    pub fn every(mut self, n: u64) -> Self {
        self.every = Some(n.max(1));
        self
    }

    /// Applies with this probability, from 0 to 1, by the engine's seed.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability =
            Some(if probability.is_nan() { 0.0 } else { probability.clamp(0.0, 1.0) });
        self
    }

    /// Answers so much later.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        self.delay_between(delay, delay)
    }

    /// Answers later by a time from `least` to `most`, by the engine's seed.
    #[must_use]
    pub fn delay_between(mut self, least: Duration, most: Duration) -> Self {
        self.delay = Some((least, most.max(least)));
        self
    }

    /// Fails with this kind of error. [`Op::Wait`] cannot fail: the task's outcome is lost then.
    #[must_use]
    pub fn fail(mut self, kind: ErrorKind) -> Self {
        self.answer = Answer::Fail(kind, None);
        self
    }

    /// Fails with this kind of error and this message.
    #[must_use]
    pub fn fail_with(mut self, kind: ErrorKind, message: impl Into<String>) -> Self {
        self.answer = Answer::Fail(kind, Some(message.into()));
        self
    }

    /// Never answers. The driver gives up after its
    /// [`call_timeout`](crate::Config::call_timeout), with `Deadline`; only [`Op::Wait`] has no
    /// such bound until the task is killed.
    #[must_use]
    pub fn never_answer(mut self) -> Self {
        self.answer = Answer::Never;
        self
    }

    /// Carries the call out before the delay and the answer: what is late, fails or is lost is only
    /// the reply. Without this, a call that fails or is dropped was not carried out.
    #[must_use]
    pub fn lose_reply(mut self) -> Self {
        self.carried_out = true;
        self
    }

    fn applies(&mut self, call: &Calling<'_>, random: &mut StdRng) -> bool {
        let meant = match &self.ops {
            Ops::Any => true,
            Ops::These(ops) => ops.contains(&call.op),
        };
        if !meant || !self.when.iter().all(|when| when(call)) {
            return false;
        }
        self.met += 1;
        if self.met <= self.skip || self.times.is_some_and(|times| self.used >= times) {
            return false;
        }
        if self.every.is_some_and(|n| !(self.met - self.skip).is_multiple_of(n)) {
            return false;
        }
        if self.probability.is_some_and(|p| !random.random_bool(p)) {
            return false;
        }
        self.used += 1;
        true
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("ops", &self.ops)
            .field("delay", &self.delay)
            .field("answer", &self.answer)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

/// What happens to one call.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) delay: Duration,
    pub(crate) carried_out: bool,
    pub(crate) then: Then,
}

#[derive(Debug)]
pub(crate) enum Then {
    Answer,
    Fail(Error),
    Never,
}

impl Then {
    /// The reply to a call that succeeds with the value of `done` unless a rule says otherwise.
    pub(crate) fn reply<T>(self, done: impl FnOnce() -> Result<T>) -> Result<T> {
        match self {
            Self::Fail(error) => Err(error),
            Self::Answer | Self::Never => done(),
        }
    }
}

impl Plan {
    /// Whether the call is answered without any waiting.
    pub(crate) fn is_immediate(&self) -> bool {
        self.delay.is_zero() && !matches!(self.then, Then::Never)
    }
}

/// All rules, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn plan(&mut self, call: &Calling<'_>, random: &mut StdRng) -> Plan {
        let mut plan = Plan { delay: Duration::ZERO, carried_out: false, then: Then::Answer };
        for rule in &mut self.0 {
            if !rule.applies(call, random) {
                continue;
            }
            if let Some((least, most)) = rule.delay {
                let delay = if least == most { least } else { random.random_range(least..=most) };
                plan.delay = plan.delay.saturating_add(delay);
            }
            if matches!(plan.then, Then::Answer) {
                match &rule.answer {
                    Answer::Usual => {}
                    Answer::Fail(kind, message) => {
                        plan.then = Then::Fail(scripted(call, *kind, message.as_deref()));
                    }
                    Answer::Never => plan.then = Then::Never,
                }
                plan.carried_out |= rule.carried_out;
            }
        }
        plan
    }
}

fn scripted(call: &Calling<'_>, kind: ErrorKind, message: Option<&str>) -> Error {
    let error = Error::new(kind, call.op.name());
    match (message, call.task) {
        (Some(message), _) => error.message(message),
        (None, Some(task)) => {
            error.message(format!("task {:?}: a rule of the mock says {kind}", task.id))
        }
        (None, None) => error.message(format!("a rule of the mock says {kind}")),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn failures(rule: Rule, calls: usize) -> Vec<usize> {
        let mut random = StdRng::seed_from_u64(1);
        let mut rules = Rules::default();
        rules.add(rule.fail(ErrorKind::Busy));
        let call = Calling::new(Op::Ping, "o", None);
        (1..=calls)
            .filter(|_| matches!(rules.plan(&call, &mut random).then, Then::Fail(_)))
            .collect()
    }

    #[test]
    fn a_rule_applies_as_often_as_it_says() {
        assert_eq!(failures(Rule::any(), 3), [1, 2, 3]);
        assert_eq!(failures(Rule::any().once(), 3), [1]);
        assert_eq!(failures(Rule::any().skip(1).times(2), 5), [2, 3]);
        assert_eq!(failures(Rule::any().every(3), 7), [3, 6]);
        assert_eq!(failures(Rule::any().skip(1).every(3), 7), [4, 7]);
        assert_eq!(failures(Rule::any().probability(0.0), 50), [0; 0]);
        assert_eq!(failures(Rule::any().probability(f64::NAN), 50), [0; 0]);
        assert_eq!(failures(Rule::any().probability(7.0), 2), [1, 2]);
        assert_eq!(failures(Rule::on(Op::Create), 3), [0; 0]);
        assert_eq!(failures(Rule::any().when(|call| call.owner == "p"), 3), [0; 0]);
    }

    #[test]
    fn the_same_seed_fails_the_same_calls_and_about_as_many_as_said() {
        let failed = failures(Rule::any().probability(0.1), 10_000);
        assert!((900..1100).contains(&failed.len()), "{}", failed.len());
        assert_eq!(failed, failures(Rule::any().probability(0.1), 10_000));
    }

    #[test]
    fn delays_add_up_and_the_first_answer_wins() {
        let mut rules = Rules::default();
        rules.add(Rule::any().delay(Duration::from_secs(1)));
        rules.add(Rule::any().delay_between(Duration::from_secs(2), Duration::from_secs(3)));
        rules.add(Rule::any().fail(ErrorKind::Busy));
        rules.add(Rule::any().never_answer());
        let call = Calling::new(Op::Ping, "o", None);
        let plan = rules.plan(&call, &mut StdRng::seed_from_u64(1));
        assert!(plan.delay >= Duration::from_secs(3) && plan.delay <= Duration::from_secs(4));
        assert!(matches!(plan.then, Then::Fail(error) if error.kind() == ErrorKind::Busy));
    }
}
