//! The binary: parses, does, and exits with a code that `quotad --help` documents.

use std::process::ExitCode;

/// Many small messages come and go; whether it pays is for benches/ to say.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything takes memory; a sidecar allows them once it has much to keep.
    quotad::world::huge_pages::allow(false);
    quotad::cli::main()
}
