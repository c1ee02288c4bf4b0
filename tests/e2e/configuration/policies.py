"""Policies of API Management that the importer's own tests know, and what is in their world."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

POLICIES = Path(__file__).resolve().parents[3] / "src" / "import-apim" / "tests" / "policies"
CASES: dict[str, dict] = json.loads((POLICIES / "cases.json").read_text())

QUEUES = ["bookings-us", "bookings-urgent", "hooks", "hooks-money", "people", "readings"]
QUEUES += ["reminders", "stays"]
TOPICS = ["bookings", "bookings-eu"]


def entities() -> dict:
    """The queues and topics that the policies name, in the format of Microsoft's emulator."""
    topic = {"Properties": {}, "Subscriptions": [{"Name": "all", "Properties": {}, "Rules": []}]}
    # No message of a policy lives longer than its queue lets it.
    queue = {"Properties": {"DefaultMessageTimeToLive": "P2D"}}
    namespace = {
        "Name": "sbemulatorns",
        "Queues": [{"Name": name, **queue} for name in QUEUES],
        "Topics": [{"Name": name, **topic} for name in TOPICS],
    }
    return {"UserConfig": {"Namespaces": [namespace], "Logging": {"Type": "File"}}}


def imported(target_dir: Path, name: str) -> dict:
    """The configuration that the command makes of a policy."""
    case = CASES[name]
    command = [str(target_dir / "tools" / "envoy-service-bus"), "import-apim", "--json"]
    command += ["--operation", case["operation"]]
    if "namespace" in case:
        command += ["--namespace", case["namespace"]]
    for value in case.get("named_values", {}).items():
        command += ["--named-value", "=".join(value)]
    run = subprocess.run(
        [*command, str(POLICIES / f"{name}.xml")], capture_output=True, timeout=60, check=False
    )
    return json.loads(run.stdout)["configuration"]
