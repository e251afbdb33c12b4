//! What is known and wished of a task whose process was started.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    Error, ErrorKind, Exit, ExitFacts, SentFor, SentSignal, Signal, TaskSpec,
};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};

use super::facts;
use super::pump::Progress;
use crate::driver::Inner;
use crate::exit::ExitCell;
use crate::sandbox::{Died, Sandbox};

/// A task whose process was started.
pub(crate) struct Run {
    pub(super) driver: Arc<Inner>,
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) stop_signal: Signal,
    pub(super) will: Mutex<Will>,
    pub(super) nudge: Notify,
    /// How far the delivery of stdout and stderr is.
    pub(super) progress: Mutex<[Option<Arc<Progress>>; 2]>,
    ended: watch::Sender<bool>,
    exit: ExitCell,
}

/// What was done to the task, and what is still to be done.
#[derive(Debug, Default)]
pub(super) struct Will {
    pub(super) cancelled: bool,
    pub(super) timed_out: bool,
    pub(super) output_limit: bool,
    pub(super) stopped: bool,
    pub(super) sent: Vec<SentSignal>,
    /// The end is known, or will never be: from here on nothing changes the outcome.
    pub(super) over: bool,
    /// Nobody waits for readers any more.
    pub(super) impatient: bool,
    pub(super) wishes: Vec<Wish>,
}

#[derive(Debug)]
pub(super) enum Wish {
    Kill(SentFor),
    /// The reply is sent only if the engine cannot be asked.
    Stop(Duration, oneshot::Sender<Error>),
    /// The engine has removed the container, and should say soon how the task ended.
    Listen,
    /// Nobody can end it: what is known has to do.
    Abandon,
}

/// How a driver learns of the end.
#[derive(Debug)]
pub(super) enum Seen {
    Died(Died),
    /// It will not learn of it.
    Lost(Error),
}

impl Run {
    pub(super) fn new(driver: Arc<Inner>, sandbox: Arc<Sandbox>, stop_signal: Signal) -> Self {
        Self {
            driver,
            sandbox,
            stop_signal,
            will: Mutex::default(),
            nudge: Notify::new(),
            progress: Mutex::default(),
            ended: watch::Sender::new(false),
            exit: ExitCell::new(),
        }
    }

    pub(super) fn spec(&self) -> &TaskSpec {
        &self.sandbox.spec
    }

    pub(super) fn wish(&self, wish: impl FnOnce(&mut Will)) {
        wish(&mut self.will.lock());
        self.nudge.notify_one();
    }

    pub(super) fn cancel(&self) {
        self.wish(|will| {
            will.cancelled |= !will.over;
            will.impatient = true;
            will.wishes.push(Wish::Kill(SentFor::Cancel));
        });
    }

    /// The container is being removed, which kills the task.
    pub(crate) fn close(&self) {
        self.wish(|will| {
            if !will.over {
                will.cancelled = true;
                will.sent.push(SentSignal::new(Signal::KILL, SentFor::Cancel));
            }
            will.impatient = true;
        });
    }

    /// The container was removed.
    pub(crate) fn removed(&self) {
        self.wish(|will| will.wishes.push(Wish::Listen));
    }

    /// The container could not be removed, and nobody waits for it any more.
    pub(crate) fn abandon(&self) {
        self.wish(|will| will.wishes.push(Wish::Abandon));
    }

    /// The owner was killed: whoever waits learns that the task is lost.
    pub(crate) fn die(&self) {
        self.lose("the owner was killed");
    }

    /// Says that the end will not be seen, unless it was.
    pub(super) fn lose(&self, why: &str) {
        let seen = Seen::Lost(Error::new(ErrorKind::Closed, "wait").message(why));
        let facts = self.see(&seen);
        self.publish(Exit::from_facts(facts));
    }

    /// Takes note of the end; from here on nothing but its own output changes the outcome.
    pub(super) fn see(&self, seen: &Seen) -> ExitFacts {
        let facts = {
            let mut will = self.will.lock();
            will.over = true;
            facts::of(&will, seen, &self.sandbox, &self.driver.config.capabilities)
        };
        self.ended.send_replace(true);
        facts
    }

    pub(super) fn publish(&self, exit: Exit) {
        self.exit.publish(exit);
    }

    pub(super) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(&self) {
        // The sender is in `self`.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.exit.is_known()
    }

    /// Waits for the end of the process and of its output.
    pub(crate) async fn over(&self) -> Exit {
        self.exit.known().await
    }

    /// Notes a signal that is being sent now, unless the end was seen.
    pub(super) fn note(&self, signal: Signal, reason: SentFor) {
        let mut will = self.will.lock();
        if !will.over {
            will.stopped |= reason == SentFor::Stop;
            will.sent.push(SentSignal::new(signal, reason));
        }
    }
}
