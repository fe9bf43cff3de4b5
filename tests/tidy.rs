//! The rules of the house, run over the tree. A rule that no test runs is a wish; each rule here is also fed a
//! violation, and must object.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs
)]

#[path = "tidy/calls.rs"]
mod calls;
#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use source::{bare, tokens, without_tests};

/// One file of the tree.
struct File {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

/// The text files below these folders and files of the root, without what is built.
fn tree(roots: &[&str]) -> Vec<File> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut ahead: Vec<_> = roots
        .iter()
        .map(|root| top.join(root))
        .filter(|path| path.exists())
        .collect();
    // Built, or not ours; in a second work tree `.git` is a file.
    let foreign = [
        "target",
        ".git",
        "__pycache__",
        "generated",
        "node_modules",
        "quotad-data",
    ];
    while let Some(path) = ahead.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap());
            let own =
                entries.filter(|entry| !foreign.iter().any(|name| entry.file_name() == *name));
            ahead.extend(own.map(|entry| entry.path()));
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path
                .strip_prefix(top)
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/");
            found.push(File { path, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The Rust files that people write.
fn rust() -> Vec<File> {
    let files = tree(&["src", "tests", "benches", "examples", "build.rs"]);
    let files: Vec<File> = files
        .into_iter()
        .filter(|file| file.path.ends_with(".rs"))
        .collect();
    assert!(
        files.len() > 20,
        "only {} Rust files were found: the walk is broken",
        files.len()
    );
    files
}

fn none(rule: &str, looked_at: usize, problems: &[String]) {
    println!("{rule}: {looked_at} files, {} problems", problems.len());
    assert!(problems.is_empty(), "{rule}:\n{}", problems.join("\n"));
}

#[test]
fn a_file_uses_lower_floors_and_its_own_folder() {
    let files = rust();
    let in_src: Vec<(&str, &File)> = files
        .iter()
        .filter_map(|file| Some((file.path.strip_prefix("src/")?, file)))
        .collect();
    let check = |(path, file): &(&str, &File)| floors::check(path, &tokens(&bare(&file.text)));
    none(
        "floors",
        in_src.len(),
        &in_src.iter().flat_map(check).collect::<Vec<_>>(),
    );
}

#[test]
fn files_are_short() {
    let files = rust();
    let problems: Vec<String> = files
        .iter()
        .filter_map(|file| files::length(&file.path, &file.text))
        .collect();
    none("length", files.len(), &problems);
}

#[test]
fn banned_calls_are_not_made() {
    let files = rust();
    // Files that a `#[cfg(test)] mod NAME;` declares are tests as a whole.
    let mut test_files: BTreeSet<String> = BTreeSet::new();
    for file in &files {
        let bare = bare(&file.text);
        let folder = file
            .path
            .trim_end_matches(".rs")
            .trim_end_matches("/lib")
            .to_owned();
        let names = without_tests(&tokens(&bare)).1;
        test_files.extend(names.iter().map(|name| format!("{folder}/{name}")));
    }
    let is_test = |path: &str| {
        let stem = path.trim_end_matches(".rs");
        test_files
            .iter()
            .any(|test| stem == test || stem.starts_with(&format!("{test}/")))
    };
    let mut problems = Vec::new();
    for file in &files {
        let bare = bare(&file.text);
        let all = tokens(&bare);
        let product = if is_test(&file.path) {
            Vec::new()
        } else {
            without_tests(&all).0
        };
        problems.extend(calls::check(&file.path, &all, &product));
    }
    none("banned calls", files.len(), &problems);
}

#[test]
fn every_module_says_what_it_is_for_and_the_parts_stand_in_reading_order() {
    let files: Vec<File> = rust()
        .into_iter()
        .filter(|file| file.path.starts_with("src/"))
        .collect();
    let mut problems: Vec<String> = files
        .iter()
        .filter_map(|file| files::documented(&file.path, &file.text))
        .collect();
    let lib = files.iter().find(|file| file.path == "src/lib.rs").unwrap();
    problems.extend(files::reading_order(&lib.text));
    none("reading order", files.len(), &problems);
}

#[test]
fn nothing_names_a_path_of_one_machine() {
    let files = tree(&["."]);
    let problems: Vec<String> = files
        .iter()
        .flat_map(|file| files::machine_paths(&file.path, &file.text))
        .collect();
    none("machine paths", files.len(), &problems);
}

#[test]
fn ci_runs_the_commands_that_the_documents_show() {
    let documents = tree(&["README.md", "CONTRIBUTING.md"]);
    assert_eq!(
        documents.len(),
        2,
        "README.md or CONTRIBUTING.md is missing"
    );
    let ci = tree(&[".ci/run"]);
    let ci = &ci.first().expect(".ci/run is missing").text;
    let check = |file: &File| files::commands_run(&file.path, &file.text, ci);
    none(
        "commands",
        documents.len(),
        &documents.iter().flat_map(check).collect::<Vec<_>>(),
    );
}
