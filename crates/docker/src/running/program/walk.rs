//! Going along a path in a container that has ended, as its kernel would have.

use std::collections::{HashMap, VecDeque};

use longshore_driver_api::TarStream;
use tokio::io::AsyncReadExt as _;

use crate::client::api::DockerApi;
use crate::client::files::{PathKind, PathStat};

/// Where another file system is in every container, or a file of the engine's.
const FOREIGN: [&str; 6] =
    ["/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
/// So many links the kernel follows.
const LINKS: u32 = 40;
/// So many questions are asked at most.
const QUESTIONS: u32 = 200;

/// What is at a path, as far as running it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    /// Nothing.
    Nothing,
    /// A folder, or a file that nobody may execute.
    Unrunnable,
    /// A file that may be executed; whether that works is another question.
    Program,
}

/// Why it cannot be said what is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// It is, or leads over, another file system.
    Foreign,
    /// The engine has not said, or it is something else.
    Unsaid,
}

/// Looks at paths of one container. Nothing is asked twice.
pub(super) struct Walk<'a> {
    api: &'a dyn DockerApi,
    id: &'a str,
    foreign: Vec<String>,
    known: HashMap<String, Option<PathStat>>,
    left: Vec<String>,
    asked: u32,
}

impl<'a> Walk<'a> {
    pub(super) fn new(api: &'a dyn DockerApi, id: &'a str) -> Self {
        let foreign = FOREIGN.map(str::to_owned).to_vec();
        Self { api, id, foreign, known: HashMap::new(), left: Vec::new(), asked: 0 }
    }

    /// From here on another file system is at this path, which leads over no link.
    pub(super) fn is_foreign(&mut self, path: String) {
        self.foreign.push(path);
    }

    /// The folders that were left by `..` so far: what is in them was on the way nevertheless.
    pub(super) fn left(&self) -> Vec<String> {
        self.left.clone()
    }

    /// What is at an absolute path, and the path itself without links: as far as there is anything
    /// of it, and one part more.
    pub(super) async fn at(&mut self, path: &str) -> Result<(There, String), Unknown> {
        let mut rest: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let mut real: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    self.left.push(format!("/{}", real.join("/")));
                    real.pop();
                    continue;
                }
                _ => real.push(part),
            }
            let here = format!("/{}", real.join("/"));
            if self.foreign.contains(&here) {
                return Err(Unknown::Foreign);
            }
            let Some(stat) = self.stat(&here).await? else { return Ok((There::Nothing, here)) };
            match stat.kind() {
                PathKind::Folder => {}
                PathKind::Link => {
                    links += 1;
                    if links > LINKS {
                        return Err(Unknown::Unsaid);
                    }
                    let target = self.target(&here).await?;
                    real.pop();
                    if target.starts_with('/') {
                        real.clear();
                    }
                    for part in target.rsplit('/') {
                        rest.push_front(part.to_owned());
                    }
                }
                PathKind::File if rest.is_empty() => {
                    let runs = stat.is_executable();
                    return Ok((if runs { There::Program } else { There::Unrunnable }, here));
                }
                PathKind::File | PathKind::Other => return Err(Unknown::Unsaid),
            }
        }
        Ok((There::Unrunnable, format!("/{}", real.join("/"))))
    }

    fn ask(&mut self) -> Result<(), Unknown> {
        self.asked += 1;
        if self.asked > QUESTIONS { Err(Unknown::Unsaid) } else { Ok(()) }
    }

    async fn stat(&mut self, path: &str) -> Result<Option<PathStat>, Unknown> {
        if let Some(known) = self.known.get(path) {
            return Ok(*known);
        }
        self.ask()?;
        let stat = self.api.stat_path(self.id, path).await.map_err(|_| Unknown::Unsaid)?;
        self.known.insert(path.to_owned(), stat);
        Ok(stat)
    }

    /// Where a link leads, as it is written: the engine's own reading of it follows it to its end,
    /// over links on the way that may be in another file system.
    async fn target(&mut self, path: &str) -> Result<String, Unknown> {
        self.ask()?;
        let archive = self.api.get_archive(self.id, path).await.map_err(|_| Unknown::Unsaid)?;
        link_of(archive).await.ok_or(Unknown::Unsaid)
    }
}

/// The target of the link that an archive begins with. A long one has a form that is not read here.
async fn link_of(mut archive: TarStream) -> Option<String> {
    let mut header = tar::Header::new_old();
    archive.read_exact(header.as_mut_bytes()).await.ok()?;
    if !header.entry_type().is_symlink() {
        return None;
    }
    String::from_utf8(header.link_name_bytes()?.into_owned()).ok().filter(|link| !link.is_empty())
}
