"""Tokens that Envoy adds on the cluster, as `envoy/credentials` shows it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from clients import http1
from clients.answer import Answer
from clients.load import Load
from configuration.gateway import GatewayConfiguration, connect
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy
from processes.refresher import SHIPPED, refresher
from servers import token_service
from servers.token_service import TokenService
from servers.upstream import answers

# Without a plus sign, which Envoy 1.36 does not encode.
SECRET = "k4n4ry&=% é~secret"
# What Envoy adds when it asks for tokens itself.
OF_ENVOY = frozenset({"user-agent", "x-forwarded-for", "x-forwarded-proto"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where Envoy looks for secrets."""
    made = tmp_path / "service-bus"
    made.mkdir()
    return made


def post(gateway: Envoy) -> Answer:
    return http1.request(gateway.port, "POST", "/raw", body=b"x")


def write(folder: Path, name: str, value: str) -> None:
    """Puts a secret into its file, as a job of the operator's own would."""
    secret = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": name,
        "generic_secret": {"secret": {"inline_string": value}},
    }
    unready = folder / ".unready"
    unready.write_text(yaml.safe_dump({"resources": [secret]}))
    unready.rename(folder / FILES[name])


FILES = {"service-bus-token": "token.yaml", "client-secret": "client-secret.yaml"}


def upstream(
    configuration: GatewayConfiguration, shipped: str, folder: Path
) -> GatewayConfiguration:
    """Lets Envoy sign, as a shipped file shows it, with secrets in a folder of the test's own."""
    text = (SHIPPED / shipped).read_text().replace("/var/run/service-bus", str(folder))
    parts = yaml.safe_load(text.replace("TENANT", "tenant").replace("CLIENT", "client"))
    options = configuration.service_bus["typed_extension_protocol_options"]
    (protocol,) = options.values()
    protocol["http_filters"].insert(0, parts["http_filter"])
    if cluster := parts.get("cluster"):
        configuration.clusters.append(cluster)
    configuration.merge_plugin({"credentials": None})
    return configuration.merge_plugin({"credentials": {"upstream": {}}})


def test_envoy_adds_a_token_from_a_file(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator, folder: Path
) -> None:
    with token_service.imds({}) as service:
        emulator.trust(keys=[], identities=[service.rule])
        token = service.token()
        write(folder, "service-bus-token", f"Bearer {token}")
        gateway: Envoy = launch(upstream(configure(), "token-file.yaml", folder))
        answers = [post(gateway) for _ in range(5)]
        for answer in answers:
            assert_accepted(answer)
        assert emulator.stored("raw").stored == 5
        pages = ("/config_dump?include_eds", "/stats", "/clusters")
        encoded = base64.b64encode(f"Bearer {token}".encode()).decode()
        for shown in (*map(gateway.admin, pages), gateway.log(), str(answers)):
            for form in (*token.split("."), encoded[:40]):
                assert form not in shown


def test_a_file_is_replaced_under_load_and_nothing_is_lost(
    launch, configure: Callable[[], GatewayConfiguration], broker, folder: Path
) -> None:
    broker.script = answers("201 Created")
    made = upstream(configure(), "token-file.yaml", folder).send_to(broker.port)
    write(folder, "service-bus-token", "Bearer one")
    gateway: Envoy = launch(made)

    def latest() -> str | None:
        return broker.requests[-1].header("authorization") if broker.requests else None

    with Load(gateway) as load:
        for token in ("one", "two", "three"):
            write(folder, "service-bus-token", f"Bearer {token}")
            gateway.wait_until(lambda token=token: latest() == f"Bearer {token}", f"token {token}")
    for answer in load.answers:
        assert_accepted(answer)
    assert len(broker.requests) == len(load.answers)
    seen = {request.header("authorization") for request in broker.requests}
    assert seen == {"Bearer one", "Bearer two", "Bearer three"}


def test_without_a_token_nothing_is_sent(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator, folder: Path
) -> None:
    write(folder, "service-bus-token", "")
    gateway: Envoy = launch(upstream(configure(), "token-file.yaml", folder))
    assert_refused(post(gateway), "broker_unreachable")
    assert emulator.requests() == []


def test_a_token_that_comes_late_is_used_at_once(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator, folder: Path
) -> None:
    write(folder, "service-bus-token", "")
    made = upstream(configure(), "token-file.yaml", folder)
    gateway: Envoy = launch(made)
    # What Envoy itself does not send tells the circuit breaker nothing, however often.
    reasons = {post(gateway).json()["reason"] for _ in range(8)}
    assert reasons == {"broker_unreachable"}
    with token_service.imds({}) as service:
        emulator.trust(keys=[], identities=[service.rule])
        write(folder, "service-bus-token", f"Bearer {service.token()}")
        gateway.wait_until(lambda: post(gateway).status == 202, "202 with the token")


def asking(
    entra: TokenService, configuration: GatewayConfiguration, folder: Path
) -> GatewayConfiguration:
    """A gateway whose Envoy asks Entra with a secret from a file."""
    write(folder, "client-secret", SECRET)
    made = upstream(configuration, "client-secret.yaml", folder)
    connect(made.clusters[-1], entra.port)
    # Its certificate is Microsoft's.
    del made.clusters[-1]["transport_socket"]
    return made


def test_envoy_renews_its_token_from_entra_ahead(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator, folder: Path
) -> None:
    with token_service.entra("tenant", "client", SECRET, others=OF_ENVOY) as entra:
        entra.life = 8
        emulator.trust(keys=[], identities=[entra.rule])
        gateway: Envoy = launch(asking(entra, configure(), folder))
        gateway.wait_until(lambda: post(gateway).status == 202, "202 with a token")
        first = entra.granted
        with Load(gateway, clients=2) as load:
            gateway.wait_until(lambda: entra.granted >= first + 4, "tokens after it")
        for answer in load.answers:
            assert_accepted(answer)
        assert not entra.mistakes, entra.mistakes


def test_envoy_asks_entra_with_a_client_secret(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator, folder: Path
) -> None:
    with token_service.entra("tenant", "client", SECRET, others=OF_ENVOY) as entra:
        emulator.trust(keys=[], identities=[entra.rule])
        gateway: Envoy = launch(asking(entra, configure(), folder))
        gateway.wait_until(lambda: entra.granted or entra.mistakes, "question for a token")
        assert not entra.mistakes, entra.mistakes
        gateway.wait_until(lambda: post(gateway).status == 202, "202 with a token")
        for _ in range(5):
            assert_accepted(post(gateway))
        assert entra.granted >= 1
        assert not entra.mistakes, entra.mistakes
        for page in ("/config_dump?include_eds", "/stats", "/clusters"):
            assert "k4n4ry" not in gateway.admin(page)
        assert "k4n4ry" not in gateway.log()


def test_a_workload_identity_is_refreshed_ahead(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator, folder: Path
) -> None:
    assertion = "header.k4n4ry.signature"
    with token_service.workload("tenant", "client", assertion) as service:
        service.life = 8
        emulator.trust(keys=[], identities=[service.rule])
        with refresher(service.port, folder, assertion) as program:
            program.wait_until((folder / "token.yaml").exists, "first token")
            gateway: Envoy = launch(upstream(configure(), "token-file.yaml", folder))
            with Load(gateway, clients=2) as load:
                gateway.wait_until(lambda: service.granted >= 4, "four tokens")
        for answer in load.answers:
            assert_accepted(answer)
        assert emulator.stored("raw").stored == len(load.answers)
        assert not service.mistakes, service.mistakes
        assert program.stderr() == ""
