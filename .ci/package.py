#!/usr/bin/env python3
"""Makes what is released: module, OCI image, bill of materials, Helm chart, checksums.

The same sources give the same bytes, wherever they lie: paths of the machine and times are kept
out. The image alone also depends on the zlib that compresses it.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "envoy-service-bus"
TARGET = "wasm32-wasip1"
MODULE = "envoy_service_bus.wasm"
BILL = f"{PACKAGE}.cdx.json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CHART = ROOT / "envoy" / "chart"
# https://helm.sh/docs/topics/registries/#helm-chart-manifest
CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
CHART_CONFIG = "application/vnd.cncf.helm.config.v1+json"


def build(folder: Path) -> tuple[Path, set[str]]:
    """Builds the module; returns it and the ids of the packages in it."""
    # The crates must be there before the flags can name where.
    subprocess.run(["cargo", "fetch", "--locked", f"--target={TARGET}"], cwd=ROOT, check=True)
    command = ["cargo", "build", "--locked", "--release", "--lib", "--message-format=json"]
    result = subprocess.run(
        [*command, f"--package={PACKAGE}", f"--target={TARGET}", f"--target-dir={folder}"],
        cwd=ROOT,
        env={**os.environ, "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(path_flags())},
        stdout=subprocess.PIPE,
        check=True,
    )
    messages = [json.loads(line) for line in result.stdout.splitlines()]
    artifacts = [each for each in messages if each["reason"] == "compiler-artifact"]
    # Macros and build scripts are built for the machine, not for the module.
    linked = {
        each["package_id"]
        for each in artifacts
        if any(f"/{TARGET}/" in file for file in each["filenames"])
    }
    built = folder / TARGET / "release" / MODULE
    tool = ["cargo", "run", "--locked", "--quiet", "--profile=tools", "--package=trim-exports"]
    subprocess.run([*tool, f"--target-dir={folder}", "--", str(built)], cwd=ROOT, check=True)
    return built, linked


def path_flags() -> list[str]:
    """Gives the paths in the module's messages one form on all machines."""
    renamed = {ROOT: "/source", sysroot(): "/rust"}
    for registry in sorted((cargo_home() / "registry" / "src").glob("*")):
        renamed[registry] = "/crates"
    return [f"--remap-path-prefix={path}={name}" for path, name in renamed.items()]


def optimise(built: Path, wasm_opt: str, module: Path) -> None:
    """Lets wasm-opt shrink the module; names of functions and tools go."""
    flags = ["-O3", "--strip-debug", "--strip-producers"]
    subprocess.run([wasm_opt, *flags, str(built), "-o", str(module)], check=True)
    module.chmod(0o644)
    for path in (ROOT, cargo_home(), sysroot()):
        if os.fsencode(path) in module.read_bytes():
            raise SystemExit(f"{module}: holds the path {path} of this machine")


def packages_of(linked: set[str]) -> tuple[dict, list[dict]]:
    """What cargo knows of the module's own package and of the others in it."""
    metadata = json.loads(output("cargo", "metadata", "--locked", "--format-version=1"))
    packages = {each["id"]: each for each in metadata["packages"] if each["id"] in linked}
    [own] = [each for each in packages.values() if each["source"] is None]
    others = [each for each in packages.values() if each["source"] is not None]
    return own, sorted(others, key=lambda each: (each["name"], each["version"]))


def bill_of_materials(module: Path, own: dict, others: list[dict]) -> bytes:
    """What is in the module, in CycloneDX."""
    lock = (ROOT / "Cargo.lock").read_text()
    locked = r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"'
    sums = {(name, version): checksum for name, version, checksum in re.findall(locked, lock)}
    return document(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "component": component(own, digest(module.read_bytes())),
                "tools": {
                    "components": [
                        {
                            "type": "application",
                            "name": "rustc",
                            "version": output("rustc", "--version").split()[1],
                        }
                    ]
                },
            },
            "components": [component(each, sums[each["name"], each["version"]]) for each in others],
        }
    )


