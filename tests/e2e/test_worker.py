"""The order scenario's worker, at a queue over AMQP and a real Redis."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clients import http1
from processes.emulator import Emulator
from processes.program import patiently
from processes.redis import Redis
from processes.worker import Worker

pytestmark = [pytest.mark.needs("redis"), pytest.mark.xdist_group("worker")]

ORDER = {"trackingId": "t-1", "orderId": "o-1", "items": [{"sku": "lamp"}, 2]}
WEEK_SECONDS = 7 * 24 * 3600


def entities() -> dict:
    queues = [
        {"Name": "orders", "Properties": {"MaxDeliveryCount": 3}},
        {"Name": "brief", "Properties": {"LockDuration": "PT5S", "MaxDeliveryCount": 3}},
    ]
    return {"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": queues}]}}


@pytest.fixture(scope="module")
def shared_queue(target_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator(target_dir, entities(), tmp_path_factory.mktemp("queue"), amqp=True)
    yield emulator
    emulator.stop()


@pytest.fixture
def queue(shared_queue: Emulator) -> Emulator:
    shared_queue.reset()
    return shared_queue


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    redis = Redis(tmp_path)
    yield redis
    redis.stop()


@pytest.fixture
def work(queue: Emulator, redis: Redis, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts workers."""
    workers: list[Worker] = []

    def start(**options: object) -> Worker:
        workers.append(Worker(queue.connection_string(), redis.url, tmp_path, **options))
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop()


def send(queue: Emulator, body: object, entity: str = "orders", key: str = "m-1") -> None:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    queue.send(entity, key, text)


def told(redis: Redis, tracking_id: str = "t-1") -> dict:
    return json.loads(str(redis.ask("GET", f"order:status:{tracking_id}") or "{}"))


def wait_for(redis: Redis, state: str, tracking_id: str = "t-1") -> dict:
    patiently(lambda: told(redis, tracking_id).get("status") == state, state)
    return told(redis, tracking_id)


def completed(redis: Redis) -> int:
    return int(redis.ask("GET", "order:completed") or 0)


def test_an_order_is_completed_and_its_status_kept_for_a_week(work, queue, redis) -> None:
    worker = work()
    send(queue, ORDER)
    status = wait_for(redis, "completed")
    assert status["result"] == {"orderId": "o-1", "items": 2}
    assert (status["progress"], status["completedAt"]) == (100, status["updatedAt"])
    assert WEEK_SECONDS - 60 < redis.ask("TTL", "order:status:t-1") <= WEEK_SECONDS
    patiently(lambda: queue.messages("orders") == [], "end of the message")
    answer = http1.request(worker.port, "GET", "/order:status:t-1")
    assert (answer.status, answer.json()) == (200, status)
    assert worker.end() == 0


def test_an_order_that_comes_again_is_done_once(work, queue, redis) -> None:
    work()
    for number in range(3):
        send(queue, ORDER, key=f"m-{number}")
    wait_for(redis, "completed")
    patiently(lambda: queue.messages("orders") == [], "end of the messages")
    assert completed(redis) == 1


@pytest.mark.parametrize(
    ("body", "tracking_id", "reason"),
    [
        (ORDER | {"items": []}, "t-1", "the order has no items"),
        (ORDER | {"orderId": 7}, "t-1", "orderId is not a text"),
        ({"orderId": "o-1", "items": [1]}, "m-1", "trackingId is not a text"),
        (b"\xff", "m-1", "the message is not a JSON object"),
        (b"[" * 100_000, "m-1", "the message is not a JSON object"),
    ],
)
def test_what_is_no_order_is_dead_lettered_and_told(
    work, queue, redis, body, tracking_id, reason
) -> None:
    work()
    send(queue, body)
    assert wait_for(redis, "failed", tracking_id)["result"] == {"error": reason}
    patiently(lambda: queue.messages("orders/$DeadLetterQueue") != [], "dead letter")
    letter = queue.message("orders/$DeadLetterQueue")["properties"]
    assert letter == {"DeadLetterReason": "Unreadable", "DeadLetterErrorDescription": reason}
    assert completed(redis) == 0


def test_a_lock_is_renewed_while_an_order_takes_longer(work, queue, redis) -> None:
    work(queue="brief", work_seconds=7)
    send(queue, ORDER, "brief")
    wait_for(redis, "processing")
    wait_for(redis, "completed")
    patiently(lambda: queue.messages("brief") == [], "end of the message")
    assert completed(redis) == 1


def test_an_order_in_hand_is_finished_at_the_end(work, queue, redis) -> None:
    worker = work(work_seconds=1)
    send(queue, ORDER)
    wait_for(redis, "processing")
    assert worker.end() == 0
    assert told(redis)["status"] == "completed"
    assert queue.messages("orders") == []


def test_no_message_is_taken_while_redis_is_away(work, queue, redis) -> None:
    worker = work()
    redis.stop()
    send(queue, ORDER)
    # Long enough to use up its three deliveries.
    time.sleep(2)
    assert http1.request(worker.port, "GET", "/order:status:t-1").status == 503
    message = queue.message("orders")
    assert (message["state"], message["broker_properties"]["DeliveryCount"]) == ("active", 0)


def test_a_worker_outlives_a_queue_that_refuses(work, queue, redis) -> None:
    queue.trust(keys=["other=secret"])
    work()
    queue.trust(keys=["RootManageSharedAccessKey=SAS_KEY_VALUE"])
    send(queue, ORDER)
    wait_for(redis, "completed")


def test_other_paths_and_methods_are_refused(work) -> None:
    port = work().port
    for path in ("/", "/order:status:", "/order:completed", "/a/order:status:b", "/%ff"):
        assert http1.request(port, "GET", path).status == 404, path
    assert http1.request(port, "GET", "/order%3Astatus%3Anobody").status == 404
    assert http1.request(port, "POST", "/order:status:t-1").status == 501
