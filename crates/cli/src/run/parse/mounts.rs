//! Mounts and devices.

use std::path::Path;

use longshore::{ByteSize, Device, Mount, MountKind, Propagation};

type Parsed<T> = Result<T, String>;

/// `type=bind,source=/data,target=/in,readonly`: comma-separated, an option with a comma in it
/// quoted as a whole.
pub(in crate::run) fn mount(text: &str) -> Parsed<Mount> {
    let mut options = MountOptions::default();
    for option in fields(text)? {
        match option.split_once('=') {
            Some((name, value)) => options.set(name, Some(value))?,
            None => options.set(&option, None)?,
        }
    }
    options.into_mount()
}

#[derive(Default)]
struct MountOptions {
    kind: Option<String>,
    source: Option<String>,
    target: Option<String>,
    read_only: bool,
    propagation: Option<Propagation>,
    size: Option<ByteSize>,
    inodes: Option<u64>,
    mode: Option<u32>,
}

impl MountOptions {
    fn set(&mut self, name: &str, value: Option<&str>) -> Parsed<()> {
        let needed = || value.ok_or_else(|| format!("{name} needs a value"));
        match name {
            "type" => self.kind = Some(needed()?.to_owned()),
            "source" | "src" => self.source = Some(needed()?.to_owned()),
            "target" | "dst" | "destination" => self.target = Some(needed()?.to_owned()),
            "readonly" | "ro" => {
                self.read_only = match value {
                    None | Some("true" | "1") => true,
                    Some("false" | "0") => false,
                    Some(other) => return Err(format!("{name} is true or false, not {other:?}")),
                };
            }
            "bind-propagation" => self.propagation = Some(propagation(needed()?)?),
            "tmpfs-size" => self.size = Some(size(needed()?)?),
            "tmpfs-inodes" => self.inodes = Some(count(needed()?)?),
            "tmpfs-mode" => self.mode = Some(mode(needed()?)?),
            other => {
                return Err(format!(
                    "{other:?} is not supported; there are type, source, target, readonly, \
                     bind-propagation, tmpfs-size, tmpfs-inodes and tmpfs-mode"
                ));
            }
        }
        Ok(())
    }

    fn into_mount(self) -> Parsed<Mount> {
        let target = self.target.ok_or("the target is missing")?;
        let kind = self.kind.as_deref().unwrap_or("volume");
        for (name, given, of) in [
            ("bind-propagation", self.propagation.is_some(), "bind"),
            ("tmpfs-size", self.size.is_some(), "tmpfs"),
            ("tmpfs-inodes", self.inodes.is_some(), "tmpfs"),
            ("tmpfs-mode", self.mode.is_some(), "tmpfs"),
        ] {
            if given && kind != of {
                return Err(format!("{name} does not apply to type={kind}"));
            }
        }
        let mut mount = match (kind, self.source) {
            ("bind", Some(source)) => Mount::bind(source, target),
            ("bind", None) => return Err("type=bind needs a source".to_owned()),
            ("volume", Some(name)) => Mount::volume(name, target),
            ("volume", None) => Mount::anonymous_volume(target),
            ("tmpfs", None) => Mount::tmpfs(target, None),
            ("tmpfs", Some(_)) => return Err("type=tmpfs has no source".to_owned()),
            _ => return Err(format!("{kind:?} is not a type; there are bind, volume and tmpfs")),
        };
        match &mut mount.kind {
            MountKind::Bind { propagation, .. } => {
                *propagation = self.propagation.unwrap_or_default();
            }
            MountKind::Tmpfs { size, inodes, mode } => {
                (*size, *inodes, *mode) = (self.size, self.inodes, self.mode);
            }
            _ => {}
        }
        mount.read_only = self.read_only;
        Ok(mount)
    }
}

/// `[SOURCE:]TARGET[:OPTIONS]`. A source that is a path is bound, from the current directory if it
/// begins with a dot; any other is a volume's name.
pub(in crate::run) fn volume(text: &str) -> Parsed<Mount> {
    let here =
        std::env::current_dir().map_err(|error| format!("the current directory: {error}"))?;
    volume_from(text, &here)
}

