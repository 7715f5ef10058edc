import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.access.policy import Policy
from gateway.access.principal import Principal, PrincipalKind
from gateway.web.graphql_http import GraphQLOverHttp
from gateway.web.kept_answers import KeptAnswers
from tests.unit.schema.examples import EVERYTHING, Desk, codes
from tests.unit.schema.examples import desk_of as schema_desk
from tests.unit.services.examples import BTC, policy, turns, until
from tests.unit.web.examples import LEFT, TOKEN, event_streams_of, parts_of, with_token

pytestmark = pytest.mark.anyio

TOP = '{ market(symbol: "BTCUSDT") { topOfBook { bid { price } } } }'
CANCEL = 'mutation { cancelOrder(input: {account: "demo", orderId: "a"}) { __typename } }'
RESPONSE = "application/graphql-response+json"


@dataclass
class House:
    desk: Desk
    client: httpx.AsyncClient

    async def post(self, query: str, **more: Any) -> httpx.Response:  # noqa: ANN401
        return await self.client.post("/graphql", json={"query": query, **more})

    async def trickle(
        self, query: str, meanwhile: Callable[[], Awaitable[object]]
    ) -> httpx.Response:
        """Post in two pieces, with something in between."""

        async def pieces() -> AsyncIterator[bytes]:
            yield b'{"query": '
            await meanwhile()
            yield json.dumps(query).encode() + b"}"

        headers = {"content-type": "application/json"}
        return await self.client.post("/graphql", content=pieces(), headers=headers)

    def kept(self) -> float:
        value = self.desk.metrics.registry.get_sample_value
        return value("gateway_answers_total", {"kept": "yes"}) or 0


@asynccontextmanager
async def house_of(
    granted: Policy = EVERYTHING, *, max_body: int = 10_000, max_requests: int = 10
) -> AsyncIterator[House]:
    async with schema_desk(with_token(granted)) as desk:
        parts = parts_of(desk, requests=max_requests)
        kept, streams = KeptAnswers(desk.market_data, 1_000_000), event_streams_of(parts)
        graphql = GraphQLOverHttp(parts, kept, streams, max_body=max_body)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(graphql),
            base_url="http://gateway",
            headers={"authorization": f"Bearer {TOKEN}"},
        ) as client:
            yield House(desk, client)


async def test_a_query_is_answered_by_post_and_by_get() -> None:
    async with house_of() as house:
        data = {"market": {"topOfBook": {"bid": {"price": "1"}}}}
        expected = {"data": data, "extensions": LEFT}
        posted = await house.post(TOP)
        got = await house.client.get("/graphql", params={"query": TOP, "variables": "{}"})
        assert (posted.status_code, posted.json()) == (200, expected)
        assert (got.status_code, got.json()) == (200, expected)
        assert len(posted.headers["x-trace-id"]) == 32
        assert posted.headers["cache-control"] == "no-store"


async def test_an_answer_on_public_data_is_kept_for_equal_bytes_until_it_changes() -> None:
    async with house_of() as house:
        first, second = await house.post(TOP), await house.post(TOP)
        assert first.content == second.content
        assert house.kept() == 1
        house.desk.clock.now += 1_000
        await house.post(TOP)
        assert house.kept() == 1


async def test_who_may_not_read_markets_gets_no_kept_answer() -> None:
    async with house_of() as house:
        await house.post(TOP)
        house.desk.policy = with_token(policy())
        assert codes((await house.post(TOP)).json()) == ["FORBIDDEN"]
        assert house.kept() == 0


async def test_an_answer_of_one_caller_alone_is_not_kept() -> None:
    async with house_of() as house:
        for _ in range(2):
            await house.post("{ viewer { principal } markets { symbol } }")
        assert house.kept() == 0


REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({"headers": {"authorization": ""}}, 401, "UNAUTHENTICATED"),
    ({"headers": {"authorization": "Bearer nobody"}}, 401, "UNAUTHENTICATED"),
    ({"headers": {"content-type": "text/plain"}, "content": "{}"}, 415, "BAD_USER_INPUT"),
    ({"content": "{}"}, 415, "BAD_USER_INPUT"),
    ({"json": {"query": "{ a }"}, "headers": {"accept": "text/html"}}, 406, "BAD_USER_INPUT"),
    ({"json": {"query": "a" * 20_000}}, 413, "BAD_USER_INPUT"),
    ({"json": []}, 400, "BAD_USER_INPUT"),
    ({"json": {"query": 7}}, 400, "BAD_USER_INPUT"),
    ({"json": {"query": "{ a }", "variables": []}}, 400, "BAD_USER_INPUT"),
    ({"json": {}}, 400, "BAD_USER_INPUT"),
    ({"headers": {"content-type": "application/json"}, "content": b"\xff"}, 400, "BAD_USER_INPUT"),
    (
        {"headers": {"content-type": "application/json"}, "content": b"[" * 9_000},
        400,
        "BAD_USER_INPUT",
    ),
    ({"json": {"query": "subscription { tickers { last } }"}}, 400, "BAD_USER_INPUT"),
]


@pytest.mark.parametrize(("sent", "status", "code"), REFUSALS, ids=range(len(REFUSALS)))
async def test_a_bad_request_is_refused_with_its_status_and_code_and_one_line_in_the_log(
    sent: dict[str, Any], status: int, code: str
) -> None:
    async with house_of() as house:
        with capture_logs() as lines:
            response = await house.client.post("/graphql", **sent)
        assert (response.status_code, codes(response.json())) == (status, [code])
        logged = [(each["event"], each["code"], each["trace_id"]) for each in lines]
        assert logged == [("request.failed", code, response.headers["x-trace-id"])]
        assert response.headers["content-type"].startswith("application/json")


GETS = [
    ({}, 400, "BAD_USER_INPUT"),
    ({"query": "{ __typename }", "variables": "7"}, 400, "BAD_USER_INPUT"),
    ({"query": CANCEL}, 405, "BAD_USER_INPUT"),
]


@pytest.mark.parametrize(("params", "status", "code"), GETS, ids=range(len(GETS)))
async def test_a_bad_get_is_refused(params: dict[str, str], status: int, code: str) -> None:
    async with house_of() as house:
        response = await house.client.get("/graphql", params=params)
        assert (response.status_code, codes(response.json())) == (status, [code])
        assert "cancel" not in house.desk.exchange.asked


@pytest.mark.parametrize(
    ("accept", "media_type", "status"),
    [
        (RESPONSE, RESPONSE, 400),
        (f"{RESPONSE}; charset=utf-8, application/json;q=0.9", RESPONSE, 400),
        ("application/json", "application/json", 200),
        ("*/*", "application/json", 200),
        ("text/event-stream, application/json", "application/json", 200),
    ],
)
async def test_the_media_type_is_the_caller_s_and_decides_the_status_of_a_bad_document(
    accept: str, media_type: str, status: int
) -> None:
    async with house_of() as house:
        response = await house.client.post(
            "/graphql", json={"query": "{ nothing }"}, headers={"accept": accept}
        )
        assert (response.status_code, response.headers["content-type"]) == (status, media_type)
        assert codes(response.json()) == ["GRAPHQL_VALIDATION_FAILED"]


@pytest.mark.parametrize(
    ("authorization", "cause", "message"),
    [
        (None, "no_token", "send a token that the gateway knows: 'Authorization: Bearer <token>'"),
        ("Bearer ngw_of-nobody", "unknown", "the token is unknown or has expired"),
        ("Bearer a.b.c", "claims", "the token is unknown or has expired"),
    ],
)
async def test_the_operator_learns_why_a_token_proves_nothing_and_its_bearer_does_not(
    authorization: str | None, cause: str, message: str
) -> None:
    async with house_of() as house:
        house.client.headers.pop("authorization")
        given = {} if authorization is None else {"authorization": authorization}
        with capture_logs() as lines:
            response = await house.client.post("/graphql", json={"query": TOP}, headers=given)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        assert response.json()["errors"][0]["message"] == message
        assert [line["cause"] for line in lines] == [cause]
        count = house.desk.metrics.registry.get_sample_value
        assert count("gateway_unauthenticated_total", {"cause": cause}) == 1


async def test_an_error_in_a_field_stands_beside_the_data() -> None:
    async with house_of() as house:
        response = await house.post('{ market(symbol: "NOPE") { symbol } viewer { principal } }')
        assert response.status_code == 200
        assert response.json()["data"] == {"market": None, "viewer": {"principal": "app"}}


