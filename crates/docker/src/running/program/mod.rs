//! Whether a code of 126 or 127 was the init's own, because there was nothing that it could run.
//!
//! An init gives these codes for a program that it cannot start, and a task may give them itself.
//! What the task writes proves nothing, and a program that is not there at the end may have been
//! removed by itself. So both are looked at: that there is nothing to run wherever the init looks,
//! and that nothing was changed in the container's files but by the engine. Then it was so from the
//! beginning, no process of the task's ever ran, and the code is the init's.

mod changes;
mod places;
mod walk;

use longshore_driver_api::NotStarted;

use self::places::places;
use self::walk::{There, Walk};
use crate::client::reply::Container;
use crate::container::core::Core;

/// Where the engine puts its init.
const INIT: &str = "/sbin/docker-init";
/// A container with more mounts is not looked at.
const MANY_MOUNTS: usize = 16;

/// Why the program was not started, where that is proven of a task that ended with this code. Asks
/// the engine only after such a code of an init's, within the bound of one call; nothing that fails
/// proves anything.
pub(super) async fn not_started(core: &Core, id: &str, code: i32) -> Option<NotStarted> {
    let why = match code {
        126 => NotStarted::NotExecutable,
        127 => NotStarted::NotFound,
        _ => return None,
    };
    // What Podman answers to these questions was not tried.
    let can_ask = core.spec.security.init && core.shared.capabilities.engine == "docker";
    if !can_ask || core.is_touched() {
        return None;
    }
    let nothing_runs = tokio::select! {
        biased;
        () = core.ending.cancelled() => return None,
        () = core.cancel.cancelled() => return None,
        looked = tokio::time::timeout(core.shared.timeouts.call, nothing_runs(core, id)) => looked,
    };
    (nothing_runs == Ok(Some(())) && !core.is_touched()).then_some(why)
}

/// Gives something if there was nothing to run.
async fn nothing_runs(core: &Core, id: &str) -> Option<()> {
    let api = &*core.shared.api;
    let container = api.inspect_container(id).await.ok()?;
    if container.state.running {
        return None;
    }
    let mut walk = Walk::new(api, id);
    let (_, init) = walk.at(INIT).await.ok()?;
    // The init is mounted over what is seen of it here.
    walk.is_foreign(init.clone());
    let mut made = Vec::new();
    for mount in mounts(&container)? {
        match walk.at(mount).await {
            // One over another is where that one's links have led.
            Ok((There::Nothing, _)) | Err(_) => return None,
            Ok((_, real)) => {
                walk.is_foreign(real.clone());
                made.push(real);
            }
        }
    }
    let config = &container.config;
    let mut real_places = Vec::new();
    for place in places(&container.path, &config.env, &config.working_dir)? {
        match walk.at(&place).await {
            Ok((There::Nothing | There::Unrunnable, real)) => real_places.push(real),
            Ok((There::Program, _)) | Err(_) => return None,
        }
    }
    // What was left by ".." is no part of a path that was walked, and may be a link's replacement.
    real_places.extend(walk.left());
    // The engine makes it where its links lead. A task that has replaced one of them has changed that.
    if let Ok((_, real)) = walk.at(&config.working_dir).await {
        made.push(real);
    }
    // The last question: a container that is gone has no changes, and "nothing there" meant nothing.
    let changed = api.changes(id).await.ok()?;
    changes::are_the_engines(&changed, &init, &made, &real_places).then_some(())
}

/// Where other file systems are, the outer ones first.
fn mounts(container: &Container) -> Option<Vec<&str>> {
    let mut mounts: Vec<&str> = container.mounts.iter().map(|it| &*it.destination).collect();
    mounts.extend(container.host_config.tmpfs.keys().map(String::as_str));
    mounts.sort_by_key(|path| path.len());
    let known = mounts.iter().all(|path| path.starts_with('/'));
    (known && mounts.len() <= MANY_MOUNTS).then_some(mounts)
}
