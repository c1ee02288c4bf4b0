"""Istio's own discovery server and agent, with an Envoy of the agent's."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import yaml

from processes.program import Program
from proxy import BUILT, Proxy, end, free_ports
from shipped import Resources

# Where Istio's agent stands: namespace and labels of the gateway's pods.
ISTIO = ("istio-ingress", {"istio": "ingressgateway"})
HIGRESS = ("higress-system", {"higress": "higress-system-higress-gateway"})

# Filters of Istio's own build of Envoy, and what asks for certificates.
DISCOVERY = {
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "ENABLE_CA_SERVER": "false",
}


# Where the agent keeps the modules that it has pulled; it knows no other place.
DATA = Path("/var/lib/istio/data")


class Istio(Proxy):
    """A gateway of Istio; its Envoy has the variables in its environment."""

    def __init__(
        self,
        envoy: Path,
        resources: Resources,
        folder: Path,
        *,
        port: int,
        target_dir: Path,
        variables: dict[str, str],
        workers: int = 2,
        gateway: tuple[str, dict[str, str]] = ISTIO,
    ):
        self.port = port
        self._tools = target_dir / BUILT
        self._folder = folder
        self._namespace, self._labels = gateway
        self._resources = folder / "resources"
        self._resources.mkdir(parents=True)
        self._write(resources)
        self._reads = 1
        self._agent: Program | None = None
        self._discovery = Program(
            "discovery",
            [str(self._tools / "discovery"), str(self._resources)],
            folder,
            {**DISCOVERY, "PATH": os.environ["PATH"]},
            # It names files of its own from where it runs.
            cwd=folder,
        )
        try:
            found = self._discovery.wait_until(self._listening, "line that says where it listens")
            assert isinstance(found, re.Match)
            self._start_agent(envoy, found[1], variables, workers)
        except BaseException:
            self.stop()
            raise

    def apply(self, resources: Resources) -> None:
        self._write(resources)
        self._reads += 1
        os.kill(self._discovery.pid, signal.SIGHUP)
        line = f"read {self._reads} times, "
        self._discovery.wait_until(lambda: line in self._discovery.stdout(), line)

    def log(self) -> str:
        assert self._agent
        return self._agent.stdout() + self._agent.stderr()

    def stop(self) -> None:
        try:
            if self._agent:
                end(self._agent, [self.port, *self._ports])
        finally:
            self._discovery.stop()

    def _start_agent(
        self, envoy: Path, discovery: str, variables: dict[str, str], workers: int
    ) -> None:
        DATA.mkdir(parents=True, exist_ok=True)
        pod = self._folder / "etc" / "istio" / "pod"
        pod.mkdir(parents=True)
        labels = "".join(f'{name}="{value}"\n' for name, value in self._labels.items())
        (pod / "labels").write_text(labels)
        # Two of Envoy's own listeners would take every address of the machine.
        template = (self._tools / "share" / "envoy_bootstrap.json").read_text()
        bootstrap = self._folder / "bootstrap.json"
        bootstrap.write_text(template.replace("{{ .wildcard }}", "{{ .localhost }}"))
        self._ports = free_ports(4)
        self.admin_port, own_status, status, prometheus = self._ports
        self._agent = Program(
            "agent",
            [
                *(str(self._tools / "pilot-agent"), "proxy", "router"),
                *("--domain", f"{self._namespace}.svc.cluster.local"),
                "--proxyLogLevel=info",
                "--proxyComponentLogLevel=wasm:debug",
            ],
            self._folder,
            {
                "PATH": os.environ["PATH"],
                "HOME": str(self._folder),
                "POD_NAME": "gateway",
                "POD_NAMESPACE": self._namespace,
                # Not that of any endpoint: Istio would take that for the gateway itself.
                "INSTANCE_IP": "127.0.0.9",
                "ISTIO_META_CLUSTER_ID": "Kubernetes",
                "FILE_MOUNTED_CERTS": "true",
                # Or it asks the addresses of clouds for where it runs.
                "CLOUD_PLATFORM": "none",
                "GRPC_XDS_BOOTSTRAP": "",
                "ISTIO_BOOTSTRAP": str(bootstrap),
                "ENVOY_STATUS_PORT": str(status),
                "ENVOY_PROMETHEUS_PORT": str(prometheus),
                "PROXY_CONFIG": json.dumps(
                    {
                        "discoveryAddress": discovery,
                        "controlPlaneAuthPolicy": "NONE",
                        "binaryPath": str(envoy),
                        "proxyAdminPort": self.admin_port,
                        "statusPort": own_status,
                        "concurrency": workers,
                    }
                ),
                **variables,
            },
            cwd=self._folder,
        )
        self._agent.wait_until(self.is_live, "answer 200 from /ready")

    def _listening(self) -> re.Match | None:
        return re.search(r"^listening on (127\.0\.0\.1:\d+)$", self._discovery.stdout(), re.M)

    def _write(self, resources: Resources) -> None:
        found = [*resources, self._gateway(), self._route()]
        (self._resources / "all.yaml").write_text(yaml.safe_dump_all(found))

    def _gateway(self) -> dict:
        server = {
            "port": {"number": self.port, "name": "http", "protocol": "HTTP"},
            "hosts": ["*"],
            "bind": "127.0.0.1",
        }
        return {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "gateway", "namespace": self._namespace},
            "spec": {"selector": self._labels, "servers": [server]},
        }

    def _route(self) -> dict:
        """Another route of the gateway, which has nothing to do with the filter."""
        route = {
            "match": [{"uri": {"exact": "/alive"}}],
            "directResponse": {"status": 200, "body": {"string": "alive"}},
        }
        return {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "other", "namespace": self._namespace},
            "spec": {"hosts": ["*"], "gateways": ["gateway"], "http": [route]},
        }
