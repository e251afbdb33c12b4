//! The cache against a model, and what it promises in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

fn ids(images: &[ImageFigures]) -> Vec<&str> {
    images.iter().map(|image| image.id.as_str()).collect()
}

fn cache(limit: u64) -> ImageCache {
    ImageCache::new(limit, ["busybox"]).unwrap()
}

/// Images of ten bytes each.
fn tens(names: &[&str]) -> Vec<ImageFigures> {
    names.iter().map(|name| ImageFigures::new(*name, 10)).collect()
}

#[test]
fn at_the_limit_nothing_has_to_go_and_above_it_the_least_recently_used() {
    let cache = cache(30);
    cache.update(tens(&["a", "b", "c"]), None);
    assert_eq!(cache.usage().total, 30);
    assert!(cache.candidates().is_empty());
    cache.add(ImageFigures::new("d", 10));
    assert_eq!(ids(&cache.candidates()), ["a"]);
    drop(cache.hold("a").unwrap());
    assert_eq!(ids(&cache.candidates()), ["b"]);
}

#[test]
fn an_image_in_use_or_exempt_never_goes_even_if_that_keeps_the_cache_too_large() {
    let cache = cache(0);
    let mut images = tens(&["a", "b", "placeholder"]);
    images[2] = ImageFigures::new("placeholder", 10).tags(["busybox:latest"]);
    cache.update(images, None);
    let (one, two) = (cache.hold("a").unwrap(), cache.hold("a").unwrap());
    assert_eq!(ids(&cache.candidates()), ["b"]);
    drop(one);
    assert_eq!(ids(&cache.candidates()), ["b"], "another still uses it");
    assert!(cache.begin_removal("a").is_none() && cache.begin_removal("placeholder").is_none());
    drop(two);
    assert_eq!(ids(&cache.candidates()), ["b", "a"]);
    let usage = cache.usage();
    assert_eq!((usage.images, usage.busy, usage.exempt), (3, 0, 1));
}

#[test]
fn users_are_counted_whatever_happens_to_names_sizes_and_lists() {
    let cache = cache(0);
    let early = cache.hold("a").unwrap();
    cache.update(tens(&["a"]), None);
    assert!(cache.candidates().is_empty(), "held before it was listed");
    cache.update(vec![ImageFigures::new("a", 99).tags(["busybox:latest"])], None);
    cache.update(Vec::new(), None);
    cache.update(tens(&["a"]), None);
    assert!(cache.candidates().is_empty());
    assert_eq!(cache.usage().busy, 1);
    drop(early);
    assert_eq!(ids(&cache.candidates()), ["a"]);
}

#[test]
fn an_image_that_is_being_removed_cannot_be_held_nor_removed_twice() {
    let cache = cache(15);
    cache.update(tens(&["a", "b", "c"]), None);
    let removal = cache.begin_removal("a").unwrap();
    assert_eq!(ids(&cache.candidates()), ["b"], "what leaves counts as gone");
    assert!(cache.begin_removal("a").is_none());
    let refused = cache.hold("a").unwrap_err();
    assert!(refused.to_string().contains("pull it again"), "{refused}");
    removal.done();
    assert_eq!(cache.usage().images, 2);
    assert!(cache.hold("a").is_ok(), "it may be pulled again");
}

#[test]
fn a_removal_that_failed_leaves_the_image_at_its_place() {
    let cache = cache(20);
    cache.update(tens(&["a", "b", "c"]), None);
    drop(cache.begin_removal("a").unwrap());
    assert_eq!(ids(&cache.candidates()), ["a"]);
    assert!(cache.begin_removal("unheard-of").is_none());
}

