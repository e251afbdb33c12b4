//! `longshore doctor`: what works on this host, and what to do about the rest.

use longshore::host::RunDir;
use longshore::prefork::PoolOptions;
use longshore::{Capabilities, CgroupVersion, Config, ImageRef};
use serde_json::Value;

use crate::engine::{self, Look};
use crate::failure::Failure;
use crate::render;
use crate::signals::Signals;
use crate::stdio;

/// The exit status when no backend works.
const NOTHING_WORKS: u8 = 1;

/// Shows what works on this host, and what to do about the rest
///
/// The exit status is 0 if tasks can be run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    engine: engine::Args,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    state: &'static str,
    what: String,
    details: String,
}

impl Finding {
    fn ok(what: impl Into<String>, details: impl Into<String>) -> Self {
        Self { state: "ok", what: what.into(), details: details.into() }
    }

    fn no(what: impl Into<String>, details: impl Into<String>) -> Self {
        Self { state: "no", what: what.into(), details: details.into() }
    }

    fn failed(what: impl Into<String>, failure: &Failure) -> Self {
        let text = match failure.remedy() {
            // Not the one that sends the user here.
            Some(remedy) if !remedy.contains("longshore doctor") => {
                format!("{}; {remedy}", failure.what())
            }
            _ => failure.what(),
        };
        Self { state: "fault", what: what.into(), details: text }
    }
}

pub(crate) async fn main(args: Args) -> Result<u8, Failure> {
    let mut signals = Signals::catch()?;
    let Look { config, pool } = signals.unless(args.engine.config_to_look()).await?;
    let Examined { mut findings, works, without_pool } =
        signals.unless(async { Ok(examine(&config).await) }).await?;
    findings.extend(configured(&pool, without_pool.as_deref()));
    let rows: Vec<_> = findings
        .into_iter()
        .map(|finding| vec![finding.state.to_owned(), finding.what, finding.details])
        .collect();
    let summary = match &works[..] {
        [] => "no task can be run here: mend a backend first".to_owned(),
        names => format!("tasks can be run with {}", names.join(", ")),
    };
    let table = render::table(&["STATE", "WHAT", "DETAILS"], &rows);
    signals.unless(stdio::print(&format!("{table}\n{summary}\n"))).await?;
    Ok(if works.is_empty() { NOTHING_WORKS } else { 0 })
}

/// What was found.
struct Examined {
    findings: Vec<Finding>,
    /// The backends that work.
    works: Vec<String>,
    /// The engine on which there cannot be a pool.
    without_pool: Option<String>,
}

/// Looks at everything.
async fn examine(config: &Config) -> Examined {
    let mut findings = vec![run_dir(config), credentials(config).await];
    let (mut works, mut without_pool) = (Vec::new(), None);
    let registry = longshore::registry();
    let backends: Vec<String> = match &config.driver {
        Some(name) => vec![name.clone()],
        // The one in memory runs nothing real: it is looked at only by name.
        None => registry.names().filter(|&name| name != "mock").map(str::to_owned).collect(),
    };
    for name in backends {
        match registry.open(&name, config.clone()).await {
            Ok(driver) => {
                let can = driver.capabilities();
                findings.push(Finding::ok(&name, summary(can)));
                findings.extend(capabilities(&name, can));
                if !may_have_a_pool(&name, can) {
                    without_pool = Some(format!("{} {}", can.engine, can.engine_version));
                }
                if let Err(error) = driver.close().await {
                    findings.push(Finding::failed(&name, &error.into()));
                }
                works.push(name);
            }
            Err(error) => findings.push(Finding::failed(&name, &error.into())),
        }
    }
    Examined { findings, works, without_pool }
}

/// Whether placeholders can be made at all: on Podman they cannot.
fn may_have_a_pool(backend: &str, can: &Capabilities) -> bool {
    backend != "docker" || can.engine == "docker"
}

