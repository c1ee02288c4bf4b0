"""Microsoft's SDKs idle for over a minute, all at a time: it is the wait that takes long."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import needs
from configuration.sdk import sdk_entities
from processes.emulator import Emulator
from processes.sdk import SDKS, Bus, SdkClient

# Longer than any of them waits for a sign of life: 30 seconds (Go) to 60.
IDLE_SECONDS = 65


@pytest.mark.xdist_group("idle")
def test_connections_outlive_a_minute_without_messages(target_dir: Path, tmp_path: Path) -> None:
    emulator = Emulator(target_dir, sdk_entities(), tmp_path, amqp=True)
    clients = []
    try:
        buses = []
        for sdk in SDKS:
            if sdk.group and needs.refusal(sdk.group):
                continue
            clients.append(SdkClient(sdk, tmp_path))
            clients[-1].ask("open", connection_string=emulator.connection_string())
            bus = Bus(clients[-1])
            bus.send("sessions", b"before", session_id=sdk.name)
            receiver = bus.receiver("sessions", session=sdk.name)
            receiver.one().complete()
            buses.append((bus, receiver))

        time.sleep(IDLE_SECONDS)

        for bus, receiver in buses:
            # On the links of before: the session is still held by one of them.
            receiver.ask("renew_session")
            bus.send("sessions", b"after", session_id=bus.sdk.name)
            message = receiver.one()
            assert message.body == b"after"
            message.complete()
    finally:
        for client in clients:
            client.stop()
        emulator.stop()
