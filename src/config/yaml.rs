//! One YAML text -> one typed value, or an error that shows the place.

use serde::de::DeserializeOwned;
use serde_saphyr::{
    DuplicateKeyPolicy, Error, MessageFormatter, PropertySyntax, UserMessageFormatter,
};

use crate::domain::nearest::nearest;

use super::error::ConfigError;
use super::variables::Variables;
use super::yaml_position::{Position, Tree};

/// Reads a text. An empty one is refused; `not_yet` explains keys that a later version may know.
pub(super) fn read<T: DeserializeOwned>(
    text: &str,
    file: &str,
    variables: &Variables,
    not_yet: fn(&str) -> Option<&'static str>,
) -> Result<T, ConfigError> {
    if is_empty(text) {
        return Err(ConfigError::of_file(
            file,
            "the file is empty; write at least one key, or remove the file",
        ));
    }
    let mut options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::Error };
    // Without a dollar sign there is nothing to replace.
    if let Some(properties) = variables.properties().filter(|_| text.contains('$')) {
        let problems = Tree::parse(text)
            .map(|tree| variables.problems(&tree))
            .unwrap_or_default();
        if !problems.is_empty() {
            return Err(ConfigError::in_text(file, text, problems));
        }
        options.property_syntax = PropertySyntax::DockerCompose;
        options = options.with_properties(properties);
    }
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let error = original(&error);
        let position = error.location().and_then(Position::of);
        ConfigError::in_text(file, text, [(position, describe(error, not_yet))])
    })
}

/// Nothing but blanks, comments and the marks of a document.
fn is_empty(text: &str) -> bool {
    text.trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#') || line == "---" || line == "...")
}

fn original(error: &Error) -> &Error {
    match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => original(error),
        other => other,
    }
}

/// What happened, and what to do.
fn describe(error: &Error, not_yet: fn(&str) -> Option<&'static str>) -> String {
    match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => match not_yet(field) {
            Some(why) => {
                format!("the key `{field}` is not known in this version: {why}; remove it")
            }
            None => format!(
                "the key `{field}` is not known here; {}",
                one_of(field, expected)
            ),
        },
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => {
            format!(
                "`{variant}` is not known here; {}",
                one_of(variant, expected)
            )
        }
        Error::SerdeMissingField { field, .. } => {
            format!("the key `{field}` is missing here; add it")
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{key}` stands here twice; keep one")
        }
        Error::DuplicateMappingKey { key: None, .. } => {
            "a key stands here twice; keep one".to_owned()
        }
        Error::MultipleDocuments { .. } => {
            "a second document begins here; keep one and remove the `---`".to_owned()
        }
        Error::NullIntoString { .. } => {
            "no value stands here; write one, or remove the key".to_owned()
        }
        Error::Unexpected {
            expected: "mapping start",
            ..
        } => "keys with values must stand here; write {key: value}, or {} for none".to_owned(),
        Error::Unexpected {
            expected: "sequence start",
            ..
        } => "a list must stand here; write [item, item], or [] for none".to_owned(),
        Error::Unexpected {
            expected: "string scalar",
            ..
        } => "a single value must stand here, no list and no mapping; write one".to_owned(),
        Error::Message { msg, .. } => msg.clone(),
        other => format!(
            "{}; correct the YAML",
            UserMessageFormatter.format_message(other)
        ),
    }
}

fn one_of(word: &str, expected: &[&'static str]) -> String {
    let near = nearest(word, expected.iter().copied());
    let guess = near
        .map(|near| format!("did you mean `{near}`? "))
        .unwrap_or_default();
    format!("{guess}Known: {}", expected.join(", "))
}
