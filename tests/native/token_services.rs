//! How token services are asked, and what their answers mean.

use std::rc::Rc;
use std::time::Duration;

use crate::common::shared::Memory;
use crate::common::tokens::{Got, Worker, grant, says, service};
use crate::common::{NOW, START};
use envoy_service_bus::credentials::{
    CredentialEvent, Credentials, Identity, Secret, Signer, TokenRequest, TokenService,
};
use envoy_service_bus::http::Response;
use proptest::prelude::*;

fn alone() -> Worker {
    Worker::new(&Rc::default())
}

#[test]
fn answers_are_read_as_each_service_writes_them() {
    let now = NOW.as_secs();
    let good = [
        (format!(r#"{{"access_token":"a","expires_on":"{}"}}"#, now + 100), 100),
        (format!(r#"{{"access_token":"a","expires_on":{}}}"#, now + 100), 100),
        (r#"{"access_token":"a","expires_in":3599,"token_type":"bearer"}"#.to_owned(), 3599),
        (r#"{"access_token":"a","expires_in":"60","expires_on":"1"}"#.to_owned(), 60),
    ];
    for (body, life) in good {
        let mut worker = alone();
        worker.poll().unwrap();
        worker.fetched(&says("200", &body));
        assert_eq!(worker.token().0, "Bearer a");
        assert_eq!(worker.signer.expires_at(), Some(NOW + Duration::from_secs(life)), "{body}");
    }
    let lifeless = "does not say how long its token is valid";
    let bad = [
        ("", "the token service's answer is not JSON"),
        ("[]", "the token service's answer holds no access_token"),
        (
            r#"{"access_token":""}"#,
            "the token service's answer holds an access_token that fits no header",
        ),
        (
            r#"{"access_token":"a b"}"#,
            "the token service's answer holds an access_token that fits no header",
        ),
        (r#"{"access_token":7}"#, "the token service's answer holds no access_token"),
        (
            r#"{"access_token":"a","expires_in":1,"token_type":"pop"}"#,
            "the token service's answer holds a token that is not of the type Bearer",
        ),
        (r#"{"access_token":"a"}"#, ""),
        (r#"{"access_token":"a","expires_on":"0"}"#, ""),
        (r#"{"access_token":"a","expires_in":-1}"#, ""),
        (r#"{"access_token":"a","expires_in":18446744073709551615}"#, ""),
    ];
    for (body, cause) in bad {
        let cause = match cause {
            "" => format!("the token service's answer {lifeless}"),
            cause => cause.to_owned(),
        };
        let mut worker = alone();
        worker.poll().unwrap();
        worker.fetched(&says("200", body));
        assert_eq!(worker.events(), [CredentialEvent::FetchFailed { cause }], "{body}");
    }
}

#[test]
fn what_envoy_says_in_the_services_place_is_no_answer() {
    let own = |status| Response {
        headers: [(":status", status)].into_iter().collect(),
        body: grant("forged", NOW, 3600).body,
    };
    let table = [
        (own("200"), "the token service cannot be reached: Envoy answered 200"),
        (own("503"), "the token service cannot be reached: Envoy answered 503"),
        (own("400"), "the token service cannot be reached: Envoy answered 400"),
        (Response::default(), "the token service's answer broke off"),
    ];
    for (answer, cause) in table {
        let mut worker = alone();
        worker.poll().unwrap();
        worker.fetched(&answer);
        assert_eq!(worker.events(), [CredentialEvent::FetchFailed { cause: cause.to_owned() }]);
        assert_eq!(worker.access(), Got::Wait);
    }
}

fn question(request: TokenRequest) -> (Vec<(String, String)>, String) {
    let mut signer = Signer::new(&Credentials::Fetched(Rc::new(request)), "ns");
    let callout = signer.poll(START, 0, &Memory::default()).unwrap();
    let headers = callout.headers().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    (headers, String::from_utf8(callout.body.to_vec()).unwrap())
}

#[test]
fn each_service_is_asked_in_its_way() {
    let resource = "resource=https%3A%2F%2Fservicebus.azure.net";
    let imds = "/metadata/identity/oauth2/token?api-version=2018-02-01";
    let head = |method: &str, path: String, authority: &str, scheme: &str| {
        [
            (":method", method),
            (":path", &path),
            (":authority", authority),
            (":scheme", scheme),
            ("accept", "application/json"),
        ]
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .to_vec()
    };
    let with = |mut headers: Vec<(String, String)>, name: &str, value: &str| {
        headers.push((name.to_owned(), value.to_owned()));
        headers
    };
    for (identity, selector) in [
        (Identity::System, ""),
        (Identity::Client("c-1".to_owned()), "&client_id=c-1"),
        (Identity::Object("o".to_owned()), "&object_id=o"),
        (
            Identity::Resource("/subscriptions/a b".to_owned()),
            "&msi_res_id=%2Fsubscriptions%2Fa%20b",
        ),
    ] {
        let path = format!("{imds}&{resource}{selector}");
        let expected = with(head("GET", path, "169.254.169.254", "http"), "metadata", "true");
        assert_eq!(question(TokenRequest::imds(service(), &identity)), (expected, String::new()));
    }
    for (identity, selector) in [
        (Identity::System, ""),
        (Identity::Client("c".to_owned()), "&client_id=c"),
        (Identity::Object("o".to_owned()), "&principal_id=o"),
        (Identity::Resource("r".to_owned()), "&mi_res_id=r"),
    ] {
        let service = TokenService { authority: "localhost:42356".to_owned(), ..service() };
        let header = Secret::new("canary".to_owned());
        let request = TokenRequest::app_service(service, "/msi/token", header, &identity);
        let path = format!("/msi/token?api-version=2019-08-01&{resource}{selector}");
        let expected = head("GET", path, "localhost:42356", "http");
        let expected = with(expected, "x-identity-header", "canary");
        assert_eq!(question(request), (expected, String::new()));
    }
    let service = TokenService {
        authority: "login.microsoftonline.com".to_owned(),
        audience: "https://servicebus.azure.net".to_owned(),
        ..service()
    };
    let secret = Secret::new("a&b=c+d%e é~".to_owned());
    let request = TokenRequest::client_secret(service, "tenant", "client", &secret);
    let path = "/tenant/oauth2/v2.0/token".to_owned();
    let expected = head("POST", path, "login.microsoftonline.com", "https");
    let expected = with(expected, "content-type", "application/x-www-form-urlencoded");
    let form = "client_id=client&client_secret=a%26b%3Dc%2Bd%25e%20%C3%A9~\
                &grant_type=client_credentials&scope=https%3A%2F%2Fservicebus.azure.net%2F.default";
    assert_eq!(question(request), (expected, form.to_owned()));
}

#[test]
fn debug_shows_no_secret() {
    let secret = Secret::new("canary".to_owned());
    let request = TokenRequest::client_secret(service(), "tenant", "client", &secret);
    let credentials = Credentials::Fetched(Rc::new(request));
    let mut signer = Signer::new(&credentials, "ns");
    let memory = Memory::default();
    signer.poll(START, 0, &memory).unwrap();
    signer.fetched(&grant("canary", NOW, 3600), START, 0, &memory);
    assert!(!format!("{credentials:?} {signer:?}").contains("canary"));
}

proptest! {
    #[test]
    fn no_answer_panics_or_tells_what_it_said(
        status in "[0-9]{0,4}", body in "\\PC{0,200}", upstream: bool
    ) {
        let body = format!("{body}canary");
        let mut headers = vec![(":status", status.as_str())];
        if upstream {
            headers.push(("x-envoy-upstream-service-time", "1"));
        }
        let answer = Response {
            headers: headers.into_iter().collect(),
            body: body.into_bytes(),
        };
        let mut worker = alone();
        worker.poll().unwrap();
        worker.fetched(&answer);
        let told = format!("{:?} {:?}", worker.events(), worker.access());
        prop_assert!(!told.contains("canary"));
    }

    #[test]
    fn a_form_says_what_was_configured(secret in "\\PC{1,100}") {
        let request = TokenRequest::client_secret(service(), "t", "c", &Secret::new(secret.clone()));
        let (_, form) = question(request);
        let value = form.split('&').find_map(|pair| pair.strip_prefix("client_secret=")).unwrap();
        prop_assert!(value.bytes().all(|b| b.is_ascii_graphic()));
        let decoded = percent_encoding::percent_decode_str(value).decode_utf8().unwrap();
        prop_assert_eq!(decoded, secret);
    }
}
