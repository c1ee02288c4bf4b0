"""The order scenario's shipped configuration, changed only where it meets the tests' processes."""

from __future__ import annotations

import json

from configuration.gateway import SHIPPED, GatewayConfiguration, connect


class OrdersConfiguration(GatewayConfiguration):
    """`envoy/orders.yaml` as a document."""

    shipped = SHIPPED.with_name("orders.yaml")

    @property
    def tokens(self) -> dict:
        """The provider of tokens that Envoy trusts."""
        jwt_authn = next(each for each in self.http_filters if each["name"].endswith("jwt_authn"))
        return jwt_authn["typed_config"]["providers"]["entra"]

    def trust(self, keys: dict) -> OrdersConfiguration:
        """Lets in whoever has a token signed with one of these keys, a JWKS."""
        self.tokens["local_jwks"] = {"inline_string": json.dumps(keys)}
        return self

    def look_up_at(self, port: int) -> OrdersConfiguration:
        """Lets the cluster of the status store connect to this port."""
        store = next(each for each in self.clusters if each["name"] == "status-store")
        connect(store, port)
        return self
