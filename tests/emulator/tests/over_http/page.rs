//! The page of the admin API: its files, and who may have them.

use crate::emulator::Emulator;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors \
                      'none'; require-trusted-types-for 'script'; trusted-types 'none'";

#[test]
fn every_file_comes_with_its_type_and_the_policy() {
    let emulator = Emulator::start();
    for (path, content_type) in [
        ("/$emulator/", "text/html; charset=utf-8"),
        ("/%24emulator/", "text/html; charset=utf-8"),
        ("/$emulator/page.css", "text/css; charset=utf-8"),
        ("/$emulator/page.js", "text/javascript; charset=utf-8"),
        ("/$emulator/elements.js", "text/javascript; charset=utf-8"),
        ("/$emulator/lists.js", "text/javascript; charset=utf-8"),
        ("/$emulator/details.js", "text/javascript; charset=utf-8"),
        ("/$emulator/icon.svg", "image/svg+xml"),
    ] {
        let answer = emulator.ask_unsigned(&format!("GET {path}"), &[], b"");
        assert_eq!(answer.status, 200, "{path}");
        let headers = ["Content-Type", "Content-Security-Policy", "X-Content-Type-Options"];
        let expected = [Some(content_type), Some(POLICY), Some("nosniff")];
        assert_eq!(headers.map(|name| answer.header(name)), expected, "{path}");
        // It needs nothing from elsewhere; the namespace of SVG is a name, not an address.
        let text = answer.text().replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("http:") && !text.contains("https:"), "{path}");
    }
    assert_eq!(emulator.ask_admin("GET page.html", "").status, 404);
    assert_eq!(emulator.ask_admin("POST page.js", "").status, 404);
}

#[test]
fn pages_of_other_sites_are_kept_out() {
    let emulator = Emulator::start();
    let ask = |line: &str, site: &str, mode: &str| {
        let headers = [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode)];
        emulator.ask_unsigned(line, &headers, b"").status
    };
    for (line, site, mode, status) in [
        ("GET /$emulator/", "none", "navigate", 200),
        // A link on another site may lead here.
        ("GET /$emulator/", "cross-site", "navigate", 200),
        ("GET /$emulator/overview", "same-origin", "cors", 200),
        ("GET /$emulator/overview", "cross-site", "cors", 403),
        // Another port of this machine.
        ("GET /$emulator/overview", "same-site", "no-cors", 403),
        ("DELETE /$emulator/requests", "cross-site", "cors", 403),
        ("POST /$emulator/faults", "cross-site", "navigate", 403),
    ] {
        assert_eq!(ask(line, site, mode), status, "{line} {site} {mode}");
    }
}
