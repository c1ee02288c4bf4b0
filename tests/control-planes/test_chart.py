"""The chart: every combination renders, and is right by schema, by CRD and by `check --strict`."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from chart import CHART, FILES, ROOT, capabilities, example, files, rendered, run, schema

from proxy import BUILT
from registry import Image, Registry

CREDENTIALS = {
    "connection string": {"connectionString": {"secret": "bus", "key": "text"}},
    "managed identity": {"managedIdentity": {}},
    "user-assigned identity": {"managedIdentity": {"clientId": "client"}},
    "client secret": {
        "clientSecret": {"tenantId": "tenant", "clientId": "app", "secret": "bus", "key": "word"}
    },
    "token file": {"tokenFile": {"path": "/var/run/service-bus/token.yaml"}},
}
INSTALLED = {
    "filter": {"controlPlane": "istio", "install": "filter"},
    "plugins": {"controlPlane": "istio"},
    "extensions": {"controlPlane": "istio", "pluginKind": "TrafficExtension"},
    "envoy gateway": {"controlPlane": "envoyGateway", "gateway": {"name": "edge"}},
    "own gateway": {"controlPlane": "envoyGateway", "gateway": {"name": "edge", "create": True}},
    "higress": {"controlPlane": "higress", "gateway": {"namespace": "higress-system"}},
}
GATEWAYS = {
    "labels": {},
    "Gateway API": {"gateway": {"name": "edge"}},
    "own limits": {
        "gateway": {"workers": 2, "bufferLimit": 2097152},
        "plugin": {"max_body_bytes": 1048576, "delivery": {"max_in_flight": 64}},
        "image": {"repository": "localhost:5000/team/filter", "digest": "sha256:" + "a" * 64},
        "serviceBus": {"namespace": "fabrikam.servicebus.windows.net"},
    },
}
# One that names no methods, and one that is asked of another cluster.
ROUTES = [
    {"name": "orders", "match": {"path": "/orders"}, "send": {"queue": "orders"}},
    {
        "name": "order-status",
        "match": {"path_template": "/orders/{id}/status", "hosts": ["api.example"]},
        "lookup": {"cluster": "store", "authority": "store", "path": "/${path.id}"},
        "reply": {"status": 200, "body": {"status": "${lookup.json.status}"}},
    },
]
COMBINATIONS = list(itertools.product(INSTALLED, CREDENTIALS, GATEWAYS))


@pytest.fixture(scope="session")
def helm(target_dir: Path) -> Path:
    return target_dir / BUILT / "helm"


def merged(*parts: dict) -> dict:
    found: dict = {}
    for part in parts:
        for name, value in part.items():
            both = isinstance(value, dict) and isinstance(found.get(name), dict)
            found[name] = found[name] | value if both else value
    return found


@pytest.fixture
def values(tmp_path: Path):
    """Writes values into a file."""

    def write(*parts: dict) -> Path:
        path = tmp_path / "values.yaml"
        path.write_text(yaml.safe_dump(merged({"routes": ROUTES}, *parts)))
        return path

    return write


@pytest.fixture(scope="session")
def combinations(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What Helm makes of every combination, in files."""
    folder = tmp_path_factory.mktemp("combinations")

    def render(combination: tuple[str, str, str]) -> Path:
        installed, credentials, gateway = combination
        name = "-".join(combination).replace(" ", "_")
        given = folder / f"{name}.values.yaml"
        chosen = {"credentials": CREDENTIALS[credentials]}
        parts = [{"routes": ROUTES}, GATEWAYS[gateway], INSTALLED[installed], chosen]
        given.write_text(yaml.safe_dump(merged(*parts)))
        made = folder / f"{name}.yaml"
        made.write_text("---\n".join(rendered(helm, [given]).values()))
        return made

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(render, COMBINATIONS))


def test_an_api_server_takes_every_combination(combinations: list[Path], target_dir: Path) -> None:
    tools = target_dir / BUILT
    succeed(tools / "validate", tools / "share" / "definitions", *combinations)


def test_check_finds_nothing_wrong_with_any_combination(
    combinations: list[Path], target_dir: Path
) -> None:
    for each in combinations:
        succeed(target_dir / "tools" / "envoy-service-bus", "check", "--strict", each)


@pytest.mark.parametrize("installed", INSTALLED)
def test_helm_finds_nothing_wrong(helm: Path, values, installed: str) -> None:
    given = values(INSTALLED[installed], {"credentials": CREDENTIALS["token file"]})
    run(helm, "lint", "--strict", str(CHART), "--values", str(given))


