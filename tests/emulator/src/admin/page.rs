//! The page at `/$emulator/`. It is a few files without any library, and all that it shows comes from
//! `overview`.

use crate::http::Response;

/// Nothing from elsewhere, nothing inline, and no text that becomes markup: what senders write is
/// shown, and could be anything.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const FILES: [(&str, &str, &str); 7] = [
    ("", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("page.js", "text/javascript; charset=utf-8", include_str!("page/page.js")),
    ("elements.js", "text/javascript; charset=utf-8", include_str!("page/elements.js")),
    ("lists.js", "text/javascript; charset=utf-8", include_str!("page/lists.js")),
    ("details.js", "text/javascript; charset=utf-8", include_str!("page/details.js")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

/// A file of the page by its path below `/$emulator/`.
pub(super) fn file(path: &str) -> Option<Response> {
    let (_, content_type, text) = FILES.iter().find(|(name, ..)| *name == path)?;
    let headers = [
        ("Content-Type", *content_type),
        ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Some(Response { status: 200, headers, body: text.as_bytes().into(), chunked: false })
}
