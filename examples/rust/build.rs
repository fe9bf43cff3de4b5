//! Generates the client from the .proto files, without protoc.

use std::error::Error;

/// Where the .proto files are; a copy of this folder elsewhere needs a copy of them.
const PROTO: &str = "../../proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    let files = protox::compile(["quotad/v1/quota.proto"], [PROTO])?;
    tonic_prost_build::configure()
        .build_server(false)
        .compile_fds(files)?;
    Ok(())
}
