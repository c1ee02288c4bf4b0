"""Shows the filter at work: `make demo` and `make run`.

Starts the Service Bus emulator, and Envoy with the shipped configuration in front of it. The demo
sends an order and receives it as Microsoft's own client does; with --stay both stay up instead.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from clients import http1
from clients.answer import Answer
from clients.service_bus import service_bus
from configuration.gateway import GatewayConfiguration
from configuration.routes import EMULATOR
from narration import Surprise, curl, expect, show, show_answer, tell, title
from processes.emulator import Emulator
from processes.envoy import Envoy, version
from processes.program import ROOT

MODULE = Path("wasm32-wasip1/release/envoy_service_bus.wasm")
# Those of envoy/envoy.yaml.
EMULATOR_PORT = 5380
# That of Microsoft's emulator.
AMQP_PORT = 5672

ORDER = b'{"item":"lamp","count":2}'
BUSY = {"status": 503, "detail": "Server busy"}
HEADERS = [
    ("content-type", "application/json"),
    ("idempotency-key", "order-4711"),
    ("x-tenant-id", "acme"),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--envoy", type=Path, required=True, help="the Envoy binary")
    parser.add_argument("--target-dir", default="target", help="where cargo has put what it built")
    parser.add_argument("--stay", action="store_true", help="stay up, on the shipped ports")
    parser.add_argument("--free-ports", action="store_true", help="with --stay: on free ports")
    options = parser.parse_args()

    def story() -> None:
        with (
            tempfile.TemporaryDirectory(prefix="envoy-service-bus-") as folder,
            started(options, Path(folder)) as (gateway, emulator),
        ):
            if options.stay:
                stay(gateway, emulator, Path(folder))
            else:
                demonstrate(gateway, emulator)

    return tell(story)


@contextlib.contextmanager
def started(options: argparse.Namespace, folder: Path) -> Iterator[tuple[Envoy, Emulator]]:
    """Envoy and the emulator, until the end of the block."""
    target = ROOT / options.target_dir
    shipped_ports = options.stay and not options.free_ports
    configuration = GatewayConfiguration(
        target / MODULE, free_ports=not shipped_ports, per_route=True
    )
    entities = json.loads(EMULATOR.read_text())
    with contextlib.ExitStack() as stack:
        port, amqp_port = (EMULATOR_PORT, AMQP_PORT) if shipped_ports else (0, 0)
        emulator = Emulator(target, entities, folder, port=port, amqp=True, amqp_port=amqp_port)
        stack.callback(emulator.stop)
        gateway = Envoy(options.envoy, configuration.send_to(emulator.port), folder)
        stack.callback(gateway.stop)
        print(f"Envoy {version(options.envoy)} with the filter  http://127.0.0.1:{gateway.port}")
        print(f"Service Bus emulator         {emulator.url}")
        yield gateway, emulator


def demonstrate(gateway: Envoy, emulator: Emulator) -> None:
    """Sends an order, receives it, sends it again, and lets Service Bus fail."""
    title("1. A client posts an order. Envoy answers once Service Bus has stored the message.")
    expect(post(gateway), 202)

    title("2. Microsoft's own client (azure-servicebus 0.21.1) receives it from the queue.")
    client = service_bus(emulator.port)
    message = client.receive_queue_message("orders", peek_lock=False, timeout=5)
    if message.body != ORDER:
        raise Surprise(f"expected {ORDER!r} in the queue, found {message.body!r}")
    show("body", message.body.decode())
    show("content type", message.type)
    show("broker properties", message.broker_properties)
    # The client cannot tell properties from headers of the answer; the emulator can.
    names = ("source", "priority", "express", "x-tenant-id")
    show("properties", {name: message.custom_properties[name] for name in names})

    title("3. The client posts it again with the same Idempotency-Key. There is no second message.")
    expect(post(gateway), 202)
    again = client.receive_queue_message("orders", peek_lock=False, timeout=0)
    if again.body is not None:
        raise Surprise(f"expected an empty queue, found {again.body!r}")
    stored = emulator.stored("orders")
    print()
    show("stored", stored.stored)
    show("dropped as duplicate", stored.duplicates)

    title("4. Service Bus answers 503 once. The filter sends the message again, with the same id.")
    emulator.arm(BUSY, entity="orders", operation="send", count=1)
    expect(post(gateway, key="order-4712"), 202)

    title("5. Service Bus answers 503 whenever it is asked. The client is never told 202 then.")
    emulator.arm(BUSY, entity="orders", operation="send")
    expect(post(gateway, key="order-4713"), 503)
    print("\nThat was the demo. `make run` starts the same and stays up.")


def stay(gateway: Envoy, emulator: Emulator, folder: Path) -> None:
    """Says what to try, and waits for Ctrl-C."""
    base = f"http://127.0.0.1:{gateway.port}"
    admin = f"{emulator.url}/%24emulator"
    fault = '{"fault": {"status": 400}, "count": 1}'
    print(f"Envoy's admin interface      http://127.0.0.1:{gateway.admin_port}")
    print(f"Envoy's logs                 {folder}")
    title("Send an order, an event, a notification:")
    print(f"  {curl(base + '/orders', HEADERS, ORDER)}")
    print(f"  curl -i {base}/events/login -d hello")
    print(f'  curl -i {base}/tenants/acme/notify -d \'{{"text":"hello"}}\'')
    title("Look into the queues, in a browser or with curl:")
    print(f"  {emulator.url}/$emulator/")
    print(f"  curl {admin}/entities")
    print(f"  curl {admin}/entities/orders/messages")
    title("Receive with a worker of your own. Microsoft's SDKs take this connection string:")
    print(f"  {emulator.connection_string()}")
    print("\n  # pip install azure-servicebus")
    for line in receiver(emulator.connection_string()):
        print(f"  {line}")
    title("Let the next send fail:")
    print(f"  curl {admin}/faults -d '{fault}'")
    print("\nCtrl-C ends both.", flush=True)
    threading.Event().wait()


def receiver(connection_string: str) -> list[str]:
    """Three lines of Python that print the orders and complete them."""
    return [
        "from azure.servicebus import ServiceBusClient",
        f'orders = ServiceBusClient.from_connection_string("{connection_string}")'
        '.get_queue_receiver("orders")',
        "for message in orders: print(message); orders.complete_message(message)",
    ]


def post(gateway: Envoy, *, key: str = "order-4711") -> Answer:
    """Posts the order, and shows request and answer."""
    fields = [(name, key if name == "idempotency-key" else value) for name, value in HEADERS]
    print(f"  $ {curl(f'http://127.0.0.1:{gateway.port}/orders', fields, ORDER)}")
    answer = http1.request(gateway.port, "POST", "/orders", fields, ORDER)
    show_answer(answer)
    return answer


if __name__ == "__main__":
    sys.exit(main())
