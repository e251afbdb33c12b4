//! Proof on the engine itself that an owner lives, for reapers that cannot see its lease.
//!
//! A keeper is a container whose one process lives for as long as its input is open. The owner holds
//! the connection to that input; when the owner dies, or its machine, the connection ends, the engine
//! closes the input, and the keeper is over. Everything of such an owner carries a label that
//! promises a keeper, with the time for which a living owner may be without one: an engine that was
//! started anew has ended all keepers, and a cut network ends them too. Within that time the owner
//! has made another.

mod hold;
mod promise;
mod silence;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{Capabilities, Error, ErrorKind, LABEL_KEEPER_GENERATION, Result};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::client::reply::Listed;
use crate::config::KeeperUse;
use crate::placeholder::runs_on;

pub(crate) use hold::hold;
pub(crate) use promise::Promise;
pub(crate) use silence::{Suspects, silent};

/// The least time for which an owner may be without a keeper.
const LEAST_GRACE: Duration = Duration::from_secs(10);

/// What a driver knows of its own keeper.
#[derive(Debug)]
pub(crate) struct Keeper {
    promise: Promise,
    /// How the first one went.
    first: watch::Sender<Option<std::result::Result<(), Arc<Error>>>>,
    end: CancellationToken,
}

impl Keeper {
    fn new(engine_gone: Duration) -> Self {
        // A task of an engine that is away for longer than `engine_gone` is lost anyway.
        let promise = Promise::of(engine_gone.saturating_mul(2).max(LEAST_GRACE));
        Self { promise, first: watch::Sender::new(None), end: CancellationToken::new() }
    }

    /// The label's value.
    pub(crate) fn label(&self) -> String {
        self.promise.to_string()
    }

    /// Waits until the first one runs.
    pub(crate) async fn ready(&self) -> Result<()> {
        let mut first = self.first.subscribe();
        // The sender is in `self`.
        match first.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Err(error))) => Err(error.duplicate()),
            _ => Ok(()),
        }
    }

    /// Has it removed. Never blocks.
    pub(crate) fn end(&self) {
        self.end.cancel();
    }
}

/// Decides whether a driver has a keeper.
pub(crate) fn choose(
    wanted: KeeperUse,
    is_elsewhere: bool,
    can: &Capabilities,
    engine_gone: Duration,
) -> Result<Option<Keeper>> {
    let is_wanted = match wanted {
        KeeperUse::Auto => is_elsewhere,
        KeeperUse::Always => true,
        KeeperUse::Never => false,
    };
    if !is_wanted {
        return Ok(None);
    }
    let engine = format!("{} {} on {}", can.engine, can.engine_version, can.platform);
    // Whether Podman ends the input with the connection has not been tried.
    if can.engine == "docker" && runs_on(&can.platform) {
        return Ok(Some(Keeper::new(engine_gone)));
    }
    if wanted == KeeperUse::Always {
        return Err(Error::new(ErrorKind::Unsupported, "open")
            .message(format!("keeper = \"always\", and there is no keeper for {engine}"))
            .remedy("do without one (keeper = \"never\")"));
    }
    tracing::warn!(
        engine,
        "there is no keeper for this engine: reapers on other machines leave alone what this owner leaves"
    );
    Ok(None)
}

/// Whether a container is a keeper.
pub(crate) fn is_keeper(listed: &Listed) -> bool {
    listed.label(LABEL_KEEPER_GENERATION).is_some()
}

/// The keepers of an owner that the engine shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keepers {
    ids: BTreeSet<String>,
    running: bool,
}

impl Keepers {
    /// Those among an owner's things.
    pub(crate) fn among<'a>(listed: impl Iterator<Item = &'a Listed>) -> Self {
        let mut keepers = Self::default();
        for keeper in listed.filter(|listed| is_keeper(listed)) {
            keepers.ids.insert(keeper.id.clone());
            keepers.running |= !is_over(&keeper.state);
        }
        keepers
    }

    /// Whether one runs: the owner lives.
    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    /// Whether there is none that was not among `known`.
    pub(crate) fn are_among(&self, known: &Self) -> bool {
        self.ids.is_subset(&known.ids)
    }
}

/// Whether a keeper in this state does not run. One that nobody knows may.
fn is_over(state: &str) -> bool {
    matches!(state, "created" | "removing" | "exited" | "dead")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn can(engine: &str, platform: &str) -> Capabilities {
        let mut can = Capabilities::nothing(engine, "1");
        platform.clone_into(&mut can.platform);
        can
    }

    #[test]
    fn an_engine_elsewhere_gets_a_keeper_and_one_that_is_here_when_asked_for() {
        let docker = can("docker", "linux/amd64");
        for (wanted, elsewhere, expected) in [
            (KeeperUse::Auto, true, true),
            (KeeperUse::Auto, false, false),
            (KeeperUse::Always, false, true),
            (KeeperUse::Never, true, false),
        ] {
            let keeper = choose(wanted, elsewhere, &docker, Duration::from_secs(30)).unwrap();
            assert_eq!(keeper.is_some(), expected, "{wanted:?} {elsewhere}");
        }
    }

    #[test]
    fn where_none_can_be_there_is_none_unless_one_was_asked_for() {
        for can in [can("podman", "linux/amd64"), can("docker", "linux/riscv64")] {
            let choose = |wanted| choose(wanted, true, &can, Duration::from_secs(30));
            assert!(choose(KeeperUse::Auto).unwrap().is_none());
            let error = choose(KeeperUse::Always).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("keeper = \"never\""), "{error}");
        }
    }

    #[test]
    fn the_time_without_a_keeper_is_twice_that_for_the_engine_and_never_too_short() {
        let grace = |seconds| Keeper::new(Duration::from_secs(seconds)).promise.grace();
        assert_eq!(grace(30), Duration::from_secs(60));
        assert_eq!(grace(1), LEAST_GRACE);
    }

    #[test]
    fn only_a_keeper_that_certainly_does_not_run_is_over() {
        for state in ["created", "exited", "dead", "removing"] {
            assert!(is_over(state), "{state}");
        }
        for state in ["running", "paused", "restarting", "", "of a later engine"] {
            assert!(!is_over(state), "{state}");
        }
    }
}
