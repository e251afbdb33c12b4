//! `longshore ref` against the answers of the original implementations.

use longshore::image_ref::parse_image;
use serde_json::{Value, json};

use crate::support::{done, fed, longshore};

/// The original implementations' answers, kept with the crate that parses: the input, then nothing
/// for what is invalid, else domain, path, tag, and the familiar form with `=` for the input.
fn oracle() -> Vec<(String, Option<[String; 4]>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../image-ref/tests/data/references.tsv");
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let input = columns[0].replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\");
            let familiar = match columns.get(5) {
                Some(&"=") => input.clone(),
                other => other.map(ToString::to_string).unwrap_or_default(),
            };
            let parts = (!columns[1].starts_with('!'))
                .then(|| [columns[1].into(), columns[2].into(), columns[3].into(), familiar]);
            (input, parts)
        })
        .collect()
}

#[test]
fn every_reference_has_the_originals_parts() {
    let mut table = oracle();
    // A line feed ends a line, so a reference with one in it cannot be asked for this way.
    table.retain(|(input, _)| !input.contains('\n'));
    let input: String = table.iter().map(|(input, _)| format!("{input}\n")).collect();
    let answers = fed(&mut longshore(["ref"]), input.as_bytes());
    answers.assert_silent(1);
    let answers: Vec<Value> =
        answers.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), table.len());
    let valid = answers.iter().filter(|answer| answer.get("canonical").is_some()).count();
    assert!(valid > 2000 && valid < answers.len() - 1000, "{valid} of {}", answers.len());
    for ((input, parts), answer) in table.iter().zip(&answers) {
        assert_eq!(answer["input"], **input);
        let Some([domain, path, tag, familiar]) = parts else {
            let offset = usize::try_from(answer["offset"].as_u64().unwrap()).unwrap();
            assert!(offset <= input.len() && answer["error"].is_string(), "{answer}");
            assert_eq!(answer.as_object().unwrap().len(), 3, "{answer}");
            continue;
        };
        let found = ["domain", "path", "tag", "familiar"].map(|key| answer[key].as_str().unwrap());
        assert_eq!(found, [domain, path, tag, familiar], "{input}");
        let canonical = answer["canonical"].as_str().unwrap();
        let name = format!("{domain}/{path}");
        assert!(canonical.starts_with(name.trim_start_matches('/')), "{answer}");
        assert!(canonical.ends_with(answer["digest"].as_str().unwrap()), "{answer}");
        assert_eq!(answer["parse_image"], json!(parse_image(input).unwrap()), "{input}");
    }
}

#[test]
fn the_keys_are_these_in_this_order() {
    let answer = done(&mut longshore(["ref", "busybox", "Nope", "reg:5000/app@x"]));
    answer.assert_silent(1);
    let lines: Vec<&str> = answer.text().lines().collect();
    assert_eq!(
        lines[0],
        r#"{"input":"busybox","domain":"docker.io","path":"library/busybox","tag":"","digest":"","familiar":"busybox","canonical":"docker.io/library/busybox","parse_image":["","library/busybox","latest"]}"#
    );
    assert!(
        lines[1].starts_with(r#"{"input":"Nope","error":"invalid image reference"#),
        "{answer:?}"
    );
    assert!(lines[1].ends_with(r#","offset":0}"#), "{answer:?}");
    assert!(lines[2].ends_with(r#","offset":13}"#), "{answer:?}");
}

#[test]
fn bad_lines_of_any_kind_do_not_stop_the_rest() {
    let answer = fed(&mut longshore(["ref"]), b"\n\xff\xfe\na b\nbusybox");
    answer.assert_silent(1);
    let lines: Vec<Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[0]["input"], &lines[0]["offset"]), (&json!(""), &json!(0)));
    assert!(lines[1]["error"].as_str().unwrap().contains("not UTF-8"));
    assert_eq!(lines[2]["offset"], 1);
    assert_eq!(lines[3]["path"], "library/busybox");
}

#[test]
fn only_valid_references_are_success() {
    done(&mut longshore(["ref", "a", "b:1"])).assert_silent(0);
    fed(&mut longshore(["ref"]), b"").assert_silent(0);
}

#[test]
fn a_carriage_return_at_the_end_of_a_line_does_not_count() {
    let answer = fed(&mut longshore(["ref"]), b"busybox\r\na\rb\r\nalpine\r");
    answer.assert_silent(1);
    let lines: Vec<Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let inputs: Vec<_> = lines.iter().map(|line| line["input"].as_str().unwrap()).collect();
    assert_eq!(inputs, ["busybox", "a\rb", "alpine"]);
    assert_eq!(lines[0]["path"], "library/busybox");
}

#[test]
fn what_is_far_too_long_is_not_repeated_and_does_not_stop_the_rest() {
    const LONGEST: usize = 64 * 1024;
    for (length, shown) in [(LONGEST, LONGEST), (LONGEST + 1, 256), (10_000_000, 256)] {
        let input = [b"a".repeat(length), b"\r\nbusybox\n".to_vec()].concat();
        let answer = fed(&mut longshore(["ref"]), &input);
        answer.assert_silent(1);
        let lines: Vec<Value> =
            answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{length}");
        assert_eq!(lines[0]["input"].as_str().unwrap().len(), shown, "{length}");
        assert!(lines[0]["error"].as_str().unwrap().len() < 500, "{length}");
        assert_eq!(lines[1]["path"], "library/busybox");
    }
}
