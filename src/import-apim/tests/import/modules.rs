//! The modules of the importer build on each other in one direction.

use std::fs;
use std::path::Path;

/// Each builds on those before it.
const ORDER: [&str; 22] = [
    "position",
    "units",
    "lexer",
    "within",
    "expr",
    "syntax",
    "xml",
    "value",
    "term",
    "members",
    "translate",
    "operation",
    "reference",
    "report",
    "named",
    "body",
    "message",
    "reply",
    "request",
    "flow",
    "plan",
    "routes",
];

fn files(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
            let name = path.strip_prefix(source).unwrap().with_extension("");
            let module = name.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
            found.push((module, fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn each_module_uses_those_before_it_alone() {
    let mut found = vec![];
    files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    let place = |module: &str| ORDER.iter().position(|one| *one == module);
    let mut count = 0;
    for (module, text) in &found {
        // What writes the configuration stands above all others.
        let Some(own) = place(module) else { continue };
        for used in text.split("crate::").skip(1) {
            let used: String =
                used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            let fits = used == *module || place(&used).is_some_and(|other| other < own);
            assert!(fits, "{module} uses {used}");
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
}
