//! The options of `longshore run`, named as Docker's wherever Docker has them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args as ClapArgs};
use longshore::{
    ByteSize, Capability, Cpus, Device, Mount, NetworkMode, OutputLimit, PublishedPort, PullPolicy,
    Signal, Ulimit,
};

use super::parse::{self, MemorySwap, Pids, SecurityOption, Variable};
use crate::engine;
use crate::units;

/// Runs a task in a container, passes its input and output through, and removes it
///
/// Unlike Docker's, a task is hardened unless the options say otherwise: user 1000:1000, no
/// capability, no new privileges, an init as process 1, no network, no log kept by the engine.
#[derive(Debug, Default, ClapArgs)]
#[command(
    override_usage = "longshore run [OPTIONS] IMAGE [COMMAND] [ARG]...\n       \
                      longshore run [OPTIONS] --spec FILE [IMAGE [COMMAND] [ARG]...]",
    after_help = STATUS
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) engine: engine::Args,
    #[command(flatten)]
    pub(super) task: Task,
    #[command(flatten)]
    pub(super) limits: Limits,
    #[command(flatten)]
    pub(super) security: Security,
    #[command(flatten)]
    pub(super) network: Network,
    #[command(flatten)]
    pub(super) health: Health,
    #[command(flatten)]
    pub(super) files: Files,
    #[command(flatten)]
    pub(super) reports: Reports,
    /// The image, then the command and its arguments
    #[arg(
        value_name = "IMAGE",
        required_unless_present = "spec",
        trailing_var_arg = true,
        hide = true
    )]
    pub(super) words: Vec<String>,
}

const STATUS: &str = "\
stdin is passed through if it is not a terminal, or with -i.

Ctrl-C, SIGTERM, SIGHUP and SIGQUIT kill the task at once and remove it; SIGHUP is ignored where it is
from the start, as under nohup. To be asked with --stop-signal, and given --stop-timeout, is for a task
that times out. One whose reader has stopped, too, ends after the timeout, the stop timeout and about a
second for the engine at the latest, and one more for a stderr that nobody reads; what was not read by
then is reported as missing.

Exit status:
  the task's own code, if it ended by itself and all of its output was delivered
  128+n  a signal n ended the task
  124    the task timed out
  125    the command line is wrong, the engine failed, the task was lost, or its output is not complete
  126    the command cannot be executed
  127    the command was not found
  130    cancelled by Ctrl-C (SIGTERM: 143, SIGHUP: 129, SIGQUIT: 131)
  137    out of memory, which is said on stderr

A report that cannot be opened is refused before anything runs. One that cannot be written later is told
on stderr; the status is then that of the task all the same, but 125 instead of 0.";

#[derive(Debug, Default, ClapArgs)]
#[group(skip)]
#[command(next_help_heading = "Task")]
pub(super) struct Task {
    /// A description of the task in TOML or JSON; the other options override it. - is stdin, which the
    /// task then does not get
    #[arg(long, value_name = "FILE")]
    pub(super) spec: Option<PathBuf>,
    /// The task's id: a label, which need not be unique [default: a random one]
    #[arg(long, value_name = "ID")]
    pub(super) name: Option<String>,
    /// The program; the image's arguments are then dropped. Empty: none, so that COMMAND is the program
    #[arg(long, value_name = "PROGRAM")]
    pub(super) entrypoint: Option<String>,
    /// Sets a variable; without a value it is taken from the environment here
    #[arg(short, long, value_name = "NAME[=VALUE]", value_parser = parse::variable)]
    pub(super) env: Vec<Variable>,
    /// Reads variables from a file, one a line; - is stdin, as with --spec
    #[arg(long, value_name = "FILE")]
    pub(super) env_file: Vec<PathBuf>,
    /// The working directory
    #[arg(short, long, value_name = "PATH")]
    pub(super) workdir: Option<String>,
    /// Passes stdin through even if it is a terminal
    #[arg(short, long)]
    pub(super) interactive: bool,
    /// Gives the task a terminal; its output is then one stream, stdout
    #[arg(short, long)]
    pub(super) tty: bool,
    /// Sets a label of the container
    #[arg(short, long, value_name = "NAME[=VALUE]", value_parser = parse::label)]
    pub(super) label: Vec<(String, String)>,
    /// When to pull the image: always, missing or never
    #[arg(long, value_name = "WHEN", value_parser = parse::pull)]
    pub(super) pull: Option<PullPolicy>,
    /// Shows no progress of a pull
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// The image's platform, os/arch[/variant]
    #[arg(long, value_name = "PLATFORM")]
    pub(super) platform: Option<String>,
    /// The signal that asks the task to end
    #[arg(long, value_name = "SIGNAL")]
    pub(super) stop_signal: Option<Signal>,
    /// How long the task may take to end when asked; then it is killed [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    pub(super) stop_timeout: Option<Duration>,
    /// Accepted and without meaning: the container is always removed
    #[arg(long)]
    pub(super) rm: bool,
}

