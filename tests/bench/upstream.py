"""nginx, which answers 201 to everything at once: an upstream that costs little and never waits."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from clients import http1
from processes.program import Program, ProgramFailed, on_free_port

MISSING = """\
{program} is not there, and the benchmark needs it. Install it
(Debian, Ubuntu: apt-get install nginx-light wrk; Fedora: dnf install nginx wrk;
macOS: brew install nginx wrk)."""

# One process. `return` reads a request's body and drops it.
CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    client_max_body_size 0;
    location / {{ return 201; }}
  }}
}}
"""


def found(program: str) -> str:
    """Where a program is that the benchmark needs."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        raise ProgramFailed(MISSING.format(program=program))
    return path


class Nginx:
    """`nginx` on a free port of the loopback interface."""

    def __init__(self, folder: Path):
        binary = found("nginx")
        folder.mkdir(parents=True, exist_ok=True)
        on_free_port(lambda port: self._start(port, binary, folder))

    def stop(self) -> None:
        self._program.stop()

    def _start(self, port: int, binary: str, folder: Path) -> None:
        self.port = port
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=folder, port=self.port))
        command = [binary, "-p", str(folder), "-e", "stderr", "-c", str(configuration)]
        self._program = Program("nginx", command, folder)
        try:
            self._program.wait_until(self._is_ready, "answer 201")
        except BaseException:
            self._program.stop()
            raise

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError, AssertionError):
            return http1.request(self.port, "POST", "/", [], b"x").status == 201
        return False
