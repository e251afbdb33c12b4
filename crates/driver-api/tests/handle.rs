//! Handles: written and read again, and told apart from what is none.

use longshore_driver_api::{Env, ErrorKind, Handle, LogDriver, Missing, TaskSpec};
use proptest::prelude::*;
use serde_json::json;

fn kind(text: &str) -> ErrorKind {
    text.parse::<Handle>().unwrap_err().kind()
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        backend in ".{0,20}",
        version in any::<u32>(),
        (stdout, stderr) in any::<(u64, u64)>(),
        keeps in any::<bool>(),
        state in prop::collection::vec(any::<u64>(), 0..4),
    ) {
        let handle = Handle::new(&backend, version, &state).unwrap().at(stdout, stderr);
        let handle = handle.keeping_output(keeps);
        let text = handle.to_string();
        prop_assert!(!text.contains('\n'));
        let again: Handle = text.parse().unwrap();
        prop_assert_eq!(&again, &handle);
        let by_serde: Handle = serde_json::from_str(&serde_json::to_string(&handle).unwrap()).unwrap();
        prop_assert_eq!(&by_serde, &handle);
        prop_assert_eq!((again.stdout(), again.stderr(), again.keeps_output()), (stdout, stderr, keeps));
        prop_assert_eq!(again.state::<Vec<u64>>(&backend, version).unwrap(), state);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let _ = text.parse::<Handle>();
    }

    #[test]
    fn a_handle_that_was_cut_is_none(cut in 0_usize..60) {
        let text = Handle::new("mine", 1, "state").unwrap().to_string();
        let cut = cut.min(text.len() - 1);
        prop_assert_eq!(kind(&text[..cut]), ErrorKind::HandleUnknown);
    }
}

#[test]
fn one_of_a_later_form_or_version_is_unknown_and_says_so() {
    let later = json!({"longshore": 2, "backend": "mine", "what": "ever"}).to_string();
    let error = later.parse::<Handle>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HandleUnknown);
    assert!(error.to_string().contains("form 2"), "{error}");
    assert_eq!(kind("{}"), ErrorKind::HandleUnknown);
    assert_eq!(kind(r#"{"longshore":1,"backend":"mine"}"#), ErrorKind::HandleUnknown);

    let handle = Handle::new("mine", 2, "state").unwrap();
    let error = handle.state::<String>("mine", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HandleUnknown);
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[test]
fn another_backends_handle_is_foreign_and_a_strange_state_unknown() {
    let handle = Handle::new("mine", 1, "state").unwrap();
    let error = handle.state::<String>("yours", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HandleForeign);
    assert!(error.to_string().contains("\"mine\""), "{error}");
    let error = handle.state::<u64>("mine", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HandleUnknown);
}

#[test]
fn debug_does_not_show_the_backends_part() {
    let handle = Handle::new("mine", 1, "hunter2").unwrap();
    assert!(!format!("{handle:?}").contains("hunter2"));
}

#[test]
fn a_description_is_kept_without_what_can_hold_secrets() {
    let spec = TaskSpec::builder("alpine")
        .args(["kept"])
        .env("TOKEN", "hunter2")
        .log(LogDriver::named("splunk").option("splunk-token", "hunter2"))
        .edit(|spec| drop(spec.extensions.insert("x".into(), "hunter2".into())))
        .build()
        .unwrap();
    let kept = spec.without_secrets();
    assert!(!serde_json::to_string(&kept).unwrap().contains("hunter2"));
    assert_eq!((kept.env, kept.log.driver.as_str()), (Env::default(), "splunk"));
    assert_eq!(kept.args, spec.args);
}

#[test]
fn only_missing_bytes_are_a_loss() {
    let losses = [
        Missing::NotAttached,
        Missing::Nothing,
        Missing::Bytes(0),
        Missing::Bytes(1),
        Missing::Unknown,
    ];
    assert_eq!(losses.map(Missing::is_loss), [false, false, false, true, true]);
}
