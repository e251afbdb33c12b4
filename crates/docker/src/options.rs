//! The request that creates a container, open to be seen and changed before it is sent.

use longshore_driver_api::{Error, ErrorKind, Result};
use serde_json::Value;

/// What will be sent to the engine to create a container: the type that
/// [`Container::edit_engine_options`](longshore_driver_api::Container::edit_engine_options) gives.
///
/// It is the body of the engine's `POST /containers/create`. Places in it are named by JSON pointers
/// (RFC 6901), and values are JSON texts.
///
/// ```
/// # use longshore_docker::EngineOptions;
/// # let mut options = EngineOptions::default();
/// options.set("/HostConfig/OomScoreAdj", "500")?;
/// assert_eq!(options.get("/HostConfig/OomScoreAdj").as_deref(), Some("500"));
/// # Ok::<(), longshore_driver_api::Error>(())
/// ```
///
/// The owner's labels are set after all changes: they cannot be taken away. So is what a task joins
/// that borrows its network; and since a change could let the task do anything to that network, it
/// is lent to nobody after a task whose options were changed.
#[derive(Clone, Default, PartialEq)]
pub struct EngineOptions {
    pub(crate) body: Value,
}

impl EngineOptions {
    pub(crate) fn new(body: Value) -> Self {
        Self { body }
    }

    /// The value at a place, as JSON.
    #[must_use]
    pub fn get(&self, pointer: &str) -> Option<String> {
        self.body.pointer(pointer).map(ToString::to_string)
    }

    /// Sets the value at a place. Objects on the way to it are made where there are none.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the place is no pointer into objects, or the value is not JSON.
    pub fn set(&mut self, pointer: &str, json: &str) -> Result<()> {
        let wrong = |why: String| {
            Error::new(ErrorKind::InvalidInput, "edit engine options")
                .message(format!("{pointer:?}: {why}"))
        };
        let value: Value = serde_json::from_str(json)
            .map_err(|error| wrong(format!("the value is not JSON: {error}")))?;
        let path = pointer
            .strip_prefix('/')
            .ok_or_else(|| wrong("a pointer begins with a slash".to_owned()))?;
        let mut place = &mut self.body;
        for step in path.split('/') {
            let name = step.replace("~1", "/").replace("~0", "~");
            if place.is_null() {
                *place = Value::Object(serde_json::Map::new());
            }
            let object = place
                .as_object_mut()
                .ok_or_else(|| wrong(format!("there is no object to hold {name:?}")))?;
            place = object.entry(name).or_insert(Value::Null);
        }
        *place = value;
        Ok(())
    }
}

/// Without the values: environment variables are among them.
impl std::fmt::Debug for EngineOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.body.as_object().map(|object| object.keys().collect::<Vec<_>>());
        f.debug_struct("EngineOptions").field("fields", &names.unwrap_or_default()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_set_made_and_escaped() {
        let mut options = EngineOptions::new(json!({"Image": "x", "HostConfig": null}));
        options.set("/HostConfig/Sysctls/net.ipv4~1x", "\"1\"").unwrap();
        options.set("/Image", "\"y\"").unwrap();
        assert_eq!(
            options.body,
            json!({"Image": "y", "HostConfig": {"Sysctls": {"net.ipv4/x": "1"}}})
        );
        assert_eq!(options.get("/Image").unwrap(), "\"y\"");
        assert_eq!(options.get("/None"), None);
    }

    #[test]
    fn what_cannot_be_set_is_refused_and_named() {
        let mut options = EngineOptions::new(json!({"Image": "x"}));
        for (pointer, value) in [("Image", "1"), ("/Image/Deeper", "1"), ("/Image", "{")] {
            let error = options.set(pointer, value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(pointer), "{error}");
        }
    }

    #[test]
    fn debug_shows_names_and_never_values() {
        let options = EngineOptions::new(json!({"Env": ["TOKEN=hunter2"]}));
        let shown = format!("{options:?}");
        assert!(shown.contains("Env") && !shown.contains("hunter2"), "{shown}");
    }
}
