//! Which engine is found in which world.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;

use super::*;

struct Host {
    home: tempfile::TempDir,
    vars: HashMap<&'static str, String>,
    sockets: Vec<PathBuf>,
    warnings: RefCell<Vec<String>>,
}

impl Host {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let vars = HashMap::from([("HOME", home.path().display().to_string())]);
        Self { home, vars, sockets: Vec::new(), warnings: RefCell::default() }
    }

    fn set(mut self, name: &'static str, value: &str) -> Self {
        self.vars.insert(name, value.to_owned());
        self
    }

    fn socket(mut self, path: &str) -> Self {
        self.sockets.push(path.into());
        self
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn find(&self, host: Option<&str>) -> Result<Address> {
        let world = World {
            var: &|name| self.vars.get(name).map(OsString::from),
            exists: &|path| {
                self.sockets.iter().any(|p| p == path)
                    || path.starts_with(&self.home) && path.exists()
            },
            warn: &|text| self.warnings.borrow_mut().push(text.to_owned()),
        };
        discover_in(host, &world)
    }

    fn unix(&self) -> PathBuf {
        match self.find(None).unwrap() {
            Address::Unix(path) => path,
            other @ Address::Tcp { .. } => panic!("{other}"),
        }
    }
}

#[test]
fn a_variable_that_is_no_text_is_not_taken_for_none() {
    use std::os::unix::ffi::OsStringExt as _;
    for broken in ["DOCKER_HOST", "DOCKER_CONTEXT"] {
        let value = OsString::from_vec(b"unix:///run/\xff".to_vec());
        let world = World {
            var: &|name| (name == broken).then(|| value.clone()),
            exists: &|_| true,
            warn: &|_| {},
        };
        let error = discover_in(None, &world).unwrap_err();
        assert!(error.to_string().contains(&format!("{broken} is not UTF-8")), "{error}");
    }
}

#[test]
fn a_configuration_that_is_no_file_or_has_no_end_is_not_read() {
    let host = Host::new().socket("/var/run/docker.sock").file(".docker/config.json", "{}");
    let path = host.home.path().join(".docker/config.json");
    for other in ["/dev/zero", "/dev/null"] {
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(other, &path).unwrap();
        assert_eq!(host.unix(), Path::new("/var/run/docker.sock"));
        assert!(host.warnings.take()[0].contains("it is not a file"));
    }
}

/// The digest that Docker gives the context named `remote`.
fn remote() -> String {
    hex(&Sha256::digest(b"remote"))
}

#[test]
fn the_callers_word_comes_first_and_the_environment_second() {
    let host = Host::new().set("DOCKER_HOST", "tcp://env:1").set("DOCKER_CONTEXT", "remote");
    assert_eq!(host.find(Some("unix:///a")).unwrap(), Address::Unix("/a".into()));
    assert_eq!(host.find(None).unwrap().to_string(), "tcp://env:1");
}

#[test]
fn tls_is_on_with_docker_tls_verify_and_its_certificates_are_named() {
    let host = Host::new().set("DOCKER_HOST", "tcp://h").set("DOCKER_TLS_VERIFY", "1");
    let Address::Tcp { port, tls, .. } = host.find(None).unwrap() else { panic!() };
    assert_eq!(port, 2376);
    assert_eq!(tls.unwrap().folder, Some(host.home.path().join(".docker")));
    let host = host.set("DOCKER_CERT_PATH", "/certs");
    let Address::Tcp { tls, .. } = host.find(None).unwrap() else { panic!() };
    assert_eq!(tls.unwrap().folder, Some("/certs".into()));
}

#[test]
fn the_default_socket_is_roots_then_the_users() {
    assert_eq!(Host::new().unix(), Path::new("/var/run/docker.sock"));
    let rootless =
        Host::new().set("XDG_RUNTIME_DIR", "/run/user/7").socket("/run/user/7/docker.sock");
    assert_eq!(rootless.unix(), Path::new("/run/user/7/docker.sock"));
    assert_eq!(rootless.socket(DEFAULT_SOCKET).unix(), Path::new(DEFAULT_SOCKET));
}

#[test]
fn a_context_is_read_from_its_file_with_its_certificates() {
    let meta = format!(".docker/contexts/meta/{}/meta.json", remote());
    let text = r#"{"Name":"remote","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://far:7","SkipTLSVerify":false}}}"#;
    let host = Host::new()
        .file(&meta, text)
        .file(".docker/config.json", r#"{"currentContext":"remote","auths":{}}"#);
    assert_eq!(host.find(None).unwrap().to_string(), "tcp://far:7");
    let ca = format!(".docker/contexts/tls/{}/docker/ca.pem", remote());
    let host = host.file(&ca, "x");
    assert_eq!(host.find(None).unwrap().to_string(), "https://far:7");
    let host = host.set("DOCKER_CONTEXT", "default");
    assert_eq!(host.unix(), Path::new(DEFAULT_SOCKET));
}

#[test]
fn a_context_that_does_not_exist_or_skips_verification_is_refused() {
    let host = Host::new().set("DOCKER_CONTEXT", "remote");
    let error = host.find(None).unwrap_err().to_string();
    assert!(error.contains("`remote`: no such context"), "{error}");
    let meta = format!(".docker/contexts/meta/{}/meta.json", remote());
    let text = r#"{"Endpoints":{"docker":{"Host":"tcp://far:7","SkipTLSVerify":true}}}"#;
    let error = host.file(&meta, text).find(None).unwrap_err().to_string();
    assert!(error.contains("skips the verification"), "{error}");
}

#[test]
fn a_broken_config_file_chooses_no_context_and_is_told_with_its_place() {
    let host = Host::new().file(".docker/config.json", "{\n  \"auths\": {,\n}");
    assert_eq!(host.unix(), Path::new(DEFAULT_SOCKET));
    let warning = host.warnings.borrow().join("\n");
    assert!(warning.contains(".docker/config.json is not what Docker writes"), "{warning}");
    assert!(warning.contains("line 2 column"), "{warning}");
    let host = Host::new().file(".docker/config.json/folder", "");
    assert_eq!(host.unix(), Path::new(DEFAULT_SOCKET));
    let warning = host.warnings.borrow().join("\n");
    assert!(warning.contains("config.json cannot be read"), "{warning}");
}

#[test]
fn a_config_file_that_nobody_needs_is_not_read() {
    let host = Host::new().file(".docker/config.json", "{").set("DOCKER_CONTEXT", "default");
    assert_eq!(host.unix(), Path::new(DEFAULT_SOCKET));
    let host = host.set("DOCKER_HOST", "tcp://env:1");
    assert_eq!(host.find(None).unwrap().to_string(), "tcp://env:1");
    assert_eq!(*host.warnings.borrow(), [""; 0]);
}

#[test]
fn a_wrong_address_of_the_environment_is_told_with_the_variable() {
    let error = Host::new().set("DOCKER_HOST", "garbage").find(None).unwrap_err().to_string();
    assert!(error.starts_with("DOCKER_HOST: engine address `garbage`: give it as"), "{error}");
}
