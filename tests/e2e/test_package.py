"""What `make package` makes: it works in Envoy, and tells the truth of what it holds."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from artifact import wasm
from clients import http1
from configuration.gateway import GatewayConfiguration
from configuration.routes import ROUTES
from contract import assert_accepted
from processes.emulator import Emulator
from processes.program import ROOT

LOCK = ROOT / "Cargo.lock"


@pytest.fixture
def package(pytestconfig: pytest.Config) -> Path:
    """The folder with all that is released."""
    return pytestconfig.getoption("--package").absolute()


@pytest.fixture
def packaged(package: Path) -> Path:
    """The released module."""
    return package / "envoy_service_bus.wasm"


def test_the_module_sends_messages(launch, packaged: Path, emulator: Emulator) -> None:
    configuration = GatewayConfiguration(packaged).add_plugin_routes(ROUTES)
    gateway = launch(configuration.send_to(emulator.port))

    # Both forms of a message: on its own, and as a batch of one.
    assert_accepted(http1.request(gateway.port, "POST", "/orders", body=b"{}"))
    assert_accepted(http1.request(gateway.port, "POST", "/exact", body=b"text"))

    assert emulator.message("orders")["body"] == "{}"
    assert emulator.message("exact")["body"] == "text"


def test_optimising_adds_nothing_to_what_the_module_asks_for(packaged: Path, module: Path) -> None:
    assert wasm.imports(packaged) <= wasm.imports(module)
    assert wasm.exports(packaged) == wasm.exports(module)


def test_the_checksums_are_those_of_all_files(package: Path) -> None:
    lines = (package / "SHA256SUMS").read_text().splitlines()
    stated = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = [path for path in package.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    assert stated == {str(path.relative_to(package)): sha256(path.read_bytes()) for path in files}


def test_the_image_has_one_layer_with_the_module(package: Path, packaged: Path) -> None:
    image = package / "image"
    assert json.loads((image / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    [described] = json.loads((image / "index.json").read_bytes())["manifests"]
    manifest = json.loads(blob(image, described))
    [layer] = manifest["layers"]
    config = json.loads(blob(image, manifest["config"]))

    # What Istio and Envoy Gateway look for in an image.
    assert described["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    content = gzip.decompress(blob(image, layer))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{sha256(content)}"]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        [entry] = archive.getmembers()
        assert (entry.name, entry.mtime, entry.uid, entry.uname) == ("plugin.wasm", 0, 0, "")
        assert archive.extractfile(entry).read() == packaged.read_bytes()


def test_the_bill_lists_what_cargo_links_into_the_module(package: Path, packaged: Path) -> None:
    bill = json.loads((package / "envoy-service-bus.cdx.json").read_bytes())

    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert hashes(bill["metadata"]["component"]) == {"SHA-256": sha256(packaged.read_bytes())}
    listed = {(each["name"], each["version"]): hashes(each) for each in bill["components"]}
    assert len(listed) == len(bill["components"])
    assert set(listed) == dependencies()
    for (name, version), sums in listed.items():
        entry = f'name = "{name}"\nversion = "{version}"\nsource = .+\nchecksum = "(.+)"'
        assert sums == {"SHA-256": re.search(entry, LOCK.read_text())[1]}
    assert all(each["licenses"] for each in bill["components"])


def dependencies() -> set[tuple[str, str]]:
    """Name and version of each crate in the module, as `cargo tree` tells them."""
    command = ["cargo", "tree", "--locked", "-p", "envoy-service-bus", "--prefix", "none"]
    # Macros run when the module is built and are no part of it.
    command += ["--target", "wasm32-wasip1", "--edges", "normal,no-proc-macro", "--format", "{p}"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    named = {tuple(line.split(" ")[:2]) for line in lines.splitlines()}
    return {(name, version[1:]) for name, version in named if name != "envoy-service-bus"}


def blob(image: Path, descriptor: dict) -> bytes:
    """The content that a descriptor names, which must have its digest and size."""
    algorithm, _, digest = descriptor["digest"].partition(":")
    content = (image / "blobs" / algorithm / digest).read_bytes()
    assert (algorithm, sha256(content), len(content)) == ("sha256", digest, descriptor["size"])
    return content


def hashes(component: dict) -> dict[str, str]:
    return {each["alg"]: each["content"] for each in component["hashes"]}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
