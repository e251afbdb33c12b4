//! What dead owners left, and who gets it: adopters and reapers.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use longshore_host::{Abandoned, Adopt, Adoption, Claim, DeadOwner, RunDir};
use proptest::prelude::*;

const APPLICATION: &str = "app";
const THING: &str = "c0ffee";
const RUN: &str = "LONGSHORE_TEST_RUN_DIRECTORY";
const OWNER: &str = "LONGSHORE_TEST_OWNER";
const DOMAIN: &str = "LONGSHORE_TEST_DOMAIN";

/// The fields of a lease domain's text.
const BOOT: usize = 2;
const PROCESS: usize = 5;

struct Scene {
    _directory: tempfile::TempDir,
    run: RunDir,
    owner: String,
    domain: String,
}

impl Scene {
    /// An owner who is dead.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDir::open(Some(&directory.path().join("run"))).unwrap();
        let lease = run.lease(APPLICATION).unwrap();
        let (owner, domain) = (lease.owner().to_owned(), lease.domain().to_string());
        Self { _directory: directory, run, owner, domain }
    }

    fn adopt(&self) -> Adopt {
        self.adopt_as(&self.domain)
    }

    fn adopt_as(&self, domain: &str) -> Adopt {
        self.run.adopt(APPLICATION, &self.owner, domain, THING).unwrap()
    }

    fn reaper(&self) -> DeadOwner {
        dead(self.run.claim_dead(APPLICATION, &self.owner, &self.domain))
    }

    fn domain_with(&self, field: usize, value: &str) -> String {
        let mut words: Vec<&str> = self.domain.split('.').collect();
        words[field] = value;
        words.join(".")
    }

    fn files(&self) -> usize {
        fs::read_dir(self.run.path().join("owners").join(APPLICATION)).map_or(0, Iterator::count)
    }
}

fn dead(claim: Claim) -> DeadOwner {
    match claim {
        Claim::Dead(owner) => owner,
        other => panic!("not dead: {other:?}"),
    }
}

#[track_caller]
fn won(answer: Adopt) -> Adoption {
    match answer {
        Adopt::Won(adoption) => adoption,
        other => panic!("not won: {other:?}"),
    }
}

#[track_caller]
fn free(answer: Abandoned) -> Option<Adoption> {
    match answer {
        Abandoned::Free(claim) => claim,
        Abandoned::Adopted => panic!("adopted"),
    }
}

fn is_taken(answer: &Adopt) -> bool {
    matches!(answer, Adopt::Taken(_))
}

#[test]
fn of_many_who_adopt_at_once_one_wins() {
    let scene = Scene::new();
    for _ in 0..20 {
        let all = Barrier::new(8);
        let answers: Vec<Adopt> = std::thread::scope(|scope| {
            let adopt = || {
                all.wait();
                scene.adopt()
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(adopt)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let winners = answers.iter().filter(|answer| matches!(answer, Adopt::Won(_))).count();
        assert_eq!(winners, 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| is_taken(answer)).count(), 7, "{answers:?}");
    }
}

#[test]
fn what_a_living_owner_has_is_not_adopted() {
    let mut scene = Scene::new();
    let lease = scene.run.lease(APPLICATION).unwrap();
    (scene.owner, scene.domain) = (lease.owner().to_owned(), lease.domain().to_string());
    assert!(is_taken(&scene.adopt()));
    drop(lease);
    won(scene.adopt());
}

#[test]
fn a_reaper_and_an_adopter_keep_each_other_out() {
    let scene = Scene::new();
    let adopted = won(scene.adopt());
    let reaper = scene.reaper();
    assert!(matches!(reaper.take(THING).unwrap(), Abandoned::Adopted));
    assert!(scene.run.may_be_adopted(APPLICATION, &scene.domain, THING));
    // Of one thing; the others are free.
    assert!(free(reaper.take("another").unwrap()).is_some());
    drop(adopted);
    let taken = free(reaper.take(THING).unwrap()).unwrap();
    drop(reaper);
    assert!(is_taken(&scene.adopt()));
    drop(taken);
    assert!(!scene.run.may_be_adopted(APPLICATION, &scene.domain, THING));
    won(scene.adopt()).finish().unwrap();
    // The dead owner's own lease is left.
    scene.run.sweep(APPLICATION, &BTreeSet::from([scene.owner.clone()])).unwrap();
    assert_eq!(scene.files(), 1);
}

#[test]
fn an_adopter_waits_for_a_reaper_that_is_busy_with_the_owner() {
    let scene = Scene::new();
    let mut child = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
    let gone = scene.domain_with(PROCESS, &format!("{}-1", child.id()));
    child.wait().unwrap();
    let reaper = scene.reaper();
    // While its process lives, a held lease is its owner's.
    let begun = Instant::now();
    assert!(is_taken(&scene.adopt()));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            drop(reaper);
        });
        won(scene.adopt_as(&gone));
    });
    // One that takes too long is no owner who lives.
    let reaper = scene.reaper();
    let answer = scene.adopt_as(&gone);
    assert!(matches!(answer, Adopt::Busy(_)), "{answer:?}");
    drop(reaper);
    won(scene.adopt_as(&gone));
}

