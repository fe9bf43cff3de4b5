//! Instructions instead of time: this program once more, under valgrind's callgrind, which counts what one function and
//! all that it calls execute. The machine's mood does not matter to it.

use std::process::{Command, Stdio};

/// Whether there is a valgrind here.
pub fn is_here() -> bool {
    let asked = Command::new(VALGRIND).arg("--version").output();
    asked.is_ok_and(|output| output.status.success())
}

/// Instructions within the functions whose names begin so, of this program with these arguments; or what valgrind said.
pub fn count(function: &str, arguments: &[&str]) -> Result<u64, String> {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = without_randomness();
    // Variables of the environment would move the stack, and with it the seeds of hash tables.
    let output = command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect={function}*"))
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, figure)| figure.trim().parse::<u64>().ok());
    match collected {
        Some(collected) if output.status.success() && collected > 0 => Ok(collected),
        _ => Err(said),
    }
}

/// valgrind, where possible with addresses that are the same each time.
fn without_randomness() -> Command {
    let fixed = Command::new("setarch")
        .args(["-R", "true"])
        .stderr(Stdio::null())
        .status();
    if !fixed.is_ok_and(|status| status.success()) {
        return Command::new(VALGRIND);
    }
    let mut command = Command::new("setarch");
    command.args(["-R", VALGRIND]);
    command
}

const VALGRIND: &str = "valgrind";
