//! The command `envoy-service-bus`, run as its users run it.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail by panic"
)]

mod broken;
mod chain;
mod check;
mod control_planes;
mod corpus;
mod import_apim;
mod modules;
mod program;
mod render;
mod render_request;
mod render_secrets;
mod sas;
mod schema;
mod schema_corpus;
mod surroundings;
mod yaml;

#[test]
fn the_help_names_each_command() {
    let help = program::run(&["--help"]).stdout;
    for name in ["check", "import-apim", "render", "sas", "schema"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(name)), "{name}: {help}");
        let help = program::run(&[name, "--help"]);
        assert_eq!(help.code, 0);
        assert!(help.stdout.contains("Example:\n  "), "{}", help.stdout);
    }
}

#[test]
fn wrong_options_end_with_2() {
    assert_eq!(program::run(&["nonsense"]).code, 2);
    assert_eq!(program::run(&[]).code, 2);
}
