//! Being the parent of every orphan among this process's descendants, so that none is missed.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, WaitOptions, getpgid, getpgrp, getpid, waitpid};

use crate::engine::process;

/// How often the dead are looked for. Whoever waits for a child of this process looks more often.
const LOOK: Duration = Duration::from_secs(5);

/// Makes this process the parent of every orphan among its descendants, and waits for those that die:
/// an engine starts several for each container, and process ids run out.
pub(crate) fn adopt() -> Result<()> {
    rustix::process::set_child_subreaper(Some(getpid())).context("become a subreaper")?;
    thread::Builder::new()
        .name("adoptions".to_owned())
        .spawn(|| {
            let mut before = BTreeSet::new();
            loop {
                thread::sleep(LOOK);
                before = bury(&before);
            }
        })
        .context("start a thread")?;
    Ok(())
}

/// Waits for the dead that nobody else has waited for since the look before; gives all others.
fn bury(before: &BTreeSet<i32>) -> BTreeSet<i32> {
    let own = getpid().as_raw_pid();
    // What this process starts and waits for is in its group.
    let is_adopted = |pid| getpgid(Some(pid)).is_ok_and(|group| group != getpgrp());
    let all = process::all().unwrap_or_default().into_iter();
    let dead = all.filter(|process| process.parent == own && process.state == 'Z');
    let dead = dead.filter_map(|process| Pid::from_raw(process.pid)).filter(|pid| is_adopted(*pid));
    let (old, new): (Vec<Pid>, Vec<Pid>) = dead.partition(|pid| before.contains(&pid.as_raw_pid()));
    for pid in old {
        // The error is that of one for whom somebody has waited just now.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
    new.into_iter().map(Pid::as_raw_pid).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_dead_of_another_group_are_buried_at_the_second_look() {
        let start = |group| Command::new("true").process_group(group).spawn().unwrap();
        let own_group = getpgrp().as_raw_pid();
        let (mut adopted, mut own) = (start(0), start(own_group));
        let [other, waited] = [&adopted, &own].map(|child| i32::try_from(child.id()).unwrap());
        let is_dead = |pid| process::one(pid).is_some_and(|process| process.state == 'Z');
        while !(is_dead(other) && is_dead(waited)) {
            thread::yield_now();
        }
        let seen = bury(&BTreeSet::new());
        assert!(seen.contains(&other) && is_dead(other) && !seen.contains(&waited));
        // Other tests' children come and go meanwhile, and are not to be buried here.
        bury(&BTreeSet::from([other]));
        assert!(!is_dead(other) && is_dead(waited));
        assert!(adopted.wait().is_err() && own.wait().unwrap().success());
    }
}
