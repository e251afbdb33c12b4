//! Mounts and devices.

use std::collections::HashMap;

use bollard::models::{
    DeviceMapping, HostConfig, Mount as EngineMount, MountBindOptions,
    MountBindOptionsPropagationEnum as EnginePropagation, MountType,
};
use longshore_driver_api::{Mount, MountKind, Propagation, TaskSpec};

pub(super) fn fill(spec: &TaskSpec, host: &mut HostConfig) {
    let mut mounts = Vec::new();
    let mut tmpfs = HashMap::new();
    for mount in &spec.mounts {
        match &mount.kind {
            MountKind::Bind { source, propagation } => mounts.push(EngineMount {
                typ: Some(MountType::BIND),
                source: Some(source.clone()),
                bind_options: Some(MountBindOptions {
                    propagation: Some(engine_propagation(*propagation)),
                    ..MountBindOptions::default()
                }),
                ..common(mount)
            }),
            MountKind::Volume { source } => mounts.push(EngineMount {
                typ: Some(MountType::VOLUME),
                source: source.clone(),
                ..common(mount)
            }),
            // The other form of the engine's tmpfs does not know about inodes.
            MountKind::Tmpfs { size, inodes, mode } => {
                let mut options = Vec::new();
                if mount.read_only {
                    options.push("ro".to_owned());
                }
                options.extend(size.map(|size| format!("size={}", size.bytes())));
                options.extend(inodes.map(|inodes| format!("nr_inodes={inodes}")));
                options.extend(mode.map(|mode| format!("mode={mode:o}")));
                tmpfs.insert(mount.target.clone(), options.join(","));
            }
            // The contract may grow; what is not known here was refused with the task.
            _ => {}
        }
    }
    host.mounts = (!mounts.is_empty()).then_some(mounts);
    host.tmpfs = (!tmpfs.is_empty()).then_some(tmpfs);
    let devices: Vec<DeviceMapping> = spec
        .devices
        .iter()
        .map(|device| DeviceMapping {
            path_on_host: Some(device.host.clone()),
            path_in_container: Some(device.container.clone().unwrap_or(device.host.clone())),
            cgroup_permissions: Some(device.permissions.clone()),
        })
        .collect();
    host.devices = (!devices.is_empty()).then_some(devices);
}

fn common(mount: &Mount) -> EngineMount {
    EngineMount {
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        ..EngineMount::default()
    }
}

fn engine_propagation(propagation: Propagation) -> EnginePropagation {
    match propagation {
        Propagation::Private => EnginePropagation::PRIVATE,
        Propagation::Rshared => EnginePropagation::RSHARED,
        Propagation::Shared => EnginePropagation::SHARED,
        Propagation::Rslave => EnginePropagation::RSLAVE,
        Propagation::Slave => EnginePropagation::SLAVE,
        _ => EnginePropagation::RPRIVATE,
    }
}
