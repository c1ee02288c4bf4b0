"""The fixtures: each Envoy, the emulator, and a gateway of the two with the tests' routes."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import needs
from clients.customer import Customer
from configuration.gateway import GatewayConfiguration, upstream_cluster
from configuration.identities import KINDS, Kind
from configuration.routes import ROUTES, entities
from configuration.sdk import PATTERN_ROUTES, sdk_entities
from processes import envoy
from processes.emulator import Emulator
from processes.envoy import Envoy
from processes.orders import OrderParts, order_parts
from processes.program import ROOT
from processes.sdk import SDKS, Bus, Sdk, SdkClient
from servers.token_service import TokenService
from servers.upstream import Upstream, answers

Launch = Callable[..., Envoy]
# Connects by an SDK with a connection string.
SdkConnect = Callable[..., Bus]

# Groups of tests/needs.py, by the fixtures that start what they name.
NEEDED_BY = {"shared_order_parts": "redis", "shared_browser": "browser"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("real Envoy")
    group.addoption("--envoy", action="append", default=[], help="an Envoy binary; may be repeated")
    group.addoption("--target-dir", default="target", help="where cargo has put what it built")
    group.addoption("--package", type=Path, help="what `make package` has made, to be tested")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(group): what the test needs, of tests/needs.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lets tests that share an Envoy run in one process: it is started once."""
    for item in items:
        if fixture := shared_envoy(item):
            own = item.callspec.params
            parts = [fixture, envoy.version(own["envoy_binary"]), own.get(fixture)]
            item.add_marker(pytest.mark.xdist_group("-".join(map(str, filter(None, parts)))))


def shared_envoy(item: pytest.Item) -> str | None:
    """The fixture whose Envoy the test shares with others."""
    for name in item.fixturenames:
        for definition in item._fixtureinfo.name2fixturedefs.get(name, ()):
            if definition.scope != "function" and "envoy_binary" in definition.argnames:
                return name
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test where what it needs is not there; in CI the test then fails."""
    groups = [mark.args[0] for mark in item.iter_markers("needs")]
    groups += [group for fixture, group in NEEDED_BY.items() if fixture in item.fixturenames]
    for group in groups:
        if refusal := needs.refusal(group):
            (pytest.fail if needs.in_ci() else pytest.skip)(refusal)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    # `make test-package` names a package; other runs have none.
    missing = config.getoption("--package") is None
    return True if missing and collection_path.name == "test_package.py" else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "envoy_binary" in metafunc.fixturenames:
        binaries = [Path(path).absolute() for path in metafunc.config.getoption("--envoy")]
        if not binaries:
            raise pytest.UsageError("name the Envoys to test with: --envoy=PATH")
        names = [envoy.version(binary) for binary in binaries]
        metafunc.parametrize("envoy_binary", binaries, ids=names, scope="session")


@pytest.fixture(scope="session")
def target_dir(pytestconfig: pytest.Config) -> Path:
    """Cargo's target directory."""
    return ROOT / pytestconfig.getoption("--target-dir")


@pytest.fixture(scope="session")
def module(target_dir: Path) -> Path:
    """The module that Envoy loads."""
    return target_dir / "wasm32-wasip1" / "release" / "envoy_service_bus.wasm"


