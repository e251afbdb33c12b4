//! What the engine tells of this driver's containers by itself: one stream for all of them, kept
//! open by the reaper's thread from the first container on. It is that of the whole application: what
//! was taken up from a dead owner carries that one's label for ever.
//!
//! Nothing depends on it alone. An engine drops events for a listener that is slow and keeps only
//! the last few hundred for one that comes back, so whoever follows a container is told of each
//! gap and asks for himself.
//!
//! An engine copies a container's labels, which may be its image's, over the attributes of what it
//! tells. So the code of an end is believed only of a container whose start was told: an attribute of
//! that name at the start is a label. What happened itself is not among the attributes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{LABEL_APPLICATION, LABEL_OWNER};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::client::error::Result;
use crate::client::lines::Line;
use crate::client::reply::Event;
use crate::meter;
use crate::podman;
use crate::retry::pause;
use crate::shared::Shared;

/// How many events are remembered to know those again that are told a second time.
const REMEMBERED: usize = 1024;
/// How far before the last event a new stream begins: events come a little out of order.
const OVERLAP_NANOS: i64 = 1_000_000_000;
/// The longest pause before the stream is asked for again. One that stood for longer is asked for
/// again without any.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What was told of one container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// How often memory ran out in it.
    pub(crate) oom: u64,
    /// What its health check said last.
    pub(crate) healthy: Option<bool>,
    /// The code at the end of its main process.
    code: Option<i64>,
    /// Whether no label of its own can have written that.
    is_unlabelled: bool,
    /// How often it was sent a signal, by whomever.
    kills: u64,
    /// Whether all since its start was told.
    is_whole: bool,
    /// How often something may have been missed.
    pub(crate) gaps: u64,
}

impl Told {
    /// The code that its main process ended with, if the engine has said it.
    pub(crate) fn exit(&self) -> Option<i64> {
        self.code.filter(|_| self.is_unlabelled)
    }

    /// Whether all was told since its start.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether it was sent a signal, as far as that was told.
    pub(crate) fn is_signalled(&self) -> bool {
        self.kills > 0
    }
}

/// The driver's listener.
#[derive(Debug, Default)]
pub(crate) struct Events {
    followed: Mutex<HashMap<String, watch::Sender<Told>>>,
    wanted: watch::Sender<bool>,
    /// Which stream stands, if one does.
    connected: watch::Sender<Option<u64>>,
}

impl Events {
    /// Begins to listen, if nobody has yet. Never blocks.
    pub(crate) fn begin(&self) {
        self.wanted.send_if_modified(|wanted| !std::mem::replace(wanted, true));
    }

    /// Follows a container until what is returned is dropped.
    pub(crate) fn follow(self: &Arc<Self>, id: &str) -> Follower {
        self.begin();
        let sender = watch::Sender::new(Told::default());
        let told = sender.subscribe();
        self.followed.lock().insert(id.to_owned(), sender);
        Follower { events: Arc::clone(self), id: id.to_owned(), told }
    }

    /// Waits until the engine tells what happens from now on.
    pub(crate) async fn connected(&self) {
        // The sender is in `self`.
        let _ = self.connected.subscribe().wait_for(Option::is_some).await;
    }

    fn follows(&self, event: &Event) -> bool {
        self.followed.lock().contains_key(&event.actor.id)
    }

    fn tell(&self, event: &Event) {
        let followed = self.followed.lock();
        let Some(container) = followed.get(&event.actor.id) else { return };
        container.send_modify(|told| match event.action.as_str() {
            "oom" => told.oom += 1,
            "start" => {
                told.is_unlabelled = !event.has_exit_code();
                told.is_whole = true;
            }
            "kill" => told.kills += 1,
            "die" => told.code = event.exit_code(),
            _ => told.healthy = event.health().or(told.healthy),
        });
    }

    fn tell_of_a_gap(&self) {
        for container in self.followed.lock().values() {
            container.send_modify(|told| {
                told.gaps += 1;
                told.is_whole = false;
            });
        }
    }
}

/// One container that is followed.
#[derive(Debug)]
pub(crate) struct Follower {
    events: Arc<Events>,
    id: String,
    told: watch::Receiver<Told>,
}

impl Follower {
    /// What is told, now and later.
    pub(crate) fn told(&self) -> watch::Receiver<Told> {
        self.told.clone()
    }

    /// Which stream of events stands now. As long as it is the same, so is the engine's process.
    pub(crate) fn stream(&self) -> Option<u64> {
        *self.events.connected.borrow()
    }

