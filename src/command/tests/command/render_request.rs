//! How `render` reads a request.

use serde_json::{Value as Json, json};

use crate::program::{Ended, run_with};
use crate::render::{Temporary, config, render, rendered_json};

#[test]
fn the_body_ends_where_the_file_says() {
    let config = config(json!({}));
    for (index, (tail, body)) in [
        ("\n\na\nb\n", "a\nb\n"),
        ("\r\n\r\na\r\nb", "a\r\nb"),
        ("\ncontent-length: 3\n\na\nbc", "a\nb"),
        ("\n\na\n### next\nGET /", "a\n"),
        ("\n", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let request = format!("POST /raw\nhost: a{tail}");
        let told = rendered_json(&format!("body-{index}"), &config, &request);
        assert_eq!(told["callout"]["body"], body, "{tail:?}");
    }
}

#[test]
fn a_body_that_is_no_text_is_shown_in_base64() {
    let file = Temporary::new("binary-config", &config(json!({})));
    let request = Temporary::new("binary-request", "");
    std::fs::write(&request.0, b"POST /raw\nhost: a\n\n\xff\x00").unwrap();
    let run = |more: &str| {
        let own = ["render", "--config", file.path(), "--request", request.path(), more];
        run_with(&own, &[], "").stdout
    };
    let told: Json = serde_json::from_str(&run("--json")).unwrap();
    assert_eq!(told["callout"]["body_base64"], "/wA=");
    let curl = told["curl"].as_str().unwrap();
    assert!(curl.starts_with("echo /wA= | base64 -d | curl -X POST "), "{curl}");
    assert!(curl.ends_with(" \\\n  --data-binary @-"), "{curl}");
    assert!(run("--source=a").contains("\n(2 bytes that are no text)\n"));
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let good = config(json!({}));
    let wrong = config(json!({"cluster": 1}));
    let cases = [
        ("m1", &wrong, "GET /", "CONFIG has mistakes, which `check` names"),
        ("m2", &good, "", "<stdin>: the file holds no request"),
        (
            "m3",
            &good,
            "\nget /",
            "<stdin>: line 2: expected a request line such as \"POST /orders\"",
        ),
        (
            "m4",
            &good,
            "GET /\nhost",
            "<stdin>: line 2: expected a header such as \"content-type: a/b\"",
        ),
        ("m5", &good, "GET /\n", "<stdin>: the request names no host: add a header `host`"),
        (
            "m6",
            &good,
            "GET /\nhost: a\ncontent-length: 9\n\nb",
            "<stdin>: the body has 1 bytes, content-length says 9",
        ),
        (
            "m7",
            &good,
            "GET /\nhost: a\ncontent-length: x\n\nb",
            "<stdin>: content-length is not a number",
        ),
    ];
    for (name, config, request, reason) in cases {
        assert_eq!(render(name, config, request.as_bytes(), &[]), Ended::unusable(reason));
    }
}
