//! What can be called.

use std::fmt;

use longshore_driver_api::TaskSpec;

/// What can be called on a driver, and what a driver asks of its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Op {
    /// `Driver::container`. The engine is not asked, so no [`Rule`](crate::Rule) applies.
    Reserve,
    /// `Driver::ping`.
    Ping,
    /// `Container::image_status`.
    ImageStatus,
    /// `Container::pull_image`: one call for each caller. What is pulled for several callers at
    /// once is pulled by the first one's call; see [`Engine::pulls`](crate::Engine::pulls).
    Pull,
    /// `Container::create`.
    Create,
    /// `Container::start`.
    Start,
    /// `Container::freeze`.
    Freeze,
    /// `Container::unfreeze`.
    Unfreeze,
    /// The driver's wait for the end of a started process, which is answered when it ends.
    Wait,
    /// A stop signal, sent because of `Running::stop` or the timeout.
    Stop,
    /// A kill, sent because of `Running::cancel`, an output limit, or a grace that has passed.
    Kill,
    /// `Running::signal`.
    Signal,
    /// `Running::resize`.
    Resize,
    /// `Container::exec`.
    Exec,
    /// A kill of a further process, sent because of `Exec::cancel` or its output limit.
    ExecKill,
    /// `Exec::resize`.
    ExecResize,
    /// `Running::network`, when it is asked for the first time.
    Network,
    /// `Container::copy_in`.
    CopyIn,
    /// `Container::copy_out`.
    CopyOut,
    /// The removal of a container: by `Container::close`, by the reaper, or by `Driver::reap`.
    Remove,
    /// `Container::close`. The engine is asked by [`Remove`](Self::Remove), so no rule applies.
    Close,
    /// `Driver::recover`.
    Recover,
    /// `Driver::reap`: the listing. Each removal is a [`Remove`](Self::Remove).
    Reap,
    /// `Driver::close`. The engine is asked by [`Remove`](Self::Remove), so no rule applies.
    CloseDriver,
}

impl Op {
    /// Whether the engine is asked, so that rules apply.
    #[must_use]
    pub const fn asks_engine(self) -> bool {
        !matches!(self, Self::Reserve | Self::Close | Self::CloseDriver)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reserve => "container",
            Self::Ping => "ping",
            Self::ImageStatus => "image status",
            Self::Pull => "pull",
            Self::Create => "create",
            Self::Start => "start",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::Wait => "wait",
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Signal => "signal",
            Self::Resize => "resize",
            Self::Exec => "exec",
            Self::ExecKill => "kill exec",
            Self::ExecResize => "resize exec",
            Self::Network => "network",
            Self::CopyIn => "copy in",
            Self::CopyOut => "copy out",
            Self::Remove => "remove",
            Self::Close => "close",
            Self::Recover => "recover",
            Self::Reap => "reap",
            Self::CloseDriver => "close driver",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A call that is about to be made, as a [`Rule`](crate::Rule) sees it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Calling<'a> {
    /// What is called.
    pub op: Op,
    /// The owner whose driver is called.
    pub owner: &'a str,
    /// The task that it is for, if it is for one.
    pub task: Option<&'a TaskSpec>,
}

impl<'a> Calling<'a> {
    pub(crate) fn new(op: Op, owner: &'a str, task: Option<&'a TaskSpec>) -> Self {
        Self { op, owner, task }
    }
}
