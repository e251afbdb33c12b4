//! TLS handshakes with an engine behind a port: what is agreed on, and what is said when it is not.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion, version::TLS12, version::TLS13,
};
use tokio_util::task::TaskTracker;

use super::super::api::{DockerApi, Streams};
use super::super::connect::Connector;
use super::super::discover::{World, discover_in};
use super::super::engine::Engine;
use super::super::error::{ClientError, Result};
use super::super::transport::Transport;
use super::BOUNDS;
use super::support::{ScriptedEngine, Step, json, upgrade};

/// An authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// A certificate for these names, and its key, in PEM.
    fn sign(&self, names: &[&str], purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn client(&self) -> (String, String) {
        self.sign(&["client"], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

/// A scripted engine behind a port that speaks TLS, for `name`, and asks for a certificate of `authority`'s.
struct TlsEngine {
    address: String,
    inner: ScriptedEngine,
    accepting: JoinHandle<()>,
}

impl TlsEngine {
    async fn start(
        authority: &Authority,
        name: &str,
        version: &'static SupportedProtocolVersion,
    ) -> Self {
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(authority.roots());
        let clients = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let (certificate, key) = authority.sign(&[name], ExtendedKeyUsagePurpose::ServerAuth);
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let inner = ScriptedEngine::start(|request| {
            if request.is("POST /containers/c/attach") {
                let mut script = upgrade(b"");
                script.push(Step::EchoToEnd);
                return script;
            }
            json(200, r#"{"Version":"1.2.3","ApiVersion":"1.41"}"#)
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let socket = inner.path();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, socket) = (acceptor.clone(), socket.clone());
                connections.spawn(async move {
                    // A client that is refused gets an alert, and the connection's end.
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        let mut engine = UnixStream::connect(socket).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut engine).await;
                    }
                });
            }
        });
        Self { address, inner, accepting }
    }
}

