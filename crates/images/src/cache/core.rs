//! The accounting itself: what is there, who uses it, and what may go. No I/O, no clock, no lock.

use std::collections::{HashMap, HashSet};

use super::exempt::Exempt;

/// One image as the engine lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageFigures {
    /// The engine's id of it.
    pub id: String,
    /// Bytes of all its layers.
    pub size: u64,
    /// Bytes of those of its layers that other images have as well; 0 if that is not known.
    pub shared: u64,
    /// Its names with a tag.
    pub tags: Vec<String>,
    /// Its names with a digest.
    pub digests: Vec<String>,
}

impl ImageFigures {
    /// An image of `size` bytes without a name that shares nothing.
    pub fn new(id: impl Into<String>, size: u64) -> Self {
        Self { id: id.into(), size, shared: 0, tags: Vec::new(), digests: Vec::new() }
    }

    /// Sets how many bytes it shares with other images.
    #[must_use]
    pub fn shared(mut self, bytes: u64) -> Self {
        self.shared = bytes;
        self
    }

    /// Sets its names with a tag.
    #[must_use]
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Sets its names with a digest.
    #[must_use]
    pub fn digests<T: Into<String>>(mut self, digests: impl IntoIterator<Item = T>) -> Self {
        self.digests = digests.into_iter().map(Into::into).collect();
        self
    }

    /// What its removal frees at least.
    fn own(&self) -> u64 {
        self.size - self.shared.min(self.size)
    }
}

/// Where the cache stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheUsage {
    /// Bytes of all images, layers that several share counted once; never less than there are.
    pub total: u64,
    /// Bytes that all images may have.
    pub limit: u64,
    /// How many images there are.
    pub images: usize,
    /// How many of them are in use.
    pub busy: usize,
    /// How many of them are exempt.
    pub exempt: usize,
    /// How many of them the engine would not remove, until they are tried again.
    pub kept: usize,
    /// How many were removed so far.
    pub removed: u64,
}

struct Entry {
    figures: ImageFigures,
    is_exempt: bool,
}

pub(crate) struct Core {
    limit: u64,
    exempt: Exempt,
    entries: HashMap<String, Entry>,
    // Bytes of layers that several images have, counted once.
    pool: u64,
    // When an image was last used, in steps of `now`.
    used: HashMap<String, u64>,
    now: u64,
    // Held apart from the entries, so that a new listing cannot change a count.
    busy: HashMap<String, usize>,
    leaving: HashSet<String>,
    // Images that could not be removed, until there is a reason to try again.
    kept: HashSet<String>,
    // How many removals have succeeded.
    removed: u64,
}

impl Core {
    /// `order` is what was used before, the least recently used first.
    pub(crate) fn new(limit: u64, exempt: Exempt, order: &[String]) -> Self {
        let mut core = Self {
            limit,
            exempt,
            entries: HashMap::new(),
            pool: 0,
            used: HashMap::new(),
            now: 0,
            busy: HashMap::new(),
            leaving: HashSet::new(),
            kept: HashSet::new(),
            removed: 0,
        };
        for id in order {
            core.touch(id);
        }
        core
    }

    /// Takes over the engine's list. `layers` is the size of all layers on the engine, each
    /// counted once, if the engine tells.
    pub(crate) fn update(&mut self, images: Vec<ImageFigures>, layers: Option<u64>) {
        self.entries.clear();
        for image in images {
            self.enter(image);
        }
        let own = sum(self.entries.values().map(|entry| entry.figures.own()));
        let shares = || self.entries.values().map(|entry| entry.figures.size - entry.figures.own());
        self.pool = match layers {
            Some(layers) => layers.saturating_sub(own),
            // A shared layer is in two images or more: this is at least what there is.
            None => sum(shares()).div_ceil(2).max(shares().max().unwrap_or(0)),
        };
        let (entries, busy, before) = (&self.entries, &self.busy, self.used.len());
        self.used.retain(|id, _| entries.contains_key(id) || busy.contains_key(id));
        self.kept.retain(|id| entries.contains_key(id));
        self.now += u64::from(self.used.len() != before);
    }

    /// Adds or refreshes one image, such as one that was just pulled.
    pub(crate) fn add(&mut self, image: ImageFigures) {
        // What it shares may not have been counted before.
        self.pool = self.pool.max(image.size - image.own());
        self.enter(image);
    }

