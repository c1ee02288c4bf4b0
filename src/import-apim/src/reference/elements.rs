//! The list itself.

use super::Entry;
use super::Fate::{Envoy, Listed, Turned};

type Attributes = &'static [(&'static str, &'static str)];

const fn turned(name: &'static str, attributes: Attributes) -> Entry {
    Entry { name, fate: Turned, attributes }
}

const fn envoy(name: &'static str, text: &'static str) -> Entry {
    Entry { name, fate: Envoy(text), attributes: &[] }
}

const fn listed(name: &'static str, text: &'static str) -> Entry {
    Entry { name, fate: Listed(text), attributes: &[] }
}

const JWT: &str = "Envoy's jwt_authn does this, before the filter";
const RATE: &str = "Envoy's local_ratelimit or ratelimit does this, before the filter";
const RBAC: &str = "Envoy's rbac does this, before the filter";
const CACHE: &str = "Envoy's cache does this, before the filter";
const GRAPHQL: &str = "is for GraphQL, whose queries are no messages";
const DAPR: &str = "speaks to Dapr, which only API Management's own gateway has beside it";
const MODEL: &str = "is for language models, which get no messages";
const KEPT: &str = "keeps values between requests, which the filter does not do";
const SCHEMA: &str = "compares with the API's schema, which Envoy does not have: let the receiver, \
                      or an ext_authz service before the filter, do it";
const BODY: &str = "rewrites a body: write send.payload, or let the receiver do it";
const ANSWER: &str = "rewrites the backend's answer, which does not come by the filter";
const HIS_OWN: &str = "the filter has its own rule: connect failures, 408, 429, 5xx and timeouts";
const ROUTE: &str = "is a setting of Envoy's route to the backend";

