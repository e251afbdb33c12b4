//! What this process holds.

use std::time::Duration;

use tokio::time::Instant;

/// Open file descriptors and tasks of the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footprint {
    descriptors: usize,
    tasks: usize,
}

impl Footprint {
    pub(crate) fn of_this_process() -> Self {
        let open = std::fs::read_dir("/proc/self/fd").expect("Linux lists descriptors there");
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        Self { descriptors: open.count(), tasks }
    }

    /// The footprint once it is as it was before, or after some seconds: a connection is closed
    /// by a task that has just ended.
    pub(crate) async fn settled(before: Self) -> Self {
        let give_up = Instant::now() + Duration::from_secs(10);
        loop {
            let now = Self::of_this_process();
            if now == before || Instant::now() >= give_up {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn descriptors_beyond(self, before: Self) -> String {
        more(self.descriptors, before.descriptors)
    }

    pub(crate) fn tasks_beyond(self, before: Self) -> String {
        more(self.tasks, before.tasks)
    }
}

fn more(now: usize, before: usize) -> String {
    now.saturating_sub(before).to_string()
}