    fn enter(&mut self, figures: ImageFigures) {
        if !self.used.contains_key(&figures.id) {
            self.touch(&figures.id);
        }
        let is_exempt = self.exempt.holds(&figures);
        self.entries.insert(figures.id.clone(), Entry { figures, is_exempt });
    }

    /// Counts one more user; false if the image is just being removed.
    pub(crate) fn hold(&mut self, id: &str) -> bool {
        if self.leaving.contains(id) {
            return false;
        }
        *self.busy.entry(id.to_owned()).or_default() += 1;
        self.touch(id);
        true
    }

    /// Counts one user less.
    pub(crate) fn release(&mut self, id: &str) {
        if let Some(users) = self.busy.get_mut(id) {
            *users -= 1;
            if *users == 0 {
                self.busy.remove(id);
                // Perhaps it was this one that was in the way.
                self.kept.remove(id);
            }
        }
        self.touch(id);
    }

    /// Marks an image as leaving; false if it may not go.
    pub(crate) fn begin_removal(&mut self, id: &str) -> bool {
        let may_go = self.entries.get(id).is_some_and(|entry| self.may_go(entry));
        may_go && self.leaving.insert(id.to_owned())
    }

    /// Ends a removal, which succeeded or left the image where it is.
    pub(crate) fn end_removal(&mut self, id: &str, is_gone: bool, is_kept: bool) {
        self.leaving.remove(id);
        if is_kept {
            self.kept.insert(id.to_owned());
        }
        if is_gone {
            self.removed += 1;
            self.entries.remove(id);
            self.kept.remove(id);
            self.used.remove(id);
            self.now += 1;
            if !self.entries.values().any(|entry| entry.figures.shared > 0) {
                self.pool = 0;
            }
        }
    }

    /// How many removals have succeeded.
    pub(crate) fn removed(&self) -> u64 {
        self.removed
    }

    /// Lets images that could not be removed be tried again.
    pub(crate) fn try_again(&mut self) {
        self.kept.clear();
    }

    /// What has to go to come under the limit: the least recently used first, never one in use,
    /// exempt, leaving already or kept by the engine.
    pub(crate) fn candidates(&self) -> Vec<ImageFigures> {
        let mut may_go: Vec<&Entry> =
            self.entries.values().filter(|entry| self.may_go(entry)).collect();
        may_go.sort_by_key(|entry| self.used.get(&entry.figures.id));
        let leaving = |entry: &&Entry| self.leaving.contains(&entry.figures.id);
        // What leaves already counts as gone.
        let (mut own, mut sharers) = (0_u64, 0_usize);
        for entry in self.entries.values().filter(|entry| !leaving(entry)) {
            own = own.saturating_add(entry.figures.own());
            sharers += usize::from(entry.figures.shared > 0);
        }
        let mut candidates = Vec::new();
        for entry in may_go {
            let pool = if sharers > 0 { self.pool } else { 0 };
            if own.saturating_add(pool) <= self.limit {
                break;
            }
            own = own.saturating_sub(entry.figures.own());
            sharers -= usize::from(entry.figures.shared > 0);
            candidates.push(entry.figures.clone());
        }
        candidates
    }

    fn may_go(&self, entry: &Entry) -> bool {
        let id = &entry.figures.id;
        !entry.is_exempt
            && !self.busy.contains_key(id)
            && !self.leaving.contains(id)
            && !self.kept.contains(id)
    }

    pub(crate) fn usage(&self) -> CacheUsage {
        let own = sum(self.entries.values().map(|entry| entry.figures.own()));
        CacheUsage {
            total: own.saturating_add(self.pool),
            limit: self.limit,
            images: self.entries.len(),
            busy: self.entries.keys().filter(|id| self.busy.contains_key(*id)).count(),
            exempt: self.entries.values().filter(|entry| entry.is_exempt).count(),
            kept: self.kept.len(),
            removed: self.removed,
        }
    }

    /// What was used, the least recently used first; and a number that rises with each change.
    pub(crate) fn order(&self) -> (Vec<String>, u64) {
        let mut ids: Vec<&String> = self.used.keys().collect();
        ids.sort_by_key(|id| self.used[*id]);
        (ids.into_iter().cloned().collect(), self.now)
    }

    fn touch(&mut self, id: &str) {
        self.now += 1;
        self.used.insert(id.to_owned(), self.now);
    }
}

fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}
