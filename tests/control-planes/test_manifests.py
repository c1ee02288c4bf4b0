"""The shipped resources and the documents' snippets, against the definitions of their kinds."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from processes.program import ROOT
from proxy import BUILT

FOLDERS = ("istio", "envoy-gateway", "higress")
SHIPPED = sorted(path for name in FOLDERS for path in (ROOT / "envoy" / name).glob("*.yaml"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS += sorted((ROOT / "envoy").rglob("*.md"))


def validate(target_dir: Path, *paths: Path) -> subprocess.CompletedProcess[str]:
    """What an API server says of these files."""
    tools = target_dir / BUILT
    command = [tools / "validate", tools / "share" / "definitions", *paths]
    return subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, timeout=120, check=False
    )


def snippets(document: Path) -> list[str]:
    """The resources of Kubernetes in the YAML blocks of a document."""
    blocks = re.findall(r"^ *```ya?ml\n(.*?)^ *```", document.read_text(), re.M | re.S)
    parts = [part for block in blocks for part in re.split(r"^---$", block, flags=re.M)]
    return [part for part in parts if re.search(r"^apiVersion:", part, re.M)]


def test_an_api_server_takes_the_shipped_resources(target_dir: Path) -> None:
    done = validate(target_dir, *SHIPPED)
    assert done.returncode == 0, done.stderr
    kinds = [
        each
        for path in SHIPPED
        for each in yaml.safe_load_all(path.read_text())
        if "kind" in each and ".higress.io/" not in each["apiVersion"]
    ]
    assert f"{len(kinds)} resources checked" in done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_api_server_takes_the_snippets(document: Path, target_dir: Path, tmp_path: Path) -> None:
    found = snippets(document)
    if found:
        path = tmp_path / "snippets.yaml"
        path.write_text("\n---\n".join(found))
        done = validate(target_dir, path)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("failStrategy: FAIL_RELOAD", "failStrategy: FAIL_SOFT", "failStrategy"),
        ("priority: 10", "priorty: 10", "unknown fields"),
        ("valueFrom: HOST", "valueFrom: HOST, value: x", "value may only be set when"),
        ("kind: WasmPlugin", "kind: WasmPlugins", "no validator found"),
    ],
)
def test_an_api_server_refuses_mistakes(
    target_dir: Path, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    path = tmp_path / "mistaken.yaml"
    text = (ROOT / "envoy" / "istio" / "sender-and-gate.yaml").read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    done = validate(target_dir, path)
    assert done.returncode == 1
    assert complaint in done.stderr


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_file_tells_what_it_was_written_for(path: Path) -> None:
    head = path.read_text().partition("\n\n")[0]
    text = " ".join(line.lstrip("# ") for line in head.splitlines())
    assert re.search(r"[Ww]ritten for (Istio|Envoy Gateway|Higress) \d+\.\d+", text)
