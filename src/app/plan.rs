//! Which plan applies: the file's, the one that the books remember, or the embedded example.

use std::path::Path;
use std::sync::Arc;

use crate::config::watch::PlanWatcher;
use crate::config::{ConfigError, EXAMPLE_PLAN, plan_file};
use crate::domain::plan::Plan;
use crate::engine::Engine;
use crate::engine::answer::EngineError;
use crate::world::vitals::Vitals;

use super::AppError;

/// How the embedded plan is named in errors.
pub const EXAMPLE_NAME: &str = "the example plan";

/// The text of a plan file and its name in errors; without a file the example's.
///
/// # Errors
/// If the file cannot be read.
pub fn plan_text(path: Option<&Path>) -> Result<(String, String), ConfigError> {
    match path {
        Some(path) => Ok((plan_file::read_text(path)?, path.display().to_string())),
        None => Ok((EXAMPLE_PLAN.to_owned(), EXAMPLE_NAME.to_owned())),
    }
}

/// Applies the text of a plan as one change; answers whether anything changed.
///
/// # Errors
/// With its place in the text, if it is invalid or the books refuse it. Then nothing has changed.
pub fn apply_text(engine: &Engine, text: &str, name: &str) -> Result<bool, ConfigError> {
    let plan = plan_file::parse(text, name)?;
    engine.apply_plan(plan).map_err(|error| match error {
        EngineError::Refused(refusal) => plan_file::refused(text, name, &refusal),
        other => ConfigError::of_file(name, other.to_string()),
    })
}

/// The plan at the start of the process, once the books are back.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// The text of the plan file, as far as it could be read: what the watcher compares with.
    pub(super) text: String,
    /// Whether the example applies.
    pub(super) is_example: bool,
}

/// Puts a plan in force. Books that have none yet need one: then what is wrong with it ends the start. Later the plan that
/// the books remember stays instead, and the log and the vitals say so.
pub(super) fn choose(
    engine: &Engine,
    path: Option<&Path>,
    vitals: &Vitals,
) -> Result<Chosen, AppError> {
    let is_first = *engine.plan() == Plan::default();
    let Some(path) = path else {
        return without_file(engine, is_first);
    };
    let name = path.display().to_string();
    let read = plan_file::read_text(path);
    let text = read.as_deref().unwrap_or_default().to_owned();
    let applied = read.and_then(|text| apply_text(engine, &text, &name));
    if engine.has_failed() {
        return Err(AppError::Engine(EngineError::Unrecorded));
    }
    match applied {
        Ok(true) if !is_first => tracing::info!("{name}: the plan has changed, and applies"),
        Ok(_) => {}
        Err(error) if is_first => return Err(error.into()),
        Err(error) => {
            vitals.plan_is_current(false);
            tracing::error!("the last good plan stays: {error}");
        }
    }
    Ok(Chosen {
        text,
        is_example: false,
    })
}

fn without_file(engine: &Engine, is_first: bool) -> Result<Chosen, AppError> {
    let example = plan_file::parse(EXAMPLE_PLAN, EXAMPLE_NAME)?;
    let is_example = is_first || *engine.plan() == example;
    if is_first {
        engine.apply_plan(example).map_err(AppError::Engine)?;
    } else if !is_example {
        tracing::warn!(
            "no plan file is given; the plan that applied last stays (--plan FILE changes it)"
        );
    }
    Ok(Chosen {
        text: String::new(),
        is_example,
    })
}

/// Applies each new text of the plan file; the last good plan stays where one is wrong.
pub(super) fn watch(
    path: &Path,
    text: String,
    engine: &Arc<Engine>,
    vitals: &Arc<Vitals>,
) -> Result<PlanWatcher, AppError> {
    let (engine, vitals) = (Arc::clone(engine), Arc::clone(vitals));
    let name = path.display().to_string();
    let changed = move |text: &str| {
        let applied = apply_text(&engine, text, &name);
        vitals.plan_is_current(applied.is_ok());
        match applied {
            Ok(true) => tracing::info!("{name}: the plan has changed, and applies"),
            Ok(false) => tracing::info!("{name}: read again; it says what applies already"),
            Err(error) => tracing::error!("the last good plan stays: {error}"),
        }
    };
    PlanWatcher::start(path, text, changed).map_err(|source| AppError::System {
        what: "a thread",
        source,
    })
}
