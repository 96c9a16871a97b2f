//! Compiles the files under `proto/` without needing `protoc`.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use prost::Message;

/// The Workload API has no package, so it is generated apart, into a module of its own.
const WORKLOAD: &str = "spiffe/workload/workload.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo:rerun-if-changed={}", root.display());

    let mut files = Vec::new();
    collect(&root, &root, &mut files)?;
    files.sort();
    let all = protox::compile(&files, [&root])?;
    fs::write(out.join("descriptors.bin"), all.encode_to_vec())?;

    files.retain(|file| file != Path::new(WORKLOAD));
    tonic_prost_build::configure()
        .include_file("packages.rs")
        .compile_fds_with_config(protox::compile(&files, [&root])?, named())?;
    let workload = out.join("workload");
    fs::create_dir_all(&workload)?;
    tonic_prost_build::configure()
        .out_dir(workload)
        .compile_fds_with_config(protox::compile([WORKLOAD], [&root])?, named())?;
    Ok(())
}

/// Messages know their names, for JSON by descriptor and for `google.protobuf.Any`.
fn named() -> prost_build::Config {
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    // One entry is the message as a rule; a box would only be in the way.
    config.type_attribute(".steeple.server.access.v1.Object.about", "#[allow(clippy::large_enum_variant)]");
    config
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if let Ok(relative) = path.strip_prefix(root) {
            files.push(relative.to_owned());
        }
    }
    Ok(())
}
