"""Commands for azure-servicebus as lines of JSON, answers likewise; see ../README.md.

With `--asyncio` it uses the asyncio half of the package, otherwise the other.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import os
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

from azure import servicebus
from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusMessage, exceptions
from azure.servicebus import aio as servicebus_aio
from azure.servicebus._pyamqp import _connection
from azure.servicebus._pyamqp.aio import _connection_async

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
CODES = [
    (exceptions.MessageLockLostError, "lock lost"),
    (exceptions.SessionLockLostError, "session lock lost"),
    (exceptions.SessionCannotBeLockedError, "session held"),
    (exceptions.MessagingEntityNotFoundError, "no such entity"),
    (exceptions.MessageNotFoundError, "no such message"),
    (exceptions.MessageSizeExceededError, "too large"),
    (exceptions.OperationTimeoutError, "timeout"),
    (exceptions.ServiceBusAuthenticationError, "unauthorized"),
    (exceptions.ServiceBusAuthorizationError, "unauthorized"),
]


async def value_of(found: Any) -> Any:
    """The result of a call, of either half of the package."""
    return await found if inspect.isawaitable(found) else found


class Commands:
    def __init__(self, package: Any):
        self.package = package
        self.receivers: dict[str, Any] = {}
        self.messages: dict[str, Any] = {}

    async def open(
        self, connection_string: str, timeout: int = 20, address: str | None = None
    ) -> None:
        """The timeout is for the others: here it is that of each call.

        The others read the certificates that they trust from their environment by themselves.
        """
        if address:
            # With TLS the SDK has no option for another port than 5671.
            port = int(address.rpartition(":")[2])
            _connection.SECURE_PORT = _connection_async.SECURE_PORT = port
        self.client = self.package.ServiceBusClient.from_connection_string(
            connection_string,
            retry_total=0,
            connection_verify=os.environ.get("SSL_CERT_FILE"),
        )
        self.senders: dict[str, Any] = {}

    async def close(self) -> None:
        for part in [*self.receivers.values(), *self.senders.values(), self.client]:
            await value_of(part.close())

    async def sender(self, entity: str) -> Any:
        if entity not in self.senders:
            self.senders[entity] = self.client.get_queue_sender(entity)
        return self.senders[entity]

    async def send(self, entity: str, messages: list[dict], batch: bool = False) -> None:
        sender = await self.sender(entity)
        made = [made_of(message) for message in messages]
        if not batch:
            for message in made:
                await value_of(sender.send_messages(message))
            return
        together = await value_of(sender.create_message_batch())
        for message in made:
            together.add_message(message)
        await value_of(sender.send_messages(together))

    async def schedule(self, entity: str, messages: list[dict], at: int) -> list[int]:
        sender = await self.sender(entity)
        made = [made_of(message) for message in messages]
        return await value_of(sender.schedule_messages(made, EPOCH + timedelta(milliseconds=at)))

    async def cancel(self, entity: str, numbers: list[int]) -> None:
        sender = await self.sender(entity)
        await value_of(sender.cancel_scheduled_messages(numbers))

    async def receive_from(
        self,
        receiver: str,
        entity: str,
        subscription: str | None = None,
        dead_letters: bool = False,
        delete: bool = False,
        session: str | None = None,
        next_session: bool = False,
        wait: float | None = None,
        prefetch: int = 0,
    ) -> dict:
        options: dict[str, Any] = {"prefetch_count": prefetch}
        if dead_letters:
            options["sub_queue"] = servicebus.ServiceBusSubQueue.DEAD_LETTER
        if delete:
            options["receive_mode"] = servicebus.ServiceBusReceiveMode.RECEIVE_AND_DELETE
        if session is not None or next_session:
            options["session_id"] = NEXT_AVAILABLE_SESSION if next_session else session
            options["max_wait_time"] = wait
        made = (
            self.client.get_queue_receiver(entity, **options)
            if subscription is None
            else self.client.get_subscription_receiver(entity, subscription, **options)
        )
        # At once: a wait for messages would also bound the time to open the link.
        enter = made.__aenter__ if hasattr(made, "__aenter__") else made.__enter__
        try:
            await value_of(enter())
        except BaseException:
            await value_of(made.close())
            raise
        self.receivers[receiver] = made
        return told_session(made)

    async def leave(self, receiver: str) -> None:
        await value_of(self.receivers.pop(receiver).close())

    async def receive(self, receiver: str, most: int, wait: float) -> list[dict]:
        found = self.receivers[receiver].receive_messages(
            max_message_count=most, max_wait_time=wait
        )
        return self.keep(await value_of(found))

    async def receive_deferred(self, receiver: str, numbers: list[int]) -> list[dict]:
        return self.keep(
            await value_of(self.receivers[receiver].receive_deferred_messages(numbers))
        )

    async def peek(self, receiver: str, most: int, number: int = 1) -> list[dict]:
        peeked = self.receivers[receiver].peek_messages(most, sequence_number=number)
        return [told(message) for message in await value_of(peeked)]

    async def complete(self, receiver: str, message: str) -> None:
        await value_of(self.receivers[receiver].complete_message(self.messages[message]))

    async def abandon(self, receiver: str, message: str) -> None:
        await value_of(self.receivers[receiver].abandon_message(self.messages[message]))

    async def defer(self, receiver: str, message: str) -> None:
        await value_of(self.receivers[receiver].defer_message(self.messages[message]))

    async def dead_letter(
        self, receiver: str, message: str, reason: str | None = None, description: str | None = None
    ) -> None:
        await value_of(
            self.receivers[receiver].dead_letter_message(
                self.messages[message], reason=reason, error_description=description
            )
        )

    async def renew(self, receiver: str, message: str) -> int | None:
        locked = self.messages[message]
        return millis(await value_of(self.receivers[receiver].renew_message_lock(locked)))

    async def renew_session(self, receiver: str) -> int | None:
        return millis(await value_of(self.receivers[receiver].session.renew_lock()))

    async def get_state(self, receiver: str) -> str | None:
        return base64_of(await value_of(self.receivers[receiver].session.get_state()))

    async def set_state(self, receiver: str, state: str | None) -> None:
        state_bytes = None if state is None else base64.b64decode(state)
        await value_of(self.receivers[receiver].session.set_state(state_bytes))

    def keep(self, messages: list) -> list[dict]:
        """Messages as they are told, kept for whoever settles them by their lock."""
        for message in messages:
            self.messages[str(message.lock_token)] = message
        return [told(message) for message in messages]


def made_of(message: dict) -> ServiceBusMessage:
    properties = message.get("properties", {})
    made = ServiceBusMessage(
        base64.b64decode(message["body"]),
        application_properties=dict(properties) if properties else None,
        **{
            name: message[name]
            for name in (
                "message_id",
                "session_id",
                "correlation_id",
                "subject",
                "to",
                "reply_to",
                "reply_to_session_id",
                "content_type",
                "partition_key",
            )
            if name in message
        },
    )
    if "time_to_live" in message:
        made.time_to_live = timedelta(milliseconds=message["time_to_live"])
    if "scheduled_enqueue_time" in message:
        made.scheduled_enqueue_time_utc = EPOCH + timedelta(
            milliseconds=message["scheduled_enqueue_time"]
        )
    return made


def told(message: Any) -> dict:
    properties = message.application_properties or {}
    lifetime = message.time_to_live
    return {
        "body": base64_of(b"".join(message.body)),
        "message_id": message.message_id,
        "session_id": message.session_id,
        "correlation_id": message.correlation_id,
        "subject": message.subject,
        "to": message.to,
        "reply_to": message.reply_to,
        "reply_to_session_id": message.reply_to_session_id,
        "content_type": message.content_type,
        "partition_key": message.partition_key,
        "time_to_live": None if lifetime is None else round(lifetime.total_seconds() * 1000),
        "scheduled_enqueue_time": millis(message.scheduled_enqueue_time_utc),
        "enqueued_time": millis(message.enqueued_time_utc),
        "sequence_number": message.sequence_number,
        "delivery_count": message.delivery_count,
        "state": message.state.name.lower(),
        "dead_letter_reason": message.dead_letter_reason,
        "dead_letter_description": message.dead_letter_error_description,
        "lock": str(message.lock_token) if message.lock_token else None,
        "locked_until": millis(message.locked_until_utc) if message.lock_token else None,
        "properties": {text(name): typed(value) for name, value in properties.items()},
    }


def told_session(receiver: Any) -> dict:
    session = receiver.session
    return {
        "session_id": session and session.session_id,
        "locked_until": millis(session.locked_until_utc) if session else None,
    }


def typed(value: Any) -> list:
    match value:
        case bool():
            return ["boolean", value]
        case int():
            return ["integer", value]
        case float():
            return ["float", value]
        case bytes() | str():
            return ["string", text(value)]
        case _:
            return [type(value).__name__, str(value)]


def text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def millis(moment: datetime | None) -> int | None:
    return None if moment is None else round((moment - EPOCH) / timedelta(milliseconds=1))


def base64_of(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def code(error: BaseException) -> str:
    return next((code for kind, code in CODES if isinstance(error, kind)), "other")


async def main() -> None:
    commands = Commands(servicebus_aio if "--asyncio" in sys.argv else servicebus)
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        try:
            result = await getattr(commands, command.pop("command"))(**command)
            answer = {"result": result}
        except Exception as error:
            answer = {"error": code(error), "text": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


asyncio.run(main())
