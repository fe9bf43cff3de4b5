//! The binary: parses, does, and exits with a code that `quotad --help` documents.

use std::process::ExitCode;

/// Many small messages come and go; whether it pays is for benches/ to say.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quotad::cli::main()
}
