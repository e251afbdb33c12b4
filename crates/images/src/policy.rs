//! When an image is pulled.

use longshore_driver_api::{Error, ErrorKind, PullPolicy, Result};
use longshore_image_ref::ImageRef;

/// What to do about an image before a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullAction {
    /// Use the one that is on the engine.
    Use,
    /// Pull it.
    Pull,
}

/// What to do about `image`, by the task's policy and by whether it is on the engine.
///
/// An image that is named by its digest and is there is never pulled again: its content cannot
/// have changed.
///
/// # Errors
///
/// `ImageNotFound` if it is not there and must not be pulled; `Unsupported` for a policy that
/// this version does not know.
pub fn pull_action(policy: PullPolicy, image: &ImageRef, is_present: bool) -> Result<PullAction> {
    match (policy, is_present) {
        (PullPolicy::Never | PullPolicy::Missing, true) => Ok(PullAction::Use),
        (PullPolicy::Always, true) if image.digest().is_some() => Ok(PullAction::Use),
        (PullPolicy::Missing, false) | (PullPolicy::Always, _) => Ok(PullAction::Pull),
        (PullPolicy::Never, false) => {
            let message = format!(
                "image {} is not on the engine, and the pull policy is never: load it, or allow the pull",
                image.familiar()
            );
            Err(Error::new(ErrorKind::ImageNotFound, "ensure image").message(message))
        }
        (other, _) => {
            let message = format!("pull policy {other:?} is not known here");
            Err(Error::new(ErrorKind::Unsupported, "ensure image").message(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_decides() {
        let digest = format!("busybox@sha256:{}", "0".repeat(64));
        let names = ["busybox", "busybox:1", digest.as_str()];
        for (policy, is_present, expected) in [
            (PullPolicy::Never, true, [Some(PullAction::Use); 3]),
            (PullPolicy::Never, false, [None; 3]),
            (PullPolicy::Missing, true, [Some(PullAction::Use); 3]),
            (PullPolicy::Missing, false, [Some(PullAction::Pull); 3]),
            (
                PullPolicy::Always,
                true,
                [Some(PullAction::Pull), Some(PullAction::Pull), Some(PullAction::Use)],
            ),
            (PullPolicy::Always, false, [Some(PullAction::Pull); 3]),
        ] {
            let decided =
                names.map(|name| pull_action(policy, &name.parse().unwrap(), is_present).ok());
            assert_eq!(decided, expected, "{policy:?} {is_present}");
        }
    }

    #[test]
    fn a_forbidden_pull_names_the_image_and_the_remedy() {
        let image = "ghcr.io/org/app:1".parse().unwrap();
        let error = pull_action(PullPolicy::Never, &image, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ImageNotFound);
        let text = error.to_string();
        assert!(text.contains("ghcr.io/org/app:1") && text.contains("allow the pull"), "{text}");
    }
}
