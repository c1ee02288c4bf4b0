//! The rooms of the library import downwards only. `src/lib.rs` draws them in this order.

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up; those of one line do not know each other.
const LAYERS: [&[&str]; 9] = [
    &["buffer", "duration", "json", "jwt", "limits", "shared", "text", "time"],
    &["http"],
    &["outcome", "template"],
    &["credentials", "message"],
    &["reply"],
    &["route"],
    &["delivery"],
    &["exchange"],
    // Only the filter and the tools import these: what reads the configuration, and what counts.
    &["config", "metrics", "filter"],
];

/// What may be imported on one line all the same.
const WITHIN: [(&str, &str); 2] = [("filter", "config"), ("filter", "metrics")];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => sources(&path, found),
            Some(extension) if extension == "rs" => found.push(path),
            _ => {}
        }
    }
}

#[test]
fn imports_point_down() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![];
    sources(&source, &mut files);
    let layer = |room: &str| LAYERS.iter().position(|rooms| rooms.contains(&room));
    for file in files {
        let path = file.strip_prefix(&source).unwrap().with_extension("");
        let room = path.iter().next().unwrap().to_str().unwrap();
        // Packages of their own, and the picture of all.
        if ["command", "import-apim", "trim", "lib"].contains(&room) {
            continue;
        }
        let own = layer(room).unwrap_or_else(|| panic!("{room} is in no layer"));
        let text = fs::read_to_string(&file).unwrap();
        for import in text.split("crate::").skip(1) {
            let other = import.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap();
            let other = if other.is_empty() { import } else { other };
            let Some(below) = layer(other) else { panic!("{path:?} imports {import:.40}") };
            let fits = below < own || other == room || WITHIN.contains(&(room, other));
            assert!(fits, "{path:?} imports {other}, which is not below {room}");
        }
    }
}
