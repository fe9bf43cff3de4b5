//! The binary: parses, does, and exits with a code that `quotad --help` documents.

use std::process::ExitCode;

/// Many small messages come and go; whether it pays is for benches/ to say.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quotad::cli::main()
}

/// The C library calls this before other constructors of the program: the allocator takes its first memory before
/// `main`, and would take it 2 MiB at a time. A sidecar allows huge pages once it has much to keep
/// (`src/app/huge_pages.rs`).
///
/// The attribute is `unsafe` because whatever stands in that section is called. This is a function as it is called there:
/// it makes one system call, and should that be refused, nobody listens yet to what it logs.
#[allow(unsafe_code)]
#[used]
#[unsafe(link_section = ".init_array.00099")]
static BEFORE_MAIN: extern "C" fn() = refuse_huge_pages;

extern "C" fn refuse_huge_pages() {
    quotad::world::huge_pages::allow(false);
}
