"""Ways to get tokens from a token service, one of each kind that can be configured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from servers import token_service
from servers.token_service import TokenService

SECRET = "k4n4ry&=+% é~secret"
RESOURCE_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/u/i"


@dataclass(frozen=True)
class Kind:
    """A way to get tokens: the service, and the credentials that ask it."""

    service: Callable[[], TokenService]
    credentials: dict


def managed(source: str, **rest: object) -> dict:
    return {"managed_identity": {"cluster": "tokens", "source": source, **rest}}


KINDS = {
    "imds": Kind(lambda: token_service.imds({}), managed("imds")),
    "imds by client": Kind(
        lambda: token_service.imds({"client_id": "c"}), managed("imds", client_id="c")
    ),
    "imds by object": Kind(
        lambda: token_service.imds({"object_id": "o"}), managed("imds", object_id="o")
    ),
    "imds by resource": Kind(
        lambda: token_service.imds({"msi_res_id": RESOURCE_ID}),
        managed("imds", resource_id=RESOURCE_ID),
    ),
    "app service": Kind(
        lambda: token_service.app_service({"principal_id": "o"}, "header-secret"),
        managed("app_service", object_id="o", identity_header={"inline": "header-secret"}),
    ),
    "client secret": Kind(
        lambda: token_service.entra("tenant", "client", SECRET),
        {
            "client_secret": {
                "cluster": "tokens",
                "tenant_id": "tenant",
                "client_id": "client",
                "secret": {"inline": SECRET},
            }
        },
    ),
}
# One of each protocol, where the way to ask makes no difference.
FEW = ["imds", "app service", "client secret"]
# One of each form of answer: when a token ends as text, or in how many seconds.
TWO = ["imds", "client secret"]
