//! The engine's answers: only the fields that are needed, and words as text, so that a state or a
//! field that a newer engine invents does not spoil the whole answer.

mod container;
mod engine;
mod event;
mod exec;
mod image;
mod labels;
mod list;

use serde::{Deserialize, Deserializer};

pub(crate) use self::container::{
    Check, Container, Created, Health, LogConfig, NetworkSettings, State, WaitResult,
};
pub(crate) use self::engine::{Info, Version};
pub(crate) use self::event::Event;
pub(crate) use self::exec::{CreatedExec, ExecState};
pub(crate) use self::image::{DiskUsage, Image, ListedImage};
pub(crate) use self::list::{Listed, Volumes};

/// Go writes an empty list or a missing part as `null`: it counts as not there.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_state_and_unknown_fields_are_no_failure() {
        let text = r#"{"Id":"c","State":{"Status":"stopped","Running":false,"ExitCode":3,"New":{}},"Else":1}"#;
        let container: Container = serde_json::from_str(text).unwrap();
        assert_eq!(container.state.status, "stopped");
        assert_eq!(container.state.exit_code, Some(3));
    }

    #[test]
    fn null_stands_for_nothing() {
        let image: Image =
            serde_json::from_str(r#"{"Id":"i","Config":null,"RepoDigests":null}"#).unwrap();
        assert_eq!((image.os.as_str(), image.architecture.as_str()), ("", ""));
        let created: Created = serde_json::from_str(r#"{"Id":"c","Warnings":null}"#).unwrap();
        assert!(created.warnings.is_empty());
    }

    #[test]
    fn an_answer_without_an_exit_code_is_no_exit() {
        assert!(serde_json::from_str::<WaitResult>("{}").is_err());
        for text in ["{}", r#"{"State":null}"#, r#"{"State":{"ExitCode":null}}"#] {
            let container: Container = serde_json::from_str(text).unwrap();
            assert_eq!(container.state.exit_code, None, "{text}");
        }
    }
}
