//! The commands of `quotad --help`, in groups: what runs and checks, what applications do, what administrators do.

/// Each group with its commands, in the order in which people meet them.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "Run and check",
        &[
            "serve",
            "wait",
            "healthcheck",
            "check",
            "test",
            "schema",
            "snapshot",
            "completions",
        ],
    ),
    (
        "Spend (a running sidecar)",
        &[
            "reserve", "commit", "release", "charge", "balance", "estimate", "bench",
        ],
    ),
    (
        "Administer (its management listener)",
        &[
            "plan",
            "apply",
            "organizations",
            "grants",
            "allocations",
            "limits",
            "rates",
            "users",
            "extension",
            "trial",
            "adjust",
            "reservations",
        ],
    ),
    (
        "Report (its management listener)",
        &["balances", "usage", "notifications", "audit"],
    ),
];

/// The same command line, with its commands in groups where it shows all of them.
pub(super) fn grouped(command: clap::Command) -> clap::Command {
    let width = GROUPS.iter().flat_map(|(_, names)| *names);
    let width = width.map(|name| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (title, names) in GROUPS {
        text.push_str(&format!("{title}:\n"));
        for name in *names {
            let about = command.find_subcommand(name).and_then(|it| it.get_about());
            let about = about.map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {name:width$}  {about}\n"));
        }
        text.push('\n');
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{text}Options:\n{{options}}{{after-help}}"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_stands_in_one_group() {
        let command = crate::cli::Cli::command();
        let all: BTreeSet<&str> = command.get_subcommands().map(|it| it.get_name()).collect();
        let named: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        assert_eq!(named.iter().copied().collect::<BTreeSet<_>>(), all);
        assert_eq!(named.len(), all.len(), "one stands there twice");
        // A brace would be read as a tag of the template.
        let help = grouped(command.clone()).render_help().to_string();
        for name in all {
            let line = help
                .lines()
                .find(|it| it.starts_with(&format!("  {name} ")));
            assert!(
                line.is_some_and(|it| it.len() > name.len() + 10),
                "{name}: {line:?}"
            );
        }
    }

    #[test]
    fn the_command_line_makes_sense_and_each_command_has_examples_and_exit_codes() {
        crate::cli::command().debug_assert();
        for it in crate::cli::Cli::command().get_subcommands() {
            let after = it
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                after.contains("Examples:") && after.contains("Exit codes:"),
                "{}: {after:?}",
                it.get_name()
            );
        }
    }
}
