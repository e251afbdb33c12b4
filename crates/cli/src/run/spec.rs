//! From options, and a file if there is one, to the description of a task.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use serde_json::Value;

use longshore::{
    ByteSize, Capability, CapabilityDrop, HealthCheck, LogDriver, Seccomp, Security as Hardening,
    TaskSpec,
};

use super::args::{Args, Files, Health, Limits, Network, Reports, Security, Task};
use super::parse::{SecurityOption, Variable, variables_of_file};
use super::toml_lines::Lines;
use crate::failure::Failure;
use crate::input;
use crate::unreadable;

/// What a description depends on beside the options. It is a parameter so that a test can state it.
pub(super) struct World<'a> {
    /// A variable of the environment.
    pub(super) var: &'a dyn Fn(&str) -> Option<OsString>,
    /// The text of a file.
    pub(super) read: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// Describes the task. Options win over the file, and single values over earlier ones; lists grow.
pub(super) fn spec(args: &Args, world: &World<'_>) -> Result<TaskSpec, Failure> {
    let mut words = args.words.iter().cloned();
    let image = words.next();
    let mut spec = match &args.task.spec {
        Some(path) => read_spec(path, world)?,
        // Without a file, the command line cannot be without an image.
        None => TaskSpec::builder(image.clone().unwrap_or_default()).build_unchecked(),
    };
    if let Some(image) = image {
        spec.image = image;
    }
    let command: Vec<String> = words.collect();
    if !command.is_empty() {
        spec.args = command;
    }
    task(&mut spec, &args.task, world)?;
    limits(&mut spec, &args.limits)?;
    security(&mut spec, &args.security, world)?;
    network(&mut spec, &args.network);
    health(&mut spec, &args.health);
    files(&mut spec, &args.files);
    log(&mut spec, &args.reports);
    replace_some(&mut spec.stats_interval, args.reports.stats_interval);
    spec.validate()?;
    Ok(spec)
}

fn read_spec(path: &Path, world: &World<'_>) -> Result<TaskSpec, Failure> {
    let text = read(path, world)?;
    let is_json = match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => true,
        Some("toml") => false,
        _ => text.trim_start().starts_with('{'),
    };
    if is_json {
        serde_json::from_str(&text).map_err(|error| {
            let said = unreadable::in_json(&error);
            problems(path, serde_json::from_str(&text), |_| None)
                .unwrap_or_else(|| no_task(path, &said))
        })
    } else {
        toml::from_str(&text).map_err(|error| {
            let said = unreadable::in_toml(&text, &error);
            let lines = Lines::of(&text);
            problems(path, toml::from_str(&text), |field| lines.line(field))
                .unwrap_or_else(|| no_task(path, &said))
        })
    }
}

/// Everything that is wrong with a file that can be read but is no task.
fn problems<E>(
    path: &Path,
    tree: Result<Value, E>,
    line: impl Fn(&str) -> Option<usize>,
) -> Option<Failure> {
    let invalid = TaskSpec::from_value(tree.ok()?).err()?;
    let details = invalid.problems().iter().map(|problem| {
        let place = line(&problem.field).map(|line| format!("line {line}: ")).unwrap_or_default();
        format!("{place}{}: {}", problem.field, problem.message)
    });
    Some(no_task(path, "each line is a field at fault").details(details.collect()))
}

fn no_task(path: &Path, why: &str) -> Failure {
    Failure::new(format!("{} is not a task: {why}", input::name(path)))
        .help("the least that it needs is an image, in TOML: image = \"alpine:3.20\"")
}

fn read(path: &Path, world: &World<'_>) -> Result<String, Failure> {
    (world.read)(path).map_err(|error| Failure::io(input::name(path), &error))
}

fn task(spec: &mut TaskSpec, options: &Task, world: &World<'_>) -> Result<(), Failure> {
    replace(&mut spec.id, options.name.clone());
    if let Some(program) = &options.entrypoint {
        spec.entrypoint = Some(if program.is_empty() { Vec::new() } else { vec![program.clone()] });
    }
    let mut variables = Vec::new();
    for path in &options.env_file {
        let text = read(path, world)?;
        let read = variables_of_file(&input::name(path), &text).map_err(Failure::new)?;
        variables.extend(read);
    }
    variables.extend(options.env.iter().cloned());
    for variable in variables {
        let Variable { name, value } = variable;
        let value = match value {
            Some(value) => Some(value),
            None => here(&name, world)?,
        };
        // As with Docker, a variable that is not set here is not set there.
        if let Some(value) = value {
            spec.env.set(name, value);
        }
    }
    replace_some(&mut spec.work_dir, options.workdir.clone());
    spec.tty |= options.tty;
    spec.labels.extend(options.label.iter().cloned());
    replace(&mut spec.pull, options.pull);
    replace_some(&mut spec.platform, options.platform.clone());
    replace_some(&mut spec.stop.signal, options.stop_signal);
    replace(&mut spec.stop.grace, options.stop_timeout);
    Ok(())
}

/// A variable of this process's own environment.
fn here(name: &str, world: &World<'_>) -> Result<Option<String>, Failure> {
    let value = (world.var)(name).map(OsString::into_string).transpose();
    value.map_err(|_| {
        Failure::new(format!("the variable {name} is not text in UTF-8 here"))
            .help("leave it out, or give it a value")
    })
}

