"""The command agrees with the filter in Envoy: what it shows is what is sent."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest

from clients import http1
from configuration.gateway import GatewayConfiguration
from configuration.routes import ROUTES
from processes.envoy import Envoy
from servers.upstream import Upstream

# Not the message's own: what Envoy or its connection adds, and the token.
OTHERS = {"authorization", "content-length", "host"}

REQUESTS = [
    ("/raw?a=b", [("content-type", "text/plain"), ("cookie", "secret")], b"x"),
    ("/raw", [], b"\xff\x00"),
    ("/typed", [("x-tenant-id", "T 1"), ("x-region", "eu")], b'{"a": 1}'),
    ("/exact", [("x-tenant-id", "T 1")], "é".encode()),
]


@pytest.fixture
def configuration(module: Path, tmp_path: Path) -> Path:
    """The gateway's configuration as a file."""
    gateway = GatewayConfiguration(module).add_plugin_routes(ROUTES).try_once()
    return gateway.write(tmp_path / "envoy.yaml")


def command(target_dir: Path, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    words = [str(target_dir / "tools" / "envoy-service-bus"), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, timeout=60, check=False)


def own(headers: list) -> list[tuple[str, str]]:
    """The headers of the message itself, sorted."""
    pairs = [(name, value) for name, value in headers if not name.startswith(":")]
    return sorted((name, value) for name, value in pairs if name not in OTHERS)


@pytest.mark.parametrize(("target", "headers", "body"), REQUESTS)
def test_what_is_rendered_is_what_is_sent(
    broker_gateway: Envoy,
    broker: Upstream,
    target_dir: Path,
    configuration: Path,
    tmp_path: Path,
    target: str,
    headers: list[http1.Header],
    body: bytes,
) -> None:
    fields = [*headers, ("idempotency-key", "k-1")]
    request = tmp_path / "request.http"
    fields_of_file = [("content-length", str(len(body))), *fields]
    request.write_bytes(http1.head("POST", target, fields_of_file) + body)
    shown = command(target_dir, "render", "--json", "--config", configuration, "--request", request)
    assert (shown.returncode, shown.stderr) == (0, b"")
    told = json.loads(shown.stdout)
    callout = told["callout"]

    answer = http1.request(broker_gateway.port, "POST", target, fields, body)

    [message] = broker.requests
    pseudo = dict(pair for pair in callout["headers"] if pair[0].startswith(":"))
    assert (message.method, message.target) == (pseudo[":method"], pseudo[":path"])
    assert message.header("host") == pseudo[":authority"]
    assert own(message.headers) == own(callout["headers"])
    assert message.body == text_of(callout)
    reply = told["reply"]
    assert (answer.status, answer.body) == (reply["status"], text_of(reply))
    assert set(map(tuple, reply["headers"])) <= set(answer.headers)


def text_of(message: dict) -> bytes:
    """The body, which is base64 where it is no text."""
    if "body" in message:
        return message["body"].encode()
    return base64.b64decode(message["body_base64"])


def test_what_envoy_runs_passes_check(target_dir: Path, configuration: Path) -> None:
    checked = command(target_dir, "check", configuration)
    assert (checked.returncode, checked.stderr) == (0, b"")
    assert checked.stdout.splitlines()[-1].startswith(b"1 configuration: 0 errors, ")
