"""Clients that go on while something changes."""

from __future__ import annotations

import threading
import time

from clients import http1
from clients.answer import Answer
from processes.envoy import Envoy


class Load:
    """Clients that send one request after the other, until they are told to stop."""

    def __init__(self, gateway: Envoy, clients: int = 4):
        self.answers: list[Answer] = []
        self._gateway = gateway
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.answers.append(http1.request(self._gateway.port, "POST", "/raw", body=b"x"))
            time.sleep(0.005)
