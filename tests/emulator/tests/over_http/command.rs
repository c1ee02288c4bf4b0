//! The command line: how it starts, refuses to, and ends.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::client::connect;
use crate::emulator::{Emulator, command, shipped_config};

fn refused(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(String::from_utf8(stdout).unwrap(), "");
    String::from_utf8(stderr).unwrap()
}

#[test]
fn it_says_where_it_listens() {
    let emulator = Emulator::start();
    assert_eq!(emulator.url, format!("http://127.0.0.1:{}", emulator.port));
    assert_ne!(emulator.port, 0);
}

#[test]
fn every_error_of_the_file_is_told() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("entities.json");
    fs::write(
        &file,
        r#"{"UserConfig": {"Namespaces": [{"Name": "ns", "Queues": [
            {"Name": "a", "Properties": {"LockDuration": "1m"}}, {"Name": "a"}]}]}}"#,
    )
    .unwrap();
    assert_eq!(
        refused(&mut command(&file)),
        format!(
            "{}:\n\
             UserConfig.Namespaces[0].Queues[0].Properties.LockDuration: expected an ISO 8601 \
             duration such as \"PT1M\", found \"1m\"\n\
             UserConfig.Namespaces[0].Queues[1].Name: another entity is named \"a\"\n",
            file.display()
        )
    );
    let missing = folder.path().join("missing.json");
    assert_eq!(
        refused(&mut command(&missing)),
        format!("{}: No such file or directory (os error 2)\n", missing.display())
    );
}

#[test]
fn what_has_no_effect_in_the_file_is_told_and_it_starts() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("entities.json");
    fs::write(
        &file,
        r#"{"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": [
            {"Name": "q", "Properties": {"MaxSizeInMegabytes": 1024}}, // as in a template
        ]}], "Logging": {"Type": "File"}}}"#,
    )
    .unwrap();
    let stderr = fs::File::create(folder.path().join("stderr")).unwrap();
    let emulator = Emulator::spawn(command(&file).stderr(stderr));
    emulator.send("q", "m-1", &[], b"");
    assert_eq!(
        fs::read_to_string(folder.path().join("stderr")).unwrap(),
        format!(
            "{}: warning: UserConfig.Namespaces[0].Queues[0].Properties.MaxSizeInMegabytes: it \
             has no effect here\n",
            file.display()
        )
    );
}

#[test]
fn its_clock_may_be_behind() {
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(600);
    let soon = soon.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let uri = format!("https://{}/", crate::client::HOST);
    let token =
        crate::emulator::sign(&uri, "RootManageSharedAccessKey", "SAS_KEY_VALUE", soon - 1200);
    let headers = [("Authorization", &*token)];
    let status = |arguments: &[&str]| {
        let emulator = Emulator::start_with(arguments);
        emulator.ask_unsigned("POST /orders/messages", &headers, b"").status
    };
    // It ran out ten minutes ago, but not by a clock that is an hour behind.
    assert_eq!(status(&["--clock-ahead", "-3600"]), 201);
    assert_eq!(status(&[]), 401);
}

#[test]
fn the_basic_tier_takes_no_topics() {
    let errors = refused(command(shipped_config()).args(["--tier", "basic"]));
    assert!(
        errors.contains("UserConfig.Namespaces[0].Topics[0]: the Basic tier has no topics\n"),
        "{errors}"
    );
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let emulator = Emulator::start();
    let address = format!("127.0.0.1:{}", emulator.port);
    let mut command = Command::new(env!("CARGO_BIN_EXE_service-bus-emulator"));
    command.args(["--listen", &address, "--config"]).arg(shipped_config());
    assert_eq!(
        refused(&mut command),
        format!("cannot listen on {address}: Address already in use (os error 98)\n")
    );
}

#[test]
fn a_wrong_key_is_an_error_that_does_not_show_it() {
    let Output { status, stderr, .. } = command(shipped_config())
        .args(["--sas-key", "name=hunter2;rights=Write"])
        .output()
        .unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(stderr, "--sas-key name: expected Send, Listen or Manage, found \"Write\"\n");
}

#[test]
fn a_signal_ends_it_while_receivers_wait() {
    for signal in ["TERM", "INT"] {
        let mut emulator = Emulator::start();
        let _idle = connect(emulator.port);
        let pid = emulator.child().id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap();
        assert!(sent.success());
        assert_eq!(emulator.child().wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_host_names_the_namespace_where_there_are_several() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("entities.json");
    let queue = |name: &str| format!(r#"{{"Name": "{name}", "Queues": [{{"Name": "{name}-q"}}]}}"#);
    let namespaces = [queue("one"), queue("two")].join(",");
    fs::write(&file, format!(r#"{{"UserConfig": {{"Namespaces": [{namespaces}]}}}}"#)).unwrap();
    let emulator = Emulator::spawn(&mut command(&file));
    let send = |host: &str, entity: &str| {
        let uri = format!("https://{host}/");
        let (name, key) = ("RootManageSharedAccessKey", "SAS_KEY_VALUE");
        let token = crate::emulator::sign(&uri, name, key, 4_102_444_800);
        let headers = [("Host", host), ("Authorization", &token)];
        emulator.ask_unsigned(&format!("POST /{entity}/messages"), &headers, b"")
    };
    assert_eq!(send("one.servicebus.windows.net", "one-q").status, 201);
    assert_eq!(send("TWO.servicebus.windows.net:5380", "two-q").status, 201);
    assert_eq!(send("one.servicebus.windows.net", "two-q").status, 404);
    let stranger = send("three.servicebus.windows.net", "one-q");
    assert_eq!(
        (stranger.status, stranger.detail().as_str()),
        (404, "40400: There is no namespace 'three'.")
    );
}
