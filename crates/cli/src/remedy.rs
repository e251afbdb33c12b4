//! What to do about an error, in the words of the command line.
//!
//! What an engine's words mean is the driver's to know, and so is what to do about them; here fields of
//! a task only get the names of their options. A kind of error that has a remedy in commands has it
//! here.

use clap::CommandFactory as _;
use longshore::{Error, ErrorKind};

/// The fields that remedies name, and what they are called on the command line.
const OPTIONS: [(&str, &str); 17] = [
    ("args", "COMMAND"),
    ("devices", "--device"),
    ("entrypoint", "--entrypoint"),
    ("health", "--health-cmd"),
    ("limits.cpuset", "--cpuset-cpus"),
    ("limits.fs_size", "--storage-opt"),
    ("limits.memory", "--memory"),
    ("limits.memory_reservation", "--memory-reservation"),
    ("limits.ulimits", "--ulimit"),
    ("mounts", "--mount"),
    ("platform", "--platform"),
    ("pull", "--pull"),
    ("security.cap_add", "--cap-add"),
    ("security.cap_drop", "--cap-drop"),
    ("security.groups", "--group-add"),
    ("security.user", "--user"),
    ("work_dir", "--workdir"),
];

/// What to do about an error, where that is known.
pub(crate) fn remedy(error: &Error) -> Option<String> {
    let told = || error.what_to_do().map(in_options);
    by_kind(error.kind()).map(str::to_owned).or_else(told)
}

/// A remedy without the parts that name an option which a command lacks; its parts stand between
/// semicolons.
pub(crate) fn in_command(remedy: &str, name: &str) -> Option<String> {
    let cli = crate::Cli::command();
    let Some(command) = cli.find_subcommand(name) else { return Some(remedy.to_owned()) };
    let has = |option: &str| command.get_arguments().any(|it| it.get_long() == Some(option));
    let parts: Vec<&str> = remedy.split("; ").filter(|part| options(part).all(&has)).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The options that a text names. What is in backquotes is a command of its own.
fn options(text: &str) -> impl Iterator<Item = &str> {
    let plain = text.split('`').step_by(2);
    let words = plain.flat_map(|text| text.split(|c: char| c != '-' && !c.is_ascii_alphanumeric()));
    words.filter_map(|word| word.strip_prefix("--")).filter(|name| !name.is_empty())
}

fn by_kind(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::ImageNotFound => "`longshore ref IMAGE` shows how a name is read",
        ErrorKind::RegistryBusy => "try again later",
        // A task that borrows is on one of the pool's, whatever it asked for.
        ErrorKind::NetworkNotFound => {
            "--network takes none, bridge, host or the name of a network; a pool's networks are those in `pre_fork_networks` of the configuration"
        }
        ErrorKind::LogDriver => {
            "see --log-driver and --log-opt; without them the engine keeps no log"
        }
        ErrorKind::EngineUnavailable => "`longshore doctor` shows what there is and what to do",
        _ => return None,
    })
}

/// Gives the fields at the end of a remedy the names of their options; one that has none stays.
fn in_options(remedy: &str) -> String {
    let fields = remedy.strip_suffix(')').and_then(|text| text.rsplit_once(" ("));
    let Some((text, fields)) = fields else { return remedy.to_owned() };
    let option = |field: &str| {
        let found = OPTIONS.iter().find(|(name, _)| *name == field);
        found.map_or_else(|| field.to_owned(), |(_, option)| (*option).to_owned())
    };
    let options: Vec<String> = fields.split(", ").map(option).collect();
    format!("{text} ({})", options.join(", "))
}

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use super::*;

    #[test]
    fn the_drivers_remedy_names_options_and_that_of_a_kind_comes_first() {
        let refused = Error::new(ErrorKind::InvalidInput, "create").message("no");
        assert_eq!(remedy(&refused), None);
        let refused = refused.remedy("raise it (limits.memory, limits.memory_reservation)");
        let expected = "raise it (--memory, --memory-reservation)";
        assert_eq!(remedy(&refused).as_deref(), Some(expected));
        let plain = Error::new(ErrorKind::DiskFull, "create").remedy("free space (a lot)");
        assert_eq!(remedy(&plain).as_deref(), Some("free space (a lot)"));
        let network = Error::new(ErrorKind::NetworkNotFound, "create").remedy("list them");
        assert!(remedy(&network).is_some_and(|remedy| remedy.contains("--network")));
    }

    #[test]
    fn a_command_is_not_told_of_options_that_it_lacks() {
        let both = "check the name; never pull it (--pull); or another (--platform)";
        let all = Some(both.to_owned());
        assert_eq!(in_command(both, "run"), all);
        let pull = in_command(both, "pull");
        assert_eq!(pull.as_deref(), Some("check the name; or another (--platform)"));
        assert_eq!(in_command(both, "pool").as_deref(), Some("check the name"));
        assert_eq!(in_command("raise it (--memory, --platform)", "pull"), None);
        let network = remedy(&Error::new(ErrorKind::NetworkNotFound, "create")).unwrap();
        for command in ["run", "pool"] {
            let help = in_command(&network, command).unwrap();
            assert!(help.contains("--network") && help.contains("pre_fork_networks"), "{help}");
        }
        let other = "`longshore run --network prefork` makes one";
        assert_eq!(in_command(other, "pull").as_deref(), Some(other));
    }

    #[test]
    fn every_option_is_one_and_every_field_too() {
        let command = crate::run::Args::augment_args(clap::Command::new("run"));
        assert!(!is_field("limits.nonesuch") && !is_field("nonesuch"));
        for (field, option) in OPTIONS {
            if let Some(long) = option.strip_prefix("--") {
                assert!(command.get_arguments().any(|it| it.get_long() == Some(long)), "{option}");
            }
            assert!(is_field(field), "{field}");
        }
    }

    /// Whether a task has it, of whatever type.
    fn is_field(field: &str) -> bool {
        let mut tree = serde_json::json!({"image": "x"});
        let value = field
            .split('.')
            .rev()
            .fold(serde_json::json!({}), |inner, name| serde_json::json!({ name: inner }));
        tree.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        let problems = longshore::TaskSpec::from_value(tree).err();
        !problems.is_some_and(|it| it.to_string().contains("unknown field"))
    }
}