#[test]
fn an_image_that_the_engine_keeps_gives_its_place_to_the_next() {
    let cache = cache(20);
    cache.update(tens(&["a", "b", "c"]), None);
    cache.begin_removal("a").unwrap().refused();
    assert_eq!(ids(&cache.candidates()), ["b"], "it counts as what is there all the same");
    assert!(cache.begin_removal("a").is_none());
    cache.update(tens(&["a", "b", "c"]), None);
    assert_eq!((ids(&cache.candidates()), cache.usage().kept), (vec!["b"], 1));
    cache.try_again();
    assert_eq!(ids(&cache.candidates()), ["a"]);
    cache.begin_removal("a").unwrap().refused();
    drop(cache.hold("a").unwrap());
    assert!(cache.begin_removal("a").is_some(), "its user may have been in the way");
}

#[tokio::test(start_paused = true)]
async fn whoever_wants_an_image_that_leaves_waits_until_it_is_gone_or_stays() {
    for is_gone in [true, false] {
        let cache = cache(0);
        cache.update(tens(&["a"]), None);
        let before = cache.removals();
        let removal = cache.begin_removal("a").unwrap();
        let holding = tokio::spawn({
            let cache = cache.clone();
            async move { cache.hold_when_settled("a").await }
        });
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(!holding.is_finished());
        if is_gone {
            removal.done();
        } else {
            drop(removal);
        }
        assert_eq!(holding.await.unwrap().id(), "a");
        assert_eq!(cache.removals() != before, is_gone);
    }
}

#[test]
fn layers_that_images_share_are_counted_once() {
    let cache = cache(0);
    let images = ["a", "b", "c"].map(|id| ImageFigures::new(id, 100).shared(80));
    cache.update(images.to_vec(), Some(140));
    assert_eq!(cache.usage().total, 140);
    cache.update(images.to_vec(), None);
    assert_eq!(cache.usage().total, 60 + 120, "at most half of what all share, without a figure");
    let enough = ImageCache::new(100, ["busybox"]).unwrap();
    enough.update(images.to_vec(), Some(140));
    assert_eq!(ids(&enough.candidates()), ["a", "b"]);
}

#[test]
fn absurd_figures_do_no_harm() {
    let cache = cache(10);
    let absurd = |id: &str| ImageFigures::new(id, u64::MAX).shared(u64::MAX);
    cache.update(vec![absurd("a"), absurd("b"), ImageFigures::new("c", 1).shared(9)], Some(0));
    cache.add(absurd("d"));
    assert_eq!(cache.usage().total, u64::MAX);
    assert_eq!(cache.candidates().len(), 4);
    cache.update(vec![ImageFigures::new("a", u64::MAX), ImageFigures::new("b", u64::MAX)], None);
    assert_eq!(cache.usage().total, u64::MAX);
}

#[test]
fn the_order_of_use_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("images.json");
    let (cache, restored) = ImageCache::open(0, ["busybox"], &path).unwrap();
    assert_eq!(restored, Restored::Fresh);
    cache.update(tens(&["a", "b", "c"]), None);
    drop(cache.hold("a").unwrap());
    assert!(cache.save().unwrap());
    assert!(!cache.save().unwrap(), "nothing has changed");
    drop(cache);

    let (cache, restored) = ImageCache::open(0, ["busybox"], &path).unwrap();
    assert_eq!(restored, Restored::Order(3));
    assert!(!cache.save().unwrap(), "nothing has changed");
    // While nobody looked, c was removed and d pulled.
    cache.update(tens(&["d", "a", "b"]), None);
    assert_eq!(ids(&cache.candidates()), ["b", "a", "d"]);
    assert!(cache.save().unwrap());
    assert!(!fs::read_to_string(&path).unwrap().contains("\"c\""));
}

#[test]
fn a_damaged_state_file_is_said_and_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("images.json");
    fs::write(&path, "{").unwrap();
    let (cache, restored) = ImageCache::open(0, ["busybox"], &path).unwrap();
    assert!(matches!(restored, Restored::Damaged(_)));
    assert!(cache.save().unwrap());
    assert_eq!(ImageCache::open(0, ["busybox"], &path).unwrap().1, Restored::Order(0));
}