/// All elements, by name.
pub const ELEMENTS: [Entry; 82] = [
    envoy("authentication-basic", "Envoy's credential_injector does this, on the cluster"),
    envoy("authentication-certificate", "the TLS context of Envoy's cluster does this"),
    turned(
        "authentication-managed-identity",
        &[
            ("resource", ""),
            ("client-id", ""),
            ("output-token-variable-name", ""),
            ("ignore-error", ""),
        ],
    ),
    listed("authentication-token", "name the credentials in `credentials`"),
    listed("authentication-token-store", "name the credentials in `credentials`"),
    listed("azure-openai-emit-token-metric", MODEL),
    listed("azure-openai-semantic-cache-lookup", MODEL),
    listed("azure-openai-semantic-cache-store", MODEL),
    listed("azure-openai-token-limit", MODEL),
    turned("backend", &[]),
    turned("base", &[]),
    envoy("cache-lookup", CACHE),
    listed("cache-lookup-value", KEPT),
    listed("cache-remove-value", KEPT),
    envoy("cache-store", CACHE),
    listed("cache-store-value", KEPT),
    envoy("check-header", RBAC),
    turned("choose", &[]),
    envoy("cors", "Envoy's cors does this, before the filter"),
    listed("cosmosdb-data-source", GRAPHQL),
    envoy("cross-domain", "a route of Envoy with direct_response does this"),
    envoy("emit-metric", "Envoy's statistics do this; the filter has its own per route"),
    listed("find-and-replace", BODY),
    turned(
        "forward-request",
        &[
            ("timeout", ROUTE),
            ("timeout-ms", ROUTE),
            ("continue-timeout", ROUTE),
            ("http-version", "is a setting of Envoy's cluster of the backend"),
            ("follow-redirects", ROUTE),
            ("buffer-request-body", ROUTE),
            ("buffer-response", ROUTE),
            ("fail-on-error-status-code", ROUTE),
        ],
    ),
    turned("fragment", &[]),
    listed("get-authorization-context", "name the credentials in `credentials`"),
    listed("graphql-data-source", GRAPHQL),
    listed("http-data-source", GRAPHQL),
    turned("inbound", &[]),
    listed("include-fragment", "put the fragment's elements in its place, and import that"),
    listed("invoke-dapr-binding", DAPR),
    listed("invoke-request", "calls another API of the same gateway: name its policy instead"),
    envoy("ip-filter", RBAC),
    listed("json-to-xml", BODY),
    listed("jsonp", ANSWER),
    envoy("limit-concurrency", "the circuit_breakers of Envoy's cluster do this"),
    listed("llm-content-safety", MODEL),
    listed("llm-emit-token-metric", MODEL),
    listed("llm-semantic-cache-lookup", MODEL),
    listed("llm-semantic-cache-store", MODEL),
    listed("llm-token-limit", MODEL),
    envoy("log-to-eventhub", "Envoy's access log does this, in each form that it has"),
    envoy("mock-response", "a route of Envoy with direct_response does this"),
    listed("on-error", "say in reply.failures, by reason, what is told of a failure"),
    turned("outbound", &[]),
    turned("policies", &[]),
    envoy("proxy", "the http_11_proxy transport socket of Envoy's cluster does this"),
    listed("publish-event", GRAPHQL),
    listed("publish-to-dapr", DAPR),
    envoy("quota", RATE),
    envoy("quota-by-key", RATE),
    envoy("rate-limit", RATE),
    envoy("rate-limit-by-key", RATE),
    listed("redirect-content-urls", ANSWER),
    turned(
        "retry",
        &[
            ("count", ""),
            ("interval", ""),
            ("max-interval", ""),
            ("condition", HIS_OWN),
            ("delta", "each wait of the filter is up to twice as long as the one before"),
            ("first-fast-retry", "each wait of the filter is random, from nothing up"),
        ],
    ),
    turned("return-response", &[("response-variable-name", "")]),
    turned("rewrite-uri", &[("template", ""), ("copy-unmatched-params", "")]),
    turned("send-one-way-request", &[("mode", ""), ("timeout", "")]),
    turned(
        "send-request",
        &[
            ("mode", ""),
            ("timeout", ""),
            ("timeout-ms", ""),
            ("response-variable-name", ""),
            ("ignore-error", ""),
            ("buffer-response", ""),
            ("fail-on-error-status-code", ""),
        ],
    ),
    turned(
        "send-service-bus-message",
        &[
            ("queue-name", ""),
            ("topic-name", ""),
            ("namespace", ""),
            ("client-id", ""),
            ("message-id", ""),
            ("session-id", ""),
            ("time-to-live", ""),
            ("response-variable-name", ""),
            ("ignore-error", ""),
        ],
    ),
    turned(
        "set-backend-service",
        &[
            ("base-url", ""),
            ("backend-id", ""),
            ("sf-partition-key", "is for Service Fabric"),
            ("sf-replica-type", "is for Service Fabric"),
            ("sf-resolve-condition", "is for Service Fabric"),
            ("sf-service-instance-name", "is for Service Fabric"),
            ("sf-listener-name", "is for Service Fabric"),
            ("dapr-app-id", DAPR),
            ("dapr-method", DAPR),
            ("dapr-namespace", DAPR),
        ],
    ),
    turned(
        "set-body",
        &[
            ("template", "Liquid is not turned"),
            ("xsi-nil", "is for Liquid"),
            ("parse-date", ""),
            ("html-decode-expression", ""),
        ],
    ),
    turned("set-header", &[("name", ""), ("exists-action", "")]),
    turned("set-method", &[]),
    envoy("set-query-parameter", "Envoy's header_mutation does this, behind the filter"),
    listed("set-request-metric-dimension-value", "is for metrics of API Management"),
    turned("set-status", &[("code", ""), ("reason", "")]),
    turned("set-variable", &[("name", ""), ("value", "")]),
    listed("sql-data-source", GRAPHQL),
    envoy("trace", "Envoy's access log and tracing do this"),
    envoy("validate-azure-ad-token", JWT),
    envoy("validate-client-certificate", "the TLS context of Envoy's listener and rbac do this"),
    turned(
        "validate-content",
        &[
            ("max-size", ""),
            ("size-exceeded-action", ""),
            ("unspecified-content-type-action", SCHEMA),
            ("errors-variable-name", SCHEMA),
        ],
    ),
    listed("validate-graphql-request", GRAPHQL),
    listed("validate-headers", ANSWER),
    envoy("validate-jwt", JWT),
    listed("validate-odata-request", SCHEMA),
    listed("validate-parameters", SCHEMA),
    listed("validate-status-code", ANSWER),
    turned("wait", &[("for", "")]),
    listed("xml-to-json", BODY),
    listed("xsl-transform", BODY),
];
