"""The shipped program that keeps a workload's token in a file for Envoy."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes.program import ROOT, Program

SHIPPED = ROOT / "envoy" / "credentials"


def command(output: Path) -> list[str]:
    return [sys.executable, str(SHIPPED / "refresh_token.py"), "--output", str(output)]


def environment(host: str, projected: Path) -> dict[str, str]:
    """The variables that Azure's webhook sets in a pod."""
    return {
        "PATH": os.environ["PATH"],
        "AZURE_CLIENT_ID": "client",
        "AZURE_TENANT_ID": "tenant",
        "AZURE_FEDERATED_TOKEN_FILE": str(projected),
        "AZURE_AUTHORITY_HOST": host,
    }


@contextmanager
def refresher(port: int, folder: Path, assertion: str) -> Iterator[Program]:
    """Runs it for a folder that Envoy reads, with a projected token beside that."""
    projected = folder.parent / "projected-token"
    projected.write_text(assertion)
    variables = environment(f"http://127.0.0.1:{port}/", projected)
    program = Program("refresher", command(folder / "token.yaml"), folder.parent, variables)
    try:
        yield program
    finally:
        program.stop()