#[tokio::test(start_paused = true)]
async fn whoever_removes_images_is_woken_when_there_is_something_to_remove() {
    let cache = cache(10);
    cache.update(tens(&["a", "b"]), None);
    let (a, b) = (cache.hold("a").unwrap(), cache.hold("b").unwrap());
    let waiting = tokio::spawn({
        let cache = cache.clone();
        async move { cache.wait_for_candidates().await }
    });
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(!waiting.is_finished());
    drop(b);
    assert_eq!(ids(&waiting.await.unwrap()), ["b"]);
    drop(a);
}

#[derive(Debug, Clone)]
enum Step {
    List(Vec<u8>),
    Add(u8),
    Hold(u8),
    Release(usize),
    Begin(u8),
    End(usize, Ending),
    TryAgain,
}

/// How a removal ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ending {
    Gone,
    Failed,
    Refused,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0_u8..8;
    prop_oneof![
        vec(id.clone(), 0..8).prop_map(Step::List),
        id.clone().prop_map(Step::Add),
        id.clone().prop_map(Step::Hold),
        any::<usize>().prop_map(Step::Release),
        id.prop_map(Step::Begin),
        (any::<usize>(), ending()).prop_map(|(which, ending)| Step::End(which, ending)),
        Just(Step::TryAgain),
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![Just(Ending::Gone), Just(Ending::Failed), Just(Ending::Refused)]
}

/// The same by the plainest means: lists, searched from end to end.
#[derive(Default)]
struct Model {
    listed: Vec<u8>,
    // The least recently used first.
    order: Vec<u8>,
    held: Vec<u8>,
    leaving: Vec<u8>,
    kept: Vec<u8>,
}

const EXEMPT: u8 = 0;

fn size(id: u8) -> u64 {
    u64::from(id) + 1
}

fn figures(id: u8) -> ImageFigures {
    let tags: &[&str] = if id == EXEMPT { &["docker.io/library/busybox:latest"] } else { &[] };
    ImageFigures::new(id.to_string(), size(id)).tags(tags.iter().copied())
}

impl Model {
    fn touch(&mut self, id: u8) {
        self.order.retain(|it| *it != id);
        self.order.push(id);
    }

    fn list(&mut self, ids: &[u8]) {
        self.listed.clear();
        ids.iter().for_each(|id| self.add(*id));
        self.order.retain(|id| self.listed.contains(id) || self.held.contains(id));
        self.kept.retain(|id| self.listed.contains(id));
    }

    fn add(&mut self, id: u8) {
        if !self.listed.contains(&id) {
            self.listed.push(id);
        }
        if !self.order.contains(&id) {
            self.order.push(id);
        }
    }

    fn may_go(&self, id: u8) -> bool {
        id != EXEMPT
            && self.listed.contains(&id)
            && !self.held.contains(&id)
            && !self.leaving.contains(&id)
            && !self.kept.contains(&id)
    }

    fn total(&self) -> u64 {
        self.listed.iter().map(|id| size(*id)).sum()
    }

    fn candidates(&self, limit: u64) -> Vec<String> {
        let leaving = self.listed.iter().filter(|id| self.leaving.contains(id));
        let mut total = self.total() - leaving.map(|id| size(*id)).sum::<u64>();
        let mut candidates = Vec::new();
        for id in self.order.iter().filter(|id| self.may_go(**id)) {
            if total > limit {
                candidates.push(id.to_string());
                total -= size(*id);
            }
        }
        candidates
    }
}

