//! Secrets stay secret.

use std::error::Error as _;
use std::sync::Arc;

use longshore_driver_api::{
    Credential, DriverExt as _, Error, NetworkMode, PullPolicy, Task, TaskSpecBuilder,
};

use crate::tools::Counting;
use crate::trial::{Started, Trial, built};
use crate::verdict::Outcome;
use crate::{Act, NO_SUCH_PROGRAM};

/// A text that occurs nowhere else.
fn secret(t: &Trial) -> String {
    format!("hunter-{:016x}", t.seed())
}

fn guarded(t: &Trial, act: &Act) -> TaskSpecBuilder {
    t.spec(act).env("TOKEN", secret(t))
}

#[track_caller]
fn hides(t: &Trial, text: &str) {
    assert!(!text.contains(&secret(t)), "a secret in: {text}");
}

fn all_of(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    text
}

pub(crate) async fn no_handle_shows_the_environment(t: Trial) -> Outcome {
    let task = Task::new(built(guarded(&t, &Act::Sleep(None))));
    hides(&t, &format!("{task:?}"));
    let container = t.driver().container(task)?;
    hides(&t, &format!("{container:?}"));
    let task = Task::new(built(guarded(&t, &Act::Sleep(None))));
    let Started { container, running } = t.started(task).await?;
    hides(&t, &format!("{container:?} {running:?} {:?}", t.driver()));
    running.cancel();
    let exit = t.done("wait", running.wait()).await?;
    hides(&t, &format!("{exit:?} {container:?} {running:?}"));
    Ok(())
}

pub(crate) async fn no_error_shows_the_environment(t: Trial) -> Outcome {
    let scene = t.scene();
    let mut invalid = Task::new(built(guarded(&t, &Act::Exit(0))));
    invalid.spec.work_dir = Some("relative".to_owned());
    invalid.spec.env.set("NULL", format!("{}\0", secret(&t)));
    let no_network = guarded(&t, &Act::Exit(0)).network(NetworkMode::Named(scene.missing_network));
    let no_image = guarded(&t, &Act::Exit(0)).edit(|spec| spec.image = scene.missing);
    for task in [invalid, Task::new(built(no_network)), Task::new(built(no_image))] {
        match t.done("run what cannot run", t.driver().run_task(task)).await? {
            Ok(exit) => panic!("it ran: {exit:?}"),
            Err(error) => hides(&t, &all_of(&error)),
        }
    }
    let no_program = guarded(&t, &Act::Exit(0)).entrypoint([NO_SUCH_PROGRAM]);
    let exit = t.run(Task::new(built(no_program))).await?;
    hides(&t, &format!("{exit:?}"));
    hides(&t, &serde_json::to_string(&exit).expect("an exit is plain data"));
    Ok(())
}

pub(crate) async fn no_error_shows_a_credential(t: Trial) -> Outcome {
    let hooks = Counting::with_credential(Credential::password("ann", secret(&t)));
    let spec = t.spec(&Act::Exit(0)).pull(PullPolicy::Missing);
    let spec = built(spec.edit(|spec| spec.image = t.scene().missing));
    let container = t.driver().container(Task::new(spec).hooks(Arc::clone(&hooks) as _))?;
    match t.done("pull", container.pull_image()).await? {
        Ok(()) => panic!("an image that does not exist was pulled"),
        Err(error) => hides(&t, &all_of(&error)),
    }
    if t.caps().pull {
        assert!(hooks.asked() > 0, "the task was not asked for its credential");
    }
    hides(&t, &format!("{container:?} {:?}", t.driver()));
    Ok(())
}
