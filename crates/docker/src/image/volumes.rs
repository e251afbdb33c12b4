//! Which images may declare volumes.

use std::collections::{BTreeMap, BTreeSet};

use longshore_driver_api::{Error, ErrorKind, ImageRef, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Which images may declare volumes (`VOLUME` in a Dockerfile).
///
/// What a task writes to such a volume is on the engine's disk, outside of the container's file system:
/// neither a root that can only be read nor a limit of its size holds there. The volume goes with
/// its container.
///
/// Written as `"allow"`, `"refuse"` or a list of images; `true` and `false` are read too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ImageVolumes {
    /// Any image may.
    #[default]
    Allow,
    /// None may: an image that does is refused.
    Refuse,
    /// These may, others are refused: references, of which `busybox` is the same as
    /// `docker.io/library/busybox:latest`, or ids (`sha256:…`).
    Only(Vec<String>),
}

impl Serialize for ImageVolumes {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Allow => to.serialize_str("allow"),
            Self::Refuse => to.serialize_str("refuse"),
            Self::Only(images) => images.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for ImageVolumes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Switch(bool),
            Word(String),
            List(Vec<String>),
        }
        let expected = "image_volumes is \"allow\", \"refuse\" or a list of images";
        match Written::deserialize(from).map_err(|_| D::Error::custom(expected))? {
            Written::Switch(true) => Ok(Self::Allow),
            Written::Switch(false) => Ok(Self::Refuse),
            Written::Word(word) if word == "allow" => Ok(Self::Allow),
            Written::Word(word) if word == "refuse" => Ok(Self::Refuse),
            Written::Word(word) => Err(D::Error::custom(format!("{expected}, not {word:?}"))),
            Written::List(images) => Ok(Self::Only(images)),
        }
    }
}

impl ImageVolumes {
    /// Whether there is nothing to look for.
    pub(crate) fn allows_all(&self) -> bool {
        *self == Self::Allow
    }

    /// What is wrong with it, a text for each entry.
    pub(crate) fn problems(&self) -> Vec<String> {
        let Self::Only(images) = self else { return Vec::new() };
        let wrong = |name: &String| match normal(name) {
            Ok(_) => None,
            Err(error) => Some(format!(
                "image_volumes: {name:?} is neither a reference nor an id (sha256:…): {error}"
            )),
        };
        images.iter().filter_map(wrong).collect()
    }

    /// Refuses the image that `name` leads to if it declares volumes and may not.
    pub(super) fn check(
        &self,
        op: &'static str,
        name: &str,
        id: &str,
        volumes: &BTreeMap<String, Value>,
    ) -> Result<()> {
        if volumes.is_empty() {
            return Ok(());
        }
        let allowed = match self {
            Self::Allow => true,
            Self::Refuse => false,
            Self::Only(images) => {
                let allowed: BTreeSet<String> =
                    images.iter().filter_map(|image| normal(image).ok()).collect();
                allowed.contains(id) || normal(name).is_ok_and(|name| allowed.contains(&name))
            }
        };
        if allowed {
            return Ok(());
        }
        // They are the image's words.
        let paths: Vec<String> =
            volumes.keys().map(|path| path.escape_debug().to_string()).collect();
        Err(Error::new(ErrorKind::ImageRejected, op)
            .message(format!(
                "image {name}: it declares volumes ({}), and the configuration refuses such images",
                paths.join(", ")
            ))
            .remedy("use an image without, or allow this one in the configuration's image_volumes"))
    }
}

/// The name or the id by which images are compared.
fn normal(name: &str) -> std::result::Result<String, longshore_image_ref::ParseError> {
    let id = name.strip_prefix("sha256:");
    if id.is_some_and(|id| id.len() == 64 && id.bytes().all(|it| it.is_ascii_hexdigit())) {
        return Ok(name.to_owned());
    }
    let reference: ImageRef = name.parse()?;
    Ok(reference.with_default_tag().canonical().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn check(policy: &ImageVolumes, name: &str, volumes: &[&str]) -> Result<()> {
        let volumes = volumes.iter().map(|path| ((*path).to_owned(), Value::Null)).collect();
        policy.check("image status", name, ID, &volumes)
    }

    #[test]
    fn a_policy_is_a_word_a_switch_or_a_list() {
        let only = ImageVolumes::Only(vec!["x".to_owned()]);
        for (text, policy) in [
            (r#""allow""#, ImageVolumes::Allow),
            ("true", ImageVolumes::Allow),
            (r#""refuse""#, ImageVolumes::Refuse),
            ("false", ImageVolumes::Refuse),
            (r#"["x"]"#, only),
        ] {
            let read: ImageVolumes = serde_json::from_str(text).unwrap();
            assert_eq!(read, policy);
            let written = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<ImageVolumes>(&written).unwrap(), policy);
        }
        for text in [r#""deny""#, "3", "{}"] {
            let error = serde_json::from_str::<ImageVolumes>(text).unwrap_err().to_string();
            assert!(error.contains("image_volumes is \"allow\", \"refuse\" or a list"), "{error}");
        }
    }

    #[test]
    fn what_an_image_names_its_volumes_is_no_line_of_ours() {
        let error =
            check(&ImageVolumes::Refuse, "x", &["/a\u{1b}[31m\nb"]).unwrap_err().to_string();
        assert!(error.contains(r"/a\u{1b}[31m\nb") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn an_image_with_volumes_is_refused_by_its_name_with_what_to_do() {
        let name = "docker.io/library/x:1";
        let only = |image: &str| ImageVolumes::Only(vec![image.to_owned()]);
        check(&ImageVolumes::Refuse, name, &[]).unwrap();
        check(&ImageVolumes::Allow, name, &["/data"]).unwrap();
        for allowed in ["x:1", "docker.io/x:1", ID] {
            check(&only(allowed), name, &["/data"]).unwrap();
        }
        let other = ID.replace("0123", "3210");
        for policy in [ImageVolumes::Refuse, ImageVolumes::Only(vec![]), only("x"), only(&other)] {
            let error = check(&policy, name, &["/data", "/db"]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ImageRejected);
            let text = error.to_string();
            for part in [name, "/data, /db", "configuration's image_volumes"] {
                assert!(text.contains(part), "{text}");
            }
        }
    }

    #[test]
    fn every_entry_that_names_no_image_is_told() {
        let list = ["x", ID, "Not/A ref", "sha256:12"].map(str::to_owned).to_vec();
        let problems = ImageVolumes::Only(list).problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("image_volumes: \"Not/A ref\""), "{problems:?}");
    }
}
