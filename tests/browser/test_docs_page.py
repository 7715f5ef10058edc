"""What a person can do at `/docs`, in a real browser."""

import json
from collections.abc import Iterator

import pytest

from tests.browser.chromium import Page, open_page
from tests.functional.callers import Json
from tests.functional.conftest import running_service
from tests.functional.exchange import wall_clock_ms
from tests.functional.facade import WITH_VIRTUAL_KEYS, Anonymous, Bot, issue
from tests.functional.service import MARKET, READ, TRADE, Member, Service
from tests.processes import eventually

PEOPLE = (Member("bot", (MARKET, READ, TRADE)), Anonymous("anonymous", (MARKET,)))
EXECUTE = ".opblock.is-open button.execute"
SYMBOL = ".opblock.is-open tr[data-param-name='symbol'] input"
REPLY = ".live-responses-table .response-col_description .microlight"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway that anybody may ask for market data."""
    settings = WITH_VIRTUAL_KEYS
    with running_service(tmp_path_factory, people=PEOPLE, settings=settings) as running:
        yield running


@pytest.fixture
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser of its own."""
    with open_page(tmp_path_factory.mktemp("profile")) as page:
        yield page


def show(page: Page, service: Service, operation: str) -> None:
    page.visit(f"http://127.0.0.1:{service.port}/docs#/{operation}")


def authorize(page: Page, bot: Bot) -> None:
    """Give the page the key that names the pair."""
    page.click(".auth-wrapper button.authorize")
    page.type("#api_key_value", bot.pair.api_key)
    page.click(".auth-container button.authorize")
    page.click("button.btn-done")


def fill_in(page: Page, parameters: dict[str, str]) -> None:
    for name, value in parameters.items():
        page.type(f".opblock.is-open tr[data-property-name='{name}'] input", value)


def executed(page: Page) -> Json:
    """Execute, and give the reply."""
    page.click(EXECUTE)
    reply: Json = json.loads(page.text(REPLY))
    return reply


def test_a_public_get_is_executed_as_it_stands_there(service: Service, page: Page) -> None:
    show(page, service, "Market%20Endpoints/get-depth")
    # The page shows the button before it has taken over the example.
    assert eventually(lambda: page.values(SYMBOL) == ["BTCTRY"])
    assert executed(page) == {"code": "00000", "book": {"bids": [], "asks": []}}


def test_a_signed_post_that_is_filled_in_in_any_order_is_carried_out(
    service: Service, page: Page
) -> None:
    bot = issue(service, "bot")
    show(page, service, "Signed%20Market%20Endpoints/post-limit-buy")
    authorize(page, bot)
    terms = {"symbol": "XRPTRY", "price": "4", "amount": "100", "timestamp": str(wall_clock_ms())}
    signature = bot.sign("&".join(f"{name}={value}" for name, value in terms.items()))
    fill_in(page, {"signature": signature} | dict(reversed(terms.items())))
    reply = executed(page)
    assert reply["code"] == "00000", reply
    assert [str(row["amount"]) for row in service.exchange.orders("demo")] == ["100"]


def test_a_post_without_parameters_passes_with_timestamp_and_signature_alone(
    service: Service, page: Page
) -> None:
    bot = issue(service, "bot")
    show(page, service, "Signed%20Balance%20Endpoints/post-wallet")
    authorize(page, bot)
    timestamp = str(wall_clock_ms())
    fill_in(page, {"timestamp": timestamp, "signature": bot.sign(f"timestamp={timestamp}")})
    assert executed(page) == {"code": "00000"}


def test_nothing_is_filled_in_that_would_be_an_order(service: Service, page: Page) -> None:
    show(page, service, "Signed%20Market%20Endpoints/post-limit-buy")
    page.text(EXECUTE)
    assert page.values(".opblock.is-open input") == [""] * 6


def test_the_first_example_of_a_reply_is_success(service: Service, page: Page) -> None:
    show(page, service, "Signed%20Market%20Endpoints/post-limit-buy")
    shown = page.text(".opblock.is-open .responses-inner pre.example")
    assert json.loads(shown)["code"] == "00000"
