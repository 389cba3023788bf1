//! Compiles the `.proto` files with a Rust compiler of their language, so that no `protoc` has to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(
        [
            "epm/v1/record.proto",
            "epm/v1/delivery.proto",
            "epm/v1/enrolment.proto",
        ],
        ["proto"],
    )?;
    tonic_prost_build::configure()
        .bytes(".epm.v1.Batch.payload")
        .compile_fds(files)?;
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}