/// A pool that is configured. It is not tried: that would make every network of it.
fn configured(pool: &PoolOptions, without_pool: Option<&str>) -> Option<Finding> {
    if !pool.is_on() {
        return None;
    }
    if let Err(error) = pool.validate() {
        return Some(Finding::failed("pool", &error.into()));
    }
    if let Some(engine) = without_pool {
        let failure =
            Failure::new(format!("configured, and there can be none on {engine}: {NO_POOL}"));
        return Some(Finding::failed("pool", &failure));
    }
    let most = match pool.max_size {
        max if max > pool.size => format!(", at most {max}"),
        _ => String::new(),
    };
    let networks = match &pool.networks[..] {
        [] => String::new(),
        names => format!(" on {}", names.join(", ")),
    };
    let details = format!(
        "configured, not tried: {} slots{most}{networks}; `longshore pool` tries it",
        pool.size
    );
    Some(Finding::ok("pool", details))
}

/// Without a run directory, nobody could prove later that this process is dead.
fn run_dir(config: &Config) -> Finding {
    match RunDir::open(config.docker.run_dir.as_deref()) {
        Ok(directory) => Finding::ok("run directory", directory.path().display().to_string()),
        Err(error) => Finding::failed("run directory", &error.into()),
    }
}

async fn credentials(config: &Config) -> Finding {
    let hub: ImageRef = "docker.io/library/busybox".parse().expect("it is a reference");
    match config.credentials.source().credential(&hub).await {
        Ok(Some(_)) => Finding::ok("credentials", "readable; there is one for docker.io"),
        Ok(None) => Finding::ok("credentials", "readable; docker.io is asked without one"),
        Err(error) => Finding::failed("credentials", &error.into()),
    }
}

fn summary(can: &Capabilities) -> String {
    let cgroup = match can.cgroup {
        Some(CgroupVersion::V1) => ", cgroup v1",
        Some(CgroupVersion::V2) => ", cgroup v2",
        _ => "",
    };
    let api = match can.api_version.as_str() {
        "" => String::new(),
        version => format!(", API {version}"),
    };
    let rootless = if can.rootless { ", rootless" } else { "" };
    format!("{} {}{api}, {}{cgroup}{rootless}", can.engine, can.engine_version, can.platform)
}

/// A line for each thing that a backend can or cannot do, by name.
fn capabilities(backend: &str, can: &Capabilities) -> Vec<Finding> {
    let Ok(Value::Object(fields)) = serde_json::to_value(can) else { return Vec::new() };
    let able = |(name, value): (String, Value)| match value {
        Value::Bool(able) if name != "rootless" => Some((name, able)),
        _ => None,
    };
    fields
        .into_iter()
        .filter_map(able)
        .map(|(name, able)| {
            let what = format!("{backend}: {}", name.replace('_', " "));
            let remedy = || match name.as_str() {
                "prefork" if !may_have_a_pool(backend, can) => {
                    format!("there can be none on {}: {NO_POOL}", can.engine)
                }
                name => remedy(name).to_owned(),
            };
            if able { Finding::ok(what, "") } else { Finding::no(what, remedy()) }
        })
        .collect()
}

/// What to do where there cannot be a pool.
const NO_POOL: &str = "do without (pre_fork_pool_size = 0, and another --network than prefork)";

