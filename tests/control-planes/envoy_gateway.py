"""Envoy Gateway's own control plane in its standalone mode, with the Envoy that it starts.

Envoy Gateway has fixed ports (18000 to 18002, 8081, 19000, 19001): one at a time.
"""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import yaml

from processes.envoy import version
from processes.program import Program
from proxy import BUILT, Proxy, end
from shipped import Resources, of_kind

SYSTEM = "envoy-gateway-system"


class EnvoyGateway(Proxy):
    """A gateway of Envoy Gateway; its Envoy has the variables in its environment."""

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
    ):
        self.port = port
        self._workers = workers
        self._version = version(envoy)
        binary = target_dir / BUILT / "envoy-gateway"
        self._homes = {name: folder / name for name in ("config", "data", "state", "runtime")}
        self._certificates = self._homes["config"] / "certs" / "envoy"
        subprocess.run(
            [str(binary), "certgen", "--local", "--config-home", str(self._homes["config"])],
            check=True,
            capture_output=True,
            timeout=60,
        )
        # Where it looks for an Envoy before it fetches one.
        place = self._homes["data"] / "envoy-versions" / self._version / "bin"
        place.mkdir(parents=True)
        (place / "envoy").symlink_to(envoy)
        self._resources = folder / "resources"
        self._resources.mkdir()
        self._write(resources)
        configuration = folder / "standalone.yaml"
        configuration.write_text(yaml.safe_dump(self._configuration()))
        self._program = Program(
            "envoy-gateway",
            [str(binary), "server", "--config-path", str(configuration)],
            folder,
            {"PATH": os.environ["PATH"], "HOME": str(folder), **variables},
            cwd=folder,
        )
        try:
            address = self._program.wait_until(self._admin_address, "admin address of its Envoy")
            self.admin_port = int(str(address).rpartition(":")[2])
            self._program.wait_until(self.is_live, "answer 200 from /ready")
        except BaseException:
            self.stop()
            raise

    def apply(self, resources: Resources) -> None:
        self._write(resources)

    def log(self) -> str:
        return self._program.stdout() + self._program.stderr()

    def stop(self) -> None:
        end(self._program, [self.port])

    def _admin_address(self) -> str | None:
        for path in self._homes["runtime"].rglob("admin-address.txt"):
            return path.read_text().strip()
        return None

    def _configuration(self) -> dict:
        host = {
            "configHome": str(self._homes["config"]),
            "dataHome": str(self._homes["data"]),
            "stateHome": str(self._homes["state"]),
            "runtimeDir": str(self._homes["runtime"]),
        }
        file = {"type": "File", "file": {"paths": [str(self._resources)]}}
        return {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "EnvoyGateway",
            "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
            "provider": {
                "type": "Custom",
                "custom": {
                    "resource": file,
                    "infrastructure": {"type": "Host", "host": host},
                },
            },
            "logging": {"level": {"default": "info"}},
            "extensionApis": {"enableBackend": True, "enableEnvoyPatchPolicy": True},
        }

    def _write(self, resources: Resources) -> None:
        for proxy in of_kind(resources, "EnvoyProxy"):
            # Its Envoy runs here and not in a Deployment.
            host = {"type": "Host", "host": {"envoyVersion": self._version}}
            proxy["spec"] |= {"provider": host, "concurrency": self._workers}
        [gateway] = of_kind(resources, "Gateway")
        found = [*resources, *self._namespaces(), self._secret(), self._fetches(gateway)]
        # Replaced at once: it reads the file whenever that changes.
        written = self._resources.parent / "all.yaml"
        written.write_text(yaml.safe_dump_all(found))
        written.replace(self._resources / "all.yaml")

    def _namespaces(self) -> list[dict]:
        return [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            for name in ("default", SYSTEM)
        ]

    def _secret(self) -> dict:
        """What Envoy shows the control plane, from which it fetches the module."""
        files = {"tls.crt": "tls.crt", "tls.key": "tls.key", "ca.crt": "ca.crt"}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "envoy", "namespace": SYSTEM},
            "data": {
                name: base64.b64encode((self._certificates / file).read_bytes()).decode()
                for name, file in files.items()
            },
        }

    def _fetches(self, gateway: dict) -> dict:
        """Leads the fetching of the module to this machine.

        In Kubernetes a Service's name leads there, and the authority lies in the pod.
        """
        endpoint = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 18002}}}
        assignment = {
            "cluster_name": "wasm_cluster",
            "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}],
        }
        # The file that the shipped path stands for.
        authority = {"filename": str(self._certificates / "ca.crt")}
        operations = [
            ("replace", "/type", "STATIC"),
            ("replace", "/load_assignment", assignment),
            (
                "replace",
                "/transport_socket/typed_config/common_tls_context/validation_context",
                {"trusted_ca": authority},
            ),
        ]
        return {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "EnvoyPatchPolicy",
            "metadata": {"name": "fetches", "namespace": gateway["metadata"]["namespace"]},
            "spec": {
                "targetRef": {
                    "group": "gateway.networking.k8s.io",
                    "kind": "Gateway",
                    "name": gateway["metadata"]["name"],
                },
                "type": "JSONPatch",
                "jsonPatches": [
                    {
                        "type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                        "name": "wasm_cluster",
                        "operation": {"op": op, "path": path, "value": value},
                    }
                    for op, path, value in operations
                ],
            },
        }
