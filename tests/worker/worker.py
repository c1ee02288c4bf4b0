"""Works on the orders of a Service Bus queue over AMQP, and tells their status from Redis.

The environment variable SB_CONNECTION_STRING names the namespace and the key, as the SDK takes it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading

import redis
import redis.asyncio
from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import AutoLockRenewer, ServiceBusClient, ServiceBusReceiver
from azure.servicebus.exceptions import ServiceBusError

from order import Order, Unreadable, tracking_id
from status_api import StatusServer
from store import Store

# A variable, as every user of the machine can read options.
CONNECTION_STRING = "SB_CONNECTION_STRING"

# How long a receiver waits for a message before it looks whether it is to stop.
WAIT_SECONDS = 1
# After what passes: Redis or Service Bus away.
PAUSE_SECONDS = 0.5
# The longest that an order may take; its lock is renewed until then.
LONGEST_SECONDS = 300


class Worker:
    """Works on one message at a time; several may run beside each other."""

    def __init__(self, store: Store, renewer: AutoLockRenewer, work_seconds: float):
        self._store = store
        self._renewer = renewer
        self._work_seconds = work_seconds

    async def run(self, client: ServiceBusClient, queue: str, stop: asyncio.Event) -> None:
        """Receives until told to stop; the order in hand is finished then."""
        while not stop.is_set():
            try:
                async with client.get_queue_receiver(queue) as receiver:
                    while not stop.is_set():
                        # While Redis is away no message is taken: it would be dead-lettered for
                        # nothing.
                        await self._store.wait()
                        for message in await receiver.receive_messages(1, WAIT_SECONDS):
                            await self._settle(receiver, message)
            except (ServiceBusError, redis.RedisError, OSError) as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _settle(
        self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage
    ) -> None:
        self._renewer.register(receiver, message, max_lock_renewal_duration=LONGEST_SECONDS)
        body = b"".join(message.body)
        try:
            order = Order.read(body)
        except Unreadable as reason:
            await self._store.fail(tracking_id(body) or message.message_id, str(reason))
            await receiver.dead_letter_message(
                message, reason="Unreadable", error_description=str(reason)
            )
            return
        try:
            # Done before: the message of then could not be completed.
            if await self._store.begin(order.tracking_id):
                await asyncio.sleep(self._work_seconds)
                await self._store.finish(order.tracking_id, order.result)
        except redis.RedisError:
            await receiver.abandon_message(message)
            raise
        # If the lock is lost by now, the message comes again and is found to be done.
        await receiver.complete_message(message)


async def run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    statuses = StatusServer(options.listen, redis.Redis.from_url(options.redis))
    threading.Thread(target=statuses.serve_forever, daemon=True).start()
    host, port = statuses.server_address[:2]
    print(f"listening on http://{host}:{port}", flush=True)

    connection_string = os.environ[CONNECTION_STRING]
    async with (
        redis.asyncio.Redis.from_url(options.redis) as store,
        ServiceBusClient.from_connection_string(connection_string, retry_total=1) as client,
        AutoLockRenewer() as renewer,
    ):
        worker = Worker(Store(store), renewer, options.work_seconds)
        running = [worker.run(client, options.queue, stop) for _ in range(options.concurrency)]
        await asyncio.gather(*running)
    statuses.shutdown()


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queue", default="orders", help="the queue of the orders")
    parser.add_argument("--redis", default="redis://127.0.0.1:6379", help="where statuses are kept")
    parser.add_argument(
        "--listen",
        type=address,
        default="127.0.0.1:8081",
        help="where to tell the statuses; port 0 takes a free one",
    )
    parser.add_argument("--concurrency", type=int, default=4, help="orders worked on at a time")
    parser.add_argument("--work-seconds", type=float, default=0, help="what an order takes")
    options = parser.parse_args()
    if CONNECTION_STRING not in os.environ:
        parser.error(f"the environment variable {CONNECTION_STRING} is missing")
    asyncio.run(run(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
