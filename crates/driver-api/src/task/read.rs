//! Reads a description from a tree of values, and finds everything that is wrong with it at once.
//!
//! A reader of serde stops at the first error. So the tree is tried piece by piece, each alone in a
//! task that is right otherwise; what does not fit is reported and taken out, and the rest is
//! checked as a whole.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::TaskSpec;
use super::suggest::suggest;
use super::validate::{InvalidSpec, Problem};

type Tried = Result<(), String>;

pub(super) fn read(mut tree: Value) -> Result<TaskSpec, InvalidSpec> {
    let mut shape = Shape::default();
    let fits = shape.mend(&mut tree, "", &|value| try_whole(&value));
    let mut problems = shape.problems;
    if !fits {
        return Err(InvalidSpec::of(problems));
    }
    match TaskSpec::deserialize(&tree) {
        Ok(spec) => {
            let Err(invalid) = spec.validate() else {
                return if problems.is_empty() { Ok(spec) } else { Err(InvalidSpec::of(problems)) };
            };
            let wrong: Vec<String> = problems.iter().map(|p| p.field.clone()).collect();
            for problem in invalid.problems() {
                let field = at_first(&problem.field, &shape.kept);
                if !wrong.iter().any(|wrong| follows_from(&field, wrong)) {
                    problems.push(Problem { field, message: problem.message.clone() });
                }
            }
        }
        Err(error) => {
            problems.push(Problem { field: "task".to_owned(), message: error.to_string() });
        }
    }
    Err(InvalidSpec::of(problems))
}

fn try_whole(tree: &Value) -> Tried {
    TaskSpec::deserialize(tree).map(drop).map_err(|error| error.to_string())
}

#[derive(Default)]
struct Shape {
    problems: Vec<Problem>,
    /// Of each list from which something was taken: where what is left stood at first.
    kept: BTreeMap<String, Vec<usize>>,
}

impl Shape {
    /// Takes out of a value what does not fit. False if nothing of it does.
    fn mend(&mut self, value: &mut Value, at: &str, fits: &dyn Fn(Value) -> Tried) -> bool {
        if fits(value.clone()).is_ok() {
            return true;
        }
        let before = self.problems.len();
        match value {
            Value::Object(table) => {
                let least = least(at, table);
                if least.iter().any(|least| fits(Value::Object(least.clone())).is_ok()) {
                    self.mend_table(table, at, &least, fits);
                }
            }
            Value::Array(list) if fits(json!([])).is_ok() => self.mend_list(list, at, fits),
            _ => {}
        }
        let Err(error) = fits(value.clone()) else { return true };
        // What is wrong between the pieces may come of those that are gone, but for what is missing.
        if self.problems.len() == before || missing(&error).is_some() {
            let (field, message) = words(at, &error, value);
            self.problems.push(Problem { field, message });
        }
        false
    }

    fn mend_table(
        &mut self,
        table: &mut Map<String, Value>,
        at: &str,
        least: &[Map<String, Value>],
        fits: &dyn Fn(Value) -> Tried,
    ) {
        for (name, mut value) in std::mem::take(table) {
            let alone = |value: Value| {
                let mut first = None;
                for least in least {
                    let mut table = least.clone();
                    table.insert(name.clone(), value.clone());
                    match fits(Value::Object(table)) {
                        Ok(()) => return Ok(()),
                        Err(error) => first = first.or(Some(error)),
                    }
                }
                first.map_or(Ok(()), Err)
            };
            let field = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            if self.mend(&mut value, &field, &alone) {
                table.insert(name, value);
            } else if let Some(stand_in) = least.first().and_then(|least| least.get(&name)) {
                table.insert(name, stand_in.clone());
            }
        }
    }

    fn mend_list(&mut self, list: &mut Vec<Value>, at: &str, fits: &dyn Fn(Value) -> Tried) {
        let mut kept = Vec::new();
        for (index, mut value) in std::mem::take(list).into_iter().enumerate() {
            let alone = |value: Value| fits(Value::Array(vec![value]));
            if self.mend(&mut value, &format!("{at}[{index}]"), &alone) {
                kept.push(index);
                list.push(value);
            }
        }
        self.kept.insert(at.to_owned(), kept);
    }
}

/// The least that a table needs to fit; any of these.
fn least(at: &str, table: &Map<String, Value>) -> Vec<Map<String, Value>> {
    let tables = if at.is_empty() {
        json!([{"image": "x"}])
    } else if at == "limits.output" {
        json!([{"bytes": 1}])
    } else if at.starts_with("devices[") {
        json!([{"host": "/x"}])
    } else if at.starts_with("mounts[") {
        let bind = json!({"type": "bind", "source": "/x", "target": "/x"});
        let volume = json!({"type": "volume", "target": "/x"});
        let tmpfs = json!({"type": "tmpfs", "target": "/x"});
        match table.get("type").and_then(Value::as_str) {
            Some("bind") => json!([bind]),
            Some("volume") => json!([volume]),
            Some("tmpfs") => json!([tmpfs]),
            _ => json!([tmpfs, volume, bind]),
        }
    } else {
        json!([{}])
    };
    let Value::Array(tables) = tables else { return Vec::new() };
    tables.into_iter().filter_map(|table| table.as_object().cloned()).collect()
}

/// What the reader says, without the value that it met: that may be a secret.
fn words(at: &str, error: &str, value: &Value) -> (String, String) {
    let inside = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let field = if at.is_empty() { "task" } else { at }.to_owned();
    if let Some(name) = missing(error) {
        return (inside(name), "is missing".to_owned());
    }
    if let Some(said) = suggest(at, error) {
        return (field, said);
    }
    if error.starts_with("invalid type: ")
        && let Some((_, expected)) = error.rsplit_once(", expected ")
    {
        let expected = match expected {
            "a map" => "a table",
            "a sequence" => "a list",
            "u32" | "u64" => "a whole number",
            expected if expected.starts_with("struct ") => "a table",
            expected => expected,
        };
        return (field, format!("expected {expected}, not {}", kind(value)));
    }
    if error.starts_with("invalid length ") && value.is_array() {
        return (field, "expected a table, not a list".to_owned());
    }
    (field, error.to_owned())
}

fn missing(error: &str) -> Option<&str> {
    error.strip_prefix("missing field `")?.strip_suffix('`')
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

/// The field with its index at first, before anything was taken out of its list.
fn at_first(field: &str, kept: &BTreeMap<String, Vec<usize>>) -> String {
    let indexed = field.split_once('[').and_then(|(list, rest)| {
        let (index, rest) = rest.split_once(']')?;
        let first = kept.get(list)?.get(index.parse::<usize>().ok()?)?;
        Some(format!("{list}[{first}]{rest}"))
    });
    indexed.unwrap_or_else(|| field.to_owned())
}

/// Whether a problem is only there because another field was taken out.
fn follows_from(field: &str, taken: &str) -> bool {
    let within = field
        .strip_prefix(taken)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['));
    within
        || match taken {
            "limits.memory" => field == "limits.swap",
            "network.mode" => field == "network.aliases" || field.starts_with("network.dns"),
            "log.driver" => field == "log.options",
            "security.init" => field == "limits.pids",
            _ => false,
        }
}
