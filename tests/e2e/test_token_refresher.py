"""The shipped program that keeps a workload's token fresh: what it does when things go wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from processes.refresher import command, environment, refresher
from servers import token_service
from servers.upstream import Upstream

ASSERTION = "header.k4n4ry.signature"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where Envoy looks for secrets."""
    made = tmp_path / "service-bus"
    made.mkdir()
    return made


def run_once(folder: Path, host: str, output: str = "token.yaml") -> str:
    """What it says when it is to try once and fails."""
    projected = folder.parent / "projected-token"
    if not projected.exists():
        projected.write_text(ASSERTION)
    ended = subprocess.run(
        [*command(folder / output), "--once"],
        env=environment(host, projected),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (1, ""), ended
    assert "k4n4ry" not in ended.stderr
    return ended.stderr


def test_a_workload_that_is_refused_says_why_without_its_token(folder: Path) -> None:
    assertion = "header.k4n4ry.signature"
    with token_service.workload("tenant", "client", assertion) as service:
        description = '{"error": "invalid_client", "error_description": "k4n4ry"}'
        service.failing = ("401 Unauthorized", description)
        with refresher(service.port, folder, assertion) as program:
            program.wait_until(program.stderr, "line of the failure")
        host = f"http://127.0.0.1:{service.port}/"
        assert program.stderr() == f"no token: {host} answered 401: invalid_client\n"
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "code", ['"k4n4ry.x"', '"K4N4RY"', '["k4n4ry"]', '"' + "a" * 65 + '"', "7"]
)
def test_what_is_no_code_of_an_error_is_not_repeated(folder: Path, code: str) -> None:
    with token_service.workload("tenant", "client", ASSERTION) as service:
        service.failing = ("400 Bad Request", f'{{"error": {code}}}')
        host = f"http://127.0.0.1:{service.port}/"
        assert run_once(folder, host) == f"no token: {host} answered 400\n"


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
def test_an_answer_that_breaks_off_is_no_token(folder: Path, status: str) -> None:
    def break_off(connection, request, reader) -> bool:
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"
        connection.sendall(f'{head}{{"error"'.encode())
        return False

    with Upstream(break_off) as service:
        said = run_once(folder, f"http://127.0.0.1:{service.port}/")
    assert said.startswith("no token: http://127.0.0.1:"), said
    assert said.count("\n") == 1


@pytest.mark.parametrize("host", ["login.microsoftonline.com", "http://a:b/", "http://[/"])
def test_a_host_that_is_no_url_is_told(folder: Path, host: str) -> None:
    said = run_once(folder, host)
    assert said.startswith(f"no token: {host} "), said
    assert said.count("\n") == 1


def test_a_projected_token_that_is_no_text_is_told(folder: Path) -> None:
    projected = folder.parent / "projected-token"
    projected.write_bytes(b"k4n4ry\xff")
    assert run_once(folder, "http://127.0.0.1:1/") == f"no token: {projected} holds no text\n"


def test_a_file_that_cannot_be_written_leaves_nothing_behind(folder: Path) -> None:
    (folder / "taken").mkdir()
    with token_service.workload("tenant", "client", ASSERTION) as service:
        said = run_once(folder, f"http://127.0.0.1:{service.port}/", output="taken")
        assert service.granted == 1
    assert "Is a directory" in said
    assert [path.name for path in folder.iterdir()] == ["taken"]


def test_the_projected_token_is_read_anew_each_time(folder: Path) -> None:
    with token_service.workload("tenant", "client", "first") as service:
        service.life = 2
        with refresher(service.port, folder, "first") as program:
            program.wait_until(lambda: service.granted, "first token")
            service.check = lambda request: None
            # Kubernetes puts a new one in its place.
            unready = folder.parent / "unready"
            unready.write_text("second")
            unready.rename(folder.parent / "projected-token")
            program.wait_until(
                lambda: b"client_assertion=second&" in service.requests[-1].body + b"&",
                "question with the second",
            )
        assert program.stderr() == ""
