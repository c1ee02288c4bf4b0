//! The reply of `return-response`.

use serde_json::{Map, Value as Json};

use super::made::Made;
use super::policy::Importer;
use super::xml::Element;

/// Reads `return-response`.
pub(super) fn read(importer: &mut Importer, policy: &Element) -> Json {
    let mut reply = Map::new();
    let mut headers = Map::new();
    for child in &policy.children {
        match child.name.as_str() {
            "set-status" => {
                let code = child.text_of("code").and_then(|code| code.parse::<u16>().ok());
                match code {
                    Some(code) if (200..300).contains(&code) => {
                        reply.insert("status".to_owned(), code.into());
                    }
                    _ => importer.leave_out(
                        child.at,
                        "set-status",
                        "the reply to an accepted message has a status from 200 to 299",
                    ),
                }
            }
            "set-header" => header(importer, child, &mut headers),
            "set-body" if child.attribute("template").is_some() => {
                importer.leave_out(child.at, "set-body", "Liquid is not turned");
            }
            "set-body" => {
                if let Some(content) = &child.content
                    && let Some(made) = importer.made("set-body", content)
                {
                    reply.insert("body".to_owned(), made.or_tree().template());
                }
            }
            name => importer.leave_out(child.at, name, "has no counterpart here"),
        }
    }
    if !headers.is_empty() {
        reply.insert("headers".to_owned(), Json::Object(headers));
    }
    Json::Object(reply)
}

fn header(importer: &mut Importer, element: &Element, headers: &mut Map<String, Json>) {
    let name = element.text_of("name").unwrap_or_default().to_ascii_lowercase();
    let content = element.child("value").unwrap_or(element).content.as_ref();
    let made = content.and_then(|content| importer.made("set-header", content));
    let text = match made {
        Some(Made::Json(value)) => Some(Json::String(value.to_string())),
        other => other.map(|made| made.template()),
    };
    if let Some(text) = text {
        headers.insert(name, text);
    }
}
