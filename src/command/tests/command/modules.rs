//! The modules of the command import downwards alone.

use std::collections::BTreeMap;
use std::path::Path;

/// Each module may import those of the lines above it, and none of its own line.
const LEVELS: [&[&str]; 5] = [
    &["output", "text", "time"],
    &["finding", "input", "yaml"],
    &["manifests"],
    &["check", "import_apim", "render", "sas", "schema"],
    &["main"],
];

fn level(module: &str) -> usize {
    let found = LEVELS.iter().position(|level| level.contains(&module));
    found.unwrap_or_else(|| panic!("{module} has no level"))
}

/// The text of each module of the first level, with those inside of it.
fn texts() -> BTreeMap<String, String> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut texts = BTreeMap::<String, String>::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(root).unwrap().with_extension("");
            let module = inside.components().next().unwrap().as_os_str().to_str().unwrap();
            let text = texts.entry(module.to_owned()).or_default();
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    texts
}

#[test]
fn imports_point_down() {
    let texts = texts();
    assert!(texts.len() > 10, "{:?}", texts.keys());
    let mut arrows = 0;
    for (module, text) in &texts {
        for rest in text.split("crate::").skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(0);
            let imported = &rest[..end];
            assert!(
                imported == module || level(imported) < level(module),
                "{module} imports {imported}"
            );
            arrows += 1;
        }
    }
    assert!(arrows > 30, "{arrows}");
}
