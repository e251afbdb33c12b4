//! Every call, when it was made and what came of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{ErrorKind, Result};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Op;

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallResult {
    /// It has not been answered yet.
    Pending,
    /// It succeeded.
    Done,
    /// It failed.
    Failed(ErrorKind),
    /// Its future was dropped before the answer.
    Dropped,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// Its number, from 0, in the order in which calls were made.
    pub number: usize,
    /// What was called.
    pub op: Op,
    /// The owner whose driver was called.
    pub owner: String,
    /// The id of the task that it was for, if it was for one.
    pub task: Option<String>,
    /// When it was made.
    pub at: Instant,
    /// When it was answered or dropped.
    pub ended: Option<Instant>,
    /// What came of it.
    pub result: CallResult,
}

impl Call {
    /// Whether it is a call of `op` for the task with this id.
    #[must_use]
    pub fn is(&self, op: Op, task: &str) -> bool {
        self.op == op && self.task.as_deref() == Some(task)
    }

    /// How long it took, once it has ended.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        Some(self.ended?.duration_since(self.at))
    }
}

/// Every call to an engine's drivers, in order, from the engine's beginning or the last
/// [`clear`](Self::clear). Clones share it. What is given to its methods must not use it itself.
#[derive(Clone)]
pub struct CallLog(Arc<Shared>);

struct Shared {
    calls: Mutex<Calls>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Calls {
    /// Calls before the first of `list` that were cleared.
    cleared: usize,
    list: Vec<Call>,
}

impl CallLog {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared { calls: Mutex::default(), changed: watch::Sender::new(()) }))
    }

    /// All calls.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.0.calls.lock().list.clone()
    }

    /// The calls for which `is` is true.
    #[must_use]
    pub fn filtered(&self, mut is: impl FnMut(&Call) -> bool) -> Vec<Call> {
        self.0.calls.lock().list.iter().filter(|call| is(call)).cloned().collect()
    }

    /// How many calls there are for which `is` is true.
    #[must_use]
    pub fn count(&self, mut is: impl FnMut(&Call) -> bool) -> usize {
        self.0.calls.lock().list.iter().filter(|call| is(call)).count()
    }

    /// Forgets all calls. Numbers go on.
    pub fn clear(&self) {
        let mut calls = self.0.calls.lock();
        calls.cleared += calls.list.len();
        calls.list.clear();
    }

    /// Waits for a call for which `is` is true, and returns the first one. Calls that were made
    /// already count; a call that changes, because it is answered, is looked at again.
    ///
    /// Dropping the future stops waiting.
    pub async fn wait_for(&self, mut is: impl FnMut(&Call) -> bool) -> Call {
        let mut changed = self.0.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if let Some(call) = self.0.calls.lock().list.iter().find(|call| is(call)) {
                return call.clone();
            }
            // The sender lives as long as the log.
            let _ = changed.changed().await;
        }
    }

    pub(crate) fn begin(&self, op: Op, owner: &str, task: Option<&str>) -> Entry {
        let number = {
            let mut calls = self.0.calls.lock();
            let number = calls.cleared + calls.list.len();
            calls.list.push(Call {
                number,
                op,
                owner: owner.to_owned(),
                task: task.map(str::to_owned),
                at: Instant::now(),
                ended: None,
                result: CallResult::Pending,
            });
            number
        };
        self.0.changed.send_replace(());
        Entry { log: self.clone(), number, ended: false }
    }
}

impl fmt::Debug for CallLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0.calls.lock().list).finish()
    }
}

/// A call that is being made. Dropping it says that its future was dropped.
pub(crate) struct Entry {
    log: CallLog,
    number: usize,
    ended: bool,
}

impl Entry {
    pub(crate) fn end<T>(mut self, result: &Result<T>) {
        self.write(match result {
            Ok(_) => CallResult::Done,
            Err(error) => CallResult::Failed(error.kind()),
        });
    }

    fn write(&mut self, result: CallResult) {
        self.ended = true;
        {
            let mut calls = self.log.0.calls.lock();
            let Some(index) = self.number.checked_sub(calls.cleared) else { return };
            if let Some(call) = calls.list.get_mut(index) {
                call.ended = Some(Instant::now());
                call.result = result;
            }
        }
        self.log.0.changed.send_replace(());
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.ended {
            self.write(CallResult::Dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use longshore_driver_api::Error;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_is_awaited_from_before_it_is_made_until_it_is_answered() {
        let log = CallLog::new();
        let waiting = {
            let log = log.clone();
            tokio::spawn(async move {
                log.wait_for(|call| matches!(call.result, CallResult::Failed(_))).await
            })
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
        let entry = log.begin(Op::Create, "o", Some("t"));
        tokio::time::sleep(Duration::from_secs(2)).await;
        entry.end::<()>(&Err(Error::new(ErrorKind::Busy, "create")));
        let call = waiting.await.unwrap();
        assert!(call.is(Op::Create, "t"));
        assert_eq!(call.result, CallResult::Failed(ErrorKind::Busy));
        assert_eq!(call.took(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_dropped_call_says_so_and_clearing_keeps_the_numbers() {
        let log = CallLog::new();
        drop(log.begin(Op::Ping, "o", None));
        assert_eq!(log.calls()[0].result, CallResult::Dropped);
        let late = log.begin(Op::Ping, "o", None);
        log.clear();
        late.end(&Ok(()));
        assert_eq!(log.calls(), []);
        drop(log.begin(Op::Ping, "o", None));
        assert_eq!(log.calls()[0].number, 2);
    }
}
