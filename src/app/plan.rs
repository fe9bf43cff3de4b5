//! Which plan applies: the file's, the one that the books remember, or the embedded example.

use std::path::Path;
use std::sync::Arc;

use crate::config::watch::PlanWatcher;
use crate::config::{ConfigError, EXAMPLE_PLAN, plan_file};
use crate::domain::plan::Plan;
use crate::engine::Engine;
use crate::engine::answer::EngineError;
use crate::engine::order::{Act, Planned};
use crate::world::vitals::Vitals;

use super::AppError;
use super::metrics::Observed;
use super::reloads::Outcome;

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

/// Applies the text of a plan file as one change, which is audited; answers whether anything changed. What the file names it
/// owns from then on; what the text before named and this one does not is taken away; what the API made stays.
///
/// # Errors
/// With its place in the text, if it is invalid or the books refuse it. Then nothing has changed.
pub fn apply_text(engine: &Engine, text: &str, name: &str) -> Result<bool, ConfigError> {
    let file = plan_file::parse(text, name)?;
    let changed = engine.change_plan(|present| {
        let plan = present.with_file(&file);
        plan_file::check_with(text, name, &plan)?;
        Ok::<_, Unapplied>(Planned::new(present, plan, &act(name)))
    });
    match changed {
        Ok(changed) => Ok(changed.is_changed),
        Err(Unapplied::Invalid(error)) => Err(error),
        Err(Unapplied::Failed(EngineError::Refused(refusal))) => {
            Err(plan_file::refused(text, name, &refusal))
        }
        Err(Unapplied::Failed(other)) => Err(ConfigError::of_file(name, other.to_string())),
    }
}

/// Why a plan was not applied.
enum Unapplied {
    Invalid(ConfigError),
    Failed(EngineError),
}

impl From<ConfigError> for Unapplied {
    fn from(error: ConfigError) -> Self {
        Self::Invalid(error)
    }
}

impl From<EngineError> for Unapplied {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

/// How the audit log names what a plan file changes.
fn act(file_name: &str) -> Act<'_> {
    Act {
        who: "plan file",
        action: "PlanFile",
        why: file_name,
        ..Act::default()
    }
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

/// Without a plan file nothing is owned by one: the API changes all of the plan.
fn without_file(engine: &Engine, is_first: bool) -> Result<Chosen, AppError> {
    let mut example = plan_file::parse(EXAMPLE_PLAN, EXAMPLE_NAME)?;
    example.owned = Arc::default();
    let is_example = is_first || *engine.plan() == example;
    if is_first {
        put_in_force(engine, &act(EXAMPLE_NAME), |_| example)?;
    } else if !is_example {
        tracing::warn!(
            "no plan file is given; the plan that applied last stays (--plan FILE changes it)"
        );
        put_in_force(engine, &act("no plan file is given"), |present| {
            let owned = Arc::default();
            Plan {
                owned,
                ..present.clone()
            }
        })?;
    }
    Ok(Chosen {
        text: String::new(),
        is_example,
    })
}

fn put_in_force(
    engine: &Engine,
    act: &Act<'_>,
    make: impl FnOnce(&Plan) -> Plan,
) -> Result<(), AppError> {
    let changed = engine.change_plan(|present| {
        let plan = make(present);
        Ok::<_, EngineError>(Planned::new(present, plan, act))
    });
    changed.map(drop).map_err(AppError::Engine)
}

/// Applies each new text of the plan file; the last good plan stays where one is wrong, or the file is gone.
pub(super) fn watch(
    path: &Path,
    text: String,
    engine: &Arc<Engine>,
    observed: &Arc<Observed>,
) -> Result<PlanWatcher, AppError> {
    let (engine, observed) = (Arc::clone(engine), Arc::clone(observed));
    let name = path.display().to_string();
    let changed = move |text: Option<&str>| {
        let outcome = match text.map(|text| apply_text(&engine, text, &name)) {
            Some(Ok(true)) => {
                tracing::info!("{name}: the plan has changed, and applies");
                Outcome::Applied
            }
            Some(Ok(false)) => {
                tracing::info!("{name}: read again; it says what applies already");
                Outcome::Unchanged
            }
            Some(Err(error)) => {
                tracing::error!("the last good plan stays: {error}");
                Outcome::Refused
            }
            // The watcher has said so.
            None => Outcome::Refused,
        };
        observed.vitals.plan_is_current(outcome != Outcome::Refused);
        observed.plan.again(outcome, observed.now());
    };
    PlanWatcher::start(path, text, changed).map_err(|source| AppError::System {
        what: "a thread",
        source,
    })
}
