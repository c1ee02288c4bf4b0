//! Known answers, computed with Microsoft's own clients (the AMQP core package for JavaScript and
//! the current Python package agree), and the four ways in which a signature is often wrong.

use super::sas::verify;
use super::*;
use crate::broker::Timestamp;
use crate::refusal::Refusal;

const V1_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const V1: &str = "SharedAccessSignature sr=https%3A%2F%2Fcontoso.servicebus.windows.net%2Forders%2Fmessages&sig=il6W0K7oSpKnfA9TjpTZdn7Zlpcu4Z0Jy89GVUapm14%3D&se=1893456000&skn=RootManageSharedAccessKey";
const V2: &str = "SharedAccessSignature sr=https%3A%2F%2Fcontoso.servicebus.windows.net%2F&sig=0HdkaRm5fM%2ByBh4lVzrNN5IdrKeRCcliE8t26a6o6rw%3D&se=2000000000&skn=send-only";
const V3: &str = "SharedAccessSignature sr=sb%3A%2F%2FMy-NS.servicebus.windows.net%2FDept%20A%2Forders~v1.2&sig=C%2BIzA16khtZ9OtlCtbmjC%2F4G6GMA5z84aidGfqoCfuo%3D&se=4102444800&skn=Key%20Name%2B1";
/// The same URI and key by the legacy packages: lower case, lower hex, other order.
const V1_LEGACY: &str = "SharedAccessSignature sig=PXBCNau%2FFNP6IkrgtLwVV%2FfeVnYQIh3W%2FDjb7DRgaOM%3D&se=1893456000&skn=RootManageSharedAccessKey&sr=https%3a%2f%2fcontoso.servicebus.windows.net%2forders%2fmessages";

fn rules() -> Vec<KeyRule> {
    [
        format!("RootManageSharedAccessKey={V1_KEY}"),
        "send-only=not+base64/key==;rights=Send".to_owned(),
        "Key Name+1=kéy-日本".to_owned(),
    ]
    .iter()
    .map(|rule| rule.parse().unwrap())
    .collect()
}

fn check(token: &str, host: &str, path: &str, right: Right, now: u64) -> Result<(), Refusal> {
    let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
    let entity = path.strip_suffix("/messages").unwrap();
    let resource = Resource { host, path: &segments, entity };
    verify(Some(token), &rules(), resource, right, Timestamp::from_unix_seconds(now))
}

fn check_orders(token: &str) -> Result<(), Refusal> {
    check(token, "contoso.servicebus.windows.net", "orders/messages", Right::Send, 1_800_000_000)
}

fn refused(detail: &str) -> Result<(), Refusal> {
    Err(Refusal::unauthorized(detail))
}

const INVALID_SIGNATURE: &str = "40103: Invalid authorization token signature, \
     Resource:sb://contoso.servicebus.windows.net/orders.";
const INVALID_AUDIENCE: &str =
    "InvalidAudience: The authorization header contains a token with a wrong audience.";

#[test]
fn known_answers_verify() {
    assert_eq!(check_orders(V1), Ok(()));
    assert_eq!(check_orders(V1_LEGACY), Ok(()));
    assert_eq!(check_orders(V2), Ok(()));
    assert_eq!(
        check(V3, "my-ns.servicebus.windows.net", "Dept A/orders~v1.2/messages", Right::Send, 1),
        Ok(())
    );
}

#[test]
fn wrong_ways_to_sign_do_not_verify() {
    for (how, signature) in [
        ("URI and expiry escaped together", "ghQbEl/NcpmOGcduKf7dAiJb/BhaGe2Z38ln4ay+Xhs="),
        ("URI not escaped", "yJkBRtZ01v7eoUeIfBnMMmEcs2hRfd09pp3HIP8WapQ="),
        ("key decoded from base64", "cMYy9xJfpjrhI/AKnc+emO+5bvi/wlFD24ZTSZXkKCc="),
        ("key cut at its equals sign", "L6tyvZn1+svK7cz5Mel+VcaqDDA1au+bUCXNh+fmp7w="),
    ] {
        let token = V1.replace("il6W0K7oSpKnfA9TjpTZdn7Zlpcu4Z0Jy89GVUapm14%3D", signature);
        assert_eq!(check_orders(&token), refused(INVALID_SIGNATURE), "{how}");
    }
}

