//! Tokens for requests by hand.

use crate::program::{Ended, run, run_with};

const KEY: (&str, &str) = ("SB_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
const STRING: (&str, &str) = (
    "SB_CONNECTION_STRING",
    "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=RootManageSharedAccessKey;\
     SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=;EntityPath=orders/messages",
);

/// Computed with Microsoft's own clients for this key, resource and expiry.
const TOKEN: &str = "SharedAccessSignature \
                     sr=https%3A%2F%2Fcontoso.servicebus.windows.net%2Forders%2Fmessages\
                     &sig=il6W0K7oSpKnfA9TjpTZdn7Zlpcu4Z0Jy89GVUapm14%3D\
                     &se=1893456000&skn=RootManageSharedAccessKey";

/// An hour before the expiry of the known token.
const NOW: [&str; 2] = ["--now", "2029-12-31T23:00:00Z"];

fn with_key<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let own = ["sas", "--namespace", "Contoso.servicebus.windows.net"];
    let policy = ["--key-name", "RootManageSharedAccessKey", "--key-env", "SB_KEY"];
    [&own[..], &policy, &NOW, more].concat()
}

fn with_string<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["sas", "--connection-string-env", "SB_CONNECTION_STRING"], &NOW[..], more].concat()
}

#[test]
fn the_token_is_that_of_microsofts_clients() {
    let ended = run_with(&with_key(&["--entity", "orders/messages"]), &[KEY], "");
    assert_eq!(ended, Ended::quiet(0, format!("{TOKEN}\n")));
    let ended = run_with(&with_string(&["--entity", "orders/messages"]), &[STRING], "");
    assert_eq!(ended, Ended::quiet(0, format!("{TOKEN}\n")));
}

#[test]
fn json_tells_what_the_token_opens_and_how_long() {
    let ended = run_with(&with_key(&["--entity", "orders/messages", "--json"]), &[KEY], "");
    let resource = "https://contoso.servicebus.windows.net/orders/messages";
    let expected =
        format!("{{\"token\":\"{TOKEN}\",\"resource\":\"{resource}\",\"expires\":1893456000}}\n");
    assert_eq!(ended, Ended::quiet(0, expected));
}

#[test]
fn the_life_of_a_token_can_be_chosen() {
    let ended = run_with(&with_key(&["--entity", "orders", "--ttl", "5m30s"]), &[KEY], "");
    assert!(ended.stdout.contains("&se=1893452730&"), "{}", ended.stdout);
}

#[test]
fn a_signature_in_a_connection_string_is_printed_as_it_is() {
    let string = "Endpoint=sb://a.b/;SharedAccessSignature=SharedAccessSignature sr=x&sig=y";
    let arguments = with_string(&["--entity", "orders"]);
    let ended = run_with(&arguments, &[("SB_CONNECTION_STRING", string)], "");
    assert_eq!(ended, Ended::quiet(0, "SharedAccessSignature sr=x&sig=y\n"));
}

#[test]
fn what_cannot_be_signed_is_told_without_the_key() {
    let key = |arguments: &[&str], value| run_with(&with_key(arguments), &[("SB_KEY", value)], "");
    let string = |arguments: &[&str], value| {
        run_with(&with_string(arguments), &[("SB_CONNECTION_STRING", value)], "")
    };
    let orders = ["--entity", "orders"];
    let cases = [
        (key(&orders, " "), "the environment variable SB_KEY is not set"),
        (
            key(&orders, &"canary".repeat(50)),
            "--key-name and the key must be 1 to 256 characters long",
        ),
        (
            key(&["--entity", "/orders"], "canary"),
            "--entity: expected a path of 1 to 260 letters, digits, . - _ and /, with a letter or \
             digit at each end",
        ),
        (
            string(&orders, "canary"),
            "SB_CONNECTION_STRING is not a connection string: a part is not of the form Name=Value",
        ),
        (string(&orders, STRING.1), "SB_CONNECTION_STRING opens \"orders/messages\" only"),
        (
            string(&["--entity", "orders/messages", "--namespace", "other"], STRING.1),
            "SB_CONNECTION_STRING is for \"contoso.servicebus.windows.net\", not for \"other\"",
        ),
    ];
    for (ended, reason) in cases {
        assert_eq!(ended, Ended::unusable(reason));
    }
}

#[test]
fn a_key_is_never_an_argument() {
    for arguments in [
        &["sas", "--namespace", "a", "--entity", "b"][..],
        &["sas", "--namespace", "a", "--entity", "b", "--key-name", "c"],
        &["sas", "--namespace", "a", "--entity", "b", "--key-env", "c"],
        &["sas", "--namespace", "a", "--entity", "b", "--key-name", "c", "--key", "d"],
        &["sas", "--namespace", "https://a", "--entity", "b", "--key-name", "c", "--key-env", "d"],
        &["sas", "--entity", "b", "--key-env", "c", "--connection-string-env", "d"],
    ] {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}");
    }
}
