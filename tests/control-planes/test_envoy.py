"""What Envoy has of the shipped resources: an upgrade that drops a part fails here."""

from __future__ import annotations

import pytest
import yaml

from processes.program import ROOT
from proxy import Proxy
from shipped import NAMESPACE

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
REMOVED = {
    "x-envoy-internal",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-attempt-count",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
}
# What the filter lets each worker have in flight unless it is told otherwise.
IN_FLIGHT = 1024
WORKERS = 8


def service_bus(gateway: Proxy) -> dict:
    """The cluster that the sender names."""
    name = gateway.plugins()[0]["cluster"]
    cluster = gateway.cluster(name)
    assert cluster, f"Envoy has no cluster {name}"
    return cluster


def test_the_cluster_takes_off_what_envoy_adds(gateway: Proxy) -> None:
    options = service_bus(gateway)["typed_extension_protocol_options"][HTTP_OPTIONS]
    mutation, codec = options["http_filters"]
    removed = {
        each["remove"] for each in mutation["typed_config"]["mutations"]["request_mutations"]
    }

    assert removed == REMOVED
    assert codec["name"] == "envoy.filters.http.upstream_codec"
    assert options["common_http_protocol_options"]["idle_timeout"] == "60s"
    assert set(options["explicit_http_config"]) == {"http_protocol_options"}


def test_the_cluster_asks_for_the_right_certificate(gateway: Proxy) -> None:
    cluster = service_bus(gateway)
    # Envoy Gateway gives endpoints a socket each, and the cluster one for all others.
    [chosen] = cluster.get("transport_socket_matches", [cluster])
    context = chosen["transport_socket"]["typed_config"]
    assert context["sni"] == NAMESPACE
    common = context["common_tls_context"]
    validation = common.get("validation_context")
    if validation is None:
        # The authorities come as a secret of their own, the names with the cluster.
        combined = common["combined_validation_context"]
        validation = combined["default_validation_context"]
        assert combined["validation_context_sds_secret_config"]["name"]
    else:
        assert validation["trusted_ca"]
    names = validation.get("match_subject_alt_names") or [
        each["matcher"] for each in validation["match_typed_subject_alt_names"]
    ]
    assert names == [{"exact": NAMESPACE}]


def test_the_cluster_has_room_for_every_worker(gateway: Proxy) -> None:
    [threshold, *_] = service_bus(gateway)["circuit_breakers"]["thresholds"]
    for limit in ("max_connections", "max_pending_requests", "max_requests"):
        assert threshold[limit] >= WORKERS * IN_FLIGHT, limit


def test_sender_and_gate_stand_right_before_the_router(gateway: Proxy, way: str) -> None:
    names = [each["name"] for each in gateway.filters()]
    ours = [index for index, each in enumerate(gateway.filters()) if "config" in each["settings"]]
    sender, *gates = gateway.plugins()

    assert sender.get("role", "sender") == "sender"
    assert [gate["role"] for gate in gates] == ([] if way == "istio-filter" else ["gate"])
    assert ours == list(range(ours[0], ours[0] + 1 + len(gates))), names
    before, after = names[: ours[0]], names[ours[-1] + 1 :]
    # What refuses requests must be before it, and nothing after it sees what it takes.
    refusing = ("jwt", "rbac", "ratelimit", "ext_authz")
    assert not [name for name in after if any(each in name for each in refusing)], names
    assert after[-1].endswith("router"), (before, after)


@pytest.mark.parametrize("way", ["istio-filter"], scope="session")
def test_the_whole_filter_has_what_plugins_cannot_say(gateway: Proxy, way: str) -> None:
    [config] = [config for each in gateway.filters() if (config := each["settings"].get("config"))]
    shipped = yaml.safe_load((ROOT / "envoy" / "envoy.yaml").read_text())
    chain = shipped["static_resources"]["listeners"][0]["filter_chains"][0]
    [own] = [
        each["typed_config"]["config"]
        for each in chain["filters"][0]["typed_config"]["http_filters"]
        if each["name"] == "service_bus"
    ]
    for name in ("allow_on_headers_stop_iteration", "capability_restriction_config"):
        assert config[name] == own[name]


def test_nothing_passes_without_the_filter(gateway: Proxy, way: str) -> None:
    for each in gateway.filters():
        config = each["settings"].get("config")
        if config:
            policy = config.get("failure_policy", "FAIL_CLOSED")
            # Envoy Gateway and Higress know no reloading.
            reload = way.startswith("istio-")
            assert policy == ("FAIL_RELOAD" if reload else "FAIL_CLOSED")
            assert not config.get("fail_open")
