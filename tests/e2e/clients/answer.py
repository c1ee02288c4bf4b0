"""An HTTP answer as it came over the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass
class Answer:
    """Status, headers in their order with names in lower case, and the whole body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """The value of a header that must not come twice."""
        values = [value for other, value in self.headers if other == name]
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def json(self) -> object:
        """The body, which must be one JSON text."""
        return json.loads(self.body)
