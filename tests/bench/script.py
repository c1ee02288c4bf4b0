"""What the programs that measure have in common: their first options, and how they end."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from processes.program import ProgramFailed


def parser(documentation: str) -> argparse.ArgumentParser:
    """Options that all of them take."""
    made = argparse.ArgumentParser(description=documentation.partition("\n")[0])
    made.add_argument("--envoy", type=Path, required=True, help="the Envoy binary")
    made.add_argument("--target-dir", default="target", help="where cargo has put what it built")
    return made


def run(name: str, measure: Callable[[Path], None]) -> int:
    """Measures with a folder that is gone afterwards, and returns what the program ends with."""
    try:
        with tempfile.TemporaryDirectory(prefix="envoy-service-bus-") as folder:
            measure(Path(folder))
    except ProgramFailed as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return 0
