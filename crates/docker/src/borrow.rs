//! A task whose network is borrowed: when it gets it, how it joins it, and what it means if it is
//! lost.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use longshore_driver_api::{
    Error, ErrorKind, Loan, NamespaceRequest, NetworkMode, Result, TaskHooks,
};
use serde_json::Value;
use tokio::time::Instant;

use crate::client::error::ClientError;
use crate::container::core::{Core, Creation};
use crate::error::engine_error;
use crate::retry::again;

/// Who makes the placeholders that can be joined here.
pub(crate) const BACKEND: &str = "docker";

/// Borrows a network, where the task wants one and has none that is still good. Dropping the future
/// gives back what was about to be lent.
pub(crate) async fn borrow(core: &Core) -> Result<()> {
    if core.spec.network.mode != NetworkMode::Prefork {
        return Ok(());
    }
    let _one = core.borrowing.lock().await;
    // What may exist on the engine stays with what it has joined.
    let is_to_be_made =
        matches!(&*core.creation.borrow(), Creation::NotAsked | Creation::Failed(_, None));
    if !is_to_be_made || core.loan().is_some_and(|loan| !loan.is_lost()) {
        return Ok(());
    }
    core.give_back();
    let source = core.shared.namespaces.as_ref().ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "create")
            .message("the driver has no pool to borrow a network from")
    })?;
    let begun = Instant::now();
    let mut request = NamespaceRequest::of(&core.spec);
    // A changed request may grant what the description does not: capabilities, devices, privileges.
    request.changes |= core.is_edited();
    request.waited = core.waited();
    let asked = Loan::ask(&**source, request, BACKEND);
    let loan = tokio::select! {
        biased;
        () = core.ending.cancelled() => return Err(core.closed_error("create")),
        loan = asked => loan?,
    };
    check(core, &loan)?;
    core.borrowed(loan, begun.elapsed());
    // Whoever closed it meanwhile may have looked before.
    if core.ending.is_cancelled() {
        core.give_back();
        return Err(core.closed_error("create"));
    }
    Ok(())
}

/// Refuses what the task cannot have of its own beside what it borrows.
fn check(core: &Core, loan: &Loan) -> Result<()> {
    let ipc = loan.namespaces().is_some_and(|namespaces| namespaces.ipc);
    if ipc && core.spec.limits.shm_size.is_some() {
        return Err(Error::new(ErrorKind::InvalidInput, "create").message(format!(
            "{}: limits.shm_size cannot be set where shared memory is borrowed (share_ipc): leave it out",
            core.subject()
        )));
    }
    Ok(())
}

/// Writes into the request that creates a container what it joins; if nothing was lent, the network
/// of its own that whoever lends has chosen.
pub(crate) fn join(core: &Core, body: &mut Value) {
    let Some(loan) = core.loan() else { return };
    if let Some(network) = loan.own_network() {
        body["HostConfig"]["NetworkMode"] = Value::from(network.as_str());
    }
    let Some(namespaces) = loan.namespaces() else { return };
    let holder = Value::from(format!("container:{}", namespaces.holder));
    if namespaces.ipc {
        body["HostConfig"]["IpcMode"] = holder.clone();
    }
    if namespaces.pid {
        body["HostConfig"]["PidMode"] = holder.clone();
    }
    body["HostConfig"]["NetworkMode"] = holder;
}

/// Why a call failed, if it is that what was borrowed is no more.
pub(crate) async fn lost(core: &Core, op: &'static str, error: &ClientError) -> Option<Error> {
    let loan = core.loan()?;
    let holder = &loan.namespaces()?.holder;
    let ClientError::Status { message, .. } = error else { return None };
    if !loan.is_lost() && !is_about(holder, message) && holds(core, holder).await {
        return None;
    }
    core.refuse_loan();
    let subject = core.subject();
    let message = format!(
        "{subject}: the network that it has borrowed, of the placeholder {holder}, was lost before the start ({error}): run the task again"
    );
    Some(Error::new(ErrorKind::Busy, op).message(message))
}

/// Whether a refusal is about the holder: the engine names it, and the runtime below the engine the
/// path of its namespace (`/proc/…/ns/net`), when it dies in that moment.
fn is_about(holder: &str, message: &str) -> bool {
    message.contains(holder) || (message.contains("/proc/") && message.contains("/ns/"))
}

/// Whether the holder runs, as far as the engine knows.
async fn holds(core: &Core, holder: &str) -> bool {
    match again("inspect_container", || core.shared.api.inspect_container(holder)).await {
        Ok(container) => container.state.running,
        Err(error) => !error.is_not_found(),
    }
}

/// The error for a question about a network that is no more.
pub(crate) fn gone(core: &Core) -> Error {
    Error::new(ErrorKind::InvalidState, "network")
        .message(format!("{}: the network that it has borrowed is lost", core.subject()))
}

/// As [`engine_error`], knowing what is borrowed.
pub(crate) async fn error(core: &Core, op: &'static str, error: ClientError) -> Error {
    match lost(core, op, &error).await {
        Some(lost) => lost.because(error),
        None => engine_error(op, &core.subject(), error),
    }
}

/// Tells the task's hooks when what it has borrowed is lost, and goes on waiting for ever.
pub(crate) async fn tell_of_loss(loan: Option<Arc<Loan>>, hooks: Arc<dyn TaskHooks>) -> Infallible {
    if let Some(loan) = loan {
        let why = loan.until_lost().await;
        // The caller's code must not take the supervisor down with it.
        if catch_unwind(AssertUnwindSafe(|| hooks.network_lost(&why))).is_err() {
            tracing::error!("the task's hook for a lost network panicked");
        }
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::is_about;

    #[test]
    fn refusals_about_the_holder_are_known_by_docker_20s_words() {
        for message in [
            "cannot join network of a non running container: abc",
            "No such container: abc",
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to create new parent process: namespace path: lstat /proc/16352/ns/net: no such file or directory: unknown",
        ] {
            assert!(is_about("abc", message), "{message}");
        }
        let other = "OCI runtime create failed: exec: \"x\": executable file not found in $PATH";
        assert!(!is_about("abc", other));
    }
}
