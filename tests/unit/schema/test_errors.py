import pytest
from graphql import GraphQLError
from structlog.testing import capture_logs

from gateway.domain.errors import BadUserInput, Refused, Unclear
from gateway.schema.errors import body, code_of, failure, shown, too_complex
from tests.unit.schema.examples import codes, desk_of

CANDLES_FROM = """query($t: Timestamp) {
  market(symbol: "BTCUSDT") { candles(interval: M1, from: $t) { asOf } }
}"""
TRACE = "0123456789abcdef0123456789abcdef"


def test_what_is_inside_is_masked_and_logged_once_with_its_trace_id() -> None:
    inner = LookupError("the secret of the house")
    with capture_logs() as lines:
        member = shown(GraphQLError(str(inner), original_error=inner, path=["market"]), TRACE)
    assert "house" not in str(member)
    assert member["path"] == ["market"]
    assert member["extensions"] == {"code": "INTERNAL", "retryable": True, "traceId": TRACE}
    assert [(line["event"], line["trace_id"], line["exc_info"]) for line in lines] == [
        ("graphql.internal", TRACE, inner)
    ]


def test_a_gateway_error_is_shown_with_its_own_extensions_however_deep_it_lies() -> None:
    error = BadUserInput("depth", "must be 1 to 100")
    wrapped = GraphQLError("outer", original_error=GraphQLError("inner", original_error=error))
    with capture_logs() as lines:
        member = shown(wrapped, TRACE)
    assert member["message"] == "depth: must be 1 to 100"
    assert member["extensions"] == {
        "code": "BAD_USER_INPUT",
        "retryable": False,
        "field": "depth",
    }
    assert lines == []


def test_the_exchange_s_own_code_is_shown() -> None:
    refused = Refused("limit-buy", "10036", "INSUFFICIENT", "not enough", "deposit", retry=False)
    extensions = failure(refused)["errors"][0]["extensions"]
    assert (extensions["exchangeCode"], extensions["reason"]) == ("10036", "INSUFFICIENT")
    unclear = failure(Unclear("limit-buy", "timeout"))["errors"][0]
    assert unclear["extensions"]["exchangeCode"] is None


def test_an_error_of_the_caller_keeps_its_code_or_is_bad_user_input() -> None:
    response = body([too_complex("too deep"), GraphQLError("no such value")], TRACE)
    assert codes(response) == ["TOO_COMPLEX", "BAD_USER_INPUT"]
    assert code_of(response) == "TOO_COMPLEX"
    assert code_of({"data": None}) == "OK"


@pytest.mark.anyio
async def test_a_defect_in_a_resolver_shows_nothing_of_itself() -> None:
    async with desk_of() as desk:
        desk.exchange.answers["book BTCUSDT"] = LookupError("the secret of the house")
        with capture_logs() as lines:
            response = await desk.run('{ market(symbol: "BTCUSDT") { symbol orderBook { asOf } } }')
    assert codes(response) == ["INTERNAL"]
    assert "house" not in str(response)
    assert [line["event"] for line in lines] == ["graphql.internal"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("text", "variables", "code"),
    [
        ('{ market(symbol: "NOPE") { symbol } }', None, "UNKNOWN_SYMBOL"),
        ('{ account(id: "nowhere") { id } }', None, "UNKNOWN_ACCOUNT"),
        ('{ market(symbol: "BTCUSDT") { orderBook(depth: 0) { asOf } } }', None, "BAD_USER_INPUT"),
        ("query($s: String!) { market(symbol: $s) { symbol } }", {"s": 1}, "BAD_USER_INPUT"),
        ("query($s: String!) { market(symbol: $s) { symbol } }", None, "BAD_USER_INPUT"),
        (
            CANDLES_FROM,
            {"t": "yesterday"},
            "BAD_USER_INPUT",
        ),
    ],
    ids=range(6),
)
async def test_bad_input_has_a_code_and_leaves_no_line_in_the_log(
    text: str, variables: dict[str, object] | None, code: str
) -> None:
    async with desk_of() as desk:
        with capture_logs() as lines:
            response = await desk.run(text, variables)
    assert codes(response) == [code]
    assert lines == []