impl Drop for TlsEngine {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A folder as `DOCKER_CERT_PATH` names it.
fn folder(authority: &Authority, client: Option<(String, String)>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("ca.pem", &authority.0.pem());
    if let Some((certificate, key)) = client {
        write("cert.pem", &certificate);
        write("key.pem", &key);
    }
    folder
}

/// The client that a user gets who sets `DOCKER_HOST` and these.
fn client_with(address: &str, vars: &[(&str, &str)]) -> Result<Engine> {
    let mut vars: HashMap<&str, &str> = vars.iter().copied().collect();
    vars.insert("DOCKER_HOST", address);
    let world = World {
        var: &|name| vars.get(name).map(|it| (*it).into()),
        exists: &Path::exists,
        warn: &|text| panic!("{text}"),
    };
    let connector = Connector::new(discover_in(None, &world)?, Duration::from_secs(5))?;
    Ok(Engine::new(Transport::new(connector, TaskTracker::new()), BOUNDS))
}

fn client_of(engine: &TlsEngine, folder: &tempfile::TempDir) -> Engine {
    let path = folder.path().to_str().unwrap();
    client_with(&engine.address, &[("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", path)]).unwrap()
}

/// What the user is told.
async fn told(client: &Engine) -> String {
    let error = client.version().await.unwrap_err();
    assert!(matches!(error, ClientError::Tls { .. }), "{error:?}");
    error.to_string()
}

/// With its cause.
fn whole(error: &ClientError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}

#[tokio::test]
async fn with_the_right_certificates_calls_and_taken_over_connections_work() {
    for version in [&TLS12, &TLS13] {
        let authority = Authority::new();
        let engine = TlsEngine::start(&authority, "127.0.0.1", version).await;
        let folder = folder(&authority, Some(authority.client()));
        let client = client_of(&engine, &folder);
        assert_eq!(client.version().await.unwrap().version, "1.2.3");
        let streams = Streams { stdin: true, stdout: true, stderr: false };
        let (mut from, mut to) = client.attach("c", streams, "").await.unwrap().split();
        to.write_all(b"input").await.unwrap();
        to.shutdown().await.unwrap();
        let mut back = Vec::new();
        from.read_to_end(&mut back).await.unwrap();
        assert_eq!(back, b"input", "the end of input ends the answer too");
        assert_eq!(engine.inner.lines().len(), 2);
    }
}

#[tokio::test]
async fn an_address_with_https_takes_the_certificates_too() {
    let authority = Authority::new();
    let engine = TlsEngine::start(&authority, "127.0.0.1", &TLS13).await;
    let folder = folder(&authority, Some(authority.client()));
    let address = engine.address.replace("tcp://", "https://");
    let path = folder.path().to_str().unwrap();
    let client = client_with(&address, &[("DOCKER_CERT_PATH", path)]).unwrap();
    assert_eq!(client.version().await.unwrap().version, "1.2.3");
}

#[tokio::test]
async fn an_engine_of_another_authority_is_refused_with_the_file_that_decides() {
    let (mine, theirs) = (Authority::new(), Authority::new());
    let engine = TlsEngine::start(&theirs, "127.0.0.1", &TLS13).await;
    let folder = folder(&mine, Some(theirs.client()));
    let text = told(&client_of(&engine, &folder)).await;
    let file = folder.path().join("ca.pem").display().to_string();
    assert!(text.contains(&file) && text.contains("authority"), "{text}");
    assert!(text.contains(&engine.address.replace("tcp://", "https://")), "{text}");
    assert_eq!(engine.inner.lines(), [""; 0]);
}

#[tokio::test]
async fn an_engine_with_another_name_is_refused_with_both_names() {
    let authority = Authority::new();
    let engine = TlsEngine::start(&authority, "engine.example", &TLS13).await;
    let folder = folder(&authority, Some(authority.client()));
    let text = told(&client_of(&engine, &folder)).await;
    for part in ["engine.example", "127.0.0.1", "connect by a name that it is for"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_certificate_that_the_engine_wants_and_there_is_none_is_asked_for() {
    for version in [&TLS12, &TLS13] {
        let authority = Authority::new();
        let engine = TlsEngine::start(&authority, "127.0.0.1", version).await;
        let folder = folder(&authority, None);
        // After the end of a connection the alert that came before it may be lost.
        for _ in 0..20 {
            let error = client_of(&engine, &folder).version().await.unwrap_err();
            let text = whole(&error);
            let files = format!("put cert.pem and key.pem into {}", folder.path().display());
            assert!(text.contains(&files), "{error:?}");
        }
        assert_eq!(engine.inner.lines(), [""; 0]);
    }
}

#[tokio::test]
async fn a_certificate_that_the_engine_refuses_is_named() {
    for version in [&TLS12, &TLS13] {
        let (authority, other) = (Authority::new(), Authority::new());
        let engine = TlsEngine::start(&authority, "127.0.0.1", version).await;
        let folder = folder(&authority, Some(other.client()));
        for _ in 0..20 {
            let error = client_of(&engine, &folder).version().await.unwrap_err();
            let file = folder.path().join("cert.pem").display().to_string();
            assert!(whole(&error).contains(&file), "{error:?}");
        }
        assert_eq!(engine.inner.lines(), [""; 0]);
    }
}

#[tokio::test]
async fn an_engine_that_speaks_no_tls_is_told_from_one_with_a_wrong_certificate() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://127.0.0.1:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            // Until the client has read it.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    let authority = Authority::new();
    let folder = folder(&authority, None);
    let path = folder.path().to_str().unwrap();
    let vars = [("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", path)];
    let text = told(&client_with(&address, &vars).unwrap()).await;
    assert!(text.contains("DOCKER_TLS_VERIFY"), "{text}");
}

#[tokio::test]
async fn an_engine_that_goes_away_in_the_handshake_is_no_engine_for_the_moment() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://127.0.0.1:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let authority = Authority::new();
    let folder = folder(&authority, None);
    let path = folder.path().to_str().unwrap();
    let vars = [("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", path)];
    let error = client_with(&address, &vars).unwrap().version().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[test]
fn half_a_pair_of_files_and_a_key_of_another_certificate_are_named() {
    let authority = Authority::new();
    let (certificate, _) = authority.client();
    let (_, key) = authority.client();
    let folder = folder(&authority, Some((certificate, key)));
    let path = folder.path().to_str().unwrap();
    let vars = [("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", path)];
    let told = || client_with("tcp://localhost:1", &vars).unwrap_err().to_string();
    let text = told();
    assert!(text.contains(&format!("{path}/cert.pem and key.pem")), "{text}");
    std::fs::remove_file(folder.path().join("key.pem")).unwrap();
    let text = told();
    assert!(text.contains(&format!("{path}/key.pem is missing")), "{text}");
}
