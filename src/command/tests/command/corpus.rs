//! Files as people write them: what bites is told, and nothing else is.

use std::path::{Path, PathBuf};

use crate::program::run;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/command")).join(folder);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The findings in a file without its name and their columns, and the summary.
fn findings(file: &Path) -> (Vec<String>, String) {
    let name = file.to_str().unwrap();
    let ended = run(&["check", name]);
    assert_eq!(ended.stderr, "", "{name}");
    let mut lines: Vec<_> = ended.stdout.lines().map(str::to_owned).collect();
    let summary = lines.pop().unwrap();
    let short = |line: &String| {
        let mut parts = line.strip_prefix(name).unwrap()[1..].splitn(3, ':');
        let (line, _, rest) = (parts.next().unwrap(), parts.next(), parts.next().unwrap());
        format!("{line}:{rest}")
    };
    (lines.iter().map(short).collect(), summary)
}

/// Each file begins with what is to be said of it, line for line, and has no other fault.
#[test]
fn each_hazard_is_told() {
    let files = files("hazards");
    assert!(files.len() > 60, "{}", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let expected: Vec<_> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
        assert!(!expected.is_empty(), "{}", file.display());
        assert_eq!(findings(&file).0, expected, "{}", file.display());
    }
}

/// Nothing is said of what others have, and nothing of ours that is well.
#[test]
fn files_without_a_fault_are_fine() {
    let files = files("others");
    assert!(files.len() > 20, "{}", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (findings, summary) = findings(&file);
        if text.starts_with("# Not ours.\n") {
            let none = "1: error: no configuration of the filter in what was given";
            assert_eq!(findings, [none], "{}", file.display());
        } else {
            assert!(findings.is_empty(), "{}: {findings:?}", file.display());
            assert!(!summary.starts_with('0'), "{}: {summary}", file.display());
        }
    }
}
