//! TLS to an engine, with rustls.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error as TlsError, RootCertStore};

use super::address::TlsFiles;
use super::connect::Io;
use super::error::{ClientError, Result};

/// What a connection to one engine is authenticated with.
pub(crate) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
    host: String,
    folder: Option<PathBuf>,
    /// There is a certificate for the client.
    identified: bool,
    /// The engine has answered something, so it accepts what it is shown.
    accepted: AtomicBool,
}

impl Tls {
    /// Reads the certificates. The engine's own is always verified.
    pub(crate) fn new(files: &TlsFiles, host: &str, address: &str) -> Result<Self> {
        let wrong = |reason: String| ClientError::Tls { address: address.to_owned(), reason };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| wrong(format!("`{host}` is not a name that a certificate can be for")))?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(authorities(files).map_err(wrong)?);
        let identity = match &files.folder {
            Some(folder) => identity(folder).map_err(wrong)?,
            None => None,
        };
        let identified = identity.is_some();
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| {
                let pair = files.folder.as_ref().map(|folder| folder.join("cert.pem"));
                let pair = pair.unwrap_or_default();
                wrong(format!("{} and key.pem do not belong together ({error})", pair.display()))
            })?,
        };
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name,
            host: host.to_owned(),
            folder: files.folder.clone(),
            identified,
            accepted: AtomicBool::new(false),
        })
    }

    /// Agrees on TLS over a fresh connection.
    pub(crate) async fn shake_hands(
        &self,
        stream: TcpStream,
        address: &str,
    ) -> Result<Box<dyn Io>> {
        match self.connector.connect(self.name.clone(), stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => {
                let address = address.to_owned();
                Err(match cause(&error) {
                    Some(cause) => ClientError::Tls { address, reason: self.explain(cause) },
                    // Cut short: the engine went away, or its reason got lost.
                    None => {
                        let why = format!("{error}; {}", self.identity_remedy());
                        let source = io::Error::new(error.kind(), why);
                        ClientError::Unreachable { address, source }
                    }
                })
            }
        }
    }

    /// The engine has answered a request.
    pub(crate) fn accepted(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }

    /// What a request that failed says about the certificates. With TLS 1.3 an engine refuses the
    /// client's own only after the handshake, so that it looks like an answer that broke off.
    pub(crate) fn failed(&self, address: &str, error: hyper::Error) -> ClientError {
        if let Some(cause @ TlsError::AlertReceived(_)) = cause(&error) {
            let reason = self.explain(cause);
            return ClientError::Tls { address: address.to_owned(), reason };
        }
        match ClientError::from(error) {
            // The alert may have been lost with the connection.
            ClientError::Disconnected(why) if !self.accepted.load(Ordering::Relaxed) => {
                let remedy = self.identity_remedy();
                ClientError::Disconnected(format!(
                    "{why}; it has answered nothing yet and may want another certificate of the client's: {remedy}"
                ))
            }
            error => error,
        }
    }

    /// What is wrong and what to do.
    fn explain(&self, error: &TlsError) -> String {
        let host = &self.host;
        let remedy = match error {
            TlsError::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => self.authority_remedy(),
            TlsError::InvalidCertificate(
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. },
            ) => {
                format!("connect by a name that it is for, or have one made for {host}")
            }
            TlsError::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            ) => "have the engine's certificate renewed, or set this host's clock".to_owned(),
            TlsError::InvalidMessage(_) => {
                "what answers does not speak TLS: unset DOCKER_TLS_VERIFY, or give the address as http://host:port".to_owned()
            }
            TlsError::AlertReceived(_) => self.identity_remedy(),
            _ => return error.to_string(),
        };
        format!("{error}; {remedy}")
    }

    fn authority_remedy(&self) -> String {
        match self.folder.as_ref().map(|folder| folder.join("ca.pem")) {
            Some(path) if path.exists() => format!(
                "put the certificate of the authority that signed the engine's into {}",
                path.display()
            ),
            Some(path) => format!(
                "the host's own authorities do not know it: put the certificate of the authority that signed the engine's into {}",
                path.display()
            ),
            None => "the host's own authorities do not know it: set DOCKER_CERT_PATH to a folder with the ca.pem of the engine's authority".to_owned(),
        }
    }

    fn identity_remedy(&self) -> String {
        match &self.folder {
            Some(folder) if self.identified => format!(
                "have {} signed by an authority that the engine accepts",
                folder.join("cert.pem").display()
            ),
            Some(folder) => format!(
                "if the engine wants to know the client, put cert.pem and key.pem into {}",
                folder.display()
            ),
            None => "if the engine wants to know the client, set DOCKER_CERT_PATH to a folder with cert.pem and key.pem".to_owned(),
        }
    }
}

/// What TLS has to say among the causes of an error.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a TlsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(cause) = inner.and_then(|inner| inner.downcast_ref()) {
            return Some(cause);
        }
        next = error.source();
    }
    None
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// `ca.pem`, or the host's own authorities where there is none.
fn authorities(files: &TlsFiles) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    let ca = files.folder.as_ref().map(|folder| folder.join("ca.pem"));
    if let Some(path) = ca.filter(|path| path.exists()) {
        for certificate in certificates(&path)? {
            store.add(certificate).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    } else {
        let native = rustls_native_certs::load_native_certs();
        let (added, _) = store.add_parsable_certificates(native.certs);
        if added == 0 {
            return Err("there is no ca.pem, and the host has no authorities of its own".into());
        }
    }
    Ok(store)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// `cert.pem` and `key.pem`, or nothing where there is neither.
fn identity(folder: &Path) -> Result<Option<Identity>, String> {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    match (cert.exists(), key.exists()) {
        (false, false) => Ok(None),
        (true, false) => Err(format!("{} is missing", key.display())),
        (false, true) => Err(format!("{} is missing", cert.display())),
        (true, true) => {
            let secret = PrivateKeyDer::from_pem_file(&key)
                .map_err(|error| format!("{}: {error}", key.display()))?;
            Ok(Some((certificates(&cert)?, secret)))
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error| format!("{}: {error}", path.display());
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(wrong)?
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    if found.is_empty() {
        return Err(format!("{} holds no certificate", path.display()));
    }
    Ok(found)
}
