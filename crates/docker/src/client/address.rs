//! Addresses of engines: `unix://`, `tcp://`, `http://` and `https://`.

use std::fmt;
use std::path::PathBuf;

use super::error::{ClientError, Result};

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A port, with TLS where there is something to identify with.
    Tcp {
        /// A name, an IPv4 address, or an IPv6 address without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Where the certificates are; none means in the clear.
        tls: Option<TlsFiles>,
    },
}

/// The folder of `ca.pem`, `cert.pem` and `key.pem`. None means the host's own authorities and no
/// certificate for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The folder.
    pub(crate) folder: Option<PathBuf>,
}

/// The port of an engine without TLS, when the address names none.
const PORT: u16 = 2375;
/// The port of an engine with TLS, when the address names none.
const TLS_PORT: u16 = 2376;

impl Address {
    /// Reads an address. `tls` says what a `tcp://` address is spoken with.
    pub(crate) fn parse(text: &str, tls: Option<TlsFiles>) -> Result<Self> {
        let shown = without_user(text);
        let wrong = |why: &str| ClientError::Address(format!("engine address `{shown}`: {why}"));
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(wrong("give it as unix:///path, tcp://host:port or https://host:port"));
        };
        match scheme {
            "unix" if rest.is_empty() => Err(wrong("the path is missing: give it as unix:///path")),
            "unix" => Ok(Self::Unix(PathBuf::from(rest))),
            "tcp" => tcp(rest, tls).map_err(wrong),
            "http" => tcp(rest, None).map_err(wrong),
            "https" => tcp(rest, Some(tls.unwrap_or(TlsFiles { folder: None }))).map_err(wrong),
            "ssh" => Err(wrong(
                "ssh is not supported; forward the socket with `ssh -L /path/docker.sock:/var/run/docker.sock HOST` and use unix:///path/docker.sock",
            )),
            "npipe" => Err(wrong("named pipes are not supported")),
            _ => Err(wrong("unknown scheme; use unix, tcp, http or https")),
        }
    }

    /// What the `Host` header says.
    pub(crate) fn authority(&self) -> String {
        match self {
            Self::Unix(_) => "docker".to_owned(),
            Self::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { tls: None, .. } => write!(f, "tcp://{}", self.authority()),
            Self::Tcp { .. } => write!(f, "https://{}", self.authority()),
        }
    }
}

/// An address to be shown: who is named before the host, and by which password, is nobody's affair.
fn without_user(text: &str) -> String {
    if text.starts_with("unix://") {
        return text.to_owned();
    }
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        (None, Some((_, host))) => format!("***@{host}"),
        (_, None) => text.to_owned(),
    }
}

fn tcp(rest: &str, tls: Option<TlsFiles>) -> Result<Address, &'static str> {
    if rest.contains('@') {
        return Err("a user or a password in it is not supported: leave them out");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !path.is_empty() {
        return Err("a path after the port is not supported");
    }
    let default_port = if tls.is_some() { TLS_PORT } else { PORT };
    let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
        let (host, after) = bracketed.split_once(']').ok_or("the closing bracket is missing")?;
        (host, after.strip_prefix(':'))
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() {
        return Err("the host is missing: give it as tcp://host:port");
    }
    let port = match port {
        Some(port) => port.parse().map_err(|_| "the port is not a number from 1 to 65535")?,
        None => default_port,
    };
    Ok(Address::Tcp { host: host.to_owned(), port, tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown_whatever_is_wrong() {
        for text in [
            "tcp://u:s3cr3t@h:1",
            "https://s3cr3t@h",
            "ssh://u:s3cr3t@h",
            "s3cr3t@h",
            "x://s3cr3t@h",
        ] {
            let shown = Address::parse(text, None).unwrap_err().to_string();
            assert!(!shown.contains("s3cr3t") && shown.contains("***@h"), "{shown}");
        }
        let shown = Address::parse("tcp://u:p@h:1", None).unwrap_err().to_string();
        assert!(shown.ends_with("leave them out"), "{shown}");
    }

    #[test]
    fn every_form_is_read() {
        let certs = TlsFiles { folder: Some(PathBuf::from("/certs")) };
        let tcp = |host: &str, port, tls| Address::Tcp { host: host.to_owned(), port, tls };
        let table = [
            ("unix:///var/run/docker.sock", None, Address::Unix("/var/run/docker.sock".into())),
            ("tcp://h:1", None, tcp("h", 1, None)),
            ("tcp://h", None, tcp("h", 2375, None)),
            ("tcp://h/", Some(certs.clone()), tcp("h", 2376, Some(certs.clone()))),
            ("tcp://[::1]:5", None, tcp("::1", 5, None)),
            ("http://h:1", Some(certs.clone()), tcp("h", 1, None)),
            ("https://h", None, tcp("h", 2376, Some(TlsFiles { folder: None }))),
            ("https://h:1", Some(certs.clone()), tcp("h", 1, Some(certs))),
        ];
        for (text, tls, expected) in table {
            assert_eq!(Address::parse(text, tls).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_wrong_address_is_named_with_what_to_do() {
        let table = [
            ("/var/run/docker.sock", "give it as unix://"),
            ("unix://", "path is missing"),
            ("ssh://host", "ssh is not supported; forward the socket"),
            ("npipe:////./pipe/docker_engine", "named pipes are not supported"),
            ("fd://", "unknown scheme"),
            ("tcp://:2375", "host is missing"),
            ("tcp://h:99999", "port is not a number"),
            ("tcp://h:1/v1", "path after the port"),
            ("tcp://[::1", "closing bracket"),
        ];
        for (text, expected) in table {
            let error = Address::parse(text, None).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn an_ipv6_host_is_shown_in_brackets() {
        let address = Address::parse("tcp://[::1]:5", None).unwrap();
        assert_eq!(address.to_string(), "tcp://[::1]:5");
        assert_eq!(address.authority(), "[::1]:5");
    }
}
