"""The workers of docs/local-development.md receive what was sent, as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import needs
from processes.emulator import Emulator
from processes.program import ROOT, Program
from processes.sdk import BUILT

PAGE = ROOT / "docs" / "local-development.md"
# Where the page has the emulator listen.
ADDRESS = "sb://localhost:5672;"


def code(language: str) -> str:
    """The worker of the page in a language."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert len(found) == 1, language
    assert found[0].count(ADDRESS) == 1
    return found[0]


def python(folder: Path, text: str) -> list[str]:
    (folder / "worker.py").write_text(text)
    return [str(BUILT / "python" / "bin" / "python"), str(folder / "worker.py")]


def javascript(folder: Path, text: str) -> list[str]:
    # Node looks for packages beside a file and above it.
    (folder / "node_modules").symlink_to(BUILT / "javascript" / "node_modules")
    (folder / "worker.mjs").write_text(text)
    return [needs.program("node", "NODE"), str(folder / "worker.mjs")]


def java(folder: Path, text: str) -> list[str]:
    (folder / "Worker.java").write_text(text)
    libraries = BUILT / "java" / "libraries" / "*"
    return [needs.program("java", "JAVA"), "-cp", str(libraries), str(folder / "Worker.java")]


def go(folder: Path, text: str) -> list[str]:
    for name in ("go.mod", "go.sum"):
        shutil.copy(ROOT / "tests" / "sdk" / "go" / name, folder)
    (folder / "main.go").write_text(text)
    # Not `go run`, whose program would go on when it is ended.
    build = [needs.program("go", "GO"), "build", "-o", "worker", "."]
    subprocess.run(build, cwd=folder, check=True)
    return [str(folder / "worker")]


LANGUAGES = [
    pytest.param("python", python, id="python"),
    pytest.param("javascript", javascript, id="javascript", marks=pytest.mark.needs("node")),
    pytest.param("java", java, id="java", marks=pytest.mark.needs("java")),
    pytest.param("go", go, id="go", marks=pytest.mark.needs("go")),
]


@pytest.mark.parametrize(("language", "command"), LANGUAGES)
def test_a_worker_of_the_page_receives_what_was_sent(
    target_dir: Path, tmp_path: Path, language: str, command: Callable[[Path, str], list[str]]
) -> None:
    queues = [{"Name": "orders"}]
    namespace = {"Name": "sbemulatorns", "Queues": queues}
    entities = {"UserConfig": {"Namespaces": [namespace]}}
    emulator = Emulator(target_dir, entities, tmp_path, amqp=True)
    try:
        text = code(language).replace(ADDRESS, f"sb://localhost:{emulator.amqp_port};")
        worker = Program("worker", command(tmp_path, text), tmp_path)
        try:
            emulator.send("orders", "order-4711", b'{"item":"lamp"}')
            worker.wait_until(lambda: "order-4711" in worker.stdout(), "message")
            worker.wait_until(lambda: emulator.messages("orders") == [], "end of the message")
            assert emulator.messages("orders/$DeadLetterQueue") == []
        finally:
            worker.stop()
    finally:
        emulator.stop()
