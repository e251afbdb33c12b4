//! What bollard's requests lack, put right on their way out.

use http::{HeaderMap, HeaderValue};

use super::version::ApiVersion;

/// Headers that hold base64. The engine decodes the alphabet for URLs and takes no notice of a
/// header that it cannot decode; bollard writes the standard alphabet.
const BASE64_HEADERS: [&str; 2] = ["x-registry-auth", "x-registry-config"];

/// The path with the version of the API in front. Bollard drops it.
pub(crate) fn versioned(path: &str, version: Option<ApiVersion>) -> String {
    match version {
        Some(version) => format!("/v{version}{path}"),
        None => path.to_owned(),
    }
}

/// Rewrites the headers that hold base64 in the alphabet that the engine reads.
pub(crate) fn mend_registry_headers(headers: &mut HeaderMap) {
    for name in BASE64_HEADERS {
        let Some(value) = headers.get(name) else { continue };
        let mended: Vec<u8> = value
            .as_bytes()
            .iter()
            .map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            })
            .collect();
        if let Ok(mut value) = HeaderValue::from_bytes(&mended) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
}

/// Whether bollard ended a stream of progress with this only because a line break came in two
/// pieces: everything before it was read.
pub(crate) fn is_split_line_break(error: &bollard::errors::Error) -> bool {
    matches!(error, bollard::errors::Error::IOError { err }
        if err.to_string() == "bytes remaining on stream")
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

    #[test]
    fn registry_headers_use_the_alphabet_for_urls_and_are_sensitive() {
        let mut headers = HeaderMap::new();
        headers.insert("x-registry-auth", HeaderValue::from_static("a+b/c=="));
        headers.insert("x-other", HeaderValue::from_static("a+b/c"));
        mend_registry_headers(&mut headers);
        assert_eq!(headers["x-registry-auth"], "a-b_c==");
        assert!(headers["x-registry-auth"].is_sensitive());
        assert_eq!(headers["x-other"], "a+b/c");
    }
}