#[derive(Debug, Default, ClapArgs)]
#[group(skip)]
#[command(next_help_heading = "Limits (sizes: 64m and 64MiB are 1024-based, 64MB is 1000-based)")]
pub(super) struct Limits {
    /// How long the task may run from its start, such as 30s or 5m; then it is asked to end, then
    /// killed. What comes before its start (reaching the engine, pulling the image) is bounded by
    /// docker.timeouts in the configuration
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    pub(super) timeout: Option<Duration>,
    /// What is delivered of each output stream; the rest is thrown away, or with :stop ends the task
    #[arg(long, value_name = "SIZE[:stop]", value_parser = parse::output_limit)]
    pub(super) output_limit: Option<OutputLimit>,
    /// Memory
    #[arg(short, long, value_name = "SIZE")]
    pub(super) memory: Option<ByteSize>,
    /// Memory and swap together [default: no swap, wherever memory is limited]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = parse::memory_swap)]
    pub(super) memory_swap: Option<MemorySwap>,
    /// Memory that is not reclaimed first under pressure
    #[arg(long, value_name = "SIZE")]
    pub(super) memory_reservation: Option<ByteSize>,
    /// CPUs, such as 0.5 or 500m
    #[arg(long, value_name = "N")]
    pub(super) cpus: Option<Cpus>,
    /// Weight against others when CPU is short, 2 to 262144
    #[arg(short, long, value_name = "N")]
    pub(super) cpu_shares: Option<u32>,
    /// The CPUs to run on, such as 0-2,4
    #[arg(long, value_name = "LIST")]
    pub(super) cpuset_cpus: Option<String>,
    /// Processes and threads; -1 for no limit
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse::pids)]
    pub(super) pids_limit: Option<Pids>,
    /// A limit of each process, such as nofile=256:512; -1 for none
    #[arg(long, value_name = "NAME=SOFT[:HARD]", value_parser = parse::ulimit)]
    pub(super) ulimit: Vec<(String, Ulimit)>,
    /// The size of /dev/shm
    #[arg(long, value_name = "SIZE")]
    pub(super) shm_size: Option<ByteSize>,
    /// size=SIZE: what may be written into the root file system
    #[arg(long, value_name = "OPTION", value_parser = parse::storage_option)]
    pub(super) storage_opt: Option<ByteSize>,
}

#[derive(Debug, Default, ClapArgs)]
#[group(skip)]
#[command(next_help_heading = "Security")]
pub(super) struct Security {
    /// The user, user[:group]; empty: the image's, which is often root
    #[arg(short, long, value_name = "USER")]
    pub(super) user: Option<String>,
    /// Adds a group
    #[arg(long, value_name = "GROUP")]
    pub(super) group_add: Vec<String>,
    /// Gives a capability, such as NET_BIND_SERVICE
    #[arg(long, value_name = "CAP")]
    pub(super) cap_add: Vec<Capability>,
    /// Takes a capability away; all are, unless --engine-defaults gives the engine's usual ones
    #[arg(long, value_name = "CAP")]
    pub(super) cap_drop: Vec<Capability>,
    /// no-new-privileges[=false], seccomp=FILE|unconfined|default, apparmor=PROFILE
    #[arg(long, value_name = "OPTION", value_parser = parse::security_option)]
    pub(super) security_opt: Vec<SecurityOption>,
    /// Makes the root file system read-only
    #[arg(long)]
    pub(super) read_only: bool,
    /// Runs an init as process 1: so it is by default
    #[arg(long, overrides_with = "no_init")]
    pub(super) init: bool,
    /// Runs the command as process 1
    #[arg(long, overrides_with = "init")]
    pub(super) no_init: bool,
    /// Hardens nothing: the image's user, the engine's usual capabilities, set-user-id programs
    #[arg(long)]
    pub(super) engine_defaults: bool,
    /// Gives the host away: all capabilities, all devices, no filter
    #[arg(long)]
    pub(super) privileged: bool,
}

