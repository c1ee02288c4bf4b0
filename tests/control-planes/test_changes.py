"""Changes of configuration and image while clients send: nothing lost, nothing twice."""

from __future__ import annotations

import threading
import uuid

import pytest

from clients import http1
from clients.answer import Answer
from conftest import TAG, instances
from contract import assert_accepted
from processes.emulator import Emulator
from proxy import Proxy
from registry import Image, Registry
from shipped import Resources, plugins, replace

CLIENTS = 32


class Clients:
    """Clients that send orders, each under an id of its own, one after the other."""

    def __init__(self, gateway: Proxy):
        self.answers: dict[str, Answer] = {}
        self._gateway = gateway
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with http1.Connection(self._gateway.port) as connection:
            while not self._stop.is_set():
                key = str(uuid.uuid4())
                fields = [("idempotency-key", key)]
                answer = connection.request("POST", "/orders", fields, b"{}")
                self.answers[key] = answer
                if answer.header("connection") == "close":
                    connection.close()
                    connection = http1.Connection(self._gateway.port)
                self._stop.wait(0.02)


def another_source(found: Resources) -> None:
    for plugin in plugins(found):
        for route in plugin["routes"]:
            if "send" in route:
                route["send"]["properties"]["source"] = "changed"


def another_image(found: Resources) -> None:
    another_source(found)
    replace(found, f"envoy-service-bus:{TAG}", "envoy-service-bus:0.1.1")


@pytest.fixture
def next_image(image: Image) -> Image:
    """The next version: the same module with a section that names it."""
    module = image.module()
    return Image.with_module(module + b"\x00\x08\x07version")


def test_a_change_under_load_loses_and_doubles_nothing(
    gateways,
    way: str,
    envoy_binary,
    emulator: Emulator,
    registry: Registry,
    image: Image,
    next_image: Image,
    relay,
) -> None:
    gateways.stop()
    registry.images = {TAG: image, "0.1.1": next_image}
    gateway = gateways.get(way, envoy_binary)
    gateway.wait_until(lambda: len(gateway.plugins()) == instances(way), "filter")

    def source() -> object:
        [route] = gateway.plugins()[0]["routes"]
        return route["send"]["properties"]["source"]

    with Clients(gateway) as clients:
        gateway.wait_until(lambda: len(clients.answers) > 2 * CLIENTS, "answers")
        gateways.change(way, another_source)
        gateway.wait_until(lambda: source() == "changed", "changed configuration")
        gateways.change(way, another_image)
        pulled = "/manifests/0.1.1"
        gateway.wait_until(lambda: any(pulled in each for each in registry.requests), "pull")
        seen = len(clients.answers)
        gateway.wait_until(lambda: len(clients.answers) > seen + 20 * CLIENTS, "more answers")

    wrong = {key: answer for key, answer in clients.answers.items() if answer.status != 202}
    stored = emulator.stored("orders")
    assert not wrong, list(wrong.values())[:3]
    assert set(stored.messages) == set(clients.answers)
    assert set(stored.messages.values()) == {1}
    assert stored.duplicates == 0

    emulator.reset()
    assert_accepted(http1.request(gateway.port, "POST", "/orders", body=b"{}"))
    assert emulator.message("orders")["properties"]["source"] == "changed"
    gateway.check_vms()
    gateways.stop()
