"""The services that give tokens: IMDS, App Service's endpoint, Entra ID. Each takes exactly what
Microsoft's clients send, and tells the test of anything else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from servers.incoming import Incoming, Reader
from servers.upstream import Upstream

AUDIENCE = "https://servicebus.azure.net"
# What Envoy adds to each callout; a service ignores it, as any server does.
ENVOYS_OWN = {"x-envoy-internal", "x-envoy-expected-rq-timeout-ms", "x-request-id"}


class TokenService(Upstream):
    """Gives tokens of one identity to whoever asks as `check` wants it."""

    def __init__(self, check: Callable[[Incoming], str | None], *, texts: bool) -> None:
        super().__init__(self._answer)
        self.identity = "gateway"
        self.secret = "secret-of-the-emulator"
        # Seconds that a token lives.
        self.life = 3600
        # Answers to give instead of a token, one each: status line, headers and body.
        self.failures: list[tuple[str, str]] = []
        self.failing: tuple[str, str] | None = None
        self.mistakes: list[str] = []
        self.granted = 0
        # What is wrong with a request, if anything.
        self.check = check
        # Nothing is answered before it is set.
        self.open = threading.Event()
        self.open.set()
        self._texts = texts
        self._count = threading.Lock()

    @property
    def rule(self) -> str:
        """The identity, as the emulator is told of it."""
        return f"{self.identity}={self.secret};rights=Send"

    def token(self) -> str:
        """A token that the emulator takes."""
        now = int(time.time())
        claims = {
            "aud": AUDIENCE,
            "oid": self.identity,
            "nbf": now - 5,
            "exp": now + self.life,
            "jti": self.granted,
        }
        signed = ".".join(_part(each) for each in ({"alg": "HS256", "typ": "JWT"}, claims))
        signature = hmac.new(self.secret.encode(), signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{_base64(signature)}"

    def _answer(self, connection: socket.socket, request: Incoming, reader: Reader) -> bool:
        if not reader.body(request):
            return False
        self.open.wait(60)
        with self._count:
            status, body = self._decide(request)
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
        return True

    def _decide(self, request: Incoming) -> tuple[str, str]:
        mistake = self.check(request)
        if mistake is not None:
            self.mistakes.append(mistake)
            return "400 Bad Request", json.dumps({"error": "invalid_request"})
        if self.failures:
            return self.failures.pop(0)
        if self.failing:
            return self.failing
        self.granted += 1
        now = int(time.time())
        answer: dict[str, object] = {"access_token": self.token(), "token_type": "Bearer"}
        if self._texts:
            answer |= {"expires_on": str(now + self.life), "resource": AUDIENCE}
        else:
            answer |= {"expires_in": self.life, "ext_expires_in": self.life}
        return "200 OK", json.dumps(answer)


def imds(selector: dict[str, str]) -> TokenService:
    """The instance metadata service, for an identity that is selected so."""

    def check(request: Incoming) -> str | None:
        url = urlsplit(request.target)
        wanted = {"api-version": "2018-02-01", "resource": AUDIENCE, **selector}
        return _first(
            _unequal("method", request.method, "GET"),
            _unequal("path", url.path, "/metadata/identity/oauth2/token"),
            _unequal("query", dict(parse_qsl(url.query, strict_parsing=True)), wanted),
            _unequal("metadata", request.header("metadata"), "true"),
            _unequal("x-forwarded-for", request.header("x-forwarded-for"), None),
            _others(request, {"metadata"}),
        )

    return TokenService(check, texts=True)


def app_service(selector: dict[str, str], header: str) -> TokenService:
    """The endpoint of App Service and Container Apps, with the header that opens it."""

    def check(request: Incoming) -> str | None:
        url = urlsplit(request.target)
        wanted = {"api-version": "2019-08-01", "resource": AUDIENCE, **selector}
        return _first(
            _unequal("method", request.method, "GET"),
            _unequal("path", url.path, "/msi/token"),
            _unequal("query", dict(parse_qsl(url.query, strict_parsing=True)), wanted),
            _unequal("x-identity-header", request.header("x-identity-header"), header),
            _others(request, {"x-identity-header"}),
        )

    return TokenService(check, texts=True)


def entra(
    tenant: str, client: str, secret: str, *, others: frozenset[str] = frozenset()
) -> TokenService:
    """Entra ID's token endpoint, for the client-credentials grant with a secret."""
    host = "login.microsoftonline.com"
    return _entra(tenant, client, {"client_secret": secret}, host, others)


def workload(tenant: str, client: str, assertion: str) -> TokenService:
    """Entra ID's token endpoint, for a workload that another issuer vouches for."""
    proof = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    own = frozenset({"user-agent", "accept-encoding", "connection"})
    return _entra(tenant, client, proof, None, own)


def _entra(
    tenant: str, client: str, proof: dict[str, str], host: str | None, others: frozenset[str]
) -> TokenService:
    def check(request: Incoming) -> str | None:
        wanted = {
            "grant_type": "client_credentials",
            "client_id": client,
            **proof,
            "scope": f"{AUDIENCE}/.default",
        }
        form = request.body.decode("ascii")
        return _first(
            _unequal("method", request.method, "POST"),
            _unequal("path", request.target, f"/{tenant}/oauth2/v2.0/token"),
            host and _unequal("host", request.header("host"), host),
            _unequal(
                "content-type",
                request.header("content-type"),
                "application/x-www-form-urlencoded",
            ),
            _unequal("form", dict(parse_qsl(form, strict_parsing=True)), wanted),
            _others(request, set(others)),
        )

    return TokenService(check, texts=False)


def _first(*mistakes: str | None) -> str | None:
    return next((mistake for mistake in mistakes if mistake is not None), None)


def _unequal(what: str, found: object, wanted: object) -> str | None:
    return None if found == wanted else f"{what}: {found!r} instead of {wanted!r}"


def _others(request: Incoming, own: set[str]) -> str | None:
    usual = {"host", "accept", "content-type", "content-length"}
    others = {name for name, _ in request.headers} - usual - own - ENVOYS_OWN
    return f"headers that nobody asked for: {others}" if others else None


def _part(value: dict) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
