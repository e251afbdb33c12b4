//! Takes processor time, memory and processes.

use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use longshore_testee::{Burnt, ChildFate, Forked};
use rustix::time::{ClockId, clock_gettime};

use crate::args::Args;
use crate::end::{Pause, pause};
use crate::failure::{Failure, What};
use crate::streams::{myself, report, say};

pub(crate) fn burn(args: &mut Args) -> Result<u8, Failure> {
    let ms = args.value("MS")?;
    let threads: usize = args.option("threads")?.unwrap_or(1);
    args.finish()?;
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| burn_for(ms));
        }
    });
    report(&Burnt {
        cpu_ms: cpu_ms(),
        wall_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Spins until the whole process has had that much more processor time.
pub(crate) fn burn_for(ms: u64) {
    let end = cpu_ms().saturating_add(ms);
    let mut x = 0u64;
    while cpu_ms() < end {
        for _ in 0..10_000 {
            x = black_box(x.wrapping_mul(31).wrapping_add(1));
        }
    }
}

pub(crate) fn alloc(args: &mut Args) -> Result<u8, Failure> {
    let bytes = args.value("BYTES")?;
    let hold = args.option("hold")?.unwrap_or(Pause(Some(Duration::ZERO)));
    let first_victim = args.option("oom-score")?;
    args.finish()?;
    if let Some(score) = first_victim {
        fs::write("/proc/self/oom_score_adj", u16::to_string(&score)).what("set the OOM score")?;
    }
    let memory = touched(bytes)?;
    say("allocated\n")?;
    pause(hold.0);
    drop(memory);
    Ok(0)
}

pub(crate) fn alloc_child(args: &mut Args) -> Result<u8, Failure> {
    let bytes: u64 = args.value("BYTES")?;
    let code = args.option("exit")?.unwrap_or(0);
    args.finish()?;
    let mut child = myself()?;
    child.arg("alloc").arg(bytes.to_string());
    // The kernel's OOM killer is told to choose the child before this process.
    child.args(["--oom-score", "1000"]).stdout(Stdio::null());
    let status = child.status().what("start the child")?;
    report(&ChildFate { code: status.code(), signal: status.signal() })?;
    Ok(code)
}

pub(crate) fn fork(args: &mut Args) -> Result<u8, Failure> {
    let asked = args.value("N")?;
    let hold = args.option("hold")?.unwrap_or(Pause(Some(Duration::ZERO)));
    args.finish()?;
    let mut children: Vec<Child> = Vec::new();
    let mut errno = None;
    for _ in 0..asked {
        let mut child = myself()?;
        child.args(["sleep", "forever"]).stdin(Stdio::null());
        match child.spawn() {
            Ok(child) => children.push(child),
            Err(error) => {
                errno = error.raw_os_error();
                break;
            }
        }
    }
    let started = u32::try_from(children.len()).unwrap_or(u32::MAX);
    report(&Forked { asked, started, errno })?;
    pause(hold.0);
    for child in &mut children {
        child.kill().what("kill a child")?;
        child.wait().what("wait for a child")?;
    }
    Ok(0)
}

/// Memory of which every page has been written to, so that it is really there.
pub(crate) fn touched(bytes: u64) -> Result<Vec<u8>, Failure> {
    let too_much = || Failure::Impossible(format!("alloc: {bytes} bytes can't be had"));
    let length = usize::try_from(bytes).map_err(|_| too_much())?;
    let mut memory: Vec<u8> = Vec::new();
    memory.try_reserve_exact(length).map_err(|_| too_much())?;
    memory.resize(length, 1);
    Ok(black_box(memory))
}

fn cpu_ms() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec * 1000 + time.tv_nsec / 1_000_000).unwrap_or(0)
}
