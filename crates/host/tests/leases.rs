//! Leases between processes: owners that live, die and are killed, and reapers that judge them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use longshore_host::{Claim, DeadOwner, Liveness, RunDir};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

const APPLICATION: &str = "app";
const RUN: &str = "LONGSHORE_TEST_RUN_DIRECTORY";

/// The fields of a lease domain's text.
const BOOT: usize = 2;
const MACHINE: usize = 1;
const NAMESPACES: usize = 4;

/// An owner in a process of its own, which is killed at the end of the test.
struct Owner {
    child: Child,
    output: BufReader<ChildStdout>,
    id: String,
    domain: String,
}

impl Owner {
    fn start(run: &RunDir) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "an_owner_process", "--ignored", "--nocapture"])
            .env(RUN, run.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let line = line_with(&mut output, "owner ");
        let (id, domain) = line.split_once(' ').unwrap();
        Self { id: id.to_owned(), domain: domain.to_owned(), child, output }
    }

    /// Makes the owner release its lease and live on.
    fn release(&mut self) {
        drop(self.child.stdin.take());
        line_with(&mut self.output, "released");
    }

    /// As `kill -9` does. The process stays a zombie, as it would under a careless parent.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        let id = Pid::from_child(&self.child);
        waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    }

    fn liveness(&self, run: &RunDir) -> Liveness {
        run.liveness(APPLICATION, &self.id, &self.domain)
    }

    fn claim(&self, run: &RunDir) -> Claim {
        run.claim_dead(APPLICATION, &self.id, &self.domain)
    }

    fn file(&self, run: &RunDir) -> PathBuf {
        leases(run).join(format!("{}.lease", self.id))
    }

    /// The domain's text with one field changed.
    fn domain_with(&self, field: usize, value: &str) -> String {
        let mut words: Vec<&str> = self.domain.split('.').collect();
        words[field] = value;
        words.join(".")
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line_with(output: &mut impl BufRead, start: &str) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the owner process ended");
        // The test harness may have written before it on the same line.
        if let Some(at) = line.find(start) {
            return line[at + start.len()..].trim().to_owned();
        }
    }
}

fn run() -> (tempfile::TempDir, RunDir) {
    let directory = tempfile::tempdir().unwrap();
    let run = RunDir::open(Some(&directory.path().join("run"))).unwrap();
    (directory, run)
}

fn leases(run: &RunDir) -> PathBuf {
    run.path().join("owners").join(APPLICATION)
}

fn dead(claim: Claim) -> DeadOwner {
    match claim {
        Claim::Dead(owner) => owner,
        other => panic!("not dead: {other:?}"),
    }
}

#[test]
#[ignore = "the other tests run it as a process of its own"]
fn an_owner_process() {
    let path = std::env::var_os(RUN).expect("this is run by the other tests only");
    let run = RunDir::open(Some(Path::new(&path))).unwrap();
    let lease = run.lease(APPLICATION).unwrap();
    println!("owner {} {}", lease.owner(), lease.domain());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    lease.release().unwrap();
    println!("released");
    loop {
        std::thread::park();
    }
}

#[test]
fn an_owner_that_lives_is_alive_to_everybody() {
    let (_directory, run) = run();
    let owner = Owner::start(&run);
    assert_eq!(owner.liveness(&run), Liveness::Alive);
    assert!(matches!(owner.claim(&run), Claim::Alive));
    assert!(run.sweep(APPLICATION, &BTreeSet::new()).unwrap().is_empty());
    assert!(owner.file(&run).exists());
}

#[test]
fn an_owner_is_dead_at_once_after_kill_9() {
    let (_directory, run) = run();
    let mut owner = Owner::start(&run);
    owner.kill();
    assert!(matches!(owner.liveness(&run), Liveness::Dead(_)));
    let claim = dead(owner.claim(&run));
    assert_eq!(claim.owner(), owner.id);
    assert_eq!(claim.reason(), "nobody holds its lease");
}

#[test]
fn two_reapers_never_have_the_same_dead_owner() {
    let (_directory, run) = run();
    let mut owner = Owner::start(&run);
    owner.kill();
    let first = dead(owner.claim(&run));
    assert!(matches!(owner.claim(&run), Claim::Alive));
    assert_eq!(owner.liveness(&run), Liveness::Alive);
    drop(first);
    dead(owner.claim(&run)).finish().unwrap();
    assert!(!owner.file(&run).exists());
}

