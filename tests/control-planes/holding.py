"""A broker with TLS that holds its answers back until enough requests are there at once."""

from __future__ import annotations

import asyncio
import ssl
import threading
from types import TracebackType


class HoldingBroker:
    """Answers 201 to all, but to none before `count` requests wait at the same time."""

    def __init__(self, count: int, tls: ssl.SSLContext):
        self.most = 0
        self._count = count
        self._waiting = 0
        self._loop = asyncio.new_event_loop()
        self._enough = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        serving = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls, backlog=2048)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(30)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def release(self) -> None:
        """Answers whoever waits, however many they are."""
        self._loop.call_soon_threadsafe(self._enough.set)

    def __enter__(self) -> HoldingBroker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()

    def _stop(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.call_soon(self._loop.stop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                await reader.readexactly(int(fields.get(b"content-length", b"0")))
                self._waiting += 1
                self.most = max(self.most, self._waiting)
                if self._waiting >= self._count:
                    self._enough.set()
                await self._enough.wait()
                self._waiting -= 1
                writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass
        finally:
            writer.close()
