"""Programs with Microsoft's SDKs for AMQP, one a language, which tests tell what to do.

They are in tests/sdk, and `make sdks` builds them into target/sdk.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import needs
from processes.program import ROOT

BUILT = ROOT / "target" / "sdk"

# A loaded machine may be slow; a program that does not answer by then is broken.
PATIENCE_SECONDS = 60


class SdkError(Exception):
    """The SDK has failed; `code` says how, in the same words for each."""

    def __init__(self, code: str, text: str):
        super().__init__(f"{code}: {text}")
        self.code = code


@dataclass(frozen=True)
class Sdk:
    """One of Microsoft's SDKs."""

    name: str
    # Of tests/needs.py; None where Python is enough.
    group: str | None
    command: Callable[[], list[str]]
    # .NET and Go count the delivery that is under way, the others those before it.
    counts_this_delivery: bool = False
    # Has a client for the rules of a subscription over AMQP.
    manages_rules: bool = False


SDKS = [
    Sdk(
        "python",
        None,
        lambda: [str(BUILT / "python" / "bin" / "python"), "tests/sdk/python/client.py"],
    ),
    Sdk(
        "python-asyncio",
        None,
        lambda: [
            *(str(BUILT / "python" / "bin" / "python"), "tests/sdk/python/client.py"),
            "--asyncio",
        ],
    ),
    Sdk(
        "javascript",
        "node",
        lambda: [needs.program("node", "NODE"), str(BUILT / "javascript" / "client.mjs")],
        manages_rules=True,
    ),
    Sdk(
        "java",
        "java",
        lambda: [
            *(needs.program("java", "JAVA"), "-XX:TieredStopAtLevel=1"),
            *("-cp", f"{BUILT / 'java' / 'classes'}:{BUILT / 'java' / 'libraries' / '*'}"),
            "Client",
        ],
        manages_rules=True,
    ),
    Sdk("go", "go", lambda: [str(BUILT / "go" / "client")], counts_this_delivery=True),
]


class SdkClient:
    """A running program of an SDK. Commands are methods by name: `client.ask("peek", most=3)`."""

    def __init__(self, sdk: Sdk, folder: Path, environment: dict[str, str] | None = None):
        self.sdk = sdk
        self._stderr = (folder / f"{sdk.name}.stderr.log").open("wb")
        self._process = subprocess.Popen(
            sdk.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=ROOT,
            env=os.environ | (environment or {}),
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, command: str, **arguments: Any) -> Any:
        """Has the program carry out a command, and returns what comes of it."""
        line = json.dumps({"command": command, **arguments})
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        try:
            line = self._lines.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            raise AssertionError(f"{self.sdk.name} does not answer {command}") from None
        assert line, f"{self.sdk.name} has ended: {self._last_words()}"
        answer = json.loads(line)
        if "error" in answer:
            raise SdkError(answer["error"], answer["text"])
        return answer["result"]

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._stderr.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def _last_words(self) -> str:
        return Path(self._stderr.name).read_text(errors="replace")[-4000:]


@dataclass(frozen=True)
class Received:
    """A message as an SDK has received it, and what may become of it."""

    receiver: Receiver
    fields: dict

    def __getattr__(self, name: str) -> Any:
        return self.fields[name]

    @property
    def body(self) -> bytes:
        return base64.b64decode(self.fields["body"])

    @property
    def earlier_deliveries(self) -> int:
        """How often it was delivered before."""
        return self.delivery_count - int(self.receiver.client.sdk.counts_this_delivery)

    def complete(self) -> None:
        self.receiver.ask("complete", message=self.lock)

    def abandon(self) -> None:
        self.receiver.ask("abandon", message=self.lock)

    def defer(self) -> None:
        self.receiver.ask("defer", message=self.lock)

    def dead_letter(self, reason: str, description: str) -> None:
        self.receiver.ask("dead_letter", message=self.lock, reason=reason, description=description)

    def renew(self) -> int:
        return self.receiver.ask("renew", message=self.lock)


class Receiver:
    """A receiver of an SDK."""

    def __init__(self, client: SdkClient, name: str, session: dict):
        self.client = client
        self.name = name
        self.session_id = session.get("session_id")

    def ask(self, command: str, **arguments: Any) -> Any:
        return self.client.ask(command, receiver=self.name, **arguments)

    def receive(self, most: int = 1, wait: float = 10) -> list[Received]:
        """Up to so many messages; none if none comes in time."""
        return self._received(self.ask("receive", most=most, wait=wait))

    def receive_all(self, count: int) -> list[Received]:
        """So many messages, in as many calls as it takes."""
        received: list[Received] = []
        while len(received) < count:
            more = self.receive(count - len(received))
            assert more, f"{len(received)} of {count} messages have come"
            received += more
        return received

    def one(self) -> Received:
        """The next message."""
        messages = self.receive()
        assert len(messages) == 1, messages
        return messages[0]

    def receive_deferred(self, *numbers: int) -> list[Received]:
        return self._received(self.ask("receive_deferred", numbers=list(numbers)))

    def peek(self, most: int = 10, number: int = 1) -> list[Received]:
        return self._received(self.ask("peek", most=most, number=number))

    def leave(self) -> None:
        self.ask("leave")

    def _received(self, messages: list[dict]) -> list[Received]:
        return [Received(self, fields) for fields in messages]


class Bus:
    """What a test does with an SDK; its receivers are left at the end."""

    def __init__(self, client: SdkClient):
        self.client = client
        self.sdk = client.sdk
        self._receivers: list[Receiver] = []

    def send(self, entity: str, *bodies: bytes, batch: bool = False, **fields: Any) -> None:
        """Sends a message for each body, all with these fields."""
        self.client.ask("send", entity=entity, messages=messages(bodies, fields), batch=batch)

    def schedule(self, entity: str, *bodies: bytes, at: int, **fields: Any) -> list[int]:
        """Schedules messages for a time in milliseconds since 1970; returns their numbers."""
        made = messages(bodies, fields)
        return self.client.ask("schedule", entity=entity, messages=made, at=at)

    def cancel(self, entity: str, *numbers: int) -> None:
        self.client.ask("cancel", entity=entity, numbers=list(numbers))

    def receiver(self, entity: str, subscription: str | None = None, **options: Any) -> Receiver:
        """A receiver; `options` are those of tests/sdk/README.md."""
        if subscription is not None:
            options["subscription"] = subscription
        name = f"receiver-{len(self._receivers)}"
        session = self.client.ask("receive_from", receiver=name, entity=entity, **options)
        self._receivers.append(Receiver(self.client, name, session))
        return self._receivers[-1]

    def leave(self, receiver: Receiver) -> None:
        receiver.leave()
        self._receivers.remove(receiver)

    def leave_all(self) -> None:
        for receiver in self._receivers:
            receiver.leave()
        self._receivers.clear()


def messages(bodies: tuple[bytes, ...], fields: dict) -> list[dict]:
    return [{"body": base64.b64encode(body).decode(), **fields} for body in bodies]
