"""The chart, as Helm renders it, and the files that it makes for reading and for `kubectl apply`.

chart.py HELM    writes them
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "envoy" / "chart"
NAMESPACE = "default"

HEADERS = ("EnvoyFilter", "service-bus-headers")
# Which resources stand in a file, in which order, and the values in `ci/` that they are made with.
# Helm has an order of its own.
FILES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "istio/service-bus.yaml": (
        "istio-filter",
        [("ServiceEntry", "service-bus"), ("DestinationRule", "service-bus"), HEADERS],
    ),
    "istio/filter.yaml": ("istio-filter", [("EnvoyFilter", "service-bus")]),
    "istio/sender-and-gate.yaml": (
        "istio-plugins",
        [("WasmPlugin", "service-bus"), ("WasmPlugin", "service-bus-gate")],
    ),
    "istio/traffic-extension.yaml": (
        "istio-extensions",
        [("TrafficExtension", "service-bus"), ("TrafficExtension", "service-bus-gate")],
    ),
    "envoy-gateway/gateway.yaml": (
        "envoy-gateway",
        [
            ("GatewayClass", "service-bus"),
            ("EnvoyProxy", "service-bus"),
            ("Gateway", "gateway"),
            ("ClientTrafficPolicy", "service-bus"),
        ],
    ),
    "envoy-gateway/service-bus.yaml": (
        "envoy-gateway",
        [
            ("Backend", "service-bus"),
            ("BackendTLSPolicy", "service-bus"),
            ("HTTPRoute", "service-bus"),
            ("SecurityPolicy", "service-bus"),
            ("BackendTrafficPolicy", "service-bus"),
            ("EnvoyPatchPolicy", "service-bus-headers"),
        ],
    ),
    "envoy-gateway/filter.yaml": (
        "envoy-gateway",
        [
            ("EnvoyExtensionPolicy", "service-bus"),
            ("HTTPRoute", "orders"),
            ("Backend", "nowhere"),
        ],
    ),
    "higress/service-bus.yaml": (
        "higress",
        [
            ("WasmPlugin", "service-bus"),
            ("WasmPlugin", "service-bus-gate"),
            ("McpBridge", "default"),
            ("EnvoyFilter", "service-bus"),
        ],
    ),
}


def run(helm: Path, *arguments: str) -> str:
    """What Helm prints; it must find nothing wrong."""
    done = subprocess.run(
        [str(helm), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rendered(helm: Path, values: list[Path]) -> dict[tuple[str, str], str]:
    """The text of each resource by kind and name, comments included."""
    given = [part for each in values for part in ("--values", str(each))]
    text = run(helm, "template", "service-bus", str(CHART), "--namespace", NAMESPACE, *given)
    found = {}
    for part in re.split(r"^---\n# Source: .+\n", text, flags=re.M)[1:]:
        resource = yaml.safe_load(part)
        key = (resource["kind"], resource["metadata"]["name"])
        assert key not in found, f"{key} is there twice"
        found[key] = part.strip("\n") + "\n"
    return found


def example(name: str) -> list[Path]:
    """The values of an example."""
    return [CHART / "ci" / "example.yaml", CHART / "ci" / f"{name}.yaml"]


def files(helm: Path) -> dict[str, str]:
    """The content of each file under `envoy/` that the chart makes."""
    names = {name for name, _ in FILES.values()}
    made = {name: rendered(helm, example(name)) for name in names}
    return {
        file: "---\n".join(made[name][key] for key in keys) for file, (name, keys) in FILES.items()
    }


def schema() -> str:
    """The schema of the values: the chart's own, with that of the filter's configuration in it."""
    made = json.loads((CHART / "values.in.json").read_text())
    configuration = json.loads((ROOT / "envoy" / "configuration.schema.json").read_text())
    for name, each in configuration["properties"].items():
        if name not in ("namespace", "cluster", "credentials", "role", "header_mode", "routes"):
            made["properties"]["plugin"]["properties"][name] = each
    made["$defs"] |= configuration["$defs"]
    return json.dumps(_for_helm(made), indent=2, ensure_ascii=False) + "\n"


def _for_helm(schema: object) -> object:
    """Without patterns that Helm's expressions, those of Go, do not know: look-around, `\\u`."""
    if isinstance(schema, list):
        return [_for_helm(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _for_helm(each)
        for name, each in schema.items()
        if not (name == "pattern" and isinstance(each, str) and re.search(r"\(\?[!=<]|\\u", each))
    }


def capabilities() -> str:
    """A template with the powers that the module needs: those of `envoy.yaml`."""
    document = yaml.safe_load((ROOT / "envoy" / "envoy.yaml").read_text())
    chain = document["static_resources"]["listeners"][0]["filter_chains"][0]
    [filters] = [each["typed_config"]["http_filters"] for each in chain["filters"]]
    [config] = [each["typed_config"]["config"] for each in filters if each["name"] == "service_bus"]
    names = config["capability_restriction_config"]["allowed_capabilities"]
    lines = "".join(f"{name}: {{}}\n" for name in names)
    head = "{{- /* What the module may ask Envoy for, and the calls that it gets. */}}"
    return f'{head}\n{{{{- define "capabilities" -}}}}\n{lines}{{{{- end }}}}\n'


def main() -> None:
    (CHART / "templates" / "_capabilities.tpl").write_text(capabilities())
    (CHART / "values.schema.json").write_text(schema())
    for file, content in files(Path(sys.argv[1])).items():
        (ROOT / "envoy" / file).write_text(content)


if __name__ == "__main__":
    main()
