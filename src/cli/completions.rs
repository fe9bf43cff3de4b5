//! `quotad completions`.

use clap_complete::Shell;

use super::Exit;

/// Prints a script that lets a shell complete quotad's commands and flags.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  source <(quotad completions bash)
  quotad completions zsh > ~/.zfunc/_quotad
  quotad completions fish > ~/.config/fish/completions/quotad.fish

Exit codes: 0 printed, 2 wrong usage.")]
pub(super) struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "quotad", &mut script);
    super::print(&String::from_utf8_lossy(&script).trim_end());
    Exit::Ok
}