#[test]
fn of_many_reapers_at_once_one_wins() {
    let (_directory, run) = run();
    let mut owner = Owner::start(&run);
    owner.kill();
    for without_file in [false, true] {
        if without_file {
            fs::remove_file(owner.file(&run)).unwrap();
        }
        let claims: Vec<Claim> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| owner.claim(&run))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let won = claims.iter().filter(|claim| matches!(claim, Claim::Dead(_))).count();
        assert_eq!(won, 1, "without file: {without_file}: {claims:?}");
    }
}

#[test]
fn what_appears_late_of_a_finished_owner_is_still_a_dead_owners() {
    let (_directory, run) = run();
    let mut owner = Owner::start(&run);
    owner.kill();
    dead(owner.claim(&run)).finish().unwrap();
    let again = dead(owner.claim(&run));
    assert!(again.reason().ends_with("has ended"), "{}", again.reason());
    assert!(matches!(owner.claim(&run), Claim::Alive), "the second claim is exclusive, too");
    again.finish().unwrap();
    assert!(!leases(&run).exists());
}

#[test]
fn a_lease_that_somebody_deleted_is_no_proof_while_its_process_lives() {
    let (_directory, run) = run();
    let mut owner = Owner::start(&run);
    fs::remove_file(owner.file(&run)).unwrap();
    assert!(matches!(owner.liveness(&run), Liveness::Unknown(_)));
    assert!(matches!(owner.claim(&run), Claim::Unknown(_)));
    owner.kill();
    assert!(matches!(owner.liveness(&run), Liveness::Dead(_)));
}

#[test]
fn a_released_lease_leaves_no_file_and_proves_nothing_while_the_process_lives() {
    let (_directory, run) = run();
    let mut owner = Owner::start(&run);
    owner.release();
    assert!(!owner.file(&run).exists());
    assert!(matches!(owner.liveness(&run), Liveness::Unknown(_)));
}

#[test]
fn from_another_run_directory_only_the_process_is_evidence() {
    let (_directory, run_of_owner) = run();
    let (_other, run_of_reaper) = run();
    let mut owner = Owner::start(&run_of_owner);
    assert!(matches!(owner.claim(&run_of_reaper), Claim::Unknown(_)));
    owner.kill();
    let claim = dead(owner.claim(&run_of_reaper));
    assert!(matches!(owner.claim(&run_of_reaper), Claim::Alive));
    drop(claim);
    // In other process namespaces the same id is another process.
    let domain = owner.domain_with(NAMESPACES, "1-1");
    let judged = run_of_reaper.liveness(APPLICATION, &owner.id, &domain);
    assert!(matches!(judged, Liveness::Unknown(_)), "{judged:?}");
}

#[test]
fn a_reaper_that_left_something_of_anothers_directory_can_go_on_later() {
    let (_directory, run) = run();
    let (_other, elsewhere) = self::run();
    let mut owner = Owner::start(&run);
    owner.kill();
    for _ in 0..2 {
        drop(dead(owner.claim(&elsewhere)));
    }
    dead(owner.claim(&elsewhere)).finish().unwrap();
}

#[test]
fn after_a_reboot_of_the_same_machine_a_missing_lease_is_a_dead_owners() {
    let (_directory, run_of_owner) = run();
    let (_other, run_of_reaper) = run();
    let owner = Owner::start(&run_of_owner);
    let rebooted = owner.domain_with(BOOT, &"0".repeat(32));
    let judged = run_of_reaper.liveness(APPLICATION, &owner.id, &rebooted);
    if owner.domain.split('.').nth(MACHINE) == Some("none") {
        assert!(matches!(judged, Liveness::Unknown(_)), "{judged:?}");
    } else {
        assert_eq!(judged, Liveness::Dead("this machine was started anew since".to_owned()));
    }
    // A lock that is held counts for more than any label.
    let judged = run_of_owner.liveness(APPLICATION, &owner.id, &rebooted);
    assert_eq!(judged, Liveness::Alive);
}

#[test]
fn another_machines_owner_is_never_dead_here() {
    let (_directory, run_of_owner) = run();
    let (_other, run_of_reaper) = run();
    let mut owner = Owner::start(&run_of_owner);
    owner.kill();
    let mut words: Vec<String> = owner.domain.split('.').map(str::to_owned).collect();
    words[MACHINE] = "0".repeat(32);
    words[BOOT] = "0".repeat(32);
    let judged = run_of_reaper.liveness(APPLICATION, &owner.id, &words.join("."));
    assert!(matches!(judged, Liveness::Unknown(_)), "{judged:?}");
}

