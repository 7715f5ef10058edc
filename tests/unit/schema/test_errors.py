import pytest
from graphql import GraphQLError
from structlog.testing import capture_logs

from gateway.domain.errors import BadUserInput, Refused, Unclear
from gateway.schema.documents import DocumentFault, Documents
from gateway.schema.errors import body, code_of, failure, shown, too_complex
from tests.unit.schema.examples import LIMITS, SCHEMA, codes, desk_of

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


PLACE = """mutation($input: PlaceOrderInput!) {
  placeOrder(input: $input) { __typename ... on OrderRejected { code message } } }"""
LIMIT = {"price": "1", "quantity": "1"}
COMMAND = {
    "account": "demo",
    "clientOrderId": "a",
    "symbol": "BTCUSDT",
    "side": "BUY",
    "order": {"limit": LIMIT},
}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("given", "field"),
    [
        (None, "input"),
        ([], "input"),
        ({**COMMAND, "side": "UP"}, "side"),
        ({**COMMAND, "extra": 1}, "extra"),
        ({key: COMMAND[key] for key in COMMAND if key != "symbol"}, "symbol"),
        ({**COMMAND, "order": None}, "order"),
        ({**COMMAND, "order": {}}, "order"),
        ({**COMMAND, "order": {"limit": LIMIT, "market": {"quantity": "1"}}}, "order"),
        ({**COMMAND, "order": {"limit": None}}, "order.limit"),
        ({**COMMAND, "order": {"limit": {"price": "1"}}}, "order.limit.quantity"),
        ({**COMMAND, "order": {"limit": {**LIMIT, "price": 1}}}, "order.limit.price"),
        ({**COMMAND, "order": {"limit": {**LIMIT, "stop": "1"}}}, "order.limit.stop"),
        ({**COMMAND, "order": {"market": {"quantity": "NaN"}}}, "order.market.quantity"),
        ({**COMMAND, "order": {"stopLimit": {**LIMIT, "stopPrice": True}}},
         "order.stopLimit.stopPrice"),
        ({**COMMAND, "order": {"fast": {}}}, "order.fast"),
        ({**COMMAND, "order": {"fast": {"quoteTotal": "1", "quantity": "1"}}}, "order.fast"),
        ({**COMMAND, "order": {"fast": {"quoteTotal": "1E3"}}}, "order.fast.quoteTotal"),
    ],
    ids=range(17),
)  # fmt: skip
async def test_a_bad_value_in_a_variable_is_named_by_its_path(given: object, field: str) -> None:
    async with desk_of() as desk:
        response = await desk.run(PLACE, {"input": given})
        assert "place" not in desk.exchange.asked
    (error,) = response["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "retryable": False, "field": field}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("variables", "field"), [({}, "s"), ({"s": 1}, "s"), ({"s": ["A", 1]}, "s[1]")], ids=range(3)
)
async def test_a_bad_variable_is_named(variables: dict[str, object], field: str) -> None:
    async with desk_of() as desk:
        text = "query($s: [String!]!) { markets(symbols: $s) { symbol } }"
        (error,) = (await desk.run(text, variables))["errors"]
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", field)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ('{limit: {price: 1, quantity: "1"}}', "BAD_USER_INPUT"),
        ('{limit: {price: "1E2", quantity: "1"}}', "BAD_USER_INPUT"),
        ("{}", "GRAPHQL_VALIDATION_FAILED"),
        ("{limit: null}", "GRAPHQL_VALIDATION_FAILED"),
        ('{fast: {quoteTotal: "1", quantity: "1"}}', "GRAPHQL_VALIDATION_FAILED"),
    ],
    ids=range(5),
)
def test_a_bad_value_in_the_document_is_told_by_its_place(order: str, code: str) -> None:
    text = f"""mutation {{ placeOrder(input: {{
      account: "demo", clientOrderId: "a", symbol: "BTCUSDT", side: BUY, order: {order}
    }}) {{ __typename }} }}"""
    with pytest.raises(DocumentFault) as fault:
        Documents(SCHEMA, LIMITS, 1).operation(text, None)
    (error,) = body(fault.value.errors, TRACE)["errors"]
    assert error["extensions"]["code"] == code
    (location,) = error["locations"]
    assert location["line"] == 2


@pytest.mark.anyio
async def test_a_choice_left_open_by_a_variable_is_refused() -> None:
    text = """mutation($l: LimitSpecInput) { placeOrder(input: {
      account: "demo", clientOrderId: "a", symbol: "BTCUSDT", side: BUY, order: {limit: $l}
    }) { __typename } }"""
    async with desk_of() as desk:
        for variables in ({}, {"l": None}):
            response = await desk.run(text, variables)
            assert codes(response) == ["BAD_USER_INPUT"]
        assert "place" not in desk.exchange.asked


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
