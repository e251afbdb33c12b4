//! What runs, and with which streams.

use bollard::models::ContainerCreateBody;
use longshore_driver_api::TaskSpec;

use crate::client::api::Streams;

pub(super) fn fill(
    spec: &TaskSpec,
    image: &str,
    streams: Streams,
    container: &mut ContainerCreateBody,
) {
    container.image = Some(image.to_owned());
    // An empty list is sent: it says that there is no entry point, where absence says the image's.
    container.entrypoint.clone_from(&spec.entrypoint);
    container.cmd = (!spec.args.is_empty()).then(|| spec.args.clone());
    let env: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    container.env = (!env.is_empty()).then_some(env);
    container.working_dir.clone_from(&spec.work_dir);
    container.tty = Some(spec.tty);
    container.stop_signal = spec.stop.signal.map(|signal| signal.to_string());
    container.attach_stdin = Some(streams.stdin);
    container.attach_stdout = Some(streams.stdout);
    container.attach_stderr = Some(streams.stderr);
    container.open_stdin = Some(streams.stdin);
    // The end of our input is the end of the task's.
    container.stdin_once = Some(streams.stdin);
    let labels = spec.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
    container.labels = Some(labels.collect());
}
