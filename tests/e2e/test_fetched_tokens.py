"""Managed identities and client secrets: tokens that are fetched, in real Envoy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from clients import http1
from clients.answer import Answer
from clients.load import Load
from configuration.gateway import GatewayConfiguration, upstream_cluster
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy
from servers import token_service
from servers.token_service import TokenService

SECRET = "k4n4ry&=+% é~secret"
RESOURCE_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/u/i"


@dataclass(frozen=True)
class Kind:
    """A way to get tokens: the service, and the credentials that ask it."""

    service: Callable[[], TokenService]
    credentials: dict


def managed(source: str, **rest: object) -> dict:
    return {"managed_identity": {"cluster": "tokens", "source": source, **rest}}


KINDS = {
    "imds": Kind(lambda: token_service.imds({}), managed("imds")),
    "imds by client": Kind(
        lambda: token_service.imds({"client_id": "c"}), managed("imds", client_id="c")
    ),
    "imds by object": Kind(
        lambda: token_service.imds({"object_id": "o"}), managed("imds", object_id="o")
    ),
    "imds by resource": Kind(
        lambda: token_service.imds({"msi_res_id": RESOURCE_ID}),
        managed("imds", resource_id=RESOURCE_ID),
    ),
    "app service": Kind(
        lambda: token_service.app_service({"principal_id": "o"}, "header-secret"),
        managed("app_service", object_id="o", identity_header={"inline": "header-secret"}),
    ),
    "client secret": Kind(
        lambda: token_service.entra("tenant", "client", SECRET),
        {
            "client_secret": {
                "cluster": "tokens",
                "tenant_id": "tenant",
                "client_id": "client",
                "secret": {"inline": SECRET},
            }
        },
    ),
}
# One of each protocol, where the way to ask makes no difference.
FEW = ["imds", "app service", "client secret"]


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def tokens(kind: Kind, emulator: Emulator) -> Iterator[TokenService]:
    """A token service whose identity the emulator trusts."""
    with kind.service() as service:
        emulator.trust(identities=[service.rule])
        yield service
        assert not service.mistakes, service.mistakes


@pytest.fixture
def configuration(
    configure: Callable[[], GatewayConfiguration], kind: Kind, tokens: TokenService
) -> GatewayConfiguration:
    made = configure().merge_plugin({"credentials": None})
    made.clusters.append(upstream_cluster("tokens", tokens.port))
    return made.merge_plugin({"credentials": kind.credentials})


def numbers(gateway: Envoy) -> dict[str, int]:
    """The metrics of the namespace, by the last part of their names."""
    found = gateway.stats("service_bus.namespace")
    return {name.rpartition(".")[2]: number for name, number in found.items()}


def post(gateway: Envoy) -> Answer:
    return http1.request(gateway.port, "POST", "/raw", body=b"x")


@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_the_first_token_is_there_before_the_first_request(
    launch, configuration: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    gateway: Envoy = launch(configuration)
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
    launch, configuration: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    tokens.open.clear()
    configuration.merge_plugin({"delivery": {"timeout": "60s", "max_in_flight": 1000}})
    gateway: Envoy = launch(configuration, concurrency=2)
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


@pytest.mark.parametrize("kind", FEW, indirect=True)
def test_tokens_are_renewed_under_load_and_nothing_is_lost(
    launch, configuration: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    # A fifth of it is time enough for a renewal on a machine that is busy.
    tokens.life = 8
    gateway: Envoy = launch(configuration)
    with Load(gateway) as load:
        gateway.wait_until(lambda: tokens.granted >= 3, "three tokens")
    for answer in load.answers:
        assert_accepted(answer)
    assert emulator.stored("raw").stored == len(load.answers)
    assert emulator.refused() == []


@pytest.mark.parametrize("kind", FEW, indirect=True)
def test_a_valid_token_is_used_while_its_renewal_fails(
    launch, configuration: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    tokens.life = 6
    gateway: Envoy = launch(configuration)
    gateway.wait_until(lambda: tokens.granted, "first token")
    tokens.failing = ("500 Internal Server Error", "{}")
    with Load(gateway, clients=1) as load:
        gateway.wait_until(lambda: len(tokens.requests) >= 3, "renewals that fail")
        tokens.failing = None
        gateway.wait_until(lambda: tokens.granted >= 2, "second token")
    for answer in load.answers:
        assert_accepted(answer)


FAILURES = {
    "404": ("404 Not Found", "{}"),
    "429": ("429 Too Many Requests", "{}"),
    "500": ("500 Internal Server Error", "{}"),
    "503": ("503 Service Unavailable", "{}"),
    "not JSON": ("200 OK", "<html>k4n4ry</html>"),
    "no token": ("200 OK", "{}"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("kind", ["imds"], indirect=True)
def test_what_may_pass_is_asked_again_while_clients_wait(
    launch, configuration: GatewayConfiguration, tokens: TokenService, failure: tuple[str, str]
) -> None:
    tokens.failures = [failure, failure]
    gateway: Envoy = launch(configuration)
    assert_accepted(post(gateway))
    assert len(tokens.requests) == 3


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "403 Forbidden"])
@pytest.mark.parametrize("kind", FEW, indirect=True)
def test_what_will_not_pass_is_told_at_once(
    launch, configuration: GatewayConfiguration, tokens: TokenService, status: str
) -> None:
    tokens.failing = (status, '{"error": "invalid_client", "error_description": "k4n4ry"}')
    gateway: Envoy = launch(configuration)
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
    launch, configuration: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    tokens.open.clear()
    gateway: Envoy = launch(configuration.merge_plugin({"delivery": {"timeout": "1s"}}))
    assert_refused(post(gateway), "credentials_unavailable")
    assert emulator.stored("raw").stored == 0
    tokens.open.set()


@pytest.mark.parametrize("kind", ["imds"], indirect=True)
def test_a_question_that_is_lost_is_asked_again(
    launch, configuration: GatewayConfiguration, tokens: TokenService
) -> None:
    answer = tokens.script

    def lose(connection, request, reader) -> bool:
        tokens.script = answer
        return False

    tokens.script = lose
    gateway: Envoy = launch(configuration)
    assert_accepted(post(gateway))
    assert len(tokens.requests) == 2


@pytest.mark.parametrize("kind", FEW, indirect=True)
def test_a_token_that_service_bus_refuses_is_replaced(
    launch, configuration: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    gateway: Envoy = launch(configuration)
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
    launch, configuration: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    emulator.trust(identities=[tokens.rule.replace("Send", "Listen")])
    gateway: Envoy = launch(configuration)
    for _ in range(30):
        assert_refused(post(gateway), "broker_unauthorized")
    assert tokens.granted == 2


@pytest.mark.parametrize("kind", FEW, indirect=True)
def test_secrets_and_tokens_stay_inside(
    launch, configuration: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    gateway: Envoy = launch(configuration)
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
        emulator.trust(identities=[machine.rule, client.rule])
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
                    "send": {"queue": "raw"},
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
