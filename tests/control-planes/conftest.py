"""The fixtures: each control plane with each Envoy, in front of the emulator with TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trustme

from envoy_gateway import EnvoyGateway
from istio import HIGRESS, ISTIO, Istio
from processes import envoy
from processes.emulator import Certificate, Emulator
from processes.program import ROOT
from proxy import Proxy, free_ports
from registry import Image, Registry
from relay import Relay
from shipped import FILES, NAMESPACE, Change, Resources, Surroundings, prepared

TAG = "0.1.0"
CONNECTION_STRING = (
    f"Endpoint=sb://{NAMESPACE}/;"
    "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE"
)
VARIABLES = {"SB_CONNECTION_STRING": CONNECTION_STRING}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("control planes")
    group.addoption("--envoy", action="append", default=[], help="an Envoy binary; may be repeated")
    group.addoption("--target-dir", default="target", help="where everything has been built")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "envoy_binary" in metafunc.fixturenames:
        binaries = [Path(path).absolute() for path in metafunc.config.getoption("--envoy")]
        if not binaries:
            raise pytest.UsageError("name the Envoys to test with: --envoy=PATH")
        names = [envoy.version(binary) for binary in binaries]
        metafunc.parametrize("envoy_binary", binaries, ids=names, scope="session")
    if "way" in metafunc.fixturenames and not any(
        "way" in marker.args[0] for marker in metafunc.definition.iter_markers("parametrize")
    ):
        metafunc.parametrize("way", list(FILES), scope="session")


@pytest.fixture(scope="session")
def target_dir(pytestconfig: pytest.Config) -> Path:
    """Where everything has been built."""
    return ROOT / pytestconfig.getoption("--target-dir")


@pytest.fixture(scope="session")
def image(target_dir: Path) -> Image:
    """The image that `make package` has made."""
    return Image.of_layout(target_dir / "package" / "image")


@pytest.fixture(scope="session")
def shared_registry(image: Image) -> Iterator[Registry]:
    with Registry({TAG: image}) as registry:
        yield registry


@pytest.fixture
def registry(shared_registry: Registry, image: Image) -> Iterator[Registry]:
    """The registry that the image is pulled from; it has the image again after the test."""
    yield shared_registry
    shared_registry.images = {TAG: image}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> trustme.CA:
    """The authority that the gateways trust."""
    return trustme.CA()


@pytest.fixture(scope="session")
def shared_emulator(
    target_dir: Path, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    folder = tmp_path_factory.mktemp("emulator")
    issued = authority.issue_cert(NAMESPACE)
    certificate = Certificate(folder / "chain.pem", folder / "key.pem")
    certificate.chain.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(certificate.key))
    detecting = {
        "RequiresDuplicateDetection": True,
        "DuplicateDetectionHistoryTimeWindow": "PT1H",
    }
    queues = [{"Name": "orders", "Properties": detecting}, {"Name": "other", "Properties": {}}]
    namespace = {"Name": NAMESPACE.partition(".")[0], "Queues": queues, "Topics": []}
    entities = {"UserConfig": {"Namespaces": [namespace], "Logging": {"Type": "File"}}}
    emulator = Emulator(target_dir, entities, folder, certificate=certificate)
    yield emulator
    emulator.stop()


@pytest.fixture
def emulator(shared_emulator: Emulator) -> Emulator:
    """The emulator without messages and faults of earlier tests."""
    shared_emulator.reset()
    return shared_emulator


@pytest.fixture(scope="session")
def shared_relay(shared_emulator: Emulator) -> Iterator[Relay]:
    relay = Relay(shared_emulator.port)
    yield relay
    relay.close()


@pytest.fixture
def relay(shared_relay: Relay) -> Iterator[Relay]:
    """What gateways take for Service Bus; it leads to the emulator again after the test."""
    yield shared_relay
    shared_relay.lead_to(shared_relay.home)


@dataclass
class Gateways:
    """Starts gateways, one at a time: Envoy Gateway's ports are always the same."""

    target_dir: Path
    surroundings: Surroundings
    folder: Callable[[], Path]
    running: tuple[object, Proxy] | None = None

    def get(
        self,
        way: str,
        envoy_binary: Path,
        change: Change | None = None,
        *,
        workers: int = 2,
        variables: dict[str, str] | None = None,
        service_bus: int | None = None,
    ) -> Proxy:
        """A gateway with these resources: the running one, if it was started with the same."""
        given = VARIABLES if variables is None else variables
        wanted = (way, envoy_binary, change, workers, given, service_bus)
        if self.running and self.running[0] == wanted:
            return self.running[1]
        self.stop()
        port = free_ports(1)[0]
        around = replace(self.surroundings, port=port)
        if service_bus:
            around = replace(around, service_bus=service_bus)
        resources = prepared(way, around, change)
        options = {
            "port": port,
            "target_dir": self.target_dir,
            "variables": given,
            "workers": workers,
        }
        folder = self.folder()
        proxy: Proxy
        if way == "envoy-gateway":
            proxy = EnvoyGateway(envoy_binary, resources, folder, **options)
        else:
            place = HIGRESS if way == "higress" else ISTIO
            proxy = Istio(envoy_binary, resources, folder, gateway=place, **options)
        self.running = (wanted, proxy)
        proxy.wait_until(proxy.is_listening, "listener")
        return proxy

    def change(self, way: str, change: Change | None) -> Resources:
        """Gives the running gateway other resources; the next test gets a new one."""
        assert self.running
        proxy = self.running[1]
        around = replace(self.surroundings, port=proxy.port)
        resources = prepared(way, around, change)
        proxy.apply(resources)
        self.running = (object(), proxy)
        return resources

    def stop(self) -> None:
        running, self.running = self.running, None
        if running:
            running[1].stop()


@pytest.fixture(scope="session")
def gateways(
    target_dir: Path,
    shared_registry: Registry,
    shared_relay: Relay,
    authority: trustme.CA,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateways]:
    """What starts gateways."""
    roots = tmp_path_factory.mktemp("authority") / "roots.pem"
    authority.cert_pem.write_to_path(str(roots))
    surroundings = Surroundings(shared_registry.host, shared_relay.port, roots, 0)
    found = Gateways(target_dir, surroundings, lambda: tmp_path_factory.mktemp("gateway"))
    yield found
    found.stop()


@pytest.fixture
def gateway(
    gateways: Gateways,
    way: str,
    envoy_binary: Path,
    emulator: Emulator,
    registry: Registry,
    relay: Relay,
) -> Iterator[Proxy]:
    """The shipped resources, read by their control plane; Envoy sends to the emulator."""
    proxy = gateways.get(way, envoy_binary)
    proxy.wait_until(lambda: len(proxy.plugins()) == instances(way), "filter")
    yield proxy
    proxy.check_vms()


def instances(way: str) -> int:
    """How many instances of the filter there are: the sender, and its gate if it has one."""
    return 1 if way == "istio-filter" else 2
