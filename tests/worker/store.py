"""What Redis holds: the status of each order, and which orders are done."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from redis.asyncio import Redis

STATUS_PREFIX = "order:status:"
DONE_PREFIX = "order:done:"
COMPLETED = "order:completed"

# How long a status can be asked for, and an order that comes again is known.
KEPT_SECONDS = 7 * 24 * 3600

# An order's effect, its status and the mark that it is done are one step: whoever comes second,
# after a lock was lost or a worker died, changes nothing.
FINISH = """
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[2]) then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
redis.call('INCR', KEYS[3])
return 1
"""
# What is not done may be told to be under way, or to have failed.
TELL = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
return 1
"""


class Store:
    """The statuses of orders, by tracking id."""

    def __init__(self, redis: Redis):
        self._redis = redis
        self._finish = redis.register_script(FINISH)
        self._tell = redis.register_script(TELL)

    async def wait(self) -> None:
        """Raises while the store is away."""
        await self._redis.ping()

    async def begin(self, tracking_id: str) -> bool:
        """Tells that an order is being worked on; False if it is done already."""
        return await self._tell_unless_done(status(tracking_id, "processing", 0))

    async def fail(self, tracking_id: str, reason: str) -> None:
        """Tells that nothing can come of an order."""
        await self._tell_unless_done(status(tracking_id, "failed", 0, {"error": reason}))

    async def finish(self, tracking_id: str, result: dict) -> None:
        """Carries an order out and tells so, once."""
        told = status(tracking_id, "completed", 100, result)
        told["completedAt"] = told["updatedAt"]
        keys = [DONE_PREFIX + tracking_id, STATUS_PREFIX + tracking_id, COMPLETED]
        await self._finish(keys=keys, args=[json.dumps(told), KEPT_SECONDS])

    async def _tell_unless_done(self, told: dict) -> bool:
        identifier = told["trackingId"]
        keys = [DONE_PREFIX + identifier, STATUS_PREFIX + identifier]
        return await self._tell(keys=keys, args=[json.dumps(told), KEPT_SECONDS]) == 1


def status(tracking_id: str, state: str, progress: int, result: dict | None = None) -> dict:
    """A status, as clients read it."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"trackingId": tracking_id, "status": state, "progress": progress}
    return told | ({"result": result} if result else {}) | {"updatedAt": now}
