//! What holds for files as a whole: their length, what they may name, and what the documents promise.

use super::floors::floor;

/// About 300 lines is a good file; more than this is two files.
pub(crate) const LINES_MAX: usize = 500;

/// Paths of one machine. Written apart, so that this file does not name them.
const MACHINE_PATHS: [&str; 5] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("/pri", "vate/"),
];

/// A file is short enough to be read at once.
pub(crate) fn length(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LINES_MAX)
        .then(|| format!("{path} has {lines} lines, more than {LINES_MAX}; split it"))
}

/// A file names no path of the machine that it was written on.
pub(crate) fn machine_paths(path: &str, text: &str) -> Vec<String> {
    let named = |line: &str| MACHINE_PATHS.iter().find(|it| line.contains(**it)).copied();
    let lines = text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| named(line).map(|it| (index + 1, it)));
    lines
        .map(|(line, it)| format!("{path}:{line}: names {it}, a path of one machine"))
        .collect()
}

/// Every module says first what it is for.
pub(crate) fn documented(path: &str, text: &str) -> Option<String> {
    let first = text.lines().next().unwrap_or_default();
    (!first.starts_with("//! "))
        .then(|| format!("{path}: the first line must say what the module is for, after `//!`"))
}

/// `src/lib.rs` declares the parts from the lowest floor up.
pub(crate) fn reading_order(lib: &str) -> Vec<String> {
    let declared = lib
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'));
    let parts: Vec<&str> = declared.collect();
    let mut problems: Vec<String> = parts
        .windows(2)
        .filter(|pair| floor(pair[0]) > floor(pair[1]))
        .map(|pair| {
            format!(
                "src/lib.rs: `{}` stands above `{}`, which is on a lower floor",
                pair[0], pair[1]
            )
        })
        .collect();
    if parts.is_empty() {
        problems.push("src/lib.rs declares no part".to_owned());
    }
    problems
}

/// Every `cargo` command that a document shows in a block of commands is run by `.ci/run`: up to its ` -- `.
pub(crate) fn commands_run(path: &str, document: &str, ci: &str) -> Vec<String> {
    let mut inside = false;
    let mut problems = Vec::new();
    for (index, line) in document.lines().enumerate() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            inside = !inside && matches!(kind, "sh" | "bash" | "console" | "shell");
            continue;
        }
        let command = line
            .trim()
            .trim_start_matches("$ ")
            .split('#')
            .next()
            .unwrap_or_default();
        let command = command.split(" -- ").next().unwrap_or_default().trim();
        if inside && command.starts_with("cargo ") && !ci.lines().any(|line| runs(line, command)) {
            problems.push(format!(
                "{path}:{}: .ci/run does not run `{command}`",
                index + 1
            ));
        }
    }
    problems
}

/// Whether a line of a script is this command, with or without more arguments.
fn runs(line: &str, command: &str) -> bool {
    let Some(at) = line.find(command) else {
        return false;
    };
    let after = &line[at + command.len()..];
    !line.trim_start().starts_with('#') && (after.is_empty() || after.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_refused() {
        assert_eq!(length("a", &"x\n".repeat(LINES_MAX)), None);
        assert!(length("a", &"x\n".repeat(LINES_MAX + 1)).is_some());
    }

    #[test]
    fn paths_of_a_machine_are_refused() {
        for path in MACHINE_PATHS {
            assert_eq!(
                machine_paths("a", &format!("one\nsee {path}x\n")).len(),
                1,
                "{path}"
            );
        }
        assert!(machine_paths("a", "see /etc/quotad and /run/quotad").is_empty());
    }

    #[test]
    fn a_module_without_a_first_word_is_refused() {
        assert_eq!(documented("a", "//! What it is for.\nuse b;"), None);
        for text in ["", "use b;", "// not this", "//!\n"] {
            assert!(documented("a", text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn parts_stand_in_reading_order() {
        assert!(reading_order("pub mod domain;\npub mod engine;\npub mod rpc;\n").is_empty());
        assert_eq!(reading_order("pub mod engine;\npub mod domain;\n").len(), 1);
        assert_eq!(reading_order("").len(), 1);
    }

    #[test]
    fn a_command_that_nobody_runs_is_refused() {
        let document = "```sh\ncargo test\ncargo run --release -- charge --user ana   # spends\n```\n```\ncargo bench\n```\n";
        for (ci, count) in [
            ("cargo test\ncargo run --release -- check\n", 0),
            ("nice cargo test --locked\ncargo run --release\n", 0),
            ("cargo test\n", 1),
            ("# cargo test\ncargo run --release\n", 1),
            ("cargo tests\ncargo run --released\n", 2),
        ] {
            assert_eq!(commands_run("README.md", document, ci).len(), count, "{ci}");
        }
    }
}
