//! Docker Hub's rules: which names mean the Hub, and how its names are shortened.

use crate::bytes::{DOT, UNDERSCORE, UPPER};

/// The domain that stands for Docker Hub.
pub(crate) const DOCKER_HUB: &str = "docker.io";
/// The Hub's former domain. It is read as [`DOCKER_HUB`].
const LEGACY_DOCKER_HUB: &str = "index.docker.io";
/// The namespace of the Hub's official images, which may be left out.
pub(crate) const LIBRARY: &str = "library/";
/// The tag meant where neither a tag nor a digest is given.
pub(crate) const DEFAULT_TAG: &str = "latest";

/// How the first component of a name is read, when a `/` and more follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// The registry's domain.
    Domain,
    /// Docker Hub's domain, in either spelling.
    DockerHub,
    /// A namespace on Docker Hub.
    Namespace,
    /// Taken for a domain because of its dot, and yet none because of its underscore: a path
    /// without a domain.
    NoDomain,
    /// Neither: a capital says domain, an underscore says namespace.
    Neither,
}

/// Reads the first component, made of bytes of the classes `seen`.
#[inline]
pub(crate) fn first_component(component: &str, seen: u8) -> First {
    if seen & (UPPER | DOT) == 0 {
        return if component == "localhost" { First::Domain } else { First::Namespace };
    }
    if seen & UNDERSCORE != 0 {
        return if seen & UPPER != 0 { First::Neither } else { First::NoDomain };
    }
    if component == DOCKER_HUB || component == LEGACY_DOCKER_HUB {
        First::DockerHub
    } else {
        First::Domain
    }
}

/// The image's name without `library/`, where `path` is exactly `library/` and one component.
#[inline]
pub(crate) fn official_image(path: &str) -> Option<&str> {
    path.strip_prefix(LIBRARY).filter(|name| !name.contains('/'))
}
