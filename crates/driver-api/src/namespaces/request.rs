//! What a task wants of borrowed namespaces.

mod written;

use std::time::Duration;

use serde::Serialize;

use crate::units::duration;
use crate::{CapabilityDrop, Security, TaskSpec};

/// With any of these a task can change a network namespace for those that come after it.
const CHANGING: [&str; 4] = ["NET_ADMIN", "NET_RAW", "SYS_ADMIN", "ALL"];

/// What to do when there are no namespaces to lend.
///
/// Written as `"error"`, `"fall_back"` or `{ wait = "5s" }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhenEmpty {
    /// Wait for so long, first come, first served. Then it is an error.
    Wait(#[serde(with = "duration::text")] Duration),
    /// Run the task with a network of its own, on one of those that are lent otherwise, or on the
    /// engine's default network where none is configured. Its [`Exit`](crate::Exit) says so.
    FallBack,
    /// Fail with [`PoolEmpty`](crate::ErrorKind::PoolEmpty) at once.
    Error,
}

/// What a task wants of borrowed namespaces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamespaceRequest {
    /// Whether the task can change the namespaces, so that nobody may have them after it.
    pub changes: bool,
    /// What to do when there are none. Absent: as the source is configured.
    pub when_empty: Option<WhenEmpty>,
    /// How long it has waited already, for namespaces that were lost before it could be started. It
    /// counts towards [`WhenEmpty::Wait`].
    pub waited: Duration,
}

impl NamespaceRequest {
    /// What the task of `spec` wants. A backend whose
    /// [engine options](crate::Container::edit_engine_options) can grant more than `spec` sets
    /// [`changes`](Self::changes) where they were changed.
    #[must_use]
    pub fn of(spec: &TaskSpec) -> Self {
        Self {
            changes: can_change(&spec.security),
            when_empty: spec.network.when_empty,
            waited: Duration::ZERO,
        }
    }
}

/// Whether a task can change the namespaces that it is in. What counts is what it could get, not
/// what it starts with.
fn can_change(security: &Security) -> bool {
    let given = security.cap_add.iter().any(|it| CHANGING.contains(&it.as_str()));
    // Raw sockets are among the capabilities that engines give unless they are taken away.
    let left = match &security.cap_drop {
        CapabilityDrop::All => false,
        CapabilityDrop::These(list) => {
            !list.iter().any(|it| matches!(it.as_str(), "NET_RAW" | "ALL"))
        }
    };
    security.privileged || given || left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(edit: impl FnOnce(&mut Security)) -> bool {
        let mut spec = TaskSpec::builder("x").build().unwrap();
        edit(&mut spec.security);
        NamespaceRequest::of(&spec).changes
    }

    #[test]
    fn a_task_that_can_get_a_capability_over_the_network_changes_it() {
        assert!(!changes(|_| {}));
        assert!(!changes(|it| it.cap_add = vec!["CHOWN".parse().unwrap()]));
        for name in ["NET_ADMIN", "cap_net_raw", "SYS_ADMIN", "ALL"] {
            assert!(changes(|it| it.cap_add = vec![name.parse().unwrap()]), "{name}");
        }
        assert!(changes(|it| it.privileged = true));
    }

    #[test]
    fn the_engines_usual_capabilities_hold_raw_sockets() {
        assert!(changes(|it| *it = Security::engine_default()));
        for name in ["NET_RAW", "ALL"] {
            let list = vec![name.parse().unwrap()];
            assert!(!changes(|it| it.cap_drop = CapabilityDrop::These(list)), "{name}");
        }
    }

    #[test]
    fn the_policy_is_read_as_people_write_it() {
        let read = |text: &str| serde_json::from_str::<WhenEmpty>(text).unwrap();
        assert_eq!(read(r#""error""#), WhenEmpty::Error);
        assert_eq!(read(r#""fall_back""#), WhenEmpty::FallBack);
        assert_eq!(read(r#"{"wait":"5s"}"#), WhenEmpty::Wait(Duration::from_secs(5)));
    }
}