proptest! {
    #[test]
    fn any_history_agrees_with_the_model(limit in 0_u64..40, steps in vec(step(), 0..80)) {
        let cache = cache(limit);
        let mut model = Model::default();
        let (mut holds, mut removals) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::List(ids) => {
                    cache.update(ids.iter().map(|id| figures(*id)).collect(), None);
                    model.list(&ids);
                }
                Step::Add(id) => {
                    cache.add(figures(id));
                    model.add(id);
                }
                Step::Hold(id) => {
                    let hold = cache.hold(&id.to_string());
                    prop_assert_eq!(hold.is_err(), model.leaving.contains(&id));
                    if let Ok(hold) = hold {
                        holds.push(hold);
                        model.held.push(id);
                        model.touch(id);
                    }
                }
                Step::Release(which) if !holds.is_empty() => {
                    let which = which % holds.len();
                    drop(holds.remove(which));
                    let id = model.held.remove(which);
                    model.touch(id);
                    if !model.held.contains(&id) {
                        model.kept.retain(|it| *it != id);
                    }
                }
                Step::Begin(id) => {
                    let removal = cache.begin_removal(&id.to_string());
                    prop_assert_eq!(removal.is_some(), model.may_go(id));
                    if let Some(removal) = removal {
                        removals.push(removal);
                        model.leaving.push(id);
                    }
                }
                Step::TryAgain => {
                    cache.try_again();
                    model.kept.clear();
                }
                Step::End(which, ending) if !removals.is_empty() => {
                    let which = which % removals.len();
                    let removal = removals.remove(which);
                    let id = model.leaving.remove(which);
                    match ending {
                        Ending::Gone => {
                            removal.done();
                            model.listed.retain(|it| *it != id);
                            model.order.retain(|it| *it != id);
                        }
                        Ending::Failed => drop(removal),
                        Ending::Refused => {
                            removal.refused();
                            model.kept.push(id);
                        }
                    }
                }
                Step::Release(_) | Step::End(..) => {}
            }
            let candidates = cache.candidates();
            prop_assert_eq!(ids(&candidates), model.candidates(limit));
            let usage = cache.usage();
            prop_assert_eq!(usage.total, model.total());
            prop_assert_eq!(usage.images, model.listed.len());
            let busy: BTreeSet<u8> = model.held.iter().copied().collect();
            let busy = busy.iter().filter(|id| model.listed.contains(id)).count();
            prop_assert_eq!(usage.busy, busy);
        }
    }

    #[test]
    fn the_total_is_never_less_than_the_layers_on_the_disk(
        sizes in vec(0_u64..1000, 6),
        images in vec(btree_set(0_usize..6, 0..5), 0..6),
        removals in vec(any::<usize>(), 0..6),
        is_told: bool,
    ) {
        let on_disk = |images: &BTreeMap<usize, &BTreeSet<usize>>| -> u64 {
            let layers: BTreeSet<usize> = images.values().flat_map(|it| it.iter().copied()).collect();
            layers.into_iter().map(|layer| sizes[layer]).sum()
        };
        let mut images: BTreeMap<usize, &BTreeSet<usize>> = images.iter().enumerate().collect();
        let listed = images.iter().map(|(id, layers)| {
            let users = |layer: &usize| images.values().filter(|it| it.contains(layer)).count();
            let shared = layers.iter().filter(|layer| users(layer) > 1).map(|layer| sizes[*layer]);
            let size = layers.iter().map(|layer| sizes[*layer]).sum();
            ImageFigures::new(id.to_string(), size).shared(shared.sum())
        });
        let cache = cache(0);
        cache.update(listed.collect(), is_told.then(|| on_disk(&images)));
        if is_told {
            prop_assert_eq!(cache.usage().total, on_disk(&images));
        }
        for which in removals {
            prop_assert!(cache.usage().total >= on_disk(&images));
            let Some(id) = images.keys().nth(which % images.len().max(1)).copied() else { break };
            cache.begin_removal(&id.to_string()).unwrap().done();
            images.remove(&id);
        }
        prop_assert!(cache.usage().total >= on_disk(&images));
        for image in cache.candidates() {
            cache.begin_removal(&image.id).unwrap().done();
        }
        prop_assert_eq!(cache.usage().total, 0);
    }
}
