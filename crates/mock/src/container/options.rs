//! What is sent to the engine.

use std::collections::BTreeMap;

use longshore_driver_api::{Env, TaskSpec};

/// What a container of the mock is created from: the type that
/// [`edit_engine_options`](longshore_driver_api::Container::edit_engine_options) gives to its
/// callback. At first it is as the task says.
///
/// ```
/// use longshore_driver_api::Container;
/// use longshore_mock::EngineOptions;
///
/// fn label(container: &dyn Container) -> longshore_driver_api::Result<()> {
///     container.edit_engine_options(&mut |options| {
///         if let Some(options) = options.downcast_mut::<EngineOptions>() {
///             options.labels.insert("stage".to_owned(), "test".to_owned());
///         }
///     })
/// }
/// # let _ = label;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineOptions {
    /// The program and its first arguments. Absent: the image's.
    pub entrypoint: Option<Vec<String>>,
    /// The arguments. Empty: the image's.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: Env,
    /// Labels, the driver's own aside: those cannot be changed.
    pub labels: BTreeMap<String, String>,
}

impl EngineOptions {
    pub(super) fn of(spec: &TaskSpec) -> Self {
        Self {
            entrypoint: spec.entrypoint.clone(),
            args: spec.args.clone(),
            env: spec.env.clone(),
            labels: spec.labels.clone(),
        }
    }

    /// The task's description as the engine gets it.
    pub(super) fn apply(self, spec: &TaskSpec) -> TaskSpec {
        let mut spec = spec.clone();
        spec.entrypoint = self.entrypoint;
        spec.args = self.args;
        spec.env = self.env;
        spec.labels = self.labels;
        spec
    }
}
