"""Request headers that become properties, under their own name or another."""

from __future__ import annotations

import base64
import gzip

import pytest

from clients import http1
from conftest import Launch
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy

ROUTES: list[dict] = [
    {
        "name": "marked",
        "match": {"path": "/marked"},
        "send": {
            "queue": "raw",
            "forward_headers": [
                "x-tenant-id",
                {"header": "Content-Encoding", "as": "content_encoding"},
            ],
        },
    },
    {
        "name": "kept",
        "match": {"path": "/kept"},
        "send": {"queue": "raw", "forward_headers": ["user-agent", "content-language", "accept"]},
    },
]


@pytest.fixture
def gateway(launch: Launch, configure, emulator: Emulator) -> Envoy:
    """A gateway with the routes above."""
    return launch(configure().add_plugin_routes(ROUTES), concurrency=1)


def test_a_body_in_gzip_can_be_marked(gateway: Envoy, emulator: Emulator) -> None:
    body = gzip.compress(b"hello" * 100)
    assert body[:2] == b"\x1f\x8b"
    fields = [("content-encoding", "gzip"), ("x-tenant-id", "t")]

    assert_accepted(http1.request(gateway.port, "POST", "/marked", fields, body))

    message = emulator.message("raw")
    assert message["form"] == "single"
    assert message["properties"] == {"content_encoding": "gzip", "x-tenant-id": "t"}
    assert base64.b64decode(message["body_base64"]) == body


def test_in_a_batch_any_name_is_a_property(gateway: Envoy, emulator: Emulator) -> None:
    fields = [("user-agent", "tool/1"), ("content-language", "de"), ("accept", "*/*")]

    assert_accepted(http1.request(gateway.port, "POST", "/kept", fields, b"text"))

    message = emulator.message("raw")
    assert (message["form"], message["body"]) == ("batch", "text")
    expected = {"user-agent": "tool/1", "content-language": "de", "accept": "*/*"}
    assert message["properties"] == expected


def test_such_a_name_needs_a_body_of_text(gateway: Envoy, emulator: Emulator) -> None:
    answer = http1.request(gateway.port, "POST", "/kept", [("user-agent", "tool/1")], b"\xff")

    detail = (
        'property "user-agent" can be sent in the body of a batch only, which needs a body in UTF-8'
    )
    assert_refused(answer, "invalid_message", detail=detail)
    assert emulator.messages("raw") == []
