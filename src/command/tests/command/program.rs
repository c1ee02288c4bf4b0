//! Runs the command.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// What the command printed, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// An end without a word on stderr.
    pub(crate) fn quiet(code: i32, stdout: impl Into<String>) -> Self {
        Self { code, stdout: stdout.into(), stderr: String::new() }
    }

    /// A failure that says why.
    pub(crate) fn unusable(reason: &str) -> Self {
        let stderr = format!("envoy-service-bus: {reason}\n");
        Self { code: 2, stdout: String::new(), stderr }
    }
}

/// Runs it at the repository's root.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    run_with(arguments, &[], "")
}

/// Runs it with variables of the environment and a standard input.
pub(crate) fn run_with(arguments: &[&str], variables: &[(&str, &str)], stdin: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_envoy-service-bus"))
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
