//! What a placeholder is made of.

use crate::{ByteSize, CapabilityDrop, InvalidSpec, Limits, NetworkMode, Security, TaskSpec};

/// What a placeholder is made of: plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlaceholderSpec {
    /// A name for it, as a task has one.
    pub id: String,
    /// The image, where the backend needs one. Absent: the backend's own.
    pub image: Option<String>,
    /// What it runs. Empty: the image's own program.
    pub command: Vec<String>,
    /// The network whose namespace it holds.
    pub network: NetworkMode,
    /// Its host name, which those who join it see.
    pub hostname: Option<String>,
    /// Whether tasks share System V objects, POSIX queues and shared memory with it.
    pub ipc: bool,
    /// Whether tasks see its processes.
    pub pid: bool,
    /// `user[:group]` by number or name.
    pub user: String,
    /// How much memory it may use.
    pub memory: ByteSize,
    /// How many processes it may have.
    pub pids: u32,
}

impl PlaceholderSpec {
    /// A hardened placeholder on `network`: an ordinary user, 32 MiB, 16 processes.
    pub fn new(id: impl Into<String>, network: NetworkMode) -> Self {
        Self {
            id: id.into(),
            image: None,
            command: Vec::new(),
            network,
            hostname: None,
            ipc: false,
            pid: false,
            user: "65534:65534".to_owned(),
            memory: ByteSize::mib(32),
            pids: 16,
        }
    }

    /// The same as the task of a container, for backends whose placeholders are such: no
    /// capability, a root file system that can only be read. `init` says whether the program needs
    /// one to end on a signal.
    ///
    /// # Errors
    ///
    /// What is wrong with the image's name, the network or the host name.
    pub fn task(&self, image: &str, init: bool) -> Result<TaskSpec, InvalidSpec> {
        let limits =
            Limits { memory: Some(self.memory), pids: Some(self.pids), ..Limits::default() };
        let security = Security {
            user: self.user.clone(),
            cap_drop: CapabilityDrop::All,
            no_new_privileges: true,
            read_only_root: true,
            init,
            ..Security::default()
        };
        TaskSpec::builder(image)
            .id(self.id.clone())
            .args(self.command.iter().cloned())
            .network(self.network.clone())
            .edit(|spec| {
                spec.limits = limits;
                spec.security = security;
                spec.network.hostname.clone_from(&self.hostname);
            })
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_hardened_and_bounded() {
        let task = PlaceholderSpec::new("p-0", NetworkMode::Bridge).task("x", false).unwrap();
        assert_eq!(task.security.cap_drop, CapabilityDrop::All);
        assert!(task.security.no_new_privileges && task.security.read_only_root);
        assert!(!task.security.user.starts_with('0') && task.security.cap_add.is_empty());
        assert!(task.limits.memory.is_some() && task.limits.pids.is_some());
        assert_eq!(task.network.mode, NetworkMode::Bridge);
    }

    #[test]
    fn a_host_name_that_does_not_fit_the_network_is_refused() {
        let mut spec = PlaceholderSpec::new("p-0", NetworkMode::Host);
        spec.hostname = Some("p".to_owned());
        assert!(spec.task("x", false).is_err());
    }
}
