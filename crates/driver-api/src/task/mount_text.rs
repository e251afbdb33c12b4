//! The written form of a mount: one flat table, in which an unknown key is an error.

use serde::{Deserialize, Serialize};

use super::mounts::{Mount, MountKind, Propagation};
use crate::units::ByteSize;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MountText {
    r#type: MountType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    target: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    read_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    propagation: Option<Propagation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<ByteSize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inodes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MountType {
    Bind,
    Volume,
    Tmpfs,
}

impl TryFrom<MountText> for Mount {
    type Error = String;

    fn try_from(text: MountText) -> Result<Self, String> {
        let refuse = |key: &str, given: bool, kind: MountType| {
            if given && text.r#type == kind {
                Err(format!("{key} does not apply to the {} mount at {}", kind.word(), text.target))
            } else {
                Ok(())
            }
        };
        for (key, given) in [
            ("size", text.size.is_some()),
            ("inodes", text.inodes.is_some()),
            ("mode", text.mode.is_some()),
        ] {
            refuse(key, given, MountType::Bind)?;
            refuse(key, given, MountType::Volume)?;
        }
        refuse("propagation", text.propagation.is_some(), MountType::Volume)?;
        refuse("propagation", text.propagation.is_some(), MountType::Tmpfs)?;
        refuse("source", text.source.is_some(), MountType::Tmpfs)?;
        let kind = match text.r#type {
            MountType::Bind => MountKind::Bind {
                source: text
                    .source
                    .ok_or_else(|| format!("the bind mount at {} needs a source", text.target))?,
                propagation: text.propagation.unwrap_or_default(),
            },
            MountType::Volume => MountKind::Volume { source: text.source },
            MountType::Tmpfs => {
                MountKind::Tmpfs { size: text.size, inodes: text.inodes, mode: text.mode }
            }
        };
        Ok(Self { kind, target: text.target, read_only: text.read_only })
    }
}

impl MountType {
    fn word(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Volume => "volume",
            Self::Tmpfs => "tmpfs",
        }
    }
}

impl From<Mount> for MountText {
    fn from(mount: Mount) -> Self {
        let mut text = Self {
            r#type: MountType::Tmpfs,
            source: None,
            target: mount.target,
            read_only: mount.read_only,
            propagation: None,
            size: None,
            inodes: None,
            mode: None,
        };
        match mount.kind {
            MountKind::Bind { source, propagation } => {
                text.r#type = MountType::Bind;
                text.source = Some(source);
                text.propagation = (propagation != Propagation::default()).then_some(propagation);
            }
            MountKind::Volume { source } => {
                text.r#type = MountType::Volume;
                text.source = source;
            }
            MountKind::Tmpfs { size, inodes, mode } => {
                text.size = size;
                text.inodes = inodes;
                text.mode = mode;
            }
        }
        text
    }
}
