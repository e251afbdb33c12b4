//! How the path of a request is written.

use super::version::ApiVersion;

/// The path with the version of the API in front.
pub(crate) fn versioned(path: &str, version: Option<ApiVersion>) -> String {
    match version {
        Some(version) => format!("/v{version}{path}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_put_in_front_once_it_is_known() {
        let version = ApiVersion { major: 1, minor: 44 };
        assert_eq!(versioned("/a?b=c", Some(version)), "/v1.44/a?b=c");
        assert_eq!(versioned("/version", None), "/version");
    }
}
