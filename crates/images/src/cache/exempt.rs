//! Which images are never removed.

use std::collections::HashSet;

use longshore_driver_api::{Error, ErrorKind, Result};
use longshore_image_ref::ImageRef;

use super::core::ImageFigures;

const ID_PREFIX: &str = "sha256:";

/// Images that are never removed, by name or id.
#[derive(Debug, Default)]
pub(crate) struct Exempt {
    references: HashSet<ImageRef>,
    ids: HashSet<String>,
}

impl Exempt {
    pub(crate) fn parse<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Result<Self> {
        let mut exempt = Self::default();
        for name in names {
            let name = name.as_ref();
            if is_id(name) {
                exempt.ids.insert(name.to_owned());
                continue;
            }
            let reference: ImageRef = name.parse().map_err(|cause| {
                Error::new(ErrorKind::InvalidInput, "open image cache")
                    .message(format!("the exempt image {name:?} is not a reference: correct it"))
                    .because(cause)
            })?;
            exempt.references.insert(normal(reference));
        }
        Ok(exempt)
    }

    pub(crate) fn holds(&self, image: &ImageFigures) -> bool {
        // An image without a name is listed as `<none>:<none>`, which is no reference.
        self.ids.contains(&image.id)
            || (image.tags.iter().chain(&image.digests))
                .filter_map(|name| name.parse().ok())
                .any(|reference| self.references.contains(&normal(reference)))
    }
}

/// With a digest the tag says nothing; without either, the tag is `latest`.
fn normal(reference: ImageRef) -> ImageRef {
    match (reference.digest(), reference.tag()) {
        (Some(digest), Some(_)) => {
            format!("{}@{digest}", reference.name()).parse().unwrap_or(reference)
        }
        _ => reference.with_default_tag(),
    }
}

fn is_id(name: &str) -> bool {
    name.strip_prefix(ID_PREFIX)
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(|it| it.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_in_full() {
        let digest = format!("{ID_PREFIX}{}", "a".repeat(64));
        let id = format!("{ID_PREFIX}{}", "b".repeat(64));
        let by_digest = format!("app:1@{digest}");
        let names = ["busybox", "ghcr.io/org/app:2", by_digest.as_str(), id.as_str()];
        let exempt = Exempt::parse(names).unwrap();
        let tagged = |tag: &str| ImageFigures::new("id", 1).tags(["<none>:<none>", tag]);
        for (image, expected) in [
            (tagged("busybox:latest"), true),
            (tagged("docker.io/library/busybox:latest"), true),
            (tagged("ghcr.io/org/app:2"), true),
            (tagged("busybox:1"), false),
            (tagged("ghcr.io/org/app:latest"), false),
            (tagged("app:1"), false),
            (ImageFigures::new("id", 1).digests([format!("app@{digest}")]), true),
            (ImageFigures::new("id", 1).digests([format!("other@{digest}")]), false),
            (ImageFigures::new(id.clone(), 1), true),
            (ImageFigures::new(digest.clone(), 1), false),
        ] {
            assert_eq!(exempt.holds(&image), expected, "{image:?}");
        }
    }

    #[test]
    fn what_is_no_reference_is_named() {
        let error = Exempt::parse(["busybox", "Not/A ref"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("Not/A ref"), "{error}");
    }
}
