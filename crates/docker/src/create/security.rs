//! What a task may do. The hardened defaults are the description's own: nothing is added here.

use bollard::models::{ContainerCreateBody, HostConfig};
use longshore_driver_api::{Capability, CapabilityDrop, Seccomp, Security};

pub(super) fn fill(
    security: &Security,
    container: &mut ContainerCreateBody,
    host: &mut HostConfig,
) {
    container.user = (!security.user.is_empty()).then(|| security.user.clone());
    host.group_add = listed(security.groups.clone());
    host.cap_drop = match &security.cap_drop {
        CapabilityDrop::These(list) => listed(names(list)),
        _ => Some(vec!["ALL".to_owned()]),
    };
    host.cap_add = listed(names(&security.cap_add));
    host.readonly_rootfs = Some(security.read_only_root);
    host.init = Some(security.init);
    host.privileged = Some(security.privileged);
    let mut options = Vec::new();
    if security.no_new_privileges {
        options.push("no-new-privileges".to_owned());
    }
    match &security.seccomp {
        Seccomp::Unconfined => options.push("seccomp=unconfined".to_owned()),
        Seccomp::Profile(profile) => options.push(format!("seccomp={profile}")),
        _ => {}
    }
    options.extend(security.apparmor.iter().map(|profile| format!("apparmor={profile}")));
    host.security_opt = listed(options);
}

fn names(capabilities: &[Capability]) -> Vec<String> {
    capabilities.iter().map(|capability| capability.as_str().to_owned()).collect()
}

fn listed(list: Vec<String>) -> Option<Vec<String>> {
    (!list.is_empty()).then_some(list)
}
