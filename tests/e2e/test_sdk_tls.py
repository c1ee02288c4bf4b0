"""Microsoft's SDKs over AMQP with TLS, as in Azure: no word of an emulator."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import trustme

from configuration.sdk import sdk_entities
from processes.emulator import Certificate, Emulator
from processes.sdk import Bus, Sdk, SdkClient, SdkError


def environment(sdk: Sdk, authority: Path, folder: Path) -> dict[str, str]:
    """Has an SDK trust an authority, as its language has it."""
    if sdk.name == "javascript":
        return {"NODE_EXTRA_CA_CERTS": str(authority)}
    if sdk.name != "java":
        return {"SSL_CERT_FILE": str(authority)}
    store = folder / "trusted.p12"
    options = ("-noprompt", "-storetype", "PKCS12", "-storepass", "changeit")
    subprocess.run(
        ["keytool", "-importcert", "-file", authority, "-keystore", store, *options],
        check=True,
        capture_output=True,
    )
    trusted = f"-Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStorePassword=changeit"
    return {"JAVA_TOOL_OPTIONS": trusted}


def test_messages_come_and_go_over_tls(sdk: Sdk, target_dir: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    issued = authority.issue_cert("localhost")
    certificate = Certificate(tmp_path / "certificate.pem", tmp_path / "key.pem")
    issued.private_key_pem.write_to_path(certificate.key)
    for part in issued.cert_chain_pems:
        part.write_to_path(certificate.chain, append=True)

    emulator = Emulator(target_dir, sdk_entities(), tmp_path, certificate=certificate, amqp=True)
    clients = []
    try:
        # With TLS the port is 5671, unless it is said apart.
        options = {
            "connection_string": "Endpoint=sb://localhost;"
            "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE",
            "address": f"localhost:{emulator.amqp_port}",
        }
        clients.append(
            SdkClient(sdk, tmp_path, environment(sdk, tmp_path / "authority.pem", tmp_path))
        )
        clients[-1].ask("open", **options)
        bus = Bus(clients[-1])
        bus.send("plain", b"over TLS")
        message = bus.receiver("plain").one()
        assert message.body == b"over TLS"
        message.complete()

        # Whoever does not trust the authority sends nothing.
        clients.append(SdkClient(sdk, tmp_path))
        clients[-1].ask("open", **options, timeout=3)
        with pytest.raises(SdkError):
            Bus(clients[-1]).send("plain", b"not sent")
        assert emulator.messages("plain") == []
    finally:
        for client in clients:
            client.stop()
        emulator.stop()