pub(super) fn volume_from(text: &str, here: &Path) -> Parsed<Mount> {
    let parts: Vec<&str> = text.split(':').collect();
    let (mut mount, options) = match parts[..] {
        [target] => (Mount::anonymous_volume(target), ""),
        [source, target] => (sourced(source, target, here)?, ""),
        [source, target, options] => (sourced(source, target, here)?, options),
        _ => return Err("expected [SOURCE:]TARGET[:OPTIONS]".to_owned()),
    };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match (option, &mut mount.kind) {
            ("ro", _) => mount.read_only = true,
            ("rw", _) => mount.read_only = false,
            (word, MountKind::Bind { propagation: into, .. }) => *into = propagation(word)?,
            (word, _) => return Err(format!("{word:?} is not supported; there are ro and rw")),
        }
    }
    Ok(mount)
}

fn sourced(source: &str, target: &str, here: &Path) -> Parsed<Mount> {
    if source.is_empty() {
        return Err("the source before the colon is missing".to_owned());
    }
    if source.starts_with('/') {
        return Ok(Mount::bind(source, target));
    }
    if !source.starts_with('.') {
        return Ok(Mount::volume(source, target));
    }
    let path = std::path::absolute(here.join(source)).map_err(|error| error.to_string())?;
    let path = without_parents(&path);
    let path = path.to_str().ok_or("the current directory's name is not UTF-8")?;
    Ok(Mount::bind(path, target))
}

/// The path with each `..` taking the part before it away, as a shell shows it.
fn without_parents(path: &Path) -> std::path::PathBuf {
    let mut clean = std::path::PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

/// `TARGET[:size=64m,mode=1777,nr_inodes=1000,ro]`.
pub(in crate::run) fn tmpfs(text: &str) -> Parsed<Mount> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let mut mount = Mount::tmpfs(target, None);
    let (mut limit, mut inodes, mut permissions) = (None, None, None);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) => limit = Some(size(value)?),
            Some(("nr_inodes", value)) => inodes = Some(count(value)?),
            Some(("mode", value)) => permissions = Some(mode(value)?),
            None if option == "ro" => mount.read_only = true,
            None if option == "rw" => mount.read_only = false,
            // So it is in any case.
            None if matches!(option, "noexec" | "nosuid" | "nodev") => {}
            _ => {
                return Err(format!(
                    "{option:?} is not supported; there are size, mode, nr_inodes, ro and rw"
                ));
            }
        }
    }
    mount.kind = MountKind::Tmpfs { size: limit, inodes, mode: permissions };
    Ok(mount)
}

/// `HOST[:CONTAINER][:PERMISSIONS]`.
pub(in crate::run) fn device(text: &str) -> Parsed<Device> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_permissions = |part: &str| !part.is_empty() && part.chars().all(|c| "rwm".contains(c));
    let (host, container, permissions) = match parts[..] {
        [host] => (host, None, None),
        [host, second] if is_permissions(second) => (host, None, Some(second)),
        [host, container] => (host, Some(container), None),
        [host, container, permissions] => (host, Some(container), Some(permissions)),
        _ => return Err("expected HOST[:CONTAINER][:rwm]".to_owned()),
    };
    let mut device = Device::new(host);
    device.container = container.map(str::to_owned);
    if let Some(permissions) = permissions {
        permissions.clone_into(&mut device.permissions);
    }
    Ok(device)
}

fn propagation(word: &str) -> Parsed<Propagation> {
    Ok(match word {
        "rprivate" => Propagation::Rprivate,
        "private" => Propagation::Private,
        "rshared" => Propagation::Rshared,
        "shared" => Propagation::Shared,
        "rslave" => Propagation::Rslave,
        "slave" => Propagation::Slave,
        _ => {
            return Err(format!(
                "{word:?} is not supported; there are ro, rw, rprivate, private, rshared, shared, \
                 rslave and slave"
            ));
        }
    })
}

fn size(text: &str) -> Parsed<ByteSize> {
    text.parse().map_err(|error: longshore::ParseUnitError| error.to_string())
}

fn count(text: &str) -> Parsed<u64> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

fn mode(text: &str) -> Parsed<u32> {
    u32::from_str_radix(text, 8).map_err(|_| format!("{text:?} is not an octal mode such as 1777"))
}

/// Splits at commas. A field that begins with a quotation mark goes on to the next one; two of them
/// inside stand for one.
fn fields(text: &str) -> Parsed<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let mut field = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let (part, after) =
                    quoted.split_once('"').ok_or("a quotation mark is not closed")?;
                field.push_str(part);
                quoted = after;
                match quoted.strip_prefix('"') {
                    Some(after) => {
                        field.push('"');
                        quoted = after;
                    }
                    None => break,
                }
            }
            rest = quoted;
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err("a quoted option goes on behind its quotation mark".to_owned());
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            field.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}
