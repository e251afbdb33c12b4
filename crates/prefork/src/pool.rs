//! The pool's handle.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use longshore_driver_api::{
    Chosen, Error, ErrorKind, LeastUsed, NamespaceLease, NamespaceRequest, NamespaceSource,
    NetworkMode, Placeholders, Result, WhenEmpty,
};
use parking_lot::Mutex;
use rand::distr::{Alphanumeric, SampleString};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::bucket::Bucket;
use crate::desk::{Answer, CLOSED, Desk};
use crate::options::PoolOptions;
use crate::usage::{SlotView, Usage};
use crate::worker::{Hands, keep};

/// A pool of placeholders, lent one by one.
///
/// It is closed by [`close`](NamespaceSource::close), or by the driver that was given it. Dropping
/// it leaves the placeholders to their backend, which removes them in the background; leases that
/// are out are then lost.
pub struct Pool {
    inner: Arc<Inner>,
}

/// What the pool's tasks share.
pub(crate) struct Inner {
    /// The beginning of the placeholders' names.
    pub(crate) name: String,
    pub(crate) options: PoolOptions,
    pub(crate) placeholders: Arc<dyn Placeholders>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) bucket: Mutex<Bucket>,
    /// The networks, by the tasks that have fallen back to them.
    networks: LeastUsed,
    runtime: Handle,
    tasks: Mutex<JoinSet<()>>,
}

impl Pool {
    /// Opens a pool, and begins to fill it in the background, on this runtime.
    ///
    /// # Errors
    ///
    /// `InvalidInput` with everything that is wrong with the options; `InvalidState` outside of a
    /// tokio runtime.
    pub fn open(options: PoolOptions, placeholders: Arc<dyn Placeholders>) -> Result<Self> {
        options.validate()?;
        let runtime = Handle::try_current().map_err(|_| {
            Error::new(ErrorKind::InvalidState, "prefork pool")
                .message("there is no tokio runtime here: open it inside of one")
        })?;
        let (desk, begun) = Desk::new(options.rules());
        let random = Alphanumeric.sample_string(&mut rand::rng(), 8).to_ascii_lowercase();
        let shrinks = options.max_size > options.size;
        let inner = Arc::new(Inner {
            name: format!("prefork-{random}"),
            bucket: Mutex::new(Bucket::new(options.rate, options.burst)),
            networks: LeastUsed::new(&options.networks),
            options,
            placeholders,
            desk,
            runtime,
            tasks: Mutex::default(),
        });
        let weak = Arc::downgrade(&inner);
        inner.desk.begin_by(move |slot| {
            if let Some(inner) = weak.upgrade() {
                inner.begin(slot);
            }
        });
        for slot in begun {
            inner.begin(slot);
        }
        if shrinks {
            inner.spawn(shrink(Arc::clone(&inner)));
        }
        #[cfg(feature = "metrics")]
        {
            let seen = Arc::clone(&inner);
            inner.spawn(crate::meter::publish(inner.name.clone(), move || seen.usage()));
        }
        Ok(Self { inner })
    }

    /// How the pool is, and what happened in it so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.inner.usage()
    }

    /// How each slot is.
    #[must_use]
    pub fn slots(&self) -> Vec<SlotView> {
        let (.., slots) = self.inner.desk.look();
        let view = |slot: crate::slot::SlotState<Arc<crate::lease::Held>>| SlotView {
            number: slot.number,
            phase: slot.phase,
            network: self.inner.options.network(slot.number).to_string(),
            holder: slot.held.map(|held| held.namespaces.holder.clone()),
            generation: slot.generation,
            made: slot.made,
            error: slot.error.map(|trouble| trouble.text),
        };
        slots.into_iter().map(view).collect()
    }
}

#[async_trait]
impl NamespaceSource for Pool {
    async fn lease(&self, request: NamespaceRequest) -> Result<Option<Box<dyn NamespaceLease>>> {
        let inner = &self.inner;
        let when_empty = request.when_empty.unwrap_or(inner.options.when_empty);
        let waits = matches!(when_empty, WhenEmpty::Wait(_));
        let mut place = match inner.desk.ask(request.changes, waits)? {
            Answer::Lease(lease) => return Ok(Some(Box::new(lease))),
            Answer::Empty if when_empty == WhenEmpty::FallBack => return Ok(None),
            Answer::Empty => return Err(inner.empty(None)),
            Answer::Wait(place) => place,
        };
        let WhenEmpty::Wait(time) = when_empty else { return Err(inner.empty(None)) };
        let left = time.saturating_sub(request.waited);
        match timeout(left, place.handed()).await {
            Ok(handed) => Ok(Some(Box::new(handed?))),
            Err(_) => match place.give_up() {
                Some(lease) => Ok(Some(Box::new(lease))),
                None => Err(inner.empty(Some(time))),
            },
        }
    }

