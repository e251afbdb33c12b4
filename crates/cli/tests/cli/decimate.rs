//! `longshore decimate`.

use serde_json::Value;

use crate::support::{done, fed, longshore};

/// One sample a second with the second as its figure.
fn series(seconds: u32) -> String {
    let samples: Vec<String> = (0..seconds)
        .map(|second| {
            let (minute, second_of) = (second / 60, second % 60);
            format!(
                r#"{{"timestamp":"2026-01-31T12:{minute:02}:{second_of:02}Z","metrics":{{"x":{second}}}}}"#
            )
        })
        .collect();
    format!("[{}]", samples.join(","))
}

fn points(input: &str, max: &str) -> Vec<Value> {
    let answer = fed(&mut longshore(["decimate", "--max", max]), input.as_bytes());
    answer.assert_silent(0);
    assert!(answer.text().ends_with("]\n"), "{answer:?}");
    serde_json::from_str(answer.text()).unwrap()
}

#[test]
fn a_long_series_gets_short_and_each_point_is_a_mean() {
    let points = points(&series(480), "240");
    assert_eq!(points.len(), 240);
    assert_eq!(points[0]["timestamp"], "2026-01-31T12:00:00.500Z");
    assert_eq!(points[1]["metrics"]["x"], 2, "2.5 is rounded to the even number");
}

#[test]
fn any_maximum_has_a_result() {
    let input = series(5);
    assert_eq!(points(&input, "0").len(), 0);
    assert_eq!(points(&input, "1").len(), 1);
    assert_eq!(points(&input, "5").len(), 5);
    assert_eq!(points(&input, "18446744073709551615").len(), 5);
    for empty in ["[]", "", "\n", "null"] {
        assert_eq!(points(empty, "3").len(), 0, "{empty:?}");
    }
}

#[test]
fn what_is_no_series_is_refused_with_an_example() {
    for input in [&b"{}"[..], b"[1]", b"[{\"timestamp\":\"yesterday\"}]", b"\xff", b"[] []"] {
        let answer = fed(&mut longshore(["decimate", "--max", "3"]), input);
        answer.assert(125, "longshore: error: stdin is not");
        assert!(answer.stderr.contains("  help: a series is a JSON array"), "{answer:?}");
        assert_eq!(answer.text(), "");
    }
}

#[test]
fn the_maximum_is_needed_and_a_number() {
    done(&mut longshore(["decimate"])).assert(125, "--max <N>");
    done(&mut longshore(["decimate", "--max", "-1"])).assert(125, "longshore: error: ");
}