#[derive(Debug, Default, ClapArgs)]
#[group(skip)]
#[command(next_help_heading = "Network")]
pub(super) struct Network {
    /// none, bridge, host, auto (the least used of `networks` in the configuration), prefork (borrowed
    /// of the pool in the configuration, else of a pool of one) or a network's name; again for
    /// further networks by name [default: none]
    #[arg(long, visible_alias = "net", value_name = "NETWORK", value_parser = parse::network)]
    pub(super) network: Vec<NetworkMode>,
    /// A port of the task that the engine's host listens on; one that the engine chooses is told on
    /// stderr, and in --json
    #[arg(short, long, value_name = "[[ADDRESS:][HOST]:]PORT[/PROTOCOL]")]
    pub(super) publish: Vec<PublishedPort>,
    /// Another name on a network that is given by name
    #[arg(long, value_name = "NAME")]
    pub(super) network_alias: Vec<String>,
    /// The host name
    #[arg(long, value_name = "NAME")]
    pub(super) hostname: Option<String>,
    /// A name server
    #[arg(long, value_name = "ADDRESS")]
    pub(super) dns: Vec<IpAddr>,
    /// A domain in which short names are looked up
    #[arg(long, value_name = "DOMAIN")]
    pub(super) dns_search: Vec<String>,
    /// An option of the resolver, such as ndots:1
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    pub(super) dns_option: Vec<String>,
    /// A line of /etc/hosts
    #[arg(long, value_name = "NAME:ADDRESS", value_parser = parse::extra_host)]
    pub(super) add_host: Vec<(String, IpAddr)>,
}

#[derive(Debug, Default, ClapArgs)]
#[group(skip)]
#[command(next_help_heading = "Health (what is left out is the image's, else the engine's own)")]
pub(super) struct Health {
    /// What is run in the container by /bin/sh to find out whether the task does well
    #[arg(long, value_name = "COMMAND")]
    pub(super) health_cmd: Option<String>,
    /// From one check to the next
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    pub(super) health_interval: Option<Duration>,
    /// How long one check may take
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    pub(super) health_timeout: Option<Duration>,
    /// How long after the start failures do not count
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    pub(super) health_start_period: Option<Duration>,
    /// How many failures in a row make the task unhealthy
    #[arg(long, value_name = "N")]
    pub(super) health_retries: Option<u32>,
    /// Ends a task that does not do well within this time after its start, or that is found unhealthy
    /// before it did
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    pub(super) health_wait: Option<Duration>,
    /// No check, whatever the image says
    #[arg(long, conflicts_with = "health_cmd")]
    pub(super) no_healthcheck: bool,
}

#[derive(Debug, Default, ClapArgs)]
#[group(skip)]
#[command(next_help_heading = "Files and devices")]
pub(super) struct Files {
    /// A mount, such as type=bind,source=/data,target=/in,readonly
    #[arg(long, value_name = "OPTIONS", value_parser = parse::mount)]
    pub(super) mount: Vec<Mount>,
    /// A bind mount or a volume; a folder to bind has to exist
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]", value_parser = parse::volume)]
    pub(super) volume: Vec<Mount>,
    /// A file system in memory; options: size=64m, mode=1777, nr_inodes=1000, ro
    #[arg(long, value_name = "TARGET[:OPTIONS]", value_parser = parse::tmpfs)]
    pub(super) tmpfs: Vec<Mount>,
    /// A device of the host
    #[arg(long, value_name = "HOST[:CONTAINER][:rwm]", value_parser = parse::device)]
    pub(super) device: Vec<Device>,
}

#[derive(Debug, Default, ClapArgs)]
#[group(skip)]
#[command(next_help_heading = "Reports")]
pub(super) struct Reports {
    /// Writes how the task ended, with timings and evidence, as JSON; /dev/stdout only if it is no file
    #[arg(long, value_name = "FILE", value_parser = parse::report())]
    pub(super) json: Option<PathBuf>,
    /// Writes samples of what the task uses, as the JSON array that `longshore decimate` reads
    #[arg(long, value_name = "FILE", value_parser = parse::report())]
    pub(super) stats: Option<PathBuf>,
    /// How often a sample is taken, 10ms or more [default: the engine's own pace, about 1s]
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    pub(super) stats_interval: Option<Duration>,
    /// Lets the engine keep the output, too, by this log driver of its own [default: none]
    #[arg(long, value_name = "DRIVER")]
    pub(super) log_driver: Option<String>,
    /// An option of the log driver
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse::pair, action = ArgAction::Append)]
    pub(super) log_opt: Vec<(String, String)>,
}