    fn own_network(&self) -> Option<Chosen> {
        let inner = &self.inner;
        let useless = inner.useless_networks();
        inner.networks.choose_rather(|name| !useless.contains(&name))
    }

    async fn close(&self) -> Result<()> {
        let inner = &self.inner;
        inner.desk.close(CLOSED);
        let all = async {
            inner.desk.done().await;
            inner.placeholders.close().await
        };
        let within = inner.options.close_within;
        let closed = timeout(within, all).await;
        // Whatever is still at it has had its time; what it holds is its backend's from now on.
        drop(std::mem::take(&mut *inner.tasks.lock()));
        // What is told last is how it ended.
        #[cfg(feature = "metrics")]
        crate::meter::tell(&inner.name, &inner.usage());
        closed.unwrap_or_else(|_| {
            let left: Vec<String> = self
                .slots()
                .into_iter()
                .map(|slot| format!("{}-{} ({})", inner.name, slot.number, slot.network))
                .collect();
            Err(Error::new(ErrorKind::Deadline, "close").message(format!(
                "the pool was not closed within {within:?}; its backend's reaper goes on removing: {}",
                left.join(", ")
            )))
        })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.inner.desk.close("the pool was dropped");
        // Dropping the set aborts its tasks, which drops the placeholders.
        drop(std::mem::take(&mut *self.inner.tasks.lock()));
    }
}

impl Inner {
    fn begin(self: &Arc<Self>, slot: usize) {
        self.spawn(keep(Hands::new(Arc::clone(self), slot)));
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        // Those that are done would otherwise be kept for ever.
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(task, &self.runtime);
    }

    fn usage(&self) -> Usage {
        let (census, counters, slots) = self.desk.look();
        let last = slots.into_iter().filter_map(|slot| slot.error).max();
        Usage {
            free: census.free,
            in_use: census.in_use,
            starting: census.starting,
            failed: census.failed,
            retiring: census.retiring,
            waiting: census.waiting,
            hits: counters.hits,
            misses: counters.misses,
            made: counters.made,
            failures: counters.failures,
            died: counters.died,
            recycled: counters.recycled,
            grown: counters.grown,
            shrunk: counters.shrunk,
            last_error: last.map(|trouble| trouble.text),
        }
    }

    /// The networks on which every placeholder has failed, and none is there again. A task there would
    /// most likely fail as well, and soon, so that it would be used least.
    fn useless_networks(&self) -> Vec<&str> {
        let (.., slots) = self.desk.look();
        let names = &self.options.networks;
        let has_failed = |name: &&String| {
            let network = NetworkMode::from(name.as_str());
            let is_there = |number| self.options.network(number) == network;
            let mut slots = slots.iter().filter(|slot| is_there(slot.number));
            let mut some = false;
            slots.all(|slot| {
                some = true;
                slot.held.is_none() && slot.error.is_some()
            }) && some
        };
        names.iter().filter(has_failed).map(String::as_str).collect()
    }

    /// Nothing is to be had, with what there is to know of why.
    fn empty(&self, waited: Option<std::time::Duration>) -> Error {
        let usage = self.usage();
        let mut text = format!(
            "no placeholder is free: of {}, {} in use, {} being made, {} failed",
            usage.size(),
            usage.in_use,
            usage.starting,
            usage.failed
        );
        if let Some(time) = waited {
            text = format!("{text}; waited {}", humantime::format_duration(time));
        }
        if let Some(error) = usage.last_error {
            text = format!("{text}; the last error: {error}");
        }
        Error::new(ErrorKind::PoolEmpty, "lease").message(text)
    }
}

/// Takes slots away that are not needed, for as long as the pool is open.
async fn shrink(inner: Arc<Inner>) {
    let mut ticks = interval(inner.options.shrink_after);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        inner.desk.tick();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.inner.name)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}
