"""Managed identities and client secrets: tokens that are fetched, in real Envoy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from clients import http1
from clients.answer import Answer
from configuration.gateway import GatewayConfiguration, upstream_cluster
from configuration.identities import FEW, KINDS, SECRET, managed
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy
from servers import token_service
from servers.token_service import TokenService


def post(gateway: Envoy, path: str = "/raw") -> Answer:
    return http1.request(gateway.port, "POST", path, body=b"x")


def times_of_questions(tokens: TokenService) -> list[float]:
    """When the service is asked, from now on."""
    times: list[float] = []
    check = tokens.check

    def note(request) -> str | None:
        times.append(time.monotonic())
        return check(request)

    tokens.check = note
    return times


def numbers(gateway: Envoy) -> dict[str, int]:
    """The metrics of the namespace, by the last part of their names."""
    found = gateway.stats("service_bus.namespace")
    return {name.rpartition(".")[2]: number for name, number in found.items()}


def publish(path: Path, clusters: list[dict]) -> None:
    """Tells Envoy of clusters, in one step."""
    kind = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    unready = path.with_suffix(".unready")
    unready.write_text(json.dumps({"resources": [{"@type": kind, **each} for each in clusters]}))
    unready.rename(path)


@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_the_first_token_is_there_before_the_first_request(
    launch, fetching: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    gateway: Envoy = launch(fetching)
    gateway.wait_until(lambda: tokens.granted, "first token")
    for _ in range(20):
        assert_accepted(post(gateway))
    assert tokens.granted == 1
    assert emulator.stored("raw").stored == 20
    found = numbers(gateway)
    assert found["tokens_fetched"] == 1
    assert "token_failures" not in found
    assert abs(found["token_expires_at_seconds"] - time.time() - tokens.life) < 60


@pytest.mark.parametrize("kind", FEW, indirect=True)
def test_a_thousand_first_requests_cause_one_fetch(
    launch, fetching: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    tokens.open.clear()
    fetching.merge_plugin({"delivery": {"timeout": "60s", "max_in_flight": 1000}})
    gateway: Envoy = launch(fetching, concurrency=2)
    with ExitStack() as stack:
        waiting = [stack.enter_context(http1.Connection(gateway.port)) for _ in range(1000)]
        for connection in waiting:
            connection.send(http1.head("POST", "/raw", [("content-length", "1")]) + b"x")
        count = "downstream_rq_active$"
        gateway.wait_until(
            lambda: any(value >= 1000 for value in gateway.stats(count).values()),
            "a thousand requests that wait",
        )
        assert emulator.stored("raw").stored == 0
        tokens.open.set()
        for connection in waiting:
            assert_accepted(connection.answer())
    assert emulator.stored("raw").stored == 1000
    assert tokens.granted == 1
    assert len(tokens.requests) == 1


FAILURES = {
    "404": ("404 Not Found", "{}"),
    "429": ("429 Too Many Requests", "{}"),
    "500": ("500 Internal Server Error", "{}"),
    "503": ("503 Service Unavailable", "{}"),
    "not JSON": ("200 OK", "<html>k4n4ry</html>"),
    "no token": ("200 OK", "{}"),
}


# All failures of one protocol, and one of the others.
@pytest.mark.parametrize(
    ("kind", "failure"),
    [("imds", name) for name in FAILURES] + [("app service", "500"), ("client secret", "503")],
    indirect=["kind"],
)
def test_what_may_pass_is_asked_again_while_clients_wait(
    launch, fetching: GatewayConfiguration, tokens: TokenService, failure: str
) -> None:
    tokens.failures = [FAILURES[failure]] * 2
    gateway: Envoy = launch(fetching)
    assert_accepted(post(gateway))
    assert len(tokens.requests) == 3


@pytest.mark.parametrize("kind", ["imds"], indirect=True)
def test_an_upgrade_of_the_metadata_service_is_waited_for(
    launch, fetching: GatewayConfiguration, tokens: TokenService
) -> None:
    tokens.failures = [("410 Gone", "{}")]
    asked = times_of_questions(tokens)
    gateway: Envoy = launch(fetching.merge_plugin({"delivery": {"timeout": "30s"}}))
    assert_accepted(post(gateway))
    first, second = asked
    assert second - first >= 4.9


@pytest.mark.parametrize("kind", FEW, indirect=True)
def test_a_token_service_is_left_alone_for_as_long_as_it_asks(
    launch, fetching: GatewayConfiguration, tokens: TokenService
) -> None:
    tokens.failures = [("429 Too Many Requests\r\nretry-after: 3", "{}")]
    asked = times_of_questions(tokens)
    gateway: Envoy = launch(fetching)
    assert_accepted(post(gateway))
    first, second = asked
    assert second - first >= 2.9


@pytest.mark.parametrize("kind", ["imds"], indirect=True)
def test_a_first_question_that_gets_no_answer_is_asked_again(
    launch, fetching: GatewayConfiguration, tokens: TokenService
) -> None:
    answer = tokens.script

    def keep(connection, request, reader) -> bool:
        tokens.script = answer
        # Until Envoy gives up and closes.
        connection.recv(1)
        return False

    tokens.script = keep
    gateway: Envoy = launch(fetching.merge_plugin({"delivery": {"timeout": "60s"}}))
    assert_accepted(post(gateway))
    assert len(tokens.requests) == 2


@pytest.mark.parametrize("kind", ["imds"], indirect=True)
def test_the_cluster_of_the_token_service_may_come_later(
    launch, fetching: GatewayConfiguration, tokens: TokenService, tmp_path: Path
) -> None:
    later = fetching.clusters.pop()
    cds = tmp_path / "clusters" / "cds.yaml"
    cds.parent.mkdir()
    publish(cds, [])
    fetching.document["dynamic_resources"] = {
        "cds_config": {
            "path_config_source": {
                "path": str(cds),
                "watched_directory": {"path": str(cds.parent)},
            }
        }
    }
    gateway: Envoy = launch(fetching.merge_plugin({"delivery": {"timeout": "60s"}}), concurrency=1)
    gateway.wait_until(lambda: "Envoy knows no cluster" in gateway.log(), "question too early")
    with ThreadPoolExecutor(1) as client:
        # It comes before there is a cluster to ask, and waits.
        early = client.submit(post, gateway)
        publish(cds, [later])
        assert_accepted(early.result())
    assert tokens.granted == 1


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("imds", "400 Bad Request"),
        ("imds", "401 Unauthorized"),
        ("imds", "403 Forbidden"),
        ("app service", "403 Forbidden"),
        ("client secret", "401 Unauthorized"),
    ],
    indirect=["kind"],
)
def test_what_will_not_pass_is_told_at_once(
    launch, fetching: GatewayConfiguration, tokens: TokenService, status: str
) -> None:
    tokens.failing = (status, '{"error": "invalid_client", "error_description": "k4n4ry"}')
    gateway: Envoy = launch(fetching)
    gateway.wait_until(lambda: tokens.requests, "question")
    answer = post(gateway)
    assert_refused(answer, "credentials_unavailable")
    for _ in range(10):
        assert_refused(post(gateway), "credentials_unavailable")
    assert len(tokens.requests) == 1
    assert numbers(gateway)["token_failures"] == 1
    assert b"k4n4ry" not in answer.body
    gateway.wait_until(
        lambda: f"answered {status[:3]}: invalid_client" in gateway.log(), "line of the failure"
    )
    assert "k4n4ry" not in gateway.log()


@pytest.mark.parametrize("kind", ["imds"], indirect=True)
def test_clients_do_not_wait_for_ever(
    launch, fetching: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    tokens.open.clear()
    gateway: Envoy = launch(fetching.merge_plugin({"delivery": {"timeout": "1s"}}))
    assert_refused(post(gateway), "credentials_unavailable")
    assert emulator.stored("raw").stored == 0
    tokens.open.set()


@pytest.mark.parametrize("kind", ["imds"], indirect=True)
def test_a_question_that_is_lost_is_asked_again(
    launch, fetching: GatewayConfiguration, tokens: TokenService
) -> None:
    answer = tokens.script

    def lose(connection, request, reader) -> bool:
        tokens.script = answer
        return False

    tokens.script = lose
    gateway: Envoy = launch(fetching)
    assert_accepted(post(gateway))
    assert len(tokens.requests) == 2


@pytest.mark.parametrize("kind", FEW, indirect=True)
def test_a_token_that_service_bus_refuses_is_replaced(
    launch, fetching: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    gateway: Envoy = launch(fetching)
    assert_accepted(post(gateway))
    # All tokens so far are worth nothing any more.
    tokens.secret = "another-secret"
    emulator.trust(identities=[tokens.rule])
    for _ in range(5):
        assert_accepted(post(gateway))
    assert tokens.granted == 2
    assert emulator.stored("raw").stored == 6


@pytest.mark.parametrize("kind", ["imds"], indirect=True)
def test_an_identity_without_role_does_not_flood_the_token_service(
    launch, fetching: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    emulator.trust(identities=[tokens.rule.replace("Send", "Listen")])
    gateway: Envoy = launch(fetching)
    for _ in range(30):
        assert_refused(post(gateway), "broker_unauthorized")
    assert tokens.granted == 2


@pytest.mark.parametrize("kind", ["imds"], indirect=True)
def test_an_entity_without_role_takes_no_token_from_others(
    launch, fetching: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    emulator.trust(identities=[f"{tokens.rule};entity=raw"])
    other = {"name": "other", "match": {"path": "/other"}, "send": {"queue": "typed"}}
    gateway: Envoy = launch(fetching.add_plugin_routes([other]))
    assert_accepted(post(gateway))
    tokens.open.clear()
    with ThreadPoolExecutor(1) as client:
        refused = client.submit(post, gateway, "/other")
        gateway.wait_until(lambda: len(tokens.requests) == 2, "question for another token")
        for _ in range(20):
            assert_accepted(post(gateway))
        assert tokens.granted == 1
        assert not refused.done()
        tokens.open.set()
        assert_refused(refused.result(), "broker_unauthorized")
    assert_accepted(post(gateway))
    assert len(tokens.requests) == 2


@pytest.mark.parametrize("kind", FEW, indirect=True)
def test_secrets_and_tokens_stay_inside(
    launch, fetching: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    gateway: Envoy = launch(fetching)
    gateway.admin("/logging?wasm=trace", "POST")
    assert_accepted(post(gateway))
    emulator.trust(identities=[])
    answer = post(gateway)
    assert_refused(answer, "broker_unauthorized")
    token = tokens.token().split(".")[1]
    shown = [gateway.log(), str(answer), gateway.admin("/stats"), gateway.admin("/clusters")]
    for text in shown:
        assert "k4n4ry" not in text
        assert "header-secret" not in text
        assert token[:20] not in text
        assert "Bearer ey" not in text


def test_two_namespaces_with_identities_of_their_own(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    with (
        token_service.imds({}) as machine,
        token_service.entra("tenant", "client", SECRET) as client,
    ):
        client.identity = "client"
        # Whoever comes with the other's token is refused.
        rules = [f"{machine.rule};entity=raw", f"{client.rule};entity=typed"]
        emulator.trust(keys=[], identities=rules)
        made = configure().merge_plugin({"credentials": None})
        made.clusters.append(upstream_cluster("tokens", machine.port))
        made.clusters.append(upstream_cluster("entra", client.port))
        entra = KINDS["client secret"].credentials["client_secret"] | {"cluster": "entra"}
        made.add_plugin_routes(
            [
                {
                    "name": "other",
                    "match": {"path": "/other"},
                    "namespace": "other.servicebus.windows.net",
                    "credentials": {"client_secret": entra},
                    "send": {"queue": "typed"},
                }
            ]
        )
        gateway: Envoy = launch(made.merge_plugin({"credentials": managed("imds")}))
        assert_accepted(post(gateway))
        assert_accepted(http1.request(gateway.port, "POST", "/other", body=b"x"))
        hosts = {request["authority"] for request in emulator.requests()}
        assert hosts == {"sbemulatorns.servicebus.windows.net", "other.servicebus.windows.net"}
        assert (machine.granted, client.granted) == (1, 1)
        assert not machine.mistakes + client.mistakes
