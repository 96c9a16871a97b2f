//! An archive of images in the layout of the OCI image specification, with the manifest that `docker load` reads beside it.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

use super::plan::Image;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Writes the archive: every image is of the same layer.
///
/// # Errors
/// When the file can't be written.
pub(crate) fn write(path: &Path, images: &[Image], layer: &[u8]) -> Result<()> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    pack(file, images, layer).with_context(|| format!("writing {}", path.display()))
}

fn pack(into: impl std::io::Write, images: &[Image], layer: &[u8]) -> Result<()> {
    let mut archive = Archive { tar: Builder::new(into) };
    archive.file("oci-layout", &bytes(&json!({ "imageLayoutVersion": "1.0.0" })))?;
    let layer = archive.blob(LAYER, layer)?;
    let (mut index, mut docker) = (Vec::new(), Vec::new());
    for image in images {
        let config = archive.blob(CONFIG, &bytes(&config(image, &layer)))?;
        docker.push(json!({ "Config": blob_path(&config), "RepoTags": [image.name], "Layers": [blob_path(&layer)] }));
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer.clone()] });
        let mut manifest = archive.blob(MANIFEST, &bytes(&manifest))?;
        if let Some(fields) = manifest.as_object_mut() {
            fields.insert("annotations".to_owned(), names(&image.name));
        }
        index.push(manifest);
    }
    archive.file("index.json", &bytes(&json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": index })))?;
    archive.file("manifest.json", &bytes(&Value::Array(docker)))?;
    archive.tar.into_inner()?.flush()?;
    Ok(())
}

/// The image's name as containerd and as other readers of the layout look for it.
fn names(name: &str) -> Value {
    let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    json!({ "io.containerd.image.name": format!("docker.io/library/{name}"), "org.opencontainers.image.ref.name": tag })
}

fn config(image: &Image, layer: &Value) -> Value {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": format!("{}:{}", image.owner.user, image.owner.group),
            "WorkingDir": image.folder,
            "Entrypoint": image.entry_point,
            "Env": ["PATH=/opt/spire/bin"],
            "Labels": {
                "org.opencontainers.image.title": "steeple",
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
                "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "cargo xtask image" }],
    })
}

fn blob_path(descriptor: &Value) -> String {
    let digest = descriptor["digest"].as_str().unwrap_or_default();
    format!("blobs/{}", digest.replace(':', "/"))
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

struct Archive<W: std::io::Write> {
    tar: Builder<W>,
}

impl<W: std::io::Write> Archive<W> {
    /// Adds a file under its digest and returns its descriptor.
    fn blob(&mut self, media_type: &str, content: &[u8]) -> Result<Value> {
        let hex = hex::encode(Sha256::digest(content));
        self.file(&format!("blobs/sha256/{hex}"), content)?;
        Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": content.len() }))
    }

    fn file(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        Ok(self.tar.append_data(&mut header, path, content)?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::super::plan::Owner;
    use super::*;

    fn images() -> Vec<Image> {
        let image = |name: &str, user| Image {
            name: name.to_owned(),
            owner: Owner { user, group: user },
            folder: "/".to_owned(),
            entry_point: vec!["/bin/it".to_owned(), "run".to_owned()],
        };
        vec![image("a:local", 1000), image("b:local", 0)]
    }

    fn files(packed: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(packed);
        let entries = archive.entries().unwrap();
        entries
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                (entry.path().unwrap().display().to_string(), content)
            })
            .collect()
    }

    #[test]
    fn every_image_is_found_by_its_name_both_ways() {
        let mut packed = Vec::new();
        pack(&mut packed, &images(), b"layer").unwrap();
        let files = files(&packed);
        let json = |path: &str| -> Value { serde_json::from_slice(&files[path]).unwrap() };
        let (docker, index) = (json("manifest.json"), json("index.json"));
        for (place, image) in images().iter().enumerate() {
            assert_eq!(docker[place]["RepoTags"][0], image.name);
            let config = json(docker[place]["Config"].as_str().unwrap());
            assert_eq!(config["config"]["User"], format!("{0}:{0}", image.owner.user));
            assert_eq!(files[docker[place]["Layers"][0].as_str().unwrap()], b"layer");
            let listed = &index["manifests"][place];
            let name = listed["annotations"]["io.containerd.image.name"].as_str().unwrap();
            assert_eq!(name, format!("docker.io/library/{}", image.name));
            let manifest = json(&blob_path(listed));
            assert_eq!(blob_path(&manifest["config"]), docker[place]["Config"]);
        }
    }

    #[test]
    fn the_same_files_yield_the_same_archive() {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        pack(&mut one, &images(), b"layer").unwrap();
        pack(&mut other, &images(), b"layer").unwrap();
        assert!(one == other);
    }
}