@pytest.fixture(scope="session")
def shared_emulator(
    target_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    """One emulator for all tests; they see it through `emulator`."""
    emulator = Emulator(target_dir, entities(), tmp_path_factory.mktemp("emulator"))
    yield emulator
    emulator.stop()


@pytest.fixture
def emulator(shared_emulator: Emulator) -> Emulator:
    """The emulator without messages and faults of earlier tests."""
    shared_emulator.reset()
    return shared_emulator


@pytest.fixture(scope="session")
def configure(module: Path, shared_emulator: Emulator) -> Callable[[], GatewayConfiguration]:
    """Makes the shipped configuration with the tests' routes, sending to the emulator."""

    def make() -> GatewayConfiguration:
        configuration = GatewayConfiguration(module)
        return configuration.add_plugin_routes(ROUTES).try_once().send_to(shared_emulator.port)

    return make


@pytest.fixture(scope="session")
def shared_gateway(
    envoy_binary: Path,
    configure: Callable[[], GatewayConfiguration],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Envoy]:
    """One Envoy of each version; tests see it through `gateway`."""
    gateway = Envoy(envoy_binary, configure(), tmp_path_factory.mktemp("gateway"))
    yield gateway
    gateway.stop()


@pytest.fixture
def gateway(shared_gateway: Envoy, emulator: Emulator) -> Iterator[Envoy]:
    """Envoy with the shipped configuration and the tests' routes, in front of the emulator."""
    yield shared_gateway
    shared_gateway.check_vms()


@pytest.fixture
def launch(envoy_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """Starts Envoys with configurations of the test's own."""
    running: list[Envoy] = []

    def start(configuration: GatewayConfiguration, **options: object) -> Envoy:
        folder = tmp_path_factory.mktemp("gateway")
        running.append(Envoy(envoy_binary, configuration, folder, **options))
        return running[-1]

    yield start
    try:
        for gateway in running:
            gateway.check_vms()
    finally:
        for gateway in running:
            gateway.stop()


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> Kind:
    """A way to get tokens, which the test names."""
    return KINDS[request.param]


@pytest.fixture
def tokens(kind: Kind, emulator: Emulator) -> Iterator[TokenService]:
    """A token service whose identity the emulator trusts."""
    with kind.service() as service:
        emulator.trust(identities=[service.rule])
        yield service
        assert not service.mistakes, service.mistakes


@pytest.fixture
def fetching(
    configure: Callable[[], GatewayConfiguration], kind: Kind, tokens: TokenService
) -> GatewayConfiguration:
    """The configuration of a gateway that fetches its tokens there."""
    made = configure().merge_plugin({"credentials": None})
    made.clusters.append(upstream_cluster("tokens", tokens.port))
    return made.merge_plugin({"credentials": kind.credentials})


@pytest.fixture(scope="session")
def shared_broker() -> Iterator[Upstream]:
    """One scripted broker for all tests; they see it through `broker`."""
    with Upstream(answers("201 Created")) as broker:
        yield broker


@pytest.fixture(scope="session")
def shared_broker_gateway(
    envoy_binary: Path,
    module: Path,
    shared_broker: Upstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Envoy]:
    """One Envoy of each version; tests see it through `broker_gateway`."""
    configuration = GatewayConfiguration(module).add_plugin_routes(ROUTES).try_once()
    configuration.send_to(shared_broker.port)
    gateway = Envoy(envoy_binary, configuration, tmp_path_factory.mktemp("gateway"))
    yield gateway
    gateway.stop()


@pytest.fixture
def broker(shared_broker: Upstream) -> Upstream:
    """A broker whose answers the test scripts; it answers 201 until told otherwise."""
    shared_broker.script = answers("201 Created")
    shared_broker.requests.clear()
    return shared_broker


@pytest.fixture
def broker_gateway(shared_broker_gateway: Envoy, broker: Upstream) -> Iterator[Envoy]:
    """Envoy as in `gateway`, in front of the scripted broker."""
    yield shared_broker_gateway
    shared_broker_gateway.check_vms()


@pytest.fixture(scope="session")
def shared_order_parts(
    target_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OrderParts]:
    """Queue, worker and store of the order scenario; tests see them through `parts`."""
    # Long enough to be seen at work by whoever asks many times a second.
    with order_parts(target_dir, tmp_path_factory.mktemp("orders"), work_seconds=1) as parts:
        yield parts


@pytest.fixture
def parts(shared_order_parts: OrderParts) -> OrderParts:
    """The parts of the order scenario, without faults of earlier tests."""
    shared_order_parts.emulator.disarm()
    return shared_order_parts


@pytest.fixture(scope="session")
def shared_order_gateway(
    envoy_binary: Path,
    module: Path,
    shared_order_parts: OrderParts,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Envoy]:
    """One Envoy of each version; tests see it through `order_gateway`."""
    configuration = shared_order_parts.configuration(module)
    gateway = Envoy(envoy_binary, configuration, tmp_path_factory.mktemp("gateway"))
    yield gateway
    gateway.stop()


@pytest.fixture
def order_gateway(shared_order_gateway: Envoy, parts: OrderParts) -> Iterator[Envoy]:
    """Envoy with the shipped configuration of the order scenario, among its parts."""
    yield shared_order_gateway
    shared_order_gateway.check_vms()


@pytest.fixture
def customer(order_gateway: Envoy, parts: OrderParts) -> Customer:
    """A client of the order scenario that no other test has been."""
    return Customer(order_gateway.port, parts.issuer.token(f"user-{uuid.uuid4()}"))


@pytest.fixture(scope="session")
def shared_amqp_emulator(
    target_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    """One emulator for Microsoft's SDKs; tests see it through `amqp_emulator`."""
    emulator = Emulator(target_dir, sdk_entities(), tmp_path_factory.mktemp("amqp"), amqp=True)
    yield emulator
    emulator.stop()


@pytest.fixture
def amqp_emulator(shared_amqp_emulator: Emulator) -> Emulator:
    """The emulator that speaks AMQP, without messages and faults of earlier tests."""
    shared_amqp_emulator.reset()
    return shared_amqp_emulator


def sdk_param(sdk: Sdk) -> object:
    """An SDK whose tests run one after the other, where its toolchain is."""
    marks = [pytest.mark.xdist_group(f"sdk-{sdk.name}")]
    if sdk.group:
        marks.append(pytest.mark.needs(sdk.group))
    return pytest.param(sdk, id=sdk.name, marks=marks)


@pytest.fixture(params=[sdk_param(sdk) for sdk in SDKS])
def sdk(request: pytest.FixtureRequest) -> Sdk:
    """Each of Microsoft's SDKs."""
    return request.param


@pytest.fixture(scope="session")
def sdk_clients(
    shared_amqp_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Sdk], SdkClient]]:
    """A connected program of each SDK, started when it is first wanted."""
    clients: dict[str, SdkClient] = {}

    def client_of(sdk: Sdk) -> SdkClient:
        if sdk.name not in clients:
            clients[sdk.name] = SdkClient(sdk, tmp_path_factory.mktemp("sdk"))
            connection_string = shared_amqp_emulator.connection_string()
            clients[sdk.name].ask("open", connection_string=connection_string)
        return clients[sdk.name]

    yield client_of
    for client in clients.values():
        client.stop()


@pytest.fixture
def bus(
    sdk: Sdk, sdk_clients: Callable[[Sdk], SdkClient], amqp_emulator: Emulator
) -> Iterator[Bus]:
    """The emulator by each of Microsoft's SDKs."""
    bus = Bus(sdk_clients(sdk))
    yield bus
    bus.leave_all()


@pytest.fixture
def connect(sdk: Sdk, amqp_emulator: Emulator, tmp_path: Path) -> Iterator[SdkConnect]:
    """Connects by an SDK with a connection string of the test's own."""
    clients: list[SdkClient] = []

    def start(connection_string: str, **options: object) -> Bus:
        clients.append(SdkClient(sdk, tmp_path))
        clients[-1].ask("open", connection_string=connection_string, **options)
        return Bus(clients[-1])

    yield start
    for client in clients:
        client.stop()


@pytest.fixture(scope="session")
def shared_amqp_gateway(
    pytestconfig: pytest.Config,
    module: Path,
    shared_amqp_emulator: Emulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Envoy]:
    """The newest Envoy, in front of the emulator that speaks AMQP: what is sent is the filter's."""
    binaries = pytestconfig.getoption("--envoy")
    if not binaries:
        raise pytest.UsageError("name the Envoys to test with: --envoy=PATH")
    configuration = GatewayConfiguration(module).add_plugin_routes([*ROUTES, *PATTERN_ROUTES])
    configuration.try_once().send_to(shared_amqp_emulator.port)
    folder = tmp_path_factory.mktemp("gateway")
    gateway = Envoy(Path(binaries[-1]).absolute(), configuration, folder)
    yield gateway
    gateway.stop()


@pytest.fixture
def amqp_gateway(shared_amqp_gateway: Envoy, amqp_emulator: Emulator) -> Iterator[Envoy]:
    """Envoy with the tests' routes, in front of the emulator that speaks AMQP."""
    yield shared_amqp_gateway
    shared_amqp_gateway.check_vms()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections, kept from others while the test runs."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
