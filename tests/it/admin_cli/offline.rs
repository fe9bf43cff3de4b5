//! Commands that need no sidecar: schemas, completions, the books as lines.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::command;
use crate::commands::{Sidecar, said};

fn offline(arguments: &[&str]) -> String {
    let (code, text) = said(&command("http://127.0.0.1:9", arguments).output().unwrap());
    assert_eq!(code, 0, "{arguments:?}: {text}");
    text
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn schema(name: &str) -> Value {
    serde_json::from_str(&text_of(
        &root().join(format!("schemas/{name}.schema.json")),
    ))
    .unwrap()
}

/// A YAML text as a validator sees it.
fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// What a schema objects to.
fn objections(name: &str, document: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&schema(name)).unwrap();
    let errors = validator.iter_errors(document);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn the_schemas_in_the_tree_are_those_that_are_generated() {
    for name in ["plan", "settings", "tokens"] {
        let generated: Value = serde_json::from_str(&offline(&["schema", name])).unwrap();
        assert!(
            generated == schema(name),
            "schemas/{name}.schema.json is old; write it anew with `quotad schema {name}`"
        );
    }
}

#[test]
fn the_examples_and_the_readme_are_as_the_schemas_say() {
    for name in [
        "examples/plans/ai-builder.yaml",
        "examples/plans/builder.yaml",
        "examples/plans/contentstack.yaml",
        "src/config/example-plan.yaml",
    ] {
        let document = yaml(&text_of(&root().join(name)));
        assert_eq!(
            objections("plan", &document),
            Vec::<String>::new(),
            "{name}"
        );
    }
    let readme = text_of(&root().join("README.md"));
    let blocks = readme.split("```yaml\n").skip(1);
    let blocks: Vec<&str> = blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(!blocks.is_empty());
    // What a chart says is checked with the charts (`tests/helm.sh`).
    let ours = blocks.iter().filter(|it| !it.starts_with("# Chart.yaml"));
    for block in ours {
        let document = yaml(block);
        let name = if document.get("tokens").is_some() {
            "tokens"
        } else if document.get("organizations").is_some() {
            "plan"
        } else {
            "settings"
        };
        assert_eq!(objections(name, &document), Vec::<String>::new(), "{block}");
    }
}

#[test]
fn the_schemas_are_closed_and_know_bounds() {
    for (name, text, part) in [
        ("plan", "organizations: {a: {}}\ncolour: red", "colour"),
        ("plan", "organizations: {a: {grnats: []}}", "grnats"),
        (
            "plan",
            "organizations: {a: {users: {u: {type: hard}}}}",
            "limit",
        ),
        (
            "plan",
            "organizations: {a: {users: {u: {limit: -1}}}}",
            "limit",
        ),
        (
            "plan",
            "organizations: {a: {users: {u: {limit: 9007199254740992}}}}",
            "limit",
        ),
        (
            "plan",
            "organizations: {a: {users: {u: {limit: 1, type: firm}}}}",
            "type",
        ),
        (
            "plan",
            "organizations: {a: {cycle: {kind: month, anchor_day: 32}}}",
            "anchor_day",
        ),
        (
            "plan",
            "organizations: {a: {extension: {delay: 10}}}",
            "delay",
        ),
        ("plan", "organizations: {a: {users: }}", "users"),
        ("settings", "listn: 127.0.0.1:1", "listn"),
        ("settings", "listen: localhost", "listen"),
        ("settings", "journal_bytes_max: 256MB", "journal_bytes_max"),
        ("settings", "durability: disk", "durability"),
        ("settings", "threads: 0", "threads"),
        (
            "tokens",
            "tokens: [{name: ops, role: root, token: abc}]",
            "role",
        ),
        (
            "tokens",
            "tokens: [{name: ops, role: admin, tokn: abc}]",
            "tokn",
        ),
    ] {
        let found = objections(name, &yaml(text));
        assert!(
            found.iter().any(|it| it.contains(part)),
            "{text}: {found:?}"
        );
    }
    for (name, text) in [
        (
            "plan",
            "organizations: {a: {users: {u: {limit: 1_000}}, time_zone: '${ZONE:-Europe/Paris}', excess: '${EXCESS}'}}",
        ),
        (
            "plan",
            "organizations: {a: {cycle: {kind: days, days: 28, from: 2026-01-05T00:00:00Z}}}",
        ),
        (
            "settings",
            "listen: none\nsocket: {path: q.sock, mode: 0660}\nprobes: {listen: '[::1]:7452'}\ndurability: '${HOW}'",
        ),
    ] {
        assert_eq!(
            objections(name, &yaml(text)),
            Vec::<String>::new(),
            "{text}"
        );
    }
}

#[test]
fn every_key_of_the_schemas_says_what_it_is() {
    fn undescribed(value: &Value, path: &str, found: &mut Vec<String>) {
        let Value::Object(object) = value else { return };
        if let Some(Value::Object(properties)) = object.get("properties") {
            let bare = properties
                .iter()
                .filter(|(_, it)| it.get("description").is_none());
            found.extend(bare.map(|(key, _)| format!("{path}.{key}")));
            if object.get("additionalProperties") != Some(&json!(false)) {
                found.push(format!("{path} is open"));
            }
        }
        for (key, it) in object {
            undescribed(it, &format!("{path}.{key}"), found);
        }
    }
    for name in ["plan", "settings", "tokens"] {
        let mut found = Vec::new();
        undescribed(&schema(name), name, &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}

#[test]
fn the_completions_name_every_command() {
    let help = offline(&["--help"]);
    let listed = |line: &&str| {
        line.starts_with("  ") && line[2..].starts_with(|c: char| c.is_ascii_lowercase())
    };
    let commands: Vec<&str> = help
        .lines()
        .take_while(|line| !line.starts_with("Options:"))
        .filter(listed)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(
        commands.len() >= 30 && commands.contains(&"usage"),
        "{commands:?}"
    );
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = offline(&["completions", shell]);
        for name in commands.iter().chain(&["distribute", "replay"]) {
            assert!(script.contains(name), "{shell} does not know {name}");
        }
    }
}

#[test]
fn the_books_are_exported_while_a_sidecar_uses_them() {
    let mut sidecar = Sidecar::start(None);
    sidecar.run(&["charge", "--user", "ana", "--credits", "400"]);
    sidecar.run(&["reserve", "--user", "bo", "--credits", "50"]);
    let data = sidecar.folder.path().join("data");
    let data = data.to_str().unwrap();
    let file = sidecar.folder.path().join("books.jsonl");
    let look = || {
        let text = offline(&["snapshot", "export", "--data-dir", data]);
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<Value>>()
    };
    let find = |lines: &[Value], kind: &str, key: &str, name: &str| {
        let is_it = |it: &&Value| it["kind"] == kind && it[key] == name;
        lines
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("{kind} {name}: {lines:?}"))
            .clone()
    };
    let lines = look();
    assert_eq!(lines[0]["kind"], "plan");
    assert_eq!(find(&lines, "cell", "user", "ana")["used"], 400);
    assert_eq!(find(&lines, "reservation", "user", "bo")["held"], 50);
    assert_eq!(find(&lines, "balance", "account", "users/ana")["used"], 400);
    assert_eq!(
        find(&lines, "organization", "organization", "default")["in_plan"],
        true
    );
    sidecar.kill();
    offline(&[
        "snapshot",
        "export",
        "--data-dir",
        data,
        "--file",
        file.to_str().unwrap(),
    ]);
    assert_eq!(text_of(&file).lines().count(), lines.len());
    let (code, text) = said(
        &command("x", &["snapshot", "export", "--data-dir", "missing"])
            .output()
            .unwrap(),
    );
    assert!(code == 1 && text.contains("no such directory"), "{text}");
}
