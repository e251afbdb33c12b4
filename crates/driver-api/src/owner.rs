//! The labels by which everything made on an engine is known to belong to somebody.

/// The label that names the application: a reaper of one application never touches another's.
pub const LABEL_APPLICATION: &str = "longshore.application";
/// The label that names the owner: one process, from its start to its end.
pub const LABEL_OWNER: &str = "longshore.owner";
/// The label that says where the owner's lease is: a word for the host and the run directory,
/// so that a reaper elsewhere does not take an unreadable lease for a dead owner.
pub const LABEL_LEASE: &str = "longshore.lease";
/// The label that holds the task's id.
pub const LABEL_TASK: &str = "longshore.task";
/// The label that says until when a reaper must leave a recoverable task alone, in RFC 3339.
pub const LABEL_RECOVERABLE_UNTIL: &str = "longshore.recoverable-until";
/// The label that says that a keeper stands for the owner on the engine: a container of its own that
/// the engine ends with the connection that the owner holds to it. Its value says for how long a
/// living owner may be without one.
pub const LABEL_KEEPER: &str = "longshore.keeper";
/// The label of keepers alone: how many the owner has had.
pub const LABEL_KEEPER_GENERATION: &str = "longshore.keeper-generation";
/// Every label of Longshore begins with this; a task may not set such labels itself.
pub const LABEL_PREFIX: &str = "longshore.";
/// All of these labels. An engine gives the labels of an image to its containers, where they have none
/// of that name themselves: so a backend writes each of these on every container, without a value
/// where it says nothing, and reads one without a value as none.
pub const LABELS: [&str; 7] = [
    LABEL_APPLICATION,
    LABEL_OWNER,
    LABEL_LEASE,
    LABEL_TASK,
    LABEL_RECOVERABLE_UNTIL,
    LABEL_KEEPER,
    LABEL_KEEPER_GENERATION,
];

/// What a reaper is asked to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReapOptions {
    /// Only say what would be removed.
    pub dry_run: bool,
}

impl ReapOptions {
    /// Removes what dead owners left.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only says what would be removed.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }
}

/// The kind of a thing on an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ResourceKind {
    /// A container.
    Container,
    /// A network.
    Network,
    /// A volume.
    Volume,
}

/// A thing that a reaper met.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Reaped {
    /// What it is.
    pub kind: ResourceKind,
    /// The engine's id of it.
    pub id: String,
    /// The owner that left it.
    pub owner: String,
    /// The id of the task that it was made for, if it says so.
    pub task: Option<String>,
    /// Why it could not be removed, where it could not.
    pub error: Option<String>,
}

impl Reaped {
    /// A thing of `owner` that was removed, or would be.
    pub fn new(kind: ResourceKind, id: impl Into<String>, owner: impl Into<String>) -> Self {
        Self { kind, id: id.into(), owner: owner.into(), task: None, error: None }
    }
}

/// What a reaper did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ReapReport {
    /// What was removed, or would be in a dry run.
    pub removed: Vec<Reaped>,
    /// What should have been removed and could not be.
    pub failed: Vec<Reaped>,
    /// How many of this application's things were left alone because their owner lives or may live,
    /// because they can still be recovered, or because a container that was left may use them.
    pub kept: usize,
}
