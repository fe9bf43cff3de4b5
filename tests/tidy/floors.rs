//! The floors: a file may use what is on lower floors and in its own folder; never upwards, never sideways.

use super::source::{Token, after_bracket, follows};

/// The parts of the crate from the lowest floor up. The top floor is in order: `config` reads files, `app` puts the
/// parts together, `cli` is on top of both.
pub(crate) const FLOORS: &[&[&str]] = &[
    &["domain", "varint", "world"],
    &["engine"],
    &["storage", "fleet", "notify"],
    &["rpc", "http"],
    &["config"],
    &["app"],
    &["cli"],
];

/// What the rules themselves never touch: they are told the time, hold no lock, do no I/O, and know no wire.
const NOT_IN_DOMAIN: &[&str] = &[
    "serde",
    "serde_json",
    "tokio",
    "tonic",
    "prost",
    "tracing",
    "parking_lot",
    "dashmap",
    "Mutex",
    "RwLock",
    "Instant",
    "SystemTime",
    "fs",
    "net",
    "io",
    "env",
    "process",
    "thread",
    "atomic",
];

/// The floor of a part.
pub(crate) fn floor(part: &str) -> Option<usize> {
    FLOORS.iter().position(|parts| parts.contains(&part))
}

/// The module path of a file under `src/`: `cli/test/run.rs` is `["cli", "test", "run"]`.
fn modules(path: &str) -> Vec<&str> {
    path.trim_end_matches(".rs").split('/').collect()
}

/// Checks the paths that a file under `src/` uses; `path` is relative to `src/`.
pub(crate) fn check(path: &str, tokens: &[Token<'_>]) -> Vec<String> {
    if matches!(path, "lib.rs" | "main.rs") {
        return Vec::new();
    }
    let modules = modules(path);
    let own = modules[0];
    let Some(own_floor) = floor(own) else {
        return vec![format!(
            "src/{path}: `{own}` is on no floor; add it to tests/tidy/floors.rs"
        )];
    };
    let mut problems = Vec::new();
    for (line, part) in used_parts(&modules, tokens) {
        match floor(part) {
            _ if part == own => {}
            Some(floor) if floor < own_floor => {}
            Some(floor) => {
                let way = if floor == own_floor {
                    "sideways"
                } else {
                    "upwards"
                };
                problems.push(format!("src/{path}:{line}: {own} uses {part}, {way}"));
            }
            None => problems.push(format!("src/{path}:{line}: `crate::{part}` is on no floor")),
        }
    }
    if own == "domain" {
        for (index, token) in tokens.iter().enumerate() {
            let in_a_path = tokens.get(index + 1).is_some_and(|next| next.text == "::")
                || index
                    .checked_sub(1)
                    .is_some_and(|before| tokens[before].text == "::");
            let in_braces = inside_use(tokens, index);
            if NOT_IN_DOMAIN.contains(&token.text) && (in_a_path || in_braces) {
                problems.push(format!(
                    "src/{path}:{}: the domain is pure, `{}` is not",
                    token.line, token.text
                ));
            }
        }
    }
    problems
}

/// Whether a word stands in a `use` item.
fn inside_use(tokens: &[Token<'_>], index: usize) -> bool {
    tokens[..index]
        .iter()
        .rev()
        .take_while(|token| token.text != ";")
        .any(|token| token.text == "use")
}

/// The parts of the crate that paths name: `crate::PART`, `crate::{PART, ..}`, and `super` up to the root.
fn used_parts<'a>(modules: &[&str], tokens: &[Token<'a>]) -> Vec<(usize, &'a str)> {
    let mut used = Vec::new();
    let mut inline: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        inline.retain(|&end| end > at);
        let rest = &tokens[at..];
        if follows(rest, &["mod"]) && rest.get(2).is_some_and(|token| token.text == "{") {
            inline.push(after_bracket(tokens, at + 2));
            at += 3;
            continue;
        }
        let mut climbed = 0;
        let mut next = at;
        if follows(rest, &["crate", "::"]) {
            (climbed, next) = (modules.len() + inline.len(), at + 2);
        } else {
            while follows(&tokens[next..], &["super", "::"]) {
                (climbed, next) = (climbed + 1, next + 2);
            }
        }
        if next == at {
            at += 1;
            continue;
        }
        if climbed >= modules.len() + inline.len() {
            used.extend(first_names(tokens, next));
        }
        at = next;
    }
    used
}

/// The names that stand first after `crate::`: one, or several in braces.
fn first_names<'a>(tokens: &[Token<'a>], at: usize) -> Vec<(usize, &'a str)> {
    let Some(first) = tokens.get(at) else {
        return Vec::new();
    };
    if first.text != "{" {
        return vec![(first.line, first.text)];
    }
    let end = after_bracket(tokens, at);
    let (mut names, mut depth, mut begins) = (Vec::new(), 0, true);
    for token in &tokens[at + 1..end - 1] {
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 0 => begins = true,
            name if begins && depth == 0 => {
                names.push((token.line, name));
                begins = false;
            }
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::source::{bare, tokens};
    use super::*;

    fn problems(path: &str, text: &str) -> usize {
        check(path, &tokens(&bare(text))).len()
    }

    #[test]
    fn upwards_and_sideways_are_refused() {
        for (path, text, count) in [
            ("engine/book.rs", "use crate::domain::plan::Plan;", 0),
            ("engine/book.rs", "use super::order::Id;", 0),
            ("engine.rs", "use crate::world::clock::Clock;", 0),
            ("rpc/quota.rs", "use crate::engine::Engine;", 0),
            ("cli/test/run.rs", "use crate::config::plan_file;", 0),
            ("domain/plan.rs", "use crate::engine::Engine;", 1),
            ("domain/plan.rs", "use crate::world::clock::Clock;", 1),
            ("engine/book.rs", "use crate::rpc::pb;", 1),
            ("rpc/quota.rs", "use crate::http::probes;", 1),
            ("config/file.rs", "use crate::cli::print;", 1),
            ("config/file.rs", "use crate::app::run;", 1),
            (
                "domain/plan.rs",
                "use crate::{domain::time, engine::{a, b}, world};",
                2,
            ),
            ("domain/plan.rs", "fn a() { crate::engine::run() }", 1),
            ("domain/plan.rs", "use super::super::engine::Engine;", 1),
            ("engine.rs", "use super::rpc::pb;", 1),
            (
                "engine/book.rs",
                "mod tests { use super::super::answer; }",
                0,
            ),
            (
                "engine/book.rs",
                "mod tests { use super::super::super::rpc::pb; }",
                1,
            ),
            (
                "engine/book.rs",
                "// use crate::rpc::pb;\nfn a() { \"crate::rpc\"; }",
                0,
            ),
            ("stray/a.rs", "", 1),
            ("engine/book.rs", "use crate::stray::a;", 1),
        ] {
            assert_eq!(problems(path, text), count, "{path}: {text}");
        }
    }

    #[test]
    fn the_domain_is_pure() {
        for (text, count) in [
            ("use std::time::Duration;", 0),
            ("use std::time::Instant;", 1),
            ("use std::time::{Duration, SystemTime};", 1),
            ("use serde::Deserialize;", 1),
            ("fn a() { tokio::spawn(b) }", 1),
            ("use std::sync::Mutex;", 1),
            ("use std::sync::atomic::AtomicU64;", 1),
            ("fn a() { std::fs::read(b) }", 1),
            ("struct Io { io: u64, env: u64 }", 0),
        ] {
            assert_eq!(problems("domain/a.rs", text), count, "{text}");
            assert_eq!(problems("world/a.rs", text), 0, "{text}");
        }
    }
}
