//! `${VAR}` and `${VAR:-default}` in values; `$$` is a dollar sign.

use std::collections::HashMap;

use super::yaml_position::{Position, Tree};

/// What `${VAR}` stands for.
#[derive(Clone, Debug, Default)]
pub struct Variables(Option<HashMap<String, String>>);

impl Variables {
    /// Nothing stands for anything: a dollar sign is a dollar sign.
    pub fn off() -> Self {
        Self(None)
    }

    /// The environment of this process. Variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let text = |it: std::ffi::OsString| it.into_string().ok();
        std::env::vars_os()
            .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
            .collect()
    }

    /// What the parser replaces by; `None` leaves the text alone.
    pub(super) fn properties(&self) -> Option<HashMap<String, String>> {
        self.0.clone()
    }

    /// What cannot be replaced, with positions.
    pub(super) fn problems(&self, tree: &Tree) -> Vec<(Option<Position>, String)> {
        let Some(known) = &self.0 else {
            return Vec::new();
        };
        let mut problems = Vec::new();
        tree.scalars(&mut |text, at| {
            if let Err(problem) = check(text, known) {
                problems.push((at, problem));
            }
        });
        problems
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(Some(variables.into_iter().collect()))
    }
}

/// Whether everything after a dollar sign can be replaced.
fn check(text: &str, known: &HashMap<String, String>) -> Result<(), String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        rest = if let Some(after) = after.strip_prefix('$') {
            after
        } else if let Some(after) = after.strip_prefix('{') {
            let (inside, after) = after.split_once('}').ok_or_else(|| {
                "`${` has no closing brace; write ${NAME}, or $$ for a dollar sign".to_owned()
            })?;
            check_reference(inside, known)?;
            after
        } else if after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(
                "a lone `$` stands here; write ${NAME} for a variable, or $$ for a dollar sign"
                    .to_owned(),
            );
        } else {
            after
        };
    }
    Ok(())
}

fn check_reference(inside: &str, known: &HashMap<String, String>) -> Result<(), String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let named_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !named_well {
        return Err(format!(
            "`${{{inside}}}` names no variable; write ${{NAME}} or ${{NAME:-default}}"
        ));
    }
    match default {
        Some(default) if default.contains('$') => Err(format!(
            "the default of `${{{name}:-...}}` holds a `$`; write a plain text"
        )),
        None if !known.contains_key(name) => Err(format!(
            "the environment variable {name} is not set; set it, or write ${{{name}:-default}}"
        )),
        _ => Ok(()),
    }
}
