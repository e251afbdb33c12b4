//! The list of all cases, and the macro that makes tests of it.

use std::pin::Pin;

use crate::trial::Trial;
use crate::verdict::Outcome;

/// One case: a sentence of the contract and what checks it.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) sentence: &'static str,
    pub(crate) length: Length,
    pub(crate) run: fn(Trial) -> Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

/// How long a case may take.
#[derive(Clone, Copy, Default)]
pub(crate) enum Length {
    /// Minutes.
    #[default]
    Short,
    /// Many minutes.
    Long,
}

macro_rules! table {
    ({} $($module:ident { $($case:ident $(@ $length:ident)? => $sentence:literal,)* })*) => {
        &[$($(Case {
            name: concat!(stringify!($module), "::", stringify!($case)),
            sentence: $sentence,
            length: [$(Length::$length,)? Length::Short][0],
            run: |trial| Box::pin(crate::cases::$module::$case(trial)),
        },)*)*]
    };
}

static CASES: &[Case] = for_each_case!([table] {});

/// The names of all cases, `module::case`, and the sentences that they check.
pub fn cases() -> impl Iterator<Item = (&'static str, &'static str)> {
    CASES.iter().map(|case| (case.name, case.sentence))
}

pub(crate) fn find(name: &str) -> Case {
    match CASES.iter().find(|case| case.name == name) {
        Some(case) => *case,
        None => panic!("there is no case named {name:?}"),
    }
}

/// Makes one test of each case of the contract.
///
/// `name` becomes a module and a function; `fixture` is an expression that makes a new
/// [`Fixture`](crate::Fixture), evaluated for each case inside of its runtime (it must not await);
/// `runtime` is `Paused` or `Real`, as in [`Runtime`](crate::Runtime).
///
/// ```text
/// longshore_conformance::suite! {
///     name: in_memory,
///     fixture: InMemory::new(),
///     runtime: Paused,
/// }
/// ```
///
/// gives the tests `in_memory::lifecycle::reserving_a_container_creates_nothing` and so on.
#[macro_export]
macro_rules! suite {
    (name: $name:ident, fixture: $fixture:expr, runtime: $runtime:ident $(,)?) => {
        fn $name() -> impl $crate::Fixture {
            $fixture
        }

        $crate::for_each_case!([$crate::suite_tests] { $name $runtime });
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! suite_tests {
    ({ $name:ident $runtime:ident }
     $($module:ident { $($case:ident $(@ $length:ident)? => $sentence:literal,)* })*) => {
        mod $name {
            $(mod $module {
                $(#[doc = $sentence]
                #[test]
                fn $case() {
                    $crate::test_case(
                        concat!(stringify!($module), "::", stringify!($case)),
                        $crate::Runtime::$runtime,
                        super::super::$name,
                    );
                })*
            })*
        }
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own_and_a_sentence() {
        let names: BTreeSet<&str> = cases().map(|(name, _)| name).collect();
        assert_eq!(names.len(), cases().count());
        assert!(cases().all(|(_, sentence)| sentence.ends_with('.')));
    }

    #[test]
    #[should_panic(expected = "there is no case named \"lifecycle::nosuch\"")]
    fn a_name_that_is_no_case_is_refused() {
        find("lifecycle::nosuch");
    }
}
