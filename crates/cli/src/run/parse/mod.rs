//! The values of options, in Docker's notation.

mod mounts;
mod variables;

#[cfg(test)]
mod tests;

pub(super) use mounts::{device, mount, tmpfs, volume};
pub(super) use variables::{Variable, variable, variables_of_file};

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use longshore::{ByteSize, NetworkMode, OutputLimit, PullPolicy, Seccomp, Ulimit};

use crate::input;

type Parsed<T> = Result<T, String>;

/// Memory and swap together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemorySwap(pub(super) ByteSize);

/// How many processes there may be; none for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pids(pub(super) Option<u32>);

/// What `--security-opt` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SecurityOption {
    NoNewPrivileges(bool),
    Seccomp(Seccomp),
    /// A profile that has yet to be read.
    SeccompFile(PathBuf),
    AppArmor(String),
}

/// Where a report goes. `-` is stdout to most, and stdout is the task's.
pub(super) fn report() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        if input::is_stdin(&path) {
            return Err(
                "stdout is the task's: give a file, or a descriptor of its own such as /dev/fd/3; \
                 ./- is a file of that name",
            );
        }
        Ok(path)
    })
}

pub(super) fn pair(text: &str) -> Parsed<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// A label without a value has an empty one.
pub(super) fn label(text: &str) -> Parsed<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn network(text: &str) -> Parsed<NetworkMode> {
    Ok(NetworkMode::from(text))
}

pub(super) fn pull(text: &str) -> Parsed<PullPolicy> {
    match text {
        "always" => Ok(PullPolicy::Always),
        "missing" => Ok(PullPolicy::Missing),
        "never" => Ok(PullPolicy::Never),
        _ => Err("expected always, missing or never".to_owned()),
    }
}

pub(super) fn output_limit(text: &str) -> Parsed<OutputLimit> {
    let (size, then) = match text.split_once(':') {
        Some((size, then)) => (size, Some(then)),
        None => (text, None),
    };
    let size = size.parse::<ByteSize>().map_err(|error| error.to_string())?;
    match then {
        None | Some("discard") => Ok(OutputLimit::discard_beyond(size)),
        Some("stop") => Ok(OutputLimit::stop_beyond(size)),
        Some(_) => Err("expected a size, and :stop if the task shall end beyond it".to_owned()),
    }
}

pub(super) fn memory_swap(text: &str) -> Parsed<MemorySwap> {
    if text == "-1" {
        return Err("unlimited swap is not supported; give the sum of memory and swap".to_owned());
    }
    text.parse().map(MemorySwap).map_err(|error: longshore::ParseUnitError| error.to_string())
}

pub(super) fn pids(text: &str) -> Parsed<Pids> {
    if text == "-1" {
        return Ok(Pids(None));
    }
    text.parse()
        .map(|pids| Pids(Some(pids)))
        .map_err(|_| "expected a number, or -1 for no limit".to_owned())
}

pub(super) fn ulimit(text: &str) -> Parsed<(String, Ulimit)> {
    let wrong = || "expected NAME=SOFT[:HARD], such as nofile=256:512".to_owned();
    let (name, limits) = text.split_once('=').ok_or_else(wrong)?;
    let number = |text: &str| match text {
        // The engine's highest number, which no process reaches.
        "-1" | "unlimited" => Ok(i64::MAX.unsigned_abs()),
        _ => text.parse::<u64>().map_err(|_| wrong()),
    };
    let limit = match limits.split_once(':') {
        Some((soft, hard)) => Ulimit { soft: number(soft)?, hard: number(hard)? },
        None => Ulimit::both(number(limits)?),
    };
    Ok((name.to_owned(), limit))
}

pub(super) fn storage_option(text: &str) -> Parsed<ByteSize> {
    match text.split_once('=') {
        Some(("size", size)) => {
            size.parse().map_err(|error: longshore::ParseUnitError| error.to_string())
        }
        _ => Err("the only storage option is size=SIZE".to_owned()),
    }
}

pub(super) fn extra_host(text: &str) -> Parsed<(String, IpAddr)> {
    let wrong = || "expected NAME:ADDRESS, such as db:10.0.0.2".to_owned();
    let at = text.find([':', '=']).ok_or_else(wrong)?;
    let (name, address) = (&text[..at], &text[at + 1..]);
    let address =
        address.strip_prefix('[').and_then(|address| address.strip_suffix(']')).unwrap_or(address);
    if name.is_empty() {
        return Err(wrong());
    }
    if address == "host-gateway" {
        return Err("host-gateway is not supported; give the host's address".to_owned());
    }
    Ok((name.to_owned(), address.parse().map_err(|_| wrong())?))
}

pub(super) fn security_option(text: &str) -> Parsed<SecurityOption> {
    // Docker takes a colon, too.
    let (name, value) = match text.find(['=', ':']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    Ok(match (name, value) {
        ("no-new-privileges", None | Some("true")) => SecurityOption::NoNewPrivileges(true),
        ("no-new-privileges", Some("false")) => SecurityOption::NoNewPrivileges(false),
        ("seccomp", Some("unconfined")) => SecurityOption::Seccomp(Seccomp::Unconfined),
        ("seccomp", Some("default" | "builtin")) => SecurityOption::Seccomp(Seccomp::Default),
        ("seccomp", Some(path)) if !path.is_empty() => SecurityOption::SeccompFile(path.into()),
        ("apparmor", Some(profile)) if !profile.is_empty() => {
            SecurityOption::AppArmor(profile.to_owned())
        }
        _ => {
            return Err(
                "expected no-new-privileges[=false], seccomp=FILE|unconfined|default or apparmor=PROFILE"
                    .to_owned(),
            );
        }
    })
}
