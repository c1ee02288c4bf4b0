"""The Service Bus emulator, and its admin API."""

from __future__ import annotations

import base64
import hmac
import json
import re
import ssl
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from processes.program import Program

# That of Microsoft's emulator.
DEFAULT_KEY = "RootManageSharedAccessKey=SAS_KEY_VALUE"

# The tests ask the emulator that they have started by its address, which no certificate names.
_ANY_CERTIFICATE = ssl.create_default_context()
_ANY_CERTIFICATE.check_hostname = False
_ANY_CERTIFICATE.verify_mode = ssl.CERT_NONE


@dataclass(frozen=True)
class Certificate:
    """The files of a certificate and its key, in PEM."""

    chain: Path
    key: Path

    @property
    def options(self) -> tuple[str, ...]:
        return ("--tls-certificate", str(self.chain), "--tls-key", str(self.key))


@dataclass(frozen=True)
class Stored:
    """What was ever stored in an entity: how often under each id, and what was dropped."""

    messages: dict[str, int]
    stored: int
    duplicates: int


class Emulator:
    """`service-bus-emulator` on a port of the loopback interface; 0 takes a free one."""

    def __init__(
        self,
        target_dir: Path,
        entities: dict,
        folder: Path,
        *,
        port: int = 0,
        clock_ahead: int = 0,
        certificate: Certificate | None = None,
        amqp: bool = False,
        amqp_port: int = 0,
    ):
        # With a certificate it speaks TLS alone, over AMQP too.
        scheme = "amqps" if certificate else "amqp"
        config = folder / "entities.json"
        config.write_text(json.dumps(entities))
        self._program = Program(
            "emulator",
            [
                str(target_dir / "tools" / "service-bus-emulator"),
                *("--listen", f"127.0.0.1:{port}"),
                *("--config", str(config)),
                *("--clock-ahead", str(clock_ahead)),
                *(certificate.options if certificate else ()),
                *((f"--{scheme}", f"127.0.0.1:{amqp_port}") if amqp else ()),
            ],
            folder,
        )
        try:
            found = self._program.wait_until(
                lambda: self._listening("https?"), "line that says where it listens"
            )
            found_amqp = amqp and self._program.wait_until(
                lambda: self._listening(scheme), "line that says where it speaks AMQP"
            )
        except BaseException:
            self._program.stop()
            raise
        assert isinstance(found, re.Match)
        self.port = int(found[2])
        self.amqp_port = int(found_amqp[2]) if isinstance(found_amqp, re.Match) else None
        self.url = f"{found[1]}://127.0.0.1:{self.port}"

    def messages(self, entity: str) -> list[dict]:
        """The messages of a queue or subscription, oldest first, none of them touched."""
        return self._ask("GET", f"entities/{quote(entity)}/messages")

    def message(self, entity: str) -> dict:
        """The only message of a queue or subscription."""
        messages = self.messages(entity)
        assert len(messages) == 1, messages
        return messages[0]

    def stored(self, entity: str) -> Stored:
        """What was ever stored in a queue or topic."""
        return Stored(**self._ask("GET", f"stored?{urlencode({'entity': entity})}"))

    def requests(self) -> list[dict]:
        """The latest requests, oldest first."""
        return self._ask("GET", "requests")

    def arm(self, fault: dict, **order: object) -> None:
        """Arms a fault, such as `{"status": 503}`; `order` says for what and how often."""
        self._ask("POST", "faults", {"fault": fault, **order})

    def faults_fired(self) -> int:
        """How often the armed faults have hit a request."""
        return sum(armed["fired"] for armed in self._ask("GET", "faults"))

    def disarm(self) -> None:
        self._ask("DELETE", "faults")

    def trust(self, *, keys: list[str] | None = None, identities: list[str] | None = None) -> None:
        """Takes the tokens of these keys or identities from now on, and of no others."""
        order = {"keys": keys, "identities": identities}
        self._ask(
            "PUT", "trusted", {name: rules for name, rules in order.items() if rules is not None}
        )

    def refused(self) -> list[dict]:
        """The latest requests that were not carried out."""
        return [request for request in self.requests() if request["status"] >= 400]

    def reset(self) -> None:
        """Disarms every fault, empties every entity and forgets the requests and their keys."""
        self.disarm()
        self.trust(keys=[DEFAULT_KEY], identities=[])
        for entity, counts in self._ask("GET", "entities").items():
            if counts["kind"] != "subscription":
                self._ask("DELETE", f"entities/{quote(entity)}/messages")
        self._ask("DELETE", "requests")

    def stop(self) -> None:
        self._program.stop()

    def connection_string(self, key: str = DEFAULT_KEY) -> str:
        """What Microsoft's SDKs take to connect over AMQP, with a key `NAME=KEY`."""
        name, _, secret = key.partition("=")
        return (
            f"Endpoint=sb://127.0.0.1:{self.amqp_port};SharedAccessKeyName={name};"
            f"SharedAccessKey={secret};UseDevelopmentEmulator=true;"
        )

    def signed_connection_string(self, expiry: int) -> str:
        """The same with a token of the usual key that is good until then, in seconds since 1970."""
        token = self._token(f"sb://127.0.0.1:{self.amqp_port}/", expiry)
        return (
            f"Endpoint=sb://127.0.0.1:{self.amqp_port};SharedAccessSignature={token};"
            "UseDevelopmentEmulator=true"
        )

    def send(self, entity: str, message_id: str, body: bytes) -> None:
        """Sends a message over HTTP."""
        request = urllib.request.Request(
            f"{self.url}/{quote(entity)}/messages",
            method="POST",
            data=body,
            headers={
                "Authorization": self._token(f"{self.url}/", round(time.time()) + 60),
                "BrokerProperties": json.dumps({"MessageId": message_id}),
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30, context=_ANY_CERTIFICATE) as answer:
            assert answer.status == 201

    @staticmethod
    def _token(resource: str, expiry: int) -> str:
        """A token of the usual key."""
        name, _, secret = DEFAULT_KEY.partition("=")
        encoded = quote(resource, safe="")
        signed = hmac.digest(secret.encode(), f"{encoded}\n{expiry}".encode(), "sha256")
        signature = quote(base64.b64encode(signed), safe="")
        return f"SharedAccessSignature sr={encoded}&sig={signature}&se={expiry}&skn={name}"

    def _listening(self, scheme: str) -> re.Match | None:
        return re.search(
            rf"^listening on ({scheme})://127\.0\.0\.1:(\d+)$", self._program.stdout(), re.M
        )

    def _ask(self, method: str, path: str, body: dict | None = None):
        request = urllib.request.Request(
            f"{self.url}/$emulator/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=30, context=_ANY_CERTIFICATE) as answer:
            return json.load(answer)
