//! From a configuration to a driver that works.

#![cfg(feature = "mock")]

use longshore::mock::{Engine, Image, Program};
use longshore::{
    Config, DriverExt as _, ErrorKind, Outcome, Registry, Task, TaskIo, TaskSpec, open, registry,
};

fn config(text: &str) -> Config {
    toml::from_str(text).unwrap()
}

#[test]
fn all_backends_of_the_build_are_registered() {
    let registry = registry();
    let names: Vec<&str> = registry.names().collect();
    let docker = if cfg!(feature = "docker") { &["docker"][..] } else { &[] };
    assert_eq!(names, [docker, &["mock"]].concat());
}

#[tokio::test]
async fn a_backend_is_opened_by_name_and_runs_what_its_section_says() {
    let config = config(
        r#"
        driver = "mock"
        [mock]
        any_image = false
        [mock.images."acme/greeter:1"]
        present = false
        entrypoint = ["/greet"]
        command = ["x"]
        programs."/greet" = [{ stdout = "hello\n" }, { stderr = "there\n" }, { sleep = "1ms" }, { exit = 3 }]
        programs."/dies" = [{ ignore = "TERM" }, { die = 9 }]
        not_executable = ["/notes"]
        "#,
    );
    let driver = open(config).await.unwrap();
    assert_eq!(driver.name(), "mock");
    let (io, output) = TaskIo::captured();
    let spec = TaskSpec::builder("acme/greeter:1").build().unwrap();
    let exit = driver.run_task(Task::new(spec).io(io)).await.unwrap();
    assert_eq!(exit.outcome, Outcome::Code(3));
    assert_eq!((output.stdout(), output.stderr()), (b"hello\n".to_vec(), b"there\n".to_vec()));

    let spec = TaskSpec::builder("acme/greeter:1").entrypoint(["/dies"]).build().unwrap();
    let exit = driver.run_task(spec).await.unwrap();
    assert_eq!(exit.outcome, Outcome::Signal(longshore::Signal::KILL));

    let error = driver.run_task(TaskSpec::builder("other").build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound);
    driver.close().await.unwrap();
}

#[tokio::test]
async fn steps_behind_the_end_of_a_program_are_refused() {
    let config = config(
        r#"
        driver = "mock"
        mock.images.x.programs."/a" = [{ exit = 0 }, { stdout = "never" }]
        "#,
    );
    let error = open(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("\"/a\""), "{error}");
}

#[tokio::test]
async fn a_name_that_is_not_there_names_those_that_are() {
    let error = open(Config::of("podman")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("\"podman\"; there is: "), "{error}");
}

#[cfg(feature = "docker")]
#[tokio::test]
async fn without_a_name_and_an_engine_the_error_says_what_to_do() {
    let text = "docker.host = \"unix:///nowhere/docker.sock\"";
    let error = open(config(text)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::EngineUnavailable);
    let text = error.to_string();
    assert!(text.contains("no backend works: docker: /nowhere/docker.sock"), "{text}");
    assert!(text.contains("start the engine"), "{text}");
}

#[cfg(feature = "docker")]
#[tokio::test]
async fn an_address_that_cannot_be_used_is_not_passed_over() {
    let error = open(config("docker.host = \"ftp://x\"")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[test]
fn an_unknown_key_is_an_error_in_every_section() {
    let mut wrong = vec!["diver = \"x\"", "[mock]\nimage = 1", "[mock.images.a]\nprogram = 1"];
    let pool = if cfg!(feature = "prefork") { "pre_fork_size" } else { "pre_fork_pool_size" };
    let pool = format!("[prefork]\n{pool} = 1");
    wrong.push(&pool);
    if cfg!(feature = "docker") {
        wrong.extend(["[docker]\nhots = \"x\"", "[credentials]\npath = \"x\""]);
    } else {
        wrong.push("[docker]\nhost = \"x\"");
    }
    for text in wrong {
        let error = toml::from_str::<Config>(text).unwrap_err();
        assert!(error.to_string().contains("unknown field"), "{text}: {error}");
    }
}

#[test]
fn what_is_written_reads_the_same() {
    let text = r#"
        driver = "mock"
        mock.images.x.programs."/a" = ["echo", { sleep = "5s" }, { wait_for = "SIGINT" }, "forever"]
    "#;
    let written = toml::to_string(&config(text)).unwrap();
    let read: Config = toml::from_str(&written).unwrap();
    assert_eq!(read.mock, config(text).mock);
    assert_eq!(read.driver.as_deref(), Some("mock"));
}

#[tokio::test]
async fn a_strangers_backend_is_registered_beside_ours() {
    let mut registry: Registry<Config> = registry();
    registry
        .register("mine", |_| async {
            let engine = Engine::new();
            engine.add_image("x", Image::new(Program::exit(9)))?;
            Ok(std::sync::Arc::new(engine.driver(longshore::mock::Config::new())) as _)
        })
        .unwrap();
    let driver = registry.open("mine", Config::default()).await.unwrap();
    let exit = driver.run_task(TaskSpec::builder("x").build().unwrap()).await.unwrap();
    assert_eq!(exit.outcome, Outcome::Code(9));
}

#[cfg(feature = "prefork")]
#[tokio::test]
async fn a_pool_of_the_seeds_keys_lends_and_goes_with_the_driver() {
    let text = r#"
        driver = "mock"
        [prefork]
        pre_fork_pool_size = 2
        pre_fork_image = "busybox"
        pre_fork_cmd = "tail -f /dev/null"
        pre_fork_networks = "bridge none"
        pre_fork_use_once = 1
        [mock.images.busybox]
        entrypoint = ["tail"]
        programs.tail = ["forever"]
    "#;
    let (driver, pool) = longshore::open_with_pool(config(text)).await.unwrap();
    let borrower = || TaskSpec::builder("x").network(longshore::NetworkMode::Prefork).build();
    let exit = driver.run_task(borrower().unwrap()).await.unwrap();
    assert_eq!(exit.network, longshore::NetworkReport::Lent);
    let networks: Vec<_> = pool.slots().into_iter().map(|slot| slot.network).collect();
    assert_eq!(networks, ["bridge", "none"]);
    assert_eq!(pool.usage().recycled, 1);
    driver.close().await.unwrap();
    assert_eq!(pool.usage().size(), 0);

    let driver = open(Config::of("mock")).await.unwrap();
    let error = driver.run_task(borrower().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = longshore::open_with_pool(Config::of("mock")).await.unwrap_err();
    assert!(error.to_string().contains("pre_fork_pool_size"), "{error}");
}
