"""A stand-in for Entra: signs tokens with a key of its own."""

from __future__ import annotations

import base64
import json
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

# Those of envoy/orders.yaml.
ISSUER = "https://login.microsoftonline.com/tenant/v2.0"
AUDIENCE = "api://my-api"

LIFE_SECONDS = 3600


class Issuer:
    """Signs tokens; `keys` tells others how to verify them."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def keys(self) -> dict:
        """The public key, as a JWKS."""
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "key-1"}
        return {"keys": [key | {"n": _number(numbers.n), "e": _number(numbers.e)}]}

    def token(self, sub: str | None, **changes: object) -> str:
        """A token for `sub`; claims are changed, or left out where they are None."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": sub,
            "exp": int(time.time()) + LIFE_SECONDS,
        }
        kept = {name: value for name, value in (claims | changes).items() if value is not None}
        signed = f"{_json({'alg': 'RS256', 'kid': 'key-1'})}.{_json(kept)}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_text(signature)}"


def unsigned(token: str) -> str:
    """The same claims in a token that says it needs no signature."""
    return f"{_json({'alg': 'none'})}.{token.split('.')[1]}."


def bearer(token: str) -> tuple[str, str]:
    """The header that shows a token."""
    return ("authorization", f"Bearer {token}")


def _json(value: dict) -> str:
    return _text(json.dumps(value).encode())


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
