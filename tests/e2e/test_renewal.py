"""Tokens under load: renewed ahead, used while that fails, and gone in the end, in real Envoy."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable

import pytest

from clients.load import Load
from configuration.gateway import GatewayConfiguration
from configuration.identities import TWO
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy
from servers.token_service import TokenService
from servers.upstream import Upstream, answers

# Seconds. A token is renewed from 8.4 to 9.6 seconds on, and serves until 10.8: at least a second
# in which answers come with the old one.
LIFE = 12


@pytest.mark.parametrize("kind", TWO, indirect=True)
def test_tokens_are_renewed_under_load_and_nothing_is_lost(
    launch, fetching: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    # A fifth of it is time enough for a renewal on a machine that is busy.
    tokens.life = 8
    gateway: Envoy = launch(fetching)
    with Load(gateway) as load:
        gateway.wait_until(lambda: tokens.granted >= 3, "three tokens")
    for answer in load.answers:
        assert_accepted(answer)
    assert emulator.stored("raw").stored == len(load.answers)
    assert emulator.refused() == []


@pytest.mark.parametrize("kind", TWO, indirect=True)
def test_answers_go_on_while_the_one_question_for_the_next_token_waits(
    launch, fetching: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    tokens.life = LIFE
    gateway: Envoy = launch(fetching, concurrency=2)
    gateway.wait_until(lambda: tokens.granted, "first token")
    tokens.open.clear()
    with Load(gateway) as load:
        gateway.wait_until(lambda: len(tokens.requests) >= 2, "question for the second")
        reached = len(load.answers)
        gateway.wait_until(lambda: len(load.answers) > reached + 20, "answers with the first")
        assert (len(tokens.requests), tokens.granted) == (2, 1)
        tokens.open.set()
        gateway.wait_until(lambda: tokens.granted >= 2, "second token")
    for answer in load.answers:
        assert_accepted(answer)
    assert emulator.refused() == []


@pytest.mark.parametrize("kind", TWO, indirect=True)
def test_a_valid_token_is_used_while_its_renewal_fails(
    launch, fetching: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    tokens.life = LIFE
    gateway: Envoy = launch(fetching)
    gateway.wait_until(lambda: tokens.granted, "first token")
    tokens.failing = ("500 Internal Server Error", "{}")
    with Load(gateway) as load:
        gateway.wait_until(lambda: "answered 500" in gateway.log(), "renewal that fails")
        reached = len(load.answers)
        gateway.wait_until(lambda: len(load.answers) > reached + 20, "answers after it")
        assert tokens.granted == 1
        tokens.failing = None
        gateway.wait_until(lambda: tokens.granted >= 2, "second token")
    for answer in load.answers:
        assert_accepted(answer)


@pytest.mark.parametrize("kind", TWO, indirect=True)
def test_a_token_that_ends_while_its_renewal_fails_is_told_and_comes_back(
    launch, fetching: GatewayConfiguration, tokens: TokenService, emulator: Emulator
) -> None:
    tokens.life = LIFE
    gateway: Envoy = launch(fetching.merge_plugin({"delivery": {"timeout": "1s"}}))
    gateway.wait_until(lambda: tokens.granted, "first token")
    tokens.failing = ("500 Internal Server Error", "{}")
    with Load(gateway) as load:
        gateway.wait_until(lambda: load.answers[-1:] and load.answers[-1].status == 503, "503")
        tokens.failing = None
        gateway.wait_until(lambda: load.answers[-1].status == 202, "202 with another token")
    refused = [answer for answer in load.answers if answer.status != 202]
    for answer in refused:
        assert_refused(answer, "credentials_unavailable")
    assert emulator.stored("raw").stored == len(load.answers) - len(refused)
    # No token was sent that had ended.
    assert emulator.refused() == []


def test_signatures_are_renewed_ahead_and_one_at_a_time(
    launch, configure: Callable[[], GatewayConfiguration]
) -> None:
    key = base64.b64encode(b"k" * 32).decode()
    sas = {"key_name": "send", "key": {"inline": key}, "token_ttl": "5s"}
    accept = answers("201 Created")
    seen: list[int] = []
    stale: list[int] = []

    def note(connection, request, reader) -> bool:
        until = int(re.search(r"&se=(\d+)", request.header("authorization"))[1])
        seen.append(until)
        if until < time.time():
            stale.append(until)
        return accept(connection, request, reader)

    with Upstream(note) as broker:
        made = configure().send_to(broker.port).merge_plugin({"credentials": None})
        gateway: Envoy = launch(made.merge_plugin({"credentials": {"sas": sas}}), concurrency=1)
        with Load(gateway, clients=1) as load:
            gateway.wait_until(lambda: len(set(seen)) >= 3, "three signatures")
    for answer in load.answers:
        assert_accepted(answer)
    assert stale == []
    # Each serves for most of its life, and none comes back.
    assert seen == sorted(seen)
    first, second, third = sorted(set(seen))[:3]
    assert second - first >= 3
    assert third - second >= 3
