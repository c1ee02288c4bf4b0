//! What a token service has answered.

use std::time::Duration;

use serde_json::Value;

use super::Secret;
use crate::http::Response;
use crate::http::retry_after::retry_after;
use crate::json;

/// The meaning of an answer.
#[derive(Debug)]
pub(super) enum Grant {
    Token {
        /// The value of the `authorization` header.
        authorization: Secret,
        expires_at: Duration,
    },
    Refusal(Refusal),
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// For the log, without any secret.
    pub(super) cause: String,
    pub(super) again: Again,
}

/// Whether and when to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// After waits that double.
    Soon,
    /// The service is being upgraded, which takes up to 70 seconds.
    Upgrading,
    /// Not before so long.
    After(Duration),
    /// The request is wrong: the same would be answered the same.
    Never,
}

/// Longest token. Service Bus takes about 16 KB of headers.
const TOKEN_BYTES: usize = 12 * 1024;
/// Longest wait that a token service may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Reads an answer that came at `now`.
pub(super) fn read(answer: &Response, now: Duration) -> Grant {
    let status = answer.headers.first_text(":status").and_then(|s| s.parse::<u16>().ok());
    let from_upstream = answer.headers.first("x-envoy-upstream-service-time").is_some();
    let json: Option<Value> = json::read(&answer.body).ok();
    let refusal = match status {
        Some(200) if from_upstream => match json.as_ref().map(|json| token(json, now)) {
            Some(Ok((authorization, expires_at))) => {
                return Grant::Token { authorization, expires_at };
            }
            Some(Err(fault)) => soon(format!("the token service's answer {fault}")),
            None => soon("the token service's answer is not JSON".to_owned()),
        },
        Some(status) if from_upstream => {
            let said = json.as_ref().map(error).unwrap_or_default();
            Refusal {
                cause: format!("the token service answered {status}{said}"),
                again: again(status, answer),
            }
        }
        // What Envoy says in the service's place is about the connection.
        Some(status) => {
            soon(format!("the token service cannot be reached: Envoy answered {status}"))
        }
        None => soon("the token service's answer broke off".to_owned()),
    };
    Grant::Refusal(refusal)
}

fn soon(cause: String) -> Refusal {
    Refusal { cause, again: Again::Soon }
}

/// As Microsoft asks: 404, 410, 429 and 5xx pass, all else of 4xx does not.
fn again(status: u16, answer: &Response) -> Again {
    match (status, retry_after(&answer.headers)) {
        (410, _) => Again::Upgrading,
        (429 | 503, Some(asked)) => Again::After(LONGEST_WAIT.min(asked)),
        (404 | 408 | 429 | 500.., _) => Again::Soon,
        (400..=499, _) => Again::Never,
        _ => Again::Soon,
    }
}

fn token(json: &Value, now: Duration) -> Result<(Secret, Duration), &'static str> {
    let text = |key: &str| json.get(key).and_then(Value::as_str);
    if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("Bearer")) {
        return Err("holds a token that is not of the type Bearer");
    }
    let token = text("access_token").ok_or("holds no access_token")?;
    let fits = |token: &str| token.bytes().all(|byte| byte.is_ascii_graphic());
    if !(1..=TOKEN_BYTES).contains(&token.len()) || !fits(token) {
        return Err("holds an access_token that fits no header");
    }
    // Some write numbers as texts.
    let seconds = |key: &str| match json.get(key)? {
        Value::String(text) => text.trim().parse::<u64>().ok(),
        number => number.as_u64(),
    };
    let until = seconds("expires_on").map(Duration::from_secs).filter(|time| *time > now);
    let lasts = seconds("expires_in").filter(|lasts| *lasts > 0).map(Duration::from_secs);
    let expires_at = until.or_else(|| now.checked_add(lasts?));
    let expires_at = expires_at.ok_or("does not say how long its token is valid")?;
    // Two hundred years: further is a mistake, and would not fit everywhere.
    if expires_at > now.saturating_add(Duration::from_secs(200 * 365 * 24 * 3600)) {
        return Err("does not say how long its token is valid");
    }
    Ok((Secret::new(format!("Bearer {token}")), expires_at))
}

/// The error's word and Entra's numbers; its description may repeat what was sent.
fn error(json: &Value) -> String {
    let is_word = |word: &&str| {
        (1..=64).contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let word = json.get("error").and_then(Value::as_str).filter(is_word);
    let codes = json.get("error_codes").and_then(Value::as_array).into_iter().flatten();
    let codes = codes.filter_map(Value::as_u64).take(5).map(|code| format!("AADSTS{code}"));
    let said: Vec<_> = word.map(str::to_owned).into_iter().chain(codes).collect();
    if said.is_empty() { String::new() } else { format!(": {}", said.join(", ")) }
}
