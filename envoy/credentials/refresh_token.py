#!/usr/bin/env python3
"""Keeps a token for Service Bus in a file that Envoy reads: workload identity on Kubernetes.

A wasm module cannot read the token that Kubernetes projects into a pod. This program can: it runs
beside Envoy, as the same user, exchanges that token for one of Service Bus at Entra ID, and puts
it where token-file.yaml has Envoy look for it. It needs Python 3.10 and nothing else.

It reads the variables that Azure's workload identity webhook sets: AZURE_CLIENT_ID,
AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE, AZURE_AUTHORITY_HOST.

A token is renewed when half of its life is over, and every 30 seconds while that fails. Errors go
to standard error, without any token. `--once` is for jobs that start it themselves.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

SCOPE = "https://servicebus.azure.net/.default"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RETRY_SECONDS = 30


class NoToken(Exception):
    """Why there is none, in words that hold no secret."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="the file that Envoy reads")
    parser.add_argument("--name", default="service-bus-token", help="name of the secret in it")
    parser.add_argument("--once", action="store_true", help="end when the file is written")
    options = parser.parse_args()
    while True:
        try:
            token, life = fetch()
            write(options.output, options.name, f"Bearer {token}")
        except (NoToken, OSError) as error:
            print(f"no token: {error}", file=sys.stderr, flush=True)
            if options.once:
                return 1
            time.sleep(RETRY_SECONDS)
            continue
        if options.once:
            return 0
        time.sleep(max(life / 2, 1))


def fetch() -> tuple[str, float]:
    """A token for Service Bus, and the seconds that it lives."""
    host = variable("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/")
    tenant = urllib.parse.quote(variable("AZURE_TENANT_ID"), safe="")
    form = {
        "grant_type": "client_credentials",
        "client_id": variable("AZURE_CLIENT_ID"),
        "scope": SCOPE,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion(),
    }
    try:
        request = urllib.request.Request(
            f"{host.rstrip('/')}/{tenant}/oauth2/v2.0/token",
            urllib.parse.urlencode(form).encode(),
            {"accept": "application/json"},
        )
        answer = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        raise NoToken(f"{host} answered {error.code}{error_code(error)}") from None
    except urllib.error.URLError as error:
        raise NoToken(f"{host} cannot be asked: {error.reason}") from None
    except http.client.HTTPException as error:
        raise NoToken(f"{host} broke off: {type(error).__name__}") from None
    except ValueError:
        raise NoToken(f"{host} is not a URL that can be asked") from None
    try:
        with answer:
            found = json.load(answer)
        return str(found["access_token"]), float(found["expires_in"])
    except http.client.HTTPException as error:
        raise NoToken(f"{host} broke off: {type(error).__name__}") from None
    except (ValueError, KeyError, TypeError):
        raise NoToken(f"{host} answered 200 without a token") from None


def assertion() -> str:
    """The token that Kubernetes vouches with. It replaces the file about once an hour."""
    path = Path(variable("AZURE_FEDERATED_TOKEN_FILE"))
    try:
        return path.read_text().strip()
    except UnicodeDecodeError:
        raise NoToken(f"{path} holds no text") from None


def error_code(error: urllib.error.HTTPError) -> str:
    """OAuth's code of an error. Its description may quote what was sent."""
    try:
        code = json.load(error)["error"]
    except (http.client.HTTPException, OSError, ValueError, KeyError, TypeError):
        return ""
    known = isinstance(code, str) and re.fullmatch("[a-z0-9_]{1,64}", code)
    return f": {code}" if known else ""


def variable(name: str, otherwise: str | None = None) -> str:
    value = os.environ.get(name) or otherwise
    if value is None:
        raise NoToken(f"the variable {name} is not set")
    return value


def write(path: Path, name: str, value: str) -> None:
    """Puts a secret into a file in one step: Envoy never reads half of one."""
    secret = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": name,
        "generic_secret": {"secret": {"inline_string": value}},
    }
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", delete=False) as file:
        try:
            # JSON is YAML too.
            json.dump({"resources": [secret]}, file)
            file.flush()
            os.replace(file.name, path)
        except OSError:
            os.unlink(file.name)
            raise


if __name__ == "__main__":
    sys.exit(main())
