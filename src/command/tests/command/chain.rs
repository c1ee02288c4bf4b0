//! The filter among Envoy's filters: what comes before it, and what it may do.

use crate::check::findings;
use crate::surroundings::{FINE, SHIPPED};

#[test]
fn the_module_needs_its_capabilities() {
    let list = SHIPPED.lines().skip_while(|line| !line.contains("allowed_capabilities:")).skip(1);
    let list = list.take_while(|line| line.contains("{}") || line.contains('#'));
    let names: Vec<_> =
        list.filter_map(|line| Some(line.trim().strip_suffix(": {}")?.to_owned())).collect();
    assert!(names.len() > 30, "{names:?}");
    let without = |name: &str| findings(&SHIPPED.replace(&format!("  {name}: {{}}\n"), "\n"));
    // What only some configurations need, and what can be done without.
    let spared: Vec<_> = names.iter().filter(|name| without(name) == [FINE]).collect();
    assert!(spared.len() < 14, "{spared:?}");
    let found = without("proxy_http_call");
    let message = "warning: allowed_capabilities: the module needs proxy_http_call too";
    assert!(found[0].ends_with(message), "{found:?}");
    assert_eq!(found.len(), 2);
}

#[test]
fn whatever_refuses_comes_before_the_filter() {
    let router = "          - name: envoy.filters.http.router";
    let kinds = [
        ("api_key_auth", "ApiKeyAuth"),
        ("basic_auth", "BasicAuth"),
        ("csrf", "CsrfPolicy"),
        ("ext_authz", "ExtAuthz"),
        ("jwt_authn", "JwtAuthentication"),
        ("local_ratelimit", "LocalRateLimit"),
        ("oauth2", "OAuth2"),
        ("rate_limit_quota", "RateLimitQuotaFilterConfig"),
        ("ratelimit", "RateLimit"),
        ("rbac", "RBAC"),
    ];
    for (kind, message) in kinds {
        let typed = format!(
            "          - name: own\n            typed_config: {{ \"@type\": \
             type.googleapis.com/envoy.extensions.filters.http.{kind}.v3.{message} }}\n"
        );
        let named = format!("          - name: envoy.filters.http.{kind}\n");
        for (filter, shown) in [(typed, "own"), (named, &format!("envoy.filters.http.{kind}"))] {
            let found = findings(&SHIPPED.replace(router, &format!("{filter}{router}")));
            let expected = format!("warning: this filter works before {shown}: ");
            assert!(found[0].contains(&expected), "{kind}: {found:?}");
            assert_eq!(found.len(), 2, "{kind}: {found:?}");
            let before = "          - name: service_bus\n";
            let found = findings(&SHIPPED.replace(before, &format!("{filter}{before}")));
            assert_eq!(found, [FINE], "{kind}");
        }
    }
}
