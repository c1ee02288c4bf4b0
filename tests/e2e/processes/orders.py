"""All parts of the order scenario but Envoy."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clients.tokens import Issuer
from configuration.orders import OrdersConfiguration
from configuration.routes import EMULATOR
from processes.emulator import Emulator
from processes.redis import Redis
from processes.worker import Worker


@dataclass(frozen=True)
class OrderParts:
    """A queue, its worker, the store of statuses, and who signs tokens."""

    emulator: Emulator
    redis: Redis
    worker: Worker
    issuer: Issuer

    def configuration(self, module: Path) -> OrdersConfiguration:
        """The shipped configuration, with these parts around it."""
        configuration = OrdersConfiguration(module)
        configuration.send_to(self.emulator.port)
        return configuration.look_up_at(self.worker.port).trust(self.issuer.keys)


@contextlib.contextmanager
def order_parts(target_dir: Path, folder: Path, *, work_seconds: float) -> Iterator[OrderParts]:
    """The parts, until the end of the block."""
    with contextlib.ExitStack() as stack:
        redis = Redis(folder)
        stack.callback(redis.stop)
        entities = json.loads(EMULATOR.read_text())
        emulator = Emulator(target_dir, entities, folder, amqp=True)
        stack.callback(emulator.stop)
        connection_string = emulator.connection_string()
        worker = Worker(connection_string, redis.url, folder, work_seconds=work_seconds)
        stack.callback(worker.stop)
        yield OrderParts(emulator, redis, worker, Issuer())
