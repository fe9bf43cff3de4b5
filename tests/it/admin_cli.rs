//! What administrators type, against an AdminService that remembers what it was asked, and answers as it was told.
#![allow(unreachable_pub, missing_docs)]

mod access;
mod changes;
mod fake;
mod lists;
mod offline;
mod plans;
mod usage;

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::commands::{QUOTAD, said};
use fake::Fake;

/// Runs a command against a fake; answers its exit code, and what it printed on both ways out.
pub fn run(fake: &Fake, arguments: &[&str]) -> (i32, String) {
    said(&command(&fake.url(), arguments).output().unwrap())
}

/// The same without anything of this process's environment that could matter.
pub fn command(management: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(QUOTAD);
    let of_quotad = |name: &str| name.starts_with("QUOTAD_");
    for (name, _) in std::env::vars().filter(|(name, _)| of_quotad(name)) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command.env("QUOTAD_MANAGEMENT", management);
    command.env_remove("COLUMNS");
    command
}

/// What a command printed as JSON, once it has ended well.
pub fn json(fake: &Fake, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["-o", "json"]].concat();
    let output = command(&fake.url(), &arguments).output().unwrap();
    let (code, text) = said(&output);
    assert_eq!(code, 0, "{arguments:?}: {text}");
    serde_json::from_slice(&output.stdout).unwrap()
}
