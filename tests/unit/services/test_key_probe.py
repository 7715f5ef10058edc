"""What is asked of the exchange about a key, over a real socket, and what its answers mean."""

import pytest

from gateway.domain.signing import Purpose
from gateway.services.key_probe import KeyRefused, NotProbed, probe
from tests.unit.exchange.calling import bench, code, sign
from tests.unit.exchange.peer import Answer, close, reply

pytestmark = pytest.mark.anyio

OK = code("00000")
NO_ORDER = code("10075")
REFUSALS = ["20000", "20001", "20002", "20011"]


async def asked(purpose: Purpose, *answers: Answer) -> list[str]:
    """Probe, and give what was asked of the exchange."""
    async with bench(*answers) as it:
        await probe(it.client, purpose, sign)
        return [request.split(b"?")[0].decode() for request in it.peer.requests]


@pytest.mark.parametrize("purpose", [Purpose.READ, Purpose.WITHDRAW])
async def test_a_key_that_passes_the_authentication_test_is_taken(purpose: Purpose) -> None:
    assert await asked(purpose, OK) == ["POST /v3/api/balance/wallet"]


async def test_a_trade_key_is_tried_on_an_order_that_cannot_be_there() -> None:
    assert await asked(Purpose.TRADE, OK, NO_ORDER) == [
        "POST /v3/api/balance/wallet",
        "POST /v3/api/market/cancel-order",
    ]


@pytest.mark.parametrize("value", ["00000", "10010", "90000", "90001", "12345"])
async def test_any_answer_but_a_refusal_of_the_key_shows_that_it_may_trade(value: str) -> None:
    await asked(Purpose.TRADE, OK, code(value))


@pytest.mark.parametrize("value", REFUSALS)
@pytest.mark.parametrize("purpose", Purpose)
async def test_a_key_that_fails_the_authentication_test_is_refused(
    purpose: Purpose, value: str
) -> None:
    with pytest.raises(KeyRefused) as refused:
        await asked(purpose, code(value))
    assert refused.value.code == value


@pytest.mark.parametrize("value", REFUSALS)
async def test_a_trade_key_that_may_not_cancel_is_refused(value: str) -> None:
    with pytest.raises(KeyRefused) as refused:
        await asked(Purpose.TRADE, OK, code(value))
    assert refused.value.code == value


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([close], id="no answer"),
        pytest.param([reply("<html>", status="502 No")], id="HTML"),
        pytest.param([OK, close], id="no answer to the cancel"),
        pytest.param([code("90000")], id="a fault of the exchange"),
        pytest.param([OK, reply("", status="429 No")], id="too many"),
    ],
)
async def test_an_exchange_that_gives_no_verdict_has_not_been_asked(answers: list[Answer]) -> None:
    with pytest.raises(NotProbed, match="no usable answer"):
        await asked(Purpose.TRADE, *answers)


async def test_a_key_whose_request_came_too_late_is_not_refused() -> None:
    with pytest.raises(NotProbed, match="Timestamp"):
        await asked(Purpose.READ, code("20004"))
