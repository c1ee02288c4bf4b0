//! Whether an answer keeps the filter's promises.

use std::borrow::Cow;

use serde_json::Value;

use crate::answer::Answer;
use crate::contract::{self, Problem};

/// Where the key stands in an accepted answer's expected body.
const KEY: &str = "{key}";

/// What answers are held to.
#[derive(Clone, Debug)]
pub enum Check {
    /// The contract; the text is the JSON of an accepted answer, `{key}` its key.
    Contract(String),
    /// Nothing: the server is not the filter.
    Nothing,
}

/// What an answer is worth.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The reason of a failed request.
    pub reason: Option<Cow<'static, str>>,
    /// In what the answer breaks the contract.
    pub wrong: Option<String>,
}

impl Check {
    /// Holds answers to the contract, with this body of accepted ones.
    ///
    /// # Errors
    ///
    /// The body is not JSON, or does not name the key.
    pub fn contract(accepted_body: &str) -> Result<Self, String> {
        if !accepted_body.contains(KEY) {
            return Err(format!("expected {KEY} in the accepted body, found {accepted_body}"));
        }
        serde_json::from_str::<Value>(accepted_body)
            .map_err(|error| format!("the accepted body is not JSON: {error}"))?;
        Ok(Self::Contract(accepted_body.to_owned()))
    }

    /// Judges the answer to the request with that key.
    pub fn judge(&self, answer: &Answer, key: &str) -> Verdict {
        match self {
            Self::Nothing => Verdict::default(),
            Self::Contract(body) if answer.status == 202 => Verdict {
                reason: None,
                wrong: identity(answer, key).or_else(|| accepted(answer, key, body)),
            },
            Self::Contract(_) => {
                let (reason, wrong) = refused(answer, key);
                Verdict { reason, wrong: identity(answer, key).or(wrong) }
            }
        }
    }
}

fn identity(answer: &Answer, key: &str) -> Option<String> {
    match answer.tracking_ids.as_slice() {
        [] => Some("no x-tracking-id".to_owned()),
        [id] if id == key => None,
        ids => Some(format!("x-tracking-id is {}, not {key}", shorten(&ids.join(", ")))),
    }
}

fn accepted(answer: &Answer, key: &str, expected: &str) -> Option<String> {
    let expected = expected.replace(KEY, key);
    if let Some(wrong) = content_type(answer, "application/json") {
        return Some(wrong);
    }
    if answer.body == expected.as_bytes() {
        return None;
    }
    let body: Value = match serde_json::from_slice(&answer.body) {
        Ok(body) => body,
        Err(error) => return Some(format!("body is not JSON: {error}")),
    };
    // Another request's answer is worse than a misshapen one.
    if let Some(id) = body.get("trackingId").filter(|id| *id != key) {
        return Some(format!("trackingId is {}, not \"{key}\"", shorten(&id.to_string())));
    }
    // What is not JSON here was refused when the run began.
    let same = serde_json::from_str::<Value>(&expected).is_ok_and(|expected| expected == body);
    (!same).then(|| format!("body is {}, not {expected}", shorten(&body.to_string())))
}

fn refused(answer: &Answer, key: &str) -> (Option<Cow<'static, str>>, Option<String>) {
    let Problem { status, reason, tracking_id } = match serde_json::from_slice(&answer.body) {
        Ok(problem) => problem,
        Err(error) if error.is_data() => return (None, Some(format!("problem: {error}"))),
        Err(error) => return (None, Some(format!("body is not JSON: {error}"))),
    };
    let Some(known) = contract::reason(&reason) else {
        let wrong = format!("reason {} is not in the contract", shorten(&reason));
        return (Some(Cow::Owned(reason)), Some(wrong));
    };
    let wrong = if tracking_id != key {
        Some(format!("trackingId is \"{}\", not \"{key}\"", shorten(&tracking_id)))
    } else if status != answer.status {
        Some(format!("problem says status {status}, the answer {}", answer.status))
    } else if !known.statuses.contains(&status) {
        Some(format!("reason {reason} came with status {status}"))
    } else if known.retry_after != answer.retry_after {
        let found = if answer.retry_after { "a" } else { "no" };
        Some(format!("reason {reason} came with {found} retry-after"))
    } else {
        content_type(answer, "application/problem+json")
    };
    (Some(Cow::Borrowed(known.name)), wrong)
}

fn content_type(answer: &Answer, expected: &str) -> Option<String> {
    match answer.content_type.as_deref() {
        Some(found) if found == expected => None,
        Some(found) => Some(format!("content-type is {}, not {expected}", shorten(found))),
        None => Some(format!("no content-type, not {expected}")),
    }
}

fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(200) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted_answer(body: &str) -> Answer {
        Answer {
            status: 202,
            tracking_ids: vec!["1-7".into()],
            content_type: Some("application/json".into()),
            body: body.into(),
            ..Answer::default()
        }
    }

    fn problem(status: u16, reason: &str) -> Answer {
        Answer {
            status,
            tracking_ids: vec!["1-7".into()],
            content_type: Some("application/problem+json".into()),
            retry_after: contract::reason(reason).is_some_and(|reason| reason.retry_after),
            body: format!(r#"{{"status":{status},"reason":"{reason}","trackingId":"1-7"}}"#).into(),
            ..Answer::default()
        }
    }

    fn judge(answer: &Answer) -> Verdict {
        Check::contract(r#"{"status":"accepted","trackingId":"{key}"}"#)
            .unwrap()
            .judge(answer, "1-7")
    }

    fn wrong(answer: &Answer) -> String {
        judge(answer).wrong.unwrap()
    }

    #[test]
    fn a_202_with_its_key_is_right() {
        let body = r#"{"status":"accepted","trackingId":"1-7"}"#;
        assert_eq!(judge(&accepted_answer(body)), Verdict::default());
        let reordered = r#"{ "trackingId": "1-7", "status": "accepted" }"#;
        assert_eq!(judge(&accepted_answer(reordered)), Verdict::default());
    }

    #[test]
    fn a_202_that_differs_is_wrong() {
        let say = |body| wrong(&accepted_answer(body));
        assert_eq!(say("ok"), "body is not JSON: expected value at line 1 column 1");
        assert_eq!(say(""), "body is not JSON: EOF while parsing a value at line 1 column 0");
        assert_eq!(
            say(r#"{"status":"accepted","trackingId":"1-8"}"#),
            r#"trackingId is "1-8", not "1-7""#
        );
        assert_eq!(
            say(r#"{"trackingId":"1-7"}"#),
            r#"body is {"trackingId":"1-7"}, not {"status":"accepted","trackingId":"1-7"}"#
        );
        let body = r#"{"status":"accepted","trackingId":"1-7"}"#;
        let text = Answer { content_type: Some("text/plain".into()), ..accepted_answer(body) };
        assert_eq!(wrong(&text), "content-type is text/plain, not application/json");
        let bare = Answer { content_type: None, ..accepted_answer(body) };
        assert_eq!(wrong(&bare), "no content-type, not application/json");
    }

    #[test]
    fn the_tracking_id_header_is_the_key_once() {
        for answer in [
            accepted_answer(r#"{"status":"accepted","trackingId":"1-7"}"#),
            problem(503, "throttled"),
        ] {
            let with = |ids: &[&str]| {
                let tracking_ids = ids.iter().map(|id| (*id).to_owned()).collect();
                let body = answer.body.clone();
                let content_type = answer.content_type.clone();
                wrong(&Answer { tracking_ids, body, content_type, ..answer })
            };
            assert_eq!(with(&[]), "no x-tracking-id");
            assert_eq!(with(&["1-8"]), "x-tracking-id is 1-8, not 1-7");
            assert_eq!(with(&["1-7", "1-7"]), "x-tracking-id is 1-7, 1-7, not 1-7");
        }
    }

    #[test]
    fn a_problem_of_the_contract_is_right() {
        for (status, reason) in
            [(503, "throttled"), (503, "outcome_unknown"), (413, "payload_too_large")]
        {
            let verdict = judge(&problem(status, reason));
            assert_eq!(verdict, Verdict { reason: Some(reason.into()), wrong: None });
        }
    }

    #[test]
    fn a_problem_that_differs_is_wrong() {
        assert_eq!(wrong(&problem(400, "throttled")), "reason throttled came with status 400");
        assert_eq!(wrong(&problem(503, "tired")), "reason tired is not in the contract");
        let hasty = Answer { retry_after: false, ..problem(503, "throttled") };
        assert_eq!(wrong(&hasty), "reason throttled came with no retry-after");
        let idle = Answer { retry_after: true, ..problem(503, "misconfigured") };
        assert_eq!(wrong(&idle), "reason misconfigured came with a retry-after");
        let split = Answer { status: 500, ..problem(503, "throttled") };
        assert_eq!(wrong(&split), "problem says status 503, the answer 500");
        let plain =
            Answer { content_type: Some("application/json".into()), ..problem(503, "throttled") };
        assert_eq!(wrong(&plain), "content-type is application/json, not application/problem+json");
        let text = Answer { body: b"no healthy upstream".into(), ..problem(503, "throttled") };
        assert_eq!(wrong(&text), "body is not JSON: expected ident at line 1 column 2");
        let other = Answer {
            body: br#"{"status":503,"reason":"throttled","trackingId":"1-8"}"#.into(),
            ..problem(503, "throttled")
        };
        assert_eq!(wrong(&other), r#"trackingId is "1-8", not "1-7""#);
        let empty = Answer { body: b"{}".into(), ..problem(503, "throttled") };
        assert_eq!(wrong(&empty), "problem: missing field `status` at line 1 column 2");
    }

    #[test]
    fn a_wrong_problem_keeps_its_reason() {
        assert_eq!(judge(&problem(503, "tired")).reason.unwrap(), "tired");
    }

    #[test]
    fn the_accepted_body_must_be_json_with_the_key() {
        let error = |body| Check::contract(body).unwrap_err();
        assert_eq!(error("{}"), "expected {key} in the accepted body, found {}");
        assert_eq!(
            error("{key}"),
            "the accepted body is not JSON: key must be a string at line 1 column 2"
        );
    }

    #[test]
    fn nothing_is_wrong_where_nothing_is_checked() {
        assert_eq!(Check::Nothing.judge(&Answer::default(), "1-7"), Verdict::default());
    }
}