def succeed(*command: Path | str) -> None:
    done = subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}{done.stderr}"


def test_the_files_are_what_the_chart_makes(helm: Path) -> None:
    for file, content in files(helm).items():
        assert (ROOT / "envoy" / file).read_text() == content, f"{file}: run `make manifests`"


def test_the_schema_has_that_of_the_configuration_in_it() -> None:
    found = (CHART / "values.schema.json").read_text()
    assert found == schema(), "envoy/chart/values.schema.json: run `make manifests`"


def test_the_module_gets_the_powers_that_envoy_yaml_gives_it() -> None:
    found = (CHART / "templates" / "_capabilities.tpl").read_text()
    assert found == capabilities(), "run `make manifests`"


@pytest.mark.parametrize(
    "mistake, place",
    [
        ({"routes": []}, "routes"),
        ({"routes": [{"name": "a", "match": {"path": "/"}, "send": {"queu": "q"}}]}, "queu"),
        ({"credentials": {"tokenFile": None}}, "credentials"),
        ({"credentials": {"managedIdentity": {}, "tokenFile": {"path": "/a/b"}}}, "credentials"),
        ({"controlPlane": "envoyGateway"}, "gateway/name"),
        ({"controlPlane": "higress", "install": "filter"}, "install"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"plugin": {"role": "gate"}}, "role"),
        ({"serviceBus": {"namespace": "https://contoso"}}, "namespace"),
        ({"gatway": {}}, "gatway"),
        ({"routes": [{**ROUTES[0], "forward": {}}]}, "a gate cannot be woken"),
    ],
)
def test_wrong_values_are_refused_with_their_place(
    helm: Path, values, mistake: dict, place: str
) -> None:
    given = values({"credentials": CREDENTIALS["token file"]}, mistake)
    with pytest.raises(AssertionError, match=re.escape(place)):
        rendered(helm, [given])


def test_the_limits_follow_the_workers(helm: Path, values) -> None:
    given = values(
        INSTALLED["plugins"],
        {"credentials": CREDENTIALS["token file"]},
        {"gateway": {"workers": 3}, "plugin": {"delivery": {"max_in_flight": 100}}},
    )
    rule = yaml.safe_load(rendered(helm, [given])["DestinationRule", "service-bus"])
    [settings] = rule["spec"]["trafficPolicy"]["portLevelSettings"]
    assert settings["connectionPool"]["tcp"]["maxConnections"] == 300
    assert settings["connectionPool"]["http"] == {
        "http1MaxPendingRequests": 300,
        "http2MaxRequests": 300,
    }


@pytest.mark.parametrize("name", sorted({name for name, _ in FILES.values()}))
def test_each_example_names_nothing_but_what_its_files_hold(helm: Path, name: str) -> None:
    kept = {key for other, keys in FILES.values() for key in keys if other == name}
    shared = {
        key for file, (_, keys) in FILES.items() for key in keys if name in file or "istio" in file
    }
    assert kept <= set(rendered(helm, example(name))) <= kept | shared


def test_secrets_are_named_and_never_held(helm: Path) -> None:
    for name in {name for name, _ in FILES.values()}:
        text = json.dumps([yaml.safe_load(each) for each in rendered(helm, example(name)).values()])
        assert "SharedAccessKey" not in text
        assert '"Secret"' not in text


def test_helm_pulls_the_chart_that_is_released(
    helm: Path, target_dir: Path, tmp_path: Path
) -> None:
    released = Image.of_layout(target_dir / "package" / "chart")
    with Registry({"0.1.0": released}) as registry:
        reference = f"oci://{registry.host}/charts/envoy-service-bus"
        fetch = ("--plain-http", "--version", "0.1.0", "--untar", "--destination", str(tmp_path))
        run(helm, "pull", reference, *fetch)

    pulled = tmp_path / "envoy-service-bus"
    given = [part for each in example("istio-filter") for part in ("--values", str(each))]
    made = run(helm, "template", "service-bus", str(pulled), *given)
    assert made == run(helm, "template", "service-bus", str(CHART), *given)
    names = {str(path.relative_to(pulled)) for path in pulled.rglob("*") if path.is_file()}
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "templates/NOTES.txt"} <= names
    assert not [name for name in names if name.startswith("ci/") or name == "values.in.json"]
