"""What the demos have in common: how they show a request, an answer, a surprise."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from collections.abc import Callable
from http import HTTPStatus

import needs
from clients.answer import Answer
from processes.program import ProgramFailed


class Surprise(Exception):
    """Something did not go as the demo promises."""


def tell(story: Callable[[], None]) -> int:
    """Runs a demo and returns its exit status; whatever ends it, it ends what it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        story()
    except KeyboardInterrupt:
        print("\nStopped.")
    except (needs.Missing, ProgramFailed, Surprise) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def curl(url: str, headers: list[tuple[str, str]], body: bytes | None = None) -> str:
    """The command that sends the same."""
    words = ["curl", "-i", url]
    for name, value in headers:
        words += ["-H", f"{name}: {value}"]
    if body is not None:
        words += ["-d", body.decode()]
    return shlex.join(words)


def show_answer(answer: Answer) -> None:
    print(f"  HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}")
    for name, value in answer.headers:
        print(f"  {name}: {value}")
    print(f"\n  {answer.body.decode()}")


def expect(answer: Answer, status: int) -> None:
    if answer.status != status:
        raise Surprise(f"expected {status}, Envoy answered {answer.status}")


def title(text: str) -> None:
    print(f"\n{text}\n")


def show(name: str, value: object) -> None:
    if isinstance(value, dict):
        print(f"  {name}")
        for inner, content in value.items():
            print(f"    {inner:<24} {json.dumps(content, default=str, ensure_ascii=False)}")
    else:
        print(f"  {name:<26} {value}")