#[test]
fn the_text_that_was_signed_must_be_the_text_that_is_sent() {
    // The same URI, spelled otherwise than it was signed.
    let respelled = V1.replace("sr=https%3A%2F%2F", "sr=https%3a%2f%2f");
    assert_eq!(check_orders(&respelled), refused(INVALID_SIGNATURE));
    assert_eq!(check_orders(&V1.replace("1893456000", "1893456001")), refused(INVALID_SIGNATURE));
    assert_eq!(
        check_orders(&V1.replace("RootManageSharedAccessKey", "unknown")),
        refused(INVALID_SIGNATURE)
    );
}

#[test]
fn a_token_ends_with_its_expiry() {
    let at = |now| check(V1, "contoso.servicebus.windows.net", "orders/messages", Right::Send, now);
    assert_eq!(at(1_893_455_999), Ok(()));
    assert_eq!(
        at(1_893_456_000),
        refused("ExpiredToken: The token is expired. Expiration time: '2030-01-01T00:00:00Z'.")
    );
}

#[test]
fn a_token_covers_its_resource_and_what_is_below() {
    let to = |token, host, path| check(token, host, path, Right::Send, 1_800_000_000);
    let contoso = "contoso.servicebus.windows.net";
    assert_eq!(to(V2, contoso, "a/b/c/messages"), Ok(()));
    assert_eq!(to(V1, "CONTOSO.servicebus.windows.net", "ORDERS/messages"), Ok(()));
    for (host, path) in [
        (contoso, "orders2/messages"),
        (contoso, "orders/sub/messages"),
        ("fabrikam.servicebus.windows.net", "orders/messages"),
        ("contoso.servicebus.windows.net.example", "orders/messages"),
    ] {
        assert_eq!(to(V1, host, path), refused(INVALID_AUDIENCE), "{host} {path}");
    }
}

#[test]
fn a_right_must_be_granted() {
    let contoso = "contoso.servicebus.windows.net";
    assert_eq!(
        check(V2, contoso, "orders/messages", Right::Listen, 1_800_000_000),
        refused(
            "Unauthorized access. 'Listen' claim(s) are required to perform this operation. \
             Resource: 'sb://contoso.servicebus.windows.net/orders'."
        )
    );
}

#[test]
fn a_malformed_token_says_what_is_wrong() {
    for (token, reason) in [
        ("", "the authorization header is no SharedAccessSignature"),
        ("Basic eDp5", "the authorization header is no SharedAccessSignature"),
        ("Bearer x", "the authorization header is no SharedAccessSignature"),
        ("SharedAccessSignature sr", "a parameter has no value"),
        ("SharedAccessSignature sr=a&sr=b", "a parameter is given twice"),
        ("SharedAccessSignature sr=a&x=b", "only sr, sig, se and skn are parameters of the token"),
        ("SharedAccessSignature sig=a&se=1&skn=n", "sr is missing"),
        ("SharedAccessSignature sr=a&se=1&skn=n", "sig is missing"),
        ("SharedAccessSignature sr=a&sig=YQ%3D%3D&skn=n", "se is missing"),
        ("SharedAccessSignature sr=a&sig=YQ%3D%3D&se=1", "skn is missing"),
        ("SharedAccessSignature sr=a&sig=YQ&se=1&skn=n", "sig is not base64"),
        ("SharedAccessSignature sr=a&sig=YQ%3D%3D&se=soon&skn=n", "se is no number of seconds"),
        ("SharedAccessSignature sr=a&sig=YQ%3D%3D&se=-1&skn=n", "se is no number of seconds"),
    ] {
        assert_eq!(check_orders(token), refused(&format!("MalformedToken: {reason}.")), "{token}");
    }
}

#[test]
fn a_missing_token_is_missing() {
    let path = ["orders".to_owned(), "messages".to_owned()];
    let resource = Resource { host: "contoso", path: &path, entity: "orders" };
    assert_eq!(
        verify(None, &rules(), resource, Right::Send, Timestamp::from_unix_seconds(1)),
        refused("40102: Missing authorization token, Resource:sb://contoso/orders.")
    );
}

#[test]
fn a_port_is_no_part_of_a_host() {
    for (authority, expected) in
        [("h", "h"), ("h:1", "h"), ("h:1:443", "h"), ("[::1]:1", "[::1]"), ("[::1]", "[::1]")]
    {
        assert_eq!(host(authority), expected);
    }
}