    /// Waits until the end of the main process is told, with a code that can be believed. That may
    /// never be.
    pub(crate) async fn end(&self) -> i64 {
        let mut told = self.told.clone();
        match told.wait_for(|told| told.exit().is_some()).await.map(|told| told.exit()) {
            Ok(Some(code)) => code,
            // The sender is there for as long as `self` is.
            _ => std::future::pending().await,
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.events.followed.lock().remove(&self.id);
    }
}

/// Listens for as long as the task lives that runs this.
pub(crate) async fn listen(shared: Arc<Shared>) {
    let events = &shared.events;
    // Nothing that Podman tells is of use here, and 5.4 can crash while it reads its own events.
    if shared.capabilities.engine == podman::NAME {
        return;
    }
    // The sender is in `shared`.
    let _ = events.wanted.subscribe().wait_for(|wanted| *wanted).await;
    let mut memory = Memory::default();
    let mut in_vain = 0;
    for stream in 0_u64.. {
        let before = memory.told;
        let mut connected = None;
        if let Err(error) = listen_once(&shared, &mut memory, stream, &mut connected).await {
            tracing::debug!(%error, "the engine's events broke off");
        }
        events.connected.send_replace(None);
        let stood = connected.map(|at: Instant| at.elapsed());
        in_vain = attempts_in_vain(in_vain, stood, memory.told > before);
        if in_vain > 0 {
            tokio::time::sleep(pause(in_vain).min(LONGEST_PAUSE)).await;
        }
    }
}

/// How often the stream was asked for in vain, once it has ended: it stood for so long, if it did, and
/// may have told something. An idle one is just renewed.
fn attempts_in_vain(before: u32, stood: Option<Duration>, told: bool) -> u32 {
    match stood {
        Some(stood) if stood >= LONGEST_PAUSE => 0,
        Some(_) if told => 1,
        _ => before.saturating_add(1).min(8),
    }
}

async fn listen_once(
    shared: &Shared,
    memory: &mut Memory,
    stream: u64,
    connected: &mut Option<Instant>,
) -> Result<()> {
    let events = &shared.events;
    let label = format!("{LABEL_APPLICATION}={}", shared.application);
    let (mut lines, begun) = shared.api.events(&label, memory.since()).await?;
    *connected = Some(Instant::now());
    memory.began(begun.and_then(|it| i64::try_from(it.unix_nanos()).ok()));
    // Whoever sees it stand knows of the gap before it.
    events.tell_of_a_gap();
    events.connected.send_replace(Some(stream));
    while let Some(line) = lines.next_line::<Event>().await? {
        let Line::Value(event) = line else {
            // Labels can be of any length. Whose event it was is not known.
            events.tell_of_a_gap();
            continue;
        };
        let is_ours = event.actor.attributes.get(LABEL_OWNER) == Some(&shared.owner);
        if !is_ours && !events.follows(&event) {
            memory.passed(&event);
        } else if memory.is_new(&event) {
            meter::event(&event.action);
            events.tell(&event);
        }
    }
    Ok(())
}

/// Which events were told already.
#[derive(Debug, Default)]
struct Memory {
    last: Option<i64>,
    told: u64,
    known: HashSet<(i64, String, String)>,
    order: VecDeque<(i64, String, String)>,
}

impl Memory {
    fn since(&self) -> Option<i64> {
        self.last.map(|last| last.saturating_sub(OVERLAP_NANOS))
    }

    /// A stream began at this time. What happens from then on and is not told is asked for again; one
    /// that goes on from an earlier time has that to tell first.
    fn began(&mut self, at: Option<i64>) {
        self.last = self.last.or(at);
    }

    /// An event of somebody else's.
    fn passed(&mut self, event: &Event) {
        self.last = self.last.max(Some(event.time_nano));
    }

    fn is_new(&mut self, event: &Event) -> bool {
        let key = (event.time_nano, event.actor.id.clone(), event.action.clone());
        if !self.known.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.told += 1;
        self.passed(event);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(nanos: i64, action: &str) -> Event {
        let text = format!(
            r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"c"}},"timeNano":{nanos}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_is_told_twice_counts_once_in_whatever_order_it_comes() {
        let mut memory = Memory::default();
        assert_eq!(memory.since(), None);
        assert!(memory.is_new(&event(5_000_000_000, "oom")));
        assert!(memory.is_new(&event(4_999_999_999, "oom")), "a little late, and new");
        assert!(!memory.is_new(&event(5_000_000_000, "oom")));
        assert!(memory.is_new(&event(5_000_000_000, "die")));
        assert_eq!(memory.since(), Some(4_000_000_000));
    }

    #[test]
    fn the_begin_of_the_first_stream_is_where_the_next_goes_on_as_long_as_nothing_was_told() {
        let mut memory = Memory::default();
        memory.began(Some(5_000_000_000));
        assert_eq!(memory.since(), Some(4_000_000_000));
        // What happened in between may not have been told yet.
        memory.began(Some(9_000_000_000));
        assert_eq!(memory.since(), Some(4_000_000_000));
        memory.passed(&event(7_000_000_000, "die"));
        assert_eq!(memory.since(), Some(6_000_000_000));
        assert!(memory.is_new(&event(7_000_000_000, "die")), "it was nobody's whom one remembers");
    }

    #[test]
    fn idle_streams_are_renewed_without_a_pause_however_many_there_were() {
        let idle = Some(Duration::from_secs(60));
        assert!((0..20).all(|before| attempts_in_vain(before, idle, false) == 0));
        // One that ends at once is not asked for all the time, unless it tells something.
        let short = Some(Duration::from_millis(1));
        assert_eq!(attempts_in_vain(0, short, false), 1);
        assert_eq!(attempts_in_vain(4, short, false), 5);
        assert_eq!(attempts_in_vain(4, short, true), 1);
        assert_eq!(attempts_in_vain(u32::MAX, None, false), 8);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut memory = Memory::default();
        for nanos in 0..3_000 {
            assert!(memory.is_new(&event(nanos, "oom")));
        }
        assert_eq!((memory.known.len(), memory.order.len()), (REMEMBERED, REMEMBERED));
    }

    #[test]
    fn one_container_is_told_what_is_its_own_for_as_long_as_it_is_followed() {
        let events = Arc::new(Events::default());
        let follower = events.follow("c");
        events.tell(&event(1, "oom"));
        events.tell(&event(2, "health_status: healthy"));
        events.tell_of_a_gap();
        let told = Told { oom: 1, healthy: Some(true), gaps: 1, ..Told::default() };
        assert_eq!(*follower.told().borrow(), told);
        drop(follower);
        assert!(events.followed.lock().is_empty());
    }
}