def component(package: dict, checksum: str) -> dict:
    """A package as CycloneDX describes it."""
    name, version = package["name"], package["version"]
    purl = f"pkg:cargo/{name}@{version}"
    # Old manifests write MIT/Apache-2.0 for what SPDX calls OR.
    licence = (package["license"] or "NOASSERTION").replace("/", " OR ")
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": checksum}],
        "licenses": [{"expression": licence}],
        "purl": purl,
    }


def image(module: Path, version: str, layout: Path) -> None:
    """An OCI image layout: one layer with `plugin.wasm` in it, as control planes want it."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo("plugin.wasm")
        entry.size, entry.mode = module.stat().st_size, 0o644
        archive.addfile(entry, io.BytesIO(module.read_bytes()))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(tar.getvalue())}"]},
    }
    layer = blob(layout, LAYER, gzip.compress(tar.getvalue(), mtime=0))
    write_layout(layout, blob(layout, CONFIG, document(config)), layer, PACKAGE, version)


def chart(version: str, layout: Path) -> None:
    """An OCI image layout of the Helm chart, as `helm push` would make it."""
    described = dict(
        re.findall(r'^(\w+): "?([^"\n]*)"?$', (CHART / "Chart.yaml").read_text(), re.M)
    )
    if not described["version"] == described["appVersion"] == version:
        raise SystemExit(f"{CHART / 'Chart.yaml'}: version and appVersion are not {version}")
    ignored = (CHART / ".helmignore").read_text().split()
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        # Helm wants Chart.yaml first.
        for path in sorted(CHART.rglob("*"), key=lambda path: (path.name != "Chart.yaml", path)):
            name = str(path.relative_to(CHART))
            if path.is_dir() or any(name == each or name.startswith(each) for each in ignored):
                continue
            entry = tarfile.TarInfo(f"{described['name']}/{name}")
            entry.size, entry.mode = path.stat().st_size, 0o644
            archive.addfile(entry, io.BytesIO(path.read_bytes()))
    layer = blob(layout, CHART_LAYER, gzip.compress(tar.getvalue(), mtime=0))
    config = blob(layout, CHART_CONFIG, document(described))
    write_layout(layout, config, layer, described["name"], version)


def write_layout(layout: Path, config: dict, layer: dict, title: str, version: str) -> None:
    """Writes what names config and layer, which are stored already."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [layer],
        "annotations": {
            "org.opencontainers.image.title": title,
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.licenses": "Apache-2.0",
        },
    }
    described = blob(layout, MANIFEST, document(manifest))
    described["annotations"] = {"org.opencontainers.image.ref.name": version}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [described]}
    (layout / "index.json").write_bytes(document(index))
    (layout / "oci-layout").write_bytes(document({"imageLayoutVersion": "1.0.0"}))


def blob(layout: Path, media_type: str, content: bytes) -> dict:
    """Stores a blob under its digest; returns its descriptor."""
    folder = layout / "blobs" / "sha256"
    folder.mkdir(parents=True, exist_ok=True)
    name = digest(content)
    (folder / name).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(content)}


def checksums(folder: Path) -> str:
    """The digest of each file, in the format of sha256sum."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "".join(f"{digest(path.read_bytes())}  {path.relative_to(folder)}\n" for path in files)


def document(value: dict) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def cargo_home() -> Path:
    return Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")


def sysroot() -> Path:
    return Path(output("rustc", "--print", "sysroot").strip())


def output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wasm-opt", required=True, help="binaryen's wasm-opt")
    parser.add_argument("--build-dir", type=Path, required=True, help="where cargo builds")
    parser.add_argument(
        "folder", type=Path, help="where the package goes; what is there is removed"
    )
    options = parser.parse_args()

    folder = options.folder.absolute()
    built, linked = build(options.build_dir.absolute())
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    module = folder / MODULE
    optimise(built, options.wasm_opt, module)
    own, others = packages_of(linked)
    (folder / BILL).write_bytes(bill_of_materials(module, own, others))
    image(module, own["version"], folder / "image")
    chart(own["version"], folder / "chart")
    sums = checksums(folder)
    (folder / "SHA256SUMS").write_text(sums)
    print(sums, end="")


if __name__ == "__main__":
    main()