fn limits(spec: &mut TaskSpec, options: &Limits) -> Result<(), Failure> {
    replace_some(&mut spec.timeout, options.timeout);
    let limits = &mut spec.limits;
    replace_some(&mut limits.output, options.output_limit);
    replace_some(&mut limits.memory, options.memory);
    if let Some(total) = options.memory_swap {
        limits.swap = Some(swap_beside(limits.memory, total.0)?);
    }
    replace_some(&mut limits.memory_reservation, options.memory_reservation);
    replace_some(&mut limits.cpus, options.cpus);
    replace_some(&mut limits.cpu_shares, options.cpu_shares);
    replace_some(&mut limits.cpuset, options.cpuset_cpus.clone());
    replace(&mut limits.pids, options.pids_limit.map(|pids| pids.0));
    limits.ulimits.extend(options.ulimit.iter().cloned());
    replace_some(&mut limits.shm_size, options.shm_size);
    replace_some(&mut limits.fs_size, options.storage_opt);
    Ok(())
}

/// Docker's option counts the memory in; the description does not.
fn swap_beside(memory: Option<ByteSize>, total: ByteSize) -> Result<ByteSize, Failure> {
    let Some(memory) = memory else {
        return Err(Failure::new(
            "--memory-swap limits memory and swap together, and needs --memory",
        ));
    };
    total.bytes().checked_sub(memory.bytes()).map(ByteSize).ok_or_else(|| {
        Failure::new(format!("--memory-swap {total} is less than the memory, {memory}"))
            .help("it is the sum of memory and swap: the same as --memory for no swap")
    })
}

fn security(spec: &mut TaskSpec, options: &Security, world: &World<'_>) -> Result<(), Failure> {
    if options.engine_defaults {
        spec.security = Hardening::engine_default();
    }
    let security = &mut spec.security;
    replace(&mut security.user, options.user.clone());
    security.groups.extend(options.group_add.iter().cloned());
    security.cap_add.extend(options.cap_add.iter().cloned());
    for capability in &options.cap_drop {
        drop_capability(&mut security.cap_drop, capability);
    }
    for option in &options.security_opt {
        match option {
            SecurityOption::NoNewPrivileges(on) => security.no_new_privileges = *on,
            SecurityOption::Seccomp(seccomp) => security.seccomp = seccomp.clone(),
            SecurityOption::SeccompFile(path) => {
                security.seccomp = Seccomp::Profile(read(path, world)?);
            }
            SecurityOption::AppArmor(profile) => security.apparmor = Some(profile.clone()),
        }
    }
    security.read_only_root |= options.read_only;
    if options.init || options.no_init {
        security.init = options.init;
    }
    if options.privileged {
        security.privileged = true;
        // The default of dropping all does not hold then; to ask for it is refused.
        if options.cap_drop.is_empty() && security.cap_drop == CapabilityDrop::All {
            security.cap_drop = CapabilityDrop::These(Vec::new());
        }
    }
    Ok(())
}

/// To take one away never gives another back.
fn drop_capability(dropped: &mut CapabilityDrop, capability: &Capability) {
    if capability.as_str() == "ALL" {
        *dropped = CapabilityDrop::All;
    } else if let CapabilityDrop::These(list) = dropped {
        list.push(capability.clone());
    }
}

fn network(spec: &mut TaskSpec, options: &Network) {
    let network = &mut spec.network;
    if let Some((mode, further)) = options.network.split_first() {
        network.mode = mode.clone();
        network.also.extend(further.iter().map(|network| network.as_str().to_owned()));
    }
    network.publish.extend(options.publish.iter().cloned());
    network.aliases.extend(options.network_alias.iter().cloned());
    replace_some(&mut network.hostname, options.hostname.clone());
    network.dns.extend(&options.dns);
    network.dns_search.extend(options.dns_search.iter().cloned());
    network.dns_options.extend(options.dns_option.iter().cloned());
    network.extra_hosts.extend(options.add_host.iter().cloned());
}

fn health(spec: &mut TaskSpec, options: &Health) {
    let health = &mut spec.health;
    if let Some(command) = &options.health_cmd {
        let shell = ["/bin/sh", "-c", command].map(str::to_owned);
        health.check = HealthCheck::Run(shell.to_vec());
    }
    if options.no_healthcheck {
        health.check = HealthCheck::Off;
    }
    replace_some(&mut health.interval, options.health_interval);
    replace_some(&mut health.timeout, options.health_timeout);
    replace_some(&mut health.start_period, options.health_start_period);
    replace_some(&mut health.retries, options.health_retries);
    replace_some(&mut health.wait, options.health_wait);
}

fn files(spec: &mut TaskSpec, options: &Files) {
    for mounts in [&options.mount, &options.volume, &options.tmpfs] {
        spec.mounts.extend(mounts.iter().cloned());
    }
    spec.devices.extend(options.device.iter().cloned());
}

fn log(spec: &mut TaskSpec, options: &Reports) {
    if let Some(driver) = &options.log_driver {
        spec.log = LogDriver::named(driver);
    }
    spec.log.options.extend(options.log_opt.iter().cloned());
}

fn replace<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn replace_some<T>(field: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *field = value;
    }
}
