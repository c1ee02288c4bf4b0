"""Microsoft's last client for Service Bus that speaks HTTP, connected to an emulator.

The client itself is as Microsoft published it. It believes that it speaks TLS to the namespace;
below it, a transport of `requests` takes what it sends to the emulator.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import requests
from azure.servicebus import ServiceBusService
from requests.adapters import HTTPAdapter

NAMESPACE = "sbemulatorns"


class _ToEmulator(HTTPAdapter):
    """Sends what is meant for the namespace to a port of the loopback interface."""

    def __init__(self, port: int):
        self._url = f"http://127.0.0.1:{port}"
        super().__init__()

    def send(self, request: requests.PreparedRequest, *arguments, **options):
        request.headers["Host"] = urlsplit(request.url).netloc
        return super().send(request, *arguments, **options)

    def get_connection_with_tls_context(self, *_, **__):
        return self.poolmanager.connection_from_url(self._url)


def service_bus(port: int, *, key: str = "SAS_KEY_VALUE") -> ServiceBusService:
    """The client for the emulator on a port."""
    session = requests.Session()
    session.mount("https://", _ToEmulator(port))
    return ServiceBusService(
        NAMESPACE,
        shared_access_key_name="RootManageSharedAccessKey",
        shared_access_key_value=key,
        request_session=session,
    )