async def test_one_principal_s_requests_under_way_are_bounded() -> None:
    async with house_of(max_requests=2) as house:
        await house.post("{ markets { symbol } }")
        house.desk.exchange.hold()
        under_way = [asyncio.create_task(house.post(TOP)) for _ in range(2)]
        await until(lambda: house.desk.exchange.waiting)
        await turns()
        third = await house.post("{ viewer { principal } }")
        assert (third.status_code, third.headers["retry-after"]) == (429, "1")
        assert codes(third.json()) == ["RATE_LIMITED"]
        house.desk.exchange.release()
        assert [each.status_code for each in await asyncio.gather(*under_way)] == [200, 200]
        assert (await house.post("{ viewer { principal } }")).status_code == 200


async def test_a_body_that_is_still_to_come_counts_as_a_request_under_way() -> None:
    async with house_of(max_requests=2) as house:
        come = asyncio.Event()
        slow = [asyncio.create_task(house.trickle(TOP, come.wait)) for _ in range(2)]
        await turns()
        assert codes((await house.post(TOP)).json()) == ["RATE_LIMITED"]
        come.set()
        assert [each.status_code for each in await asyncio.gather(*slow)] == [200, 200]
        assert (await house.post(TOP)).status_code == 200


async def test_a_token_that_is_withdrawn_while_the_body_comes_is_refused() -> None:
    async with house_of() as house:

        async def withdraw() -> None:
            house.desk.policy = policy()

        response = await house.trickle(CANCEL, withdraw)
        assert (response.status_code, codes(response.json())) == (401, ["UNAUTHENTICATED"])
        assert response.headers["www-authenticate"] == "Bearer"
        assert "ratelimit" not in response.headers
        assert "limits" not in response.text
        assert house.desk.metrics.registry.get_sample_value(
            "gateway_unauthenticated_total", {"cause": "unknown"}
        )
        assert "cancel" not in house.desk.exchange.asked


async def test_a_token_that_becomes_another_s_while_the_body_comes_is_refused() -> None:
    async with house_of() as house:

        async def hand_over() -> None:
            house.desk.policy = with_token(holder=Principal("other", PrincipalKind.APP))

        assert (await house.trickle(TOP, hand_over)).status_code == 401


async def test_a_defect_is_masked_and_its_trace_id_is_the_caller_s() -> None:
    async with house_of() as house:
        house.desk.exchange.answers[f"top {BTC}"] = LookupError("the secret of the house")
        trace = "0123456789abcdef0123456789abcdef"
        with capture_logs() as lines:
            response = await house.client.post(
                "/graphql",
                json={"query": TOP},
                headers={"traceparent": f"00-{trace}-0123456789abcdef-01"},
            )
        (error,) = response.json()["errors"]
        assert error["extensions"]["traceId"] == response.headers["x-trace-id"] == trace
        assert [line["event"] for line in lines] == ["graphql.internal", "request.failed"]
        assert [line["trace_id"] for line in lines] == [trace, trace]
        assert "house" not in response.text


async def test_a_mutation_goes_on_when_its_caller_is_gone() -> None:
    async with house_of() as house:
        house.desk.exchange.hold()
        asking = asyncio.create_task(house.post(CANCEL))
        await until(lambda: "cancel" in house.desk.exchange.asked)
        asking.cancel()
        await turns()
        assert house.desk.exchange.waiting == 1
        house.desk.exchange.release()
        await house.desk.services.cancels.aclose(20)
        value = house.desk.metrics.registry.get_sample_value
        assert value("gateway_cancels_total", {"outcome": "Cancelled"}) == 1


async def test_labels_of_the_metrics_hold_nothing_that_a_caller_chose() -> None:
    async with house_of() as house:
        await house.post("query Chosen { markets { symbol } }", operationName="Chosen")
        await house.post("{ chosen }", extensions={"chosen": json.dumps({})})
        labels = {
            value
            for family in house.desk.metrics.registry.collect()
            for sample in family.samples
            for value in sample.labels.values()
        }
        assert not [label for label in labels if "hosen" in label]
