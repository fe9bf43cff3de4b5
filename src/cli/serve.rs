//! `quotad serve`.
use super::Exit;
/// x
#[derive(Debug, clap::Args)]
pub(super) struct Args {}
pub(super) fn run(_args: Args, _log: &str) -> Exit {
    Exit::Ok
}
