//! TLS to an engine, with rustls.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::address::TlsFiles;
use super::connect::Io;
use super::error::{ClientError, Result};

/// What a connection to one engine is authenticated with.
pub(crate) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
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
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| wrong(format!("cert.pem and key.pem: {error}")))?,
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
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
                Err(ClientError::Tls { address: address.to_owned(), reason: error.to_string() })
            }
        }
    }
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