#[test]
fn nobody_adopts_from_another_run_directory_or_after_a_start_of_the_machine() {
    let (scene, other) = (Scene::new(), Scene::new());
    let answer = other.run.adopt(APPLICATION, &scene.owner, &scene.domain, THING).unwrap();
    assert!(matches!(answer, Adopt::Elsewhere(_)), "{answer:?}");
    let former = scene.domain_with(BOOT, "0123456789abcdef0123456789abcdef");
    let answer = scene.adopt_as(&former);
    assert!(matches!(answer, Adopt::Elsewhere(_)), "{answer:?}");
    let answer = scene.adopt_as("rubbish");
    assert!(matches!(answer, Adopt::Elsewhere(_)), "{answer:?}");
}

#[test]
fn a_reaper_that_cannot_see_the_claims_leaves_what_may_be_adopted() {
    let (scene, other) = (Scene::new(), Scene::new());
    let mut child = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
    let gone = scene.domain_with(PROCESS, &format!("{}-1", child.id()));
    child.wait().unwrap();
    // Its process is gone: that is seen from everywhere.
    let reaper = dead(other.run.claim_dead(APPLICATION, &scene.owner, &gone));
    assert!(matches!(reaper.take(THING).unwrap(), Abandoned::Adopted));
    assert!(other.run.may_be_adopted(APPLICATION, &gone, THING));
    // Before a start of the machine nobody can have adopted anything that lives now.
    let former = scene.domain_with(BOOT, "0123456789abcdef0123456789abcdef");
    drop(reaper);
    let reaper = dead(other.run.claim_dead(APPLICATION, &scene.owner, &former));
    assert!(free(reaper.take(THING).unwrap()).is_none());
    assert!(!other.run.may_be_adopted(APPLICATION, &former, THING));
}

#[test]
fn a_sweep_removes_claims_of_dead_adopters_and_no_others() {
    let scene = Scene::new();
    let keep = BTreeSet::from([scene.owner.clone()]);
    let adopted = won(scene.adopt());
    scene.run.sweep(APPLICATION, &keep).unwrap();
    assert_eq!(scene.files(), 2);
    assert!(is_taken(&scene.adopt()));
    drop(adopted);
    scene.run.sweep(APPLICATION, &keep).unwrap();
    assert_eq!(scene.files(), 1);
    won(scene.adopt()).finish().unwrap();
    scene.run.sweep(APPLICATION, &BTreeSet::new()).unwrap();
    assert_eq!(scene.files(), 0);
}

#[test]
fn a_file_that_cannot_be_removed_does_not_keep_a_sweep_from_the_others() {
    let scene = Scene::new();
    let stuck = scene.run.path().join("owners").join(APPLICATION).join("0.adopted");
    fs::create_dir(&stuck).unwrap();
    let error = scene.run.sweep(APPLICATION, &BTreeSet::new()).unwrap_err();
    assert!(error.to_string().contains("0.adopted"), "{error}");
    assert_eq!(scene.files(), 1, "the dead owner's lease is removed");
    fs::remove_dir(&stuck).unwrap();
    scene.run.sweep(APPLICATION, &BTreeSet::new()).unwrap();
    assert_eq!(scene.files(), 0);
}

#[test]
#[ignore = "the other tests run it as a process of its own"]
fn an_adopter_process() {
    let given = |name| std::env::var(name).expect("it is given");
    let run = RunDir::open(Some(given(RUN).as_ref())).unwrap();
    let adopted = won(run.adopt(APPLICATION, &given(OWNER), &given(DOMAIN), THING).unwrap());
    fs::write(run.path().join("ready"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
    drop(adopted);
}

/// Killed at the end of the test.
struct Adopter(Child);

impl Drop for Adopter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_adopter_that_is_killed_leaves_it_to_the_next() {
    let scene = Scene::new();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "an_adopter_process", "--ignored"])
        .env(RUN, scene.run.path())
        .envs([(OWNER, &scene.owner), (DOMAIN, &scene.domain)])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let adopter = Adopter(child);
    let ready = scene.run.path().join("ready");
    let give_up = Instant::now() + Duration::from_secs(30);
    while !ready.exists() {
        assert!(Instant::now() < give_up, "the adopter is not ready");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(is_taken(&scene.adopt()));
    drop(adopter);
    won(scene.adopt());
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Adopt,
    GiveUp,
    Finish,
    Sweep,
    Reap,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_happens_at_most_one_has_it(
        steps in prop::collection::vec(
            prop_oneof![
                3 => Just(Step::Adopt),
                1 => Just(Step::GiveUp),
                1 => Just(Step::Finish),
                1 => Just(Step::Sweep),
                2 => Just(Step::Reap),
            ],
            0..12,
        )
    ) {
        let scene = Scene::new();
        let keep = BTreeSet::from([scene.owner.clone()]);
        let mut held: Option<Adoption> = None;
        for step in steps {
            match step {
                Step::Adopt => match scene.adopt() {
                    Adopt::Won(adoption) => prop_assert!(held.replace(adoption).is_none()),
                    answer => prop_assert!(held.is_some() && is_taken(&answer), "{answer:?}"),
                },
                Step::GiveUp => held = None,
                Step::Finish => {
                    if let Some(adoption) = held.take() {
                        adoption.finish().unwrap();
                    }
                }
                Step::Sweep => drop(scene.run.sweep(APPLICATION, &keep).unwrap()),
                Step::Reap => {
                    let taken = scene.reaper().take(THING).unwrap();
                    prop_assert_eq!(matches!(taken, Abandoned::Adopted), held.is_some());
                }
            }
        }
    }
}
