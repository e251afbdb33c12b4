//! Whether an image on the engine is the one that is asked for: its platform and its digest.

use longshore_driver_api::{Error, ErrorKind, ImageRef};

use crate::client::reply::Image;

/// Why an image is not the one that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Other {
    /// It is for another platform.
    Platform(String),
    /// It has other digests.
    Digest(Vec<String>),
}

/// Whether `image` is what `reference` names, for the platform `os/arch[/variant]` that is wanted.
pub(super) fn check(
    image: &Image,
    reference: &ImageRef,
    wanted: Option<&str>,
) -> Result<(), Other> {
    let have = [image.os.as_str(), &image.architecture, &image.variant];
    if let Some(wanted) = wanted
        && !fits(have, wanted)
    {
        let have: Vec<&str> = have.into_iter().filter(|part| !part.is_empty()).collect();
        return Err(Other::Platform(have.join("/")));
    }
    let Some(digest) = reference.digest() else { return Ok(()) };
    let of = |name: &String| name.rsplit_once('@').is_some_and(|(_, it)| it == digest);
    // Some engines name an image by the digest of its manifest.
    if image.repo_digests.iter().any(of) || image.id == digest {
        return Ok(());
    }
    Err(Other::Digest(image.repo_digests.clone()))
}

impl Other {
    /// The error for an image that was pulled and is another.
    pub(super) fn error(&self, reference: &ImageRef, wanted: Option<&str>) -> Error {
        let name = reference.canonical();
        let wanted = wanted.unwrap_or_default();
        match self {
            Self::Platform(have) => Error::new(ErrorKind::ImageNotFound, "pull").message(format!(
                "image {name}: it came for {have}, and {wanted} is asked for: the registry does not have it for that, or somebody else has pulled it for {have} at the same time"
            )).remedy("ask for another platform, or for another image, or try again"),
            Self::Digest(have) => Error::new(ErrorKind::ImageRejected, "pull").message(format!(
                "image {name}: what was pulled does not have this digest (it has: {})",
                have.join(", ")
            )),
        }
    }
}

/// Whether an image for the platform `have` (system, architecture, variant) runs where `wanted` is
/// asked for. What an image does not say is no difference.
fn fits(have: [&str; 3], wanted: &str) -> bool {
    let mut parts = wanted.split('/');
    let mut next = || parts.next().unwrap_or_default();
    let wanted = normal([next(), next(), next()]);
    let pairs = wanted.into_iter().zip(normal(have));
    pairs.into_iter().all(|(wanted, have)| wanted.is_empty() || have.is_empty() || wanted == have)
}

/// The names by which engines know a platform, whatever it is called elsewhere.
fn normal([system, architecture, variant]: [&str; 3]) -> [String; 3] {
    let lower = |text: &str| text.to_ascii_lowercase();
    let (architecture, variant) = (lower(architecture), lower(variant));
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("i386" | "i686", variant) => ("386", variant),
        // The only variant of its kind that there is.
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "5" | "6" | "7" | "8") => ("arm", variant.as_str()),
        (architecture, variant) => (architecture, variant),
    };
    let variant = match variant.as_bytes() {
        [digit @ b'0'..=b'9'] => format!("v{}", char::from(*digit)),
        _ => variant.to_owned(),
    };
    [lower(system), architecture.to_owned(), variant]
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn image(os: &str, architecture: &str, variant: &str) -> Image {
        Image {
            os: os.into(),
            architecture: architecture.into(),
            variant: variant.into(),
            ..Image::default()
        }
    }

    #[test]
    fn an_image_for_another_platform_does_not_fit() {
        let arm64 = ["linux", "arm64", "v8"];
        let arm = ["linux", "arm", "v7"];
        for (have, wanted, expected) in [
            (arm64, "linux/arm64", true),
            (arm64, "linux/aarch64", true),
            (arm64, "linux/arm64/v8", true),
            (arm64, "Linux/ARM64/8", true),
            (arm64, "linux/arm64/v9", true),
            (arm64, "linux/amd64", false),
            (arm64, "windows/arm64", false),
            (arm, "linux/arm/v7", true),
            (arm, "linux/arm/7", true),
            (arm, "linux/arm", true),
            (arm, "linux/armhf", true),
            (arm, "linux/arm/v6", false),
            (["linux", "amd64", ""], "linux/x86_64", true),
            (["", "", ""], "linux/amd64", true),
        ] {
            assert_eq!(fits(have, wanted), expected, "{have:?} {wanted}");
        }
        let [os, architecture, variant] = arm64;
        let reference: ImageRef = "x".parse().unwrap();
        let other = check(&image(os, architecture, variant), &reference, Some("linux/amd64"));
        let other = other.unwrap_err();
        assert_eq!(other, Other::Platform("linux/arm64/v8".to_owned()));
        let error = other.error(&reference, Some("linux/amd64"));
        assert_eq!(error.kind(), ErrorKind::ImageNotFound);
        assert!(error.to_string().contains("for linux/arm64/v8, and linux/amd64 is"), "{error}");
    }

    #[test]
    fn a_pinned_image_has_the_digest_or_is_another() {
        let mut have = image("linux", "amd64", "");
        let tagged: ImageRef = "r.io/x:1".parse().unwrap();
        let pinned: ImageRef = format!("r.io/x:1@{DIGEST}").parse().unwrap();
        assert_eq!(check(&have, &tagged, None), Ok(()));
        assert_eq!(check(&have, &pinned, None), Err(Other::Digest(vec![])));
        let changed = DIGEST.replace("0123", "3210");
        have.repo_digests = vec![format!("r.io/x@{changed}")];
        let other = check(&have, &pinned, None).unwrap_err();
        let error = other.error(&pinned, None);
        assert_eq!(error.kind(), ErrorKind::ImageRejected);
        assert!(error.to_string().contains(DIGEST) && error.to_string().contains(&changed));
        have.repo_digests.push(format!("r.io/x@{DIGEST}"));
        assert_eq!(check(&have, &pinned, None), Ok(()));
        have.repo_digests.clear();
        have.id = DIGEST.to_owned();
        assert_eq!(check(&have, &pinned, None), Ok(()));
    }
}
