"""Reads what a WebAssembly module imports and exports."""

from __future__ import annotations

from pathlib import Path

IMPORTS, EXPORTS = 2, 7
FUNCTION = 0


class _Reader:
    def __init__(self, data: bytes):
        self._data = data
        self._position = 0

    def at_end(self) -> bool:
        return self._position == len(self._data)

    def byte(self) -> int:
        return self.take(1)[0]

    def take(self, size: int) -> bytes:
        end = self._position + size
        taken, self._position = self._data[self._position : end], end
        assert len(taken) == size, "the module breaks off"
        return taken

    def number(self) -> int:
        """An unsigned LEB128."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def name(self) -> str:
        return self.take(self.number()).decode()


def imports(path: Path) -> set[tuple[str, str]]:
    """Module and name of each import, all of which must be functions."""
    reader = _section(path, IMPORTS)
    found = set()
    for _ in range(reader.number()):
        found.add((reader.name(), reader.name()))
        assert reader.byte() == FUNCTION, "an import that is no function"
        reader.number()
    return found


def exports(path: Path) -> set[str]:
    """The names of all exports."""
    reader = _section(path, EXPORTS)
    found = set()
    for _ in range(reader.number()):
        found.add(reader.name())
        reader.byte()
        reader.number()
    return found


def _section(path: Path, kind: int) -> _Reader:
    reader = _Reader(path.read_bytes())
    assert reader.take(8) == b"\0asm\x01\0\0\0", "no WebAssembly module"
    while not reader.at_end():
        found, size = reader.byte(), reader.number()
        content = reader.take(size)
        if found == kind:
            return _Reader(content)
    raise AssertionError(f"no section {kind}")
