"""What a process of Envoy's holds in memory, from Linux's `/proc`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# V8 keeps gigabytes of addresses behind the memory of each VM, so that no access needs a check.
_GUARD_BYTES = 1 << 30
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+)", re.M)


@dataclass(frozen=True)
class Memory:
    """Bytes of the whole process that are in memory, and of the linear memories of its VMs."""

    process: int
    vms: int


def memory(pid: int) -> Memory:
    """What the process holds now."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.M)
    assert found, status
    return Memory(int(found[1]) * 1024, _linear_memories(Path(f"/proc/{pid}/maps").read_text()))


def _linear_memories(maps: str) -> int:
    """Writable mappings with a guard right behind them."""
    total = end = size = 0
    for start_text, end_text, access, inode in _MAPPING.findall(maps):
        start, next_end = int(start_text, 16), int(end_text, 16)
        if access.startswith("---") and start == end and next_end - start >= _GUARD_BYTES:
            total += size
        writable = access.startswith("rw-p") and inode == "0"
        end, size = next_end, next_end - start if writable else 0
    return total
