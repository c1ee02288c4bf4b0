"""The emulator's page in a real browser: what reached the queue, and what was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from clients import http1
from clients.service_bus import service_bus
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted, assert_refused
from processes.browser import Browser
from processes.emulator import Emulator
from processes.envoy import Envoy

ENTER = "\ue007"
MARKUP = '<img src=x onerror="document.title = 1"><script>document.title = 2</script>'


@pytest.fixture(scope="module")
def shared_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.stop()


@pytest.fixture
def browser(shared_browser: Browser, emulator: Emulator) -> Iterator[Browser]:
    """A browser that must have nothing to complain of: no error, no broken policy."""
    shared_browser.complaints()
    yield shared_browser
    assert shared_browser.complaints() == []


def look(browser: Browser, emulator: Emulator, place: str = "") -> None:
    browser.open(f"{emulator.url}/$emulator/#{place}")
    browser.wait_for("#connection", "live")


def at(entity: str, **more: str) -> str:
    words = {"namespace": "sbemulatorns", "entity": entity, **more}
    return "&".join(f"{name}={value}" for name, value in words.items())


def send(gateway: Envoy, path: str, key: str, body: bytes = b"x", **headers: str) -> None:
    """Sends a message, which must be taken."""
    fields = [("idempotency-key", key)]
    fields += [(name.replace("_", "-"), value) for name, value in headers.items()]
    assert_accepted(http1.request(gateway.port, "POST", path, fields, body), key=key)


def pairs(browser: Browser) -> dict[str, str]:
    """Names and values of the detail."""
    names, values = browser.texts("#detail dt"), browser.texts("#detail dd")
    return dict(zip(names, values, strict=True))


def test_a_message_sent_through_envoy_is_shown(
    browser: Browser, gateway: Envoy, emulator: Emulator
) -> None:
    send(gateway, "/orders", "order-17", b'{"item":"lamp"}')
    look(browser, emulator)
    browser.wait_for("nav li.queue", "orders\n1 active")
    browser.click("nav a[href$='entity=orders']")
    browser.wait_for("#rows td", "order-17")
    browser.click("#rows a")
    browser.wait_for("#detail-title", "Message")
    assert browser.text("#detail pre") == '{"item":"lamp"}'
    assert browser.texts("#detail td") == [
        *("source", "text", "gateway"),
        *("priority", "integer", "5"),
        *("express", "boolean", "false"),
    ]
    shown = pairs(browser)
    assert (shown["MessageId"], shown["Label"]) == ("order-17", "order")
    assert (shown["Kind"], shown["Key name"]) == (
        "SharedAccessSignature",
        "RootManageSharedAccessKey",
    )


def test_the_page_follows_without_a_reload(
    browser: Browser, gateway: Envoy, emulator: Emulator
) -> None:
    look(browser, emulator, at("raw"))
    browser.wait_for("#empty", "No messages.")
    browser.evaluate("window.stillHere = true")
    send(gateway, "/raw", "first")
    browser.wait_for("#rows td", "first")
    row = browser.evaluate("return (window.row = document.querySelector('#rows a')).href")
    browser.evaluate("window.row.focus()")
    send(gateway, "/raw", "second")
    browser.wait_for("#rows td", "second")
    # The reader's place in the table is kept.
    assert browser.evaluate("return document.activeElement.href") == row
    service_bus(emulator.port).receive_queue_message("raw", peek_lock=False, timeout=5)
    service_bus(emulator.port).receive_queue_message("raw", peek_lock=False, timeout=5)
    browser.wait_for("#empty", "No messages.")
    assert browser.evaluate("return window.stillHere") is True


def test_a_refused_send_tells_its_verdict(
    browser: Browser,
    launch: Callable[..., Envoy],
    configure: Callable[[], GatewayConfiguration],
    emulator: Emulator,
) -> None:
    gateway = launch(
        configure(),
        connection_string=(
            "Endpoint=sb://sbemulatorns.servicebus.windows.net/;"
            "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=not-the-key"
        ),
    )
    look(browser, emulator)
    browser.wait_for("#empty", "No requests yet.")
    assert_refused(http1.request(gateway.port, "POST", "/raw", body=b"x"), "broker_unauthorized")
    verdict = (
        "40103: Invalid authorization token signature, "
        "Resource:sb://sbemulatorns.servicebus.windows.net/raw."
    )
    browser.wait_for("#rows tr", f"POST /raw/messages\tauthorization: {verdict}")
    browser.click("#rows a")
    browser.wait_for("#detail-title", "Request")
    shown = pairs(browser)
    assert [shown[name] for name in ("Outcome", "Check", "Status", "Verdict")] == [
        "refused",
        "authorization",
        "401",
        verdict,
    ]
    assert "sig=" not in browser.text("body")


def test_a_dead_letter_is_shown_with_its_reason(
    browser: Browser, gateway: Envoy, emulator: Emulator
) -> None:
    send(gateway, "/raw", "unfit", b"cannot be worked on")
    receiver = service_bus(emulator.port)
    while (message := receiver.receive_queue_message("raw", peek_lock=True, timeout=0)).body:
        message.unlock()
    look(browser, emulator, at("raw"))
    browser.wait_for("#empty", "No messages.")
    browser.click("#dead-letter-part")
    browser.wait_for("#rows td", "MaxDeliveryCountExceeded")
    browser.click("#rows a")
    browser.wait_for("#detail h3", "Dead-lettered")
    assert pairs(browser)["Reason"] == "MaxDeliveryCountExceeded"
    assert browser.text("#detail pre") == "cannot be worked on"


def test_markup_from_a_sender_is_text(browser: Browser, gateway: Envoy, emulator: Emulator) -> None:
    send(gateway, "/typed", "<i>key</i>", MARKUP.encode(), x_tenant_id=MARKUP)
    look(browser, emulator, at("typed"))
    browser.wait_for("#rows td", "<i>key</i>")
    browser.click("#rows a")
    browser.wait_for("#detail-title", "Message")
    assert browser.text("#detail pre") == MARKUP
    properties = browser.texts("#detail td")
    assert properties[properties.index("x-tenant-id") :][:3] == ["x-tenant-id", "text", MARKUP]
    assert browser.evaluate("return document.querySelectorAll('img, i, body script').length") == 0
    assert browser.evaluate("return document.title") == "Service Bus emulator"


def test_it_is_used_with_the_keyboard_alone(
    browser: Browser, gateway: Envoy, emulator: Emulator
) -> None:
    send(gateway, "/raw", "by-keyboard")
    look(browser, emulator)
    focused = """const at = document.activeElement;
      return at === document.body ? "" : (at.closest("li, tr") ?? at).innerText"""

    def tab_to(text: str) -> None:
        for _ in range(30):
            if text in str(browser.evaluate(focused)):
                return
            browser.press("\ue004")
        raise AssertionError(f"Tab does not lead to {text!r}")

    tab_to("raw\n1 active")
    browser.press(ENTER)
    browser.wait_for("#rows td", "by-keyboard")
    tab_to("by-keyboard")
    browser.press(ENTER)
    browser.wait_for("#detail-title", "Message")
    assert "Message" in str(browser.evaluate(focused))
    tab_to("Close")
    browser.press(ENTER)
    browser.wait_for("#rows td", "by-keyboard")
    assert "by-keyboard" in str(browser.evaluate(focused))


def test_a_lost_emulator_is_told(browser: Browser, emulator: Emulator) -> None:
    look(browser, emulator)
    browser.evaluate("window.fetch = () => Promise.reject(new TypeError('no route'))")
    browser.wait_for("#connection", "no answer")
    assert browser.complaints() != []
