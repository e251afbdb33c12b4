//! A description with many mistakes: all are told at once, each by its field.

use longshore_driver_api::TaskSpec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The fields at fault, in order.
fn wrong(tree: Value) -> Vec<String> {
    let invalid = TaskSpec::from_value(tree).unwrap_err();
    let mut fields: Vec<_> = invalid.problems().iter().map(|p| p.field.clone()).collect();
    fields.sort();
    fields
}

#[track_caller]
fn message(tree: Value) -> String {
    TaskSpec::from_value(tree).unwrap_err().to_string()
}

#[test]
fn what_is_right_is_read_as_by_serde() {
    let tree = json!({
        "id": "a", "image": "alpine", "args": ["x"], "env": {"A": "1"}, "limits": {"memory": "1m"},
        "mounts": [{"type": "bind", "source": "/a", "target": "/b"}],
    });
    let read = TaskSpec::from_value(tree.clone()).unwrap();
    assert_eq!(read, serde_json::from_value::<TaskSpec>(tree).unwrap());
}

#[test]
fn mistakes_of_every_kind_are_told_at_once() {
    let tree = json!({
        "image": "Not An Image",
        "imagee": "x",
        "tty": "yes",
        "timeout": "soon",
        "work_dir": "relative",
        "pull": "sometimes",
        "env": {"A": 1, "B": "right", "C": true},
        "args": ["right", 2, "also right"],
        "stop": {"signal": "NOPE", "grace": []},
        "limits": {
            "memory": "lots", "swap": "1m", "memroy": 1, "cpuset": "a-b", "pids": -1,
            "ulimits": {"nofile": "many", "nope": 1}, "output": {"then": "explode"},
        },
        "security": {"cap_drop": "some", "groups": ["", 3]},
        "network": {"dns": ["10.0.0.1", "nowhere"], "mode": 5, "aliases": ["a"]},
        "devices": [{"permissions": "x"}],
        "labels": [],
    });
    assert_eq!(
        wrong(tree),
        [
            "args[1]",
            "devices[0].host",
            "env.A",
            "env.C",
            "image",
            "imagee",
            "labels",
            "limits.cpuset",
            "limits.memory",
            "limits.memroy",
            "limits.output.bytes",
            "limits.output.then",
            "limits.pids",
            "limits.ulimits.nofile",
            "limits.ulimits.nope",
            "network.dns[1]",
            "network.mode",
            "pull",
            "security.cap_drop",
            "security.groups[0]",
            "security.groups[1]",
            "stop.grace",
            "stop.signal",
            "timeout",
            "tty",
            "work_dir",
        ]
    );
}

#[test]
fn what_comes_behind_a_bad_element_keeps_its_index() {
    let tree = json!({"image": "x", "mounts": [
        {"type": "tmpfs", "target": "/a", "size": []},
        7,
        {"type": "tmpfs", "target": "relative"},
        {"type": "floppy", "source": "/a", "target": 1},
        {"type": "bind", "source": "/a"},
    ]});
    let expected = [
        "mounts[0].size",
        "mounts[1]",
        "mounts[2].target",
        "mounts[3].target",
        "mounts[3].type",
        "mounts[4].target",
    ];
    assert_eq!(wrong(tree), expected);
}

#[test]
fn the_words_are_those_of_the_file() {
    for (tree, expected) in [
        (json!({}), "image: is missing"),
        (json!([]), "task: expected a table, not a list"),
        (json!({"image": "x", "limits": 3}), "limits: expected a table, not a number"),
        (json!({"image": "x", "args": "ls"}), "args: expected a list, not a string"),
        (json!({"image": "x", "limits": {"pids": "9"}}), "expected a whole number, not a string"),
        (json!({"image": "x", "pelican": 1}), "pelican: unknown field `pelican`, expected one of"),
        (
            json!({"image": "x", "limits": {"ulimits": {"core": {}}}}),
            "limits.ulimits.core: expected a whole number, or { soft = 1, hard = 2 }",
        ),
        (
            json!({"image": "x", "security": {"cap_drop": 1}}),
            "security.cap_drop: expected \"all\" or a list of capabilities",
        ),
    ] {
        let message = message(tree);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn an_unknown_key_is_told_which_one_was_meant() {
    for (wrong, expected) in [
        (json!({"memory": "1m"}), "memory: unknown field `memory`: did you mean `limits.memory`?"),
        (json!({"user": "1"}), "did you mean `security.user`?"),
        (json!({"source": "/x"}), "did you mean `mounts[].source`?"),
        (json!({"bytes": 1}), "did you mean `limits.output.bytes`?"),
        (json!({"interval": "1s"}), "did you mean `health.interval`?"),
        (
            json!({"limits": {"image": "x"}}),
            "limits.image: unknown field `image`: did you mean `image`?",
        ),
        (json!({"limits": {"timeout": "1s"}}), "did you mean `timeout` or `health.timeout`?"),
        (json!({"imagee": "x"}), "did you mean `image`?"),
        (json!({"workdir": "/"}), "did you mean `work_dir`?"),
        (json!({"limits": {"memroy": 1}}), "did you mean `limits.memory`?"),
        (json!({"memroy": 1}), "did you mean `limits.memory`?"),
        (
            json!({"mounts": [{"type": "tmpfs", "target": "/a"}, {"type": "bind", "source": "/a", "target": "/b", "readonly": true}]}),
            "mounts[1].readonly: unknown field `readonly`: did you mean `mounts[].read_only`?",
        ),
    ] {
        let mut tree = json!({"image": "x"});
        tree.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let message = message(tree);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn no_value_of_the_environment_is_repeated() {
    for env in [
        json!({"PIN": 4711}),
        json!({"PIN": [4711]}),
        json!({"PIN": {"x": "4711"}}),
        json!("4711"),
        json!([4711]),
    ] {
        let message = message(json!({"image": "Not An Image", "env": env}));
        assert!(!message.contains("4711") && message.contains("env"), "{message}");
        assert!(message.contains("image: "), "{message}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z/0-9]{0,6}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "image", "args", "env", "limits", "memory", "mounts", "type", "target", "network",
            "mode", "devices", "host", "output", "bytes", "ulimits", "nofile", "stop", "grace",
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,3}",
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn it_accepts_what_serde_and_the_check_accept_and_nothing_else(tree in any_value()) {
        let by_serde = serde_json::from_value::<TaskSpec>(tree.clone())
            .is_ok_and(|spec| spec.validate().is_ok());
        match TaskSpec::from_value(tree) {
            Ok(_) => prop_assert!(by_serde),
            Err(invalid) => {
                prop_assert!(!by_serde);
                prop_assert!(!invalid.problems().is_empty());
                prop_assert!(invalid.problems().iter().all(|problem| !problem.field.is_empty()));
            }
        }
    }
}