#[test]
fn a_lease_missing_from_its_own_run_directory_was_given_up() {
    let (_directory, run) = run();
    let mut owner = Owner::start(&run);
    owner.release();
    // As seen from another container that shares the run directory.
    let domain = owner.domain_with(NAMESPACES, "1-1");
    let judged = run.liveness(APPLICATION, &owner.id, &domain);
    assert_eq!(judged, Liveness::Dead("its lease was given up".to_owned()));
}

#[test]
fn a_run_directory_that_was_deleted_is_no_evidence() {
    let (_directory, run) = run();
    let owner = Owner::start(&run);
    let domain = owner.domain_with(NAMESPACES, "1-1");
    fs::remove_dir_all(run.path()).unwrap();
    let judged = run.liveness(APPLICATION, &owner.id, &domain);
    assert!(matches!(judged, Liveness::Unknown(_)), "{judged:?}");
    let anew = RunDir::open(Some(run.path())).unwrap();
    let judged = anew.liveness(APPLICATION, &owner.id, &domain);
    assert!(matches!(judged, Liveness::Unknown(_)), "{judged:?}");
    let judged = run.liveness(APPLICATION, &owner.id, &domain);
    assert!(matches!(judged, Liveness::Unknown(_)), "{judged:?}");
}

#[test]
fn labels_that_anybody_wrote_prove_nothing_and_lead_nowhere() {
    let (directory, run) = run();
    let mut owner = Owner::start(&run);
    owner.kill();
    for id in ["", "../../../run/identity", "x", &owner.id.to_uppercase()] {
        let claim = run.claim_dead(APPLICATION, id, &owner.domain);
        assert!(matches!(claim, Claim::Unknown(_)), "{id}: {claim:?}");
    }
    for domain in ["", "none", "9.a.b.c.d.e", &format!("{}.x", owner.domain)] {
        let claim = run.claim_dead(APPLICATION, &owner.id, domain);
        assert!(matches!(claim, Claim::Unknown(_)), "{domain}: {claim:?}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn another_application_has_leases_of_its_own() {
    let (_directory, run) = run();
    let _owner = Owner::start(&run);
    assert!(run.owners("other").unwrap().is_empty());
    assert_eq!(run.owners(APPLICATION).unwrap().len(), 1);
}

#[test]
fn a_sweep_removes_what_the_dead_left_and_nothing_else() {
    let (_directory, run) = run();
    let living = Owner::start(&run);
    let (mut swept, mut kept) = (Owner::start(&run), Owner::start(&run));
    swept.kill();
    kept.kill();
    let unborn = leases(&run).join(format!("{}-{}.unborn", swept.id, kept.id));
    let strange = leases(&run).join("notes.txt");
    fs::write(&unborn, "").unwrap();
    fs::write(&strange, "").unwrap();

    let mut expected = vec![living.id.clone(), swept.id.clone(), kept.id.clone()];
    expected.sort();
    assert_eq!(run.owners(APPLICATION).unwrap(), expected);

    let keep = BTreeSet::from([kept.id.clone()]);
    assert_eq!(run.sweep(APPLICATION, &keep).unwrap(), [swept.id.clone()]);
    assert!(living.file(&run).exists() && kept.file(&run).exists() && strange.exists());
    assert!(!swept.file(&run).exists() && !unborn.exists());
}

#[test]
fn a_sweeper_never_catches_an_owner_between_its_birth_and_its_lock() {
    let (_directory, run) = run();
    let reaper = RunDir::open(Some(run.path())).unwrap();
    let born = std::sync::atomic::AtomicBool::new(false);
    let leases: Vec<_> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !born.load(std::sync::atomic::Ordering::Relaxed) {
                let swept = reaper.sweep(APPLICATION, &BTreeSet::new()).unwrap();
                assert!(swept.is_empty(), "{swept:?}");
            }
        });
        let leases = (0..300).map(|_| run.lease(APPLICATION)).collect();
        born.store(true, std::sync::atomic::Ordering::Relaxed);
        leases
    });
    for lease in leases {
        let lease = lease.unwrap();
        let domain = lease.domain().to_string();
        assert_eq!(reaper.liveness(APPLICATION, lease.owner(), &domain), Liveness::Alive);
        lease.release().unwrap();
    }
    assert!(!self::leases(&run).exists());
}
