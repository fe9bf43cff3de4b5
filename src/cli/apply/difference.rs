//! What a plan would change, as people read it.

use serde_json::{Value, json};

use crate::cli::client;
use crate::cli::output::clean;
use crate::rpc::pb;

/// What stands between two sides of a terminal's colours.
const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const YELLOW: &str = "\u{1b}[33m";
const PLAIN: &str = "\u{1b}[0m";

/// Each entry by its path, with what it was and what it is to be; and how many of each there are.
pub(super) fn text(differences: &[pb::PlanDifference], is_coloured: bool) -> String {
    let paint = |colour: &str, line: &str| {
        if is_coloured {
            format!("{colour}{line}{PLAIN}\n")
        } else {
            format!("{line}\n")
        }
    };
    let (mut added, mut changed, mut removed) = (0, 0, 0);
    let mut text = String::new();
    for it in differences {
        let (sign, colour, count) = match (it.before.is_empty(), it.after.is_empty()) {
            (true, _) => ('+', GREEN, &mut added),
            (false, true) => ('-', RED, &mut removed),
            (false, false) => ('~', YELLOW, &mut changed),
        };
        *count += 1;
        text.push_str(&paint(colour, &format!("{sign} {}", clean(&it.path))));
        let lines = |text: &str| text.lines().map(clean).collect::<Vec<_>>();
        for line in lines(&it.before) {
            text.push_str(&paint(RED, &format!("    - {line}")));
        }
        for line in lines(&it.after) {
            text.push_str(&paint(GREEN, &format!("    + {line}")));
        }
    }
    text.push_str(&format!(
        "{added} added, {changed} changed, {removed} taken away"
    ));
    text
}

/// The same for programs.
pub(super) fn values(differences: &[pb::PlanDifference]) -> Value {
    let side = |text: &str| match text {
        "" => Value::Null,
        text => json!(text),
    };
    differences
        .iter()
        .map(|it| {
            let fields = client::fields([
                ("path", json!(it.path)),
                ("before", side(&it.before)),
                ("after", side(&it.after)),
            ]);
            Value::Object(fields)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_changed_and_taken_away_are_told_apart() {
        let entry = |path: &str, before: &str, after: &str| pb::PlanDifference {
            path: path.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        };
        let differences = [
            entry("organizations.acme.users.ana", "{limit: 1}", "{limit: 2}"),
            entry("organizations.acme.users.bo", "", "{limit: 3}"),
            entry("rate_card.old\u{1b}[2J", "{credits: 1}", ""),
        ];
        assert_eq!(
            text(&differences, false),
            "~ organizations.acme.users.ana\n    - {limit: 1}\n    + {limit: 2}\n\
             + organizations.acme.users.bo\n    + {limit: 3}\n\
             - rate_card.old\\u{1b}[2J\n    - {credits: 1}\n\
             1 added, 1 changed, 1 taken away"
        );
        let coloured = text(&differences[1..2], true);
        assert!(coloured.starts_with("\u{1b}[32m+ organizations.acme.users.bo\u{1b}[0m\n"));
        assert_eq!(values(&differences[1..2])[0]["before"], Value::Null);
    }
}
