//! Ends a private engine and removes all that it had, however it ended before.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::{Engine, Private, claim, network, process};
use crate::cgroups;

/// What an engine starts, beside containers. Nothing else is ended, whatever it has open.
const PROGRAMS: [&str; 13] = [
    "aardvark-dns",
    "conmon",
    "containerd",
    "containerd-shim",
    "docker-proxy",
    "dockerd",
    "fuse-overlayfs",
    "netavark",
    "podman",
    "runc",
    // On their way to become the engine.
    "unshare",
    "xtask",
    "exe",
];

impl Private {
    /// Stops the engine. Nothing to stop is success.
    ///
    /// # Errors
    /// What the engine itself could not remove is one, told when all the rest is gone.
    pub(crate) fn down(&self) -> Result<()> {
        let cleared = self.clear();
        if let Err(error) = &cleared {
            eprintln!("error: {error:#}\nthe engine is ended all the same");
        }
        self.end()?;
        cleared
    }

    /// Has a running engine remove what it has. Nobody can ask one that doesn't answer.
    fn clear(&self) -> Result<()> {
        match self.daemon().map(|_| Engine::connect(self.endpoint())) {
            Some(Ok(engine)) => engine.clear().context("have the engine remove what it has"),
            Some(Err(_)) | None => Ok(()),
        }
    }

    /// Ends the daemon, and removes what it leaves.
    fn end(&self) -> Result<()> {
        let sh = Shell::new()?;
        if let Some(pid) = self.daemon() {
            process::end(pid, Duration::from_secs(20))?;
        }
        // A daemon that was killed leaves its containerd, and that one its shims, which hold mounts.
        for pid in self.processes()? {
            process::end(pid, Duration::from_secs(5))?;
        }
        self.end_containers()?;
        for mount in self.mounts()? {
            cmd!(sh, "umount --lazy {mount}").quiet().run()?;
        }
        if let Some(range) = claim::claimed(&self.dir, &self.pool_file()) {
            network::remove_bridges(&sh, range)?;
            network::remove_podmans_chains(&sh)?;
            claim::give_up(range)?;
        }
        for cgroup in self.cgroups()?.iter().rev() {
            fs::remove_dir(cgroup).with_context(|| format!("remove {}", cgroup.display()))?;
        }
        for dir in [&self.run, &self.dir] {
            if fs::exists(dir)? {
                fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
            }
        }
        Ok(())
    }

    /// The engine's own processes: its programs with its folders or its label among the arguments.
    fn processes(&self) -> Result<Vec<i32>> {
        let own = rustix::process::getpid().as_raw_pid();
        let found = process::all()?.into_iter().filter(|process| {
            let program = process.command.split(' ').next().unwrap_or_default();
            let program = program.rsplit('/').next().unwrap_or_default();
            PROGRAMS.iter().any(|known| program.starts_with(known))
                && process.state != 'Z'
                && process.pid != own
                && self.is_named_by(&process.command)
        });
        Ok(found.map(|process| process.pid).collect())
    }

    /// Without a shim, what runs in a container is known by its cgroup alone.
    fn end_containers(&self) -> Result<()> {
        for cgroup in self.cgroups()? {
            let pids = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
            for pid in pids.lines().filter_map(|line| line.parse().ok()) {
                process::end(pid, Duration::ZERO)?;
            }
        }
        Ok(())
    }

    /// Mounts under the engine's folders, the innermost first.
    fn mounts(&self) -> Result<Vec<String>> {
        let table = fs::read_to_string("/proc/self/mountinfo").context("read mountinfo")?;
        let targets = table.lines().filter_map(|line| line.split(' ').nth(4));
        let mut mounts: Vec<_> =
            targets.filter(|target| self.owns(target)).map(str::to_owned).collect();
        mounts.reverse();
        Ok(mounts)
    }

    fn cgroups(&self) -> Result<Vec<std::path::PathBuf>> {
        cgroups::find(|path| path.rsplit('/').next() == Some(&self.label))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;
    use std::process::{Command, Stdio};
    use std::sync::mpsc::{self, Sender};
    use std::thread;
    use std::time::Instant;

    use super::*;

    /// What the engine says to each request, in turn.
    const REPLIES: [(&str, &str); 7] = [
        ("GET /version", r#"{"Version":"1","ApiVersion":"1.41"}"#),
        ("GET /containers/json", r#"[{"Id":"stuck"},{"Id":"other"}]"#),
        ("DELETE /containers/stuck", ""),
        ("DELETE /containers/other", "{}"),
        ("GET /networks", "[]"),
        ("GET /volumes", r#"{"Volumes":[{"Name":"v"}]}"#),
        ("DELETE /volumes/v", "{}"),
    ];

    /// Answers in turn, and tells what it was asked; an empty reply is a refusal.
    fn answer(listener: &UnixListener, tell: &Sender<String>) {
        for (_, reply) in REPLIES {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let length = stream.read(&mut head).unwrap();
            tell.send(String::from_utf8_lossy(&head[..length]).into_owned()).unwrap();
            let status = if reply.is_empty() { "500 Busy" } else { "200 OK" };
            write!(stream, "HTTP/1.0 {status}\r\n\r\n{reply}").unwrap();
        }
    }

    #[test]
    fn a_container_that_cannot_be_removed_keeps_nothing_else_from_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Private::at(&folder.path().join("a"), "a");
        fs::create_dir_all(&engine.dir).unwrap();
        fs::create_dir_all(&engine.run).unwrap();
        let mut daemon = Command::new("sh")
            .args(["-c", "read line", &engine.data().display().to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        fs::write(engine.pid_file(), daemon.id().to_string()).unwrap();
        // A process that has just begun another program has no arguments for a moment.
        let begun = Instant::now();
        while engine.daemon().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(10), "it is not seen");
            thread::sleep(Duration::from_millis(1));
        }
        let listener = UnixListener::bind(engine.run.join("docker.sock")).unwrap();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || answer(&listener, &tell));

        let error = format!("{:#}", engine.down().unwrap_err());
        assert!(error.contains("/containers/stuck") && !error.contains("other"), "{error}");
        let asked: Vec<String> = told.try_iter().collect();
        assert_eq!(asked.len(), REPLIES.len(), "{asked:?}");
        assert!(
            asked.iter().zip(REPLIES).all(|(head, (all, _))| head.starts_with(all)),
            "{asked:?}"
        );
        assert!(!engine.dir.exists() && !engine.run.exists());
        assert!(!daemon.wait().unwrap().success(), "it was ended");
    }
}
