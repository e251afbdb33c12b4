//! Where the engine itself keeps a task's output.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ByteSize;

/// Where the engine itself keeps the output. The default is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LogDriver {
    /// The engine's name for it.
    pub driver: String,
    /// Its options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl Default for LogDriver {
    fn default() -> Self {
        Self::named("none")
    }
}

impl LogDriver {
    /// The engine's log driver of that name, without options.
    pub fn named(driver: impl Into<String>) -> Self {
        Self { driver: driver.into(), options: BTreeMap::new() }
    }

    /// Syslog at `address` (such as `tcp://logs:514`) in the format of RFC 5424, with tags written
    /// as `name=value,name=value`.
    pub fn syslog<'a>(
        address: impl Into<String>,
        tags: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut log = Self::named("syslog")
            .option("syslog-address", address)
            .option("syslog-facility", "user")
            .option("syslog-format", "rfc5424");
        let tags: Vec<String> =
            tags.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !tags.is_empty() {
            log = log.option("tag", tags.join(","));
        }
        log
    }

    /// Files of the engine's host with one line of JSON for each line of output: the newest `files`
    /// of them, each of at most `size`. Bytes that are no UTF-8 are not kept as they are.
    pub fn json_file(size: ByteSize, files: u32) -> Self {
        Self::named("json-file")
            .option("max-size", size.bytes().to_string())
            .option("max-file", files.to_string())
    }

    /// Files of the engine's host in a form of its own, which keeps every byte: the newest `files`
    /// of them, each of at most `size`. All but the last are compressed.
    pub fn local(size: ByteSize, files: u32) -> Self {
        let log = Self::named("local")
            .option("max-size", size.bytes().to_string())
            .option("max-file", files.to_string());
        // An engine refuses to compress if there is nothing but the last.
        if files < 2 { log.option("compress", "false") } else { log }
    }

    /// Adds an option.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_their_limits_in_plain_bytes() {
        let log = LogDriver::json_file(ByteSize::mib(1), 3);
        assert_eq!(log.driver, "json-file");
        assert_eq!(log.options["max-size"], "1048576");
        assert_eq!(log.options["max-file"], "3");
        assert_eq!(log.options.get("compress"), None);
        let log = LogDriver::local(ByteSize(1000), 1);
        assert_eq!(log.driver, "local");
        assert_eq!(log.options["compress"], "false");
        assert_eq!(LogDriver::local(ByteSize(1000), 2).options.get("compress"), None);
    }
}