fn remedy(capability: &str) -> &'static str {
    match capability {
        "memory_limit" => "boot the engine's host with cgroup_enable=memory",
        "swap_limit" => {
            "boot the engine's host with swapaccount=1; until then --memory limits no swap"
        }
        "cpu_limit" => "the engine's kernel needs CONFIG_CFS_BANDWIDTH",
        "cpu_shares" => "the engine's kernel needs CONFIG_FAIR_GROUP_SCHED",
        "cpuset" => "the engine's kernel needs CONFIG_CPUSETS",
        "tty_size" => {
            "nothing to do: a terminal gets its size right after the start; Docker 23 and newer give it before"
        }
        "stats_interval" => {
            "statistics come at the engine's pace: it is not on this host, or stats_source keeps to it"
        }
        "pids_limit" => "the engine's kernel needs CONFIG_CGROUP_PIDS",
        "fs_size" => {
            "the engine needs storage that can count: overlay2 on XFS with pquota, btrfs or zfs"
        }
        "seccomp" => "the engine's kernel needs CONFIG_SECCOMP_FILTER",
        "apparmor" => "the engine's host has no AppArmor; seccomp and capabilities hold without it",
        "devices" => "a rootless engine cannot give devices away",
        "freeze" => "the engine's host needs the freezer cgroup",
        "output_end" => "nothing to do: whole output is reported as unverified, a cut is noticed",
        "proves_signal" => "nothing to do: 128+n is reported as a code that may be a signal",
        "proves_start" => {
            "nothing to do: with an init, 126 and 127 are ambiguous where they cannot be proven"
        }
        "exec_proves_start" => "nothing to do: 125, 126 and 127 of further processes are ambiguous",
        "proves_one" => "nothing to do: with an init, 1 is reported as ambiguous",
        "proves_oom" => {
            "nothing to do: a kill for want of memory is reported as code 137; newer monitors tell more"
        }
        "counts_oom" => "nothing to do: that memory ran out is seen, how often is not",
        "recover" => {
            "nothing to do: a task of the command's ends with it; others need an engine that tells its time and which one it is"
        }
        "prefork" => {
            "nothing to do: no pool is made to look; `longshore run --network prefork` makes the configured one, or one of its own"
        }
        _ => "this engine cannot do it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_has_a_line_and_a_missing_one_its_remedy() {
        let mut can = Capabilities::nothing("docker", "20.10");
        can.memory_limit = true;
        let findings = capabilities("docker", &can);
        assert!(findings.len() > 15, "{findings:?}");
        assert!(findings.contains(&Finding::ok("docker: memory limit", "")));
        let swap = findings.iter().find(|finding| finding.what == "docker: swap limit").unwrap();
        assert_eq!(swap.state, "no");
        assert!(swap.details.contains("swapaccount=1"));
        assert!(!findings.iter().any(|finding| finding.what.contains("rootless")));
        assert!(
            findings.iter().all(|finding| finding.state == "ok" || !finding.details.is_empty())
        );
    }

    #[test]
    fn where_no_pool_can_be_made_it_is_said() {
        let told = |engine| {
            let findings = capabilities("docker", &Capabilities::nothing(engine, "5.4.2"));
            findings.into_iter().find(|it| it.what == "docker: prefork").unwrap().details
        };
        assert!(told("podman").contains("none on podman: do without"), "{}", told("podman"));
        assert!(told("docker").starts_with("nothing to do"), "{}", told("docker"));
    }

    #[test]
    fn a_pool_is_told_as_it_is_configured() {
        assert_eq!(configured(&PoolOptions::default(), Some("podman")), None);
        let mut pool = PoolOptions::sized(2);
        (pool.max_size, pool.networks) = (5, vec!["lan".to_owned()]);
        let told = configured(&pool, None).unwrap();
        assert_eq!((told.state, told.what.as_str()), ("ok", "pool"));
        let impossible = configured(&pool, Some("podman 5.4.2")).unwrap();
        assert_eq!(impossible.state, "fault");
        assert!(impossible.details.contains("none on podman 5.4.2"), "{impossible:?}");
        let expected = "configured, not tried: 2 slots, at most 5 on lan; ";
        assert!(told.details.starts_with(expected), "{told:?}");
        pool.networks = vec!["host".to_owned()];
        assert_eq!(configured(&pool, None).unwrap().state, "fault");
    }

    #[test]
    fn a_backend_is_summed_up_in_a_line() {
        let mut can = Capabilities::nothing("docker", "20.10.24");
        can.api_version = "1.41".to_owned();
        can.platform = "linux/amd64".to_owned();
        can.cgroup = Some(CgroupVersion::V1);
        assert_eq!(summary(&can), "docker 20.10.24, API 1.41, linux/amd64, cgroup v1");
    }
}
