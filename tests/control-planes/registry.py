"""An OCI registry on the loopback interface, in front of image layouts as `make package` makes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

REPOSITORY = "envoy-service-bus"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass
class Image:
    """What a registry holds of one image: its manifest, and the blobs that this names."""

    manifest: bytes
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return _digest(self.manifest)

    def module(self) -> bytes:
        """The module in the only layer."""
        [layer] = json.loads(self.manifest)["layers"]
        content = gzip.decompress(self.blobs[layer["digest"]])
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            found = archive.extractfile("plugin.wasm")
            assert found
            return found.read()

    @classmethod
    def of_layout(cls, layout: Path) -> Image:
        """The only image of an OCI image layout."""
        [described] = json.loads((layout / "index.json").read_bytes())["manifests"]
        folder = layout / "blobs" / "sha256"
        blobs = {f"sha256:{path.name}": path.read_bytes() for path in folder.iterdir()}
        return cls(blobs[described["digest"]], blobs)

    @classmethod
    def with_module(cls, module: bytes) -> Image:
        """An image whose layer holds these bytes as the module."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            entry = tarfile.TarInfo("plugin.wasm")
            entry.size = len(module)
            archive.addfile(entry, io.BytesIO(module))
        layer = gzip.compress(tar.getvalue(), mtime=0)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": [_digest(tar.getvalue())]},
            }
        ).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, config),
            "layers": [_descriptor(LAYER, layer)],
        }
        return cls(json.dumps(manifest).encode(), {_digest(config): config, _digest(layer): layer})


class Registry:
    """Serves images by tag and by digest; without an image for a tag it answers 404."""

    def __init__(self, images: dict[str, Image]):
        self.images = images
        self.requests: list[str] = []
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.requests.append(f"{self.command} {self.path}")
                found = registry.find(self.path)
                status, kind, content = (200, *found) if found else (404, "text/plain", b"")
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(content)))
                if status == 200:
                    self.send_header("docker-content-digest", _digest(content))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        # Control planes speak plain HTTP to this name alone.
        return f"localhost:{self._server.server_port}"

    def find(self, path: str) -> tuple[str, bytes] | None:
        """Media type and content of what a path of the distribution API names."""
        if path == "/v2/":
            return "application/json", b"{}"
        found = re.fullmatch(rf"/v2/(?:charts/)?{REPOSITORY}/(manifests|blobs)/(.+)", path)
        if not found:
            return None
        kind, reference = found.groups()
        for tag, image in self.images.items():
            if kind == "manifests" and reference in (tag, image.digest):
                return MANIFEST, image.manifest
            if kind == "blobs" and reference in image.blobs:
                return "application/octet-stream", image.blobs[reference]
        return None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _descriptor(media_type: str, content: bytes) -> dict:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
