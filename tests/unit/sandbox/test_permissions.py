"""Every signed endpoint asks of a key just the one permission that docs/sandbox.md names."""

from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.sandbox import Account, KeyPair, Permission, SandboxConfig, serve
from gateway.sandbox.endpoints import PATH_PREFIX, SignedEndpoint
from gateway.sandbox.exchange import ENDPOINTS
from tests.unit.sandbox.clients import Trader

pytestmark = pytest.mark.anyio

# "Permissions: reads of the account need `read`, orders and cancels `trade`, "Create Withdraw"
# `withdraw`": the two of balances that are a POST and read all the same are in the first list.
NEEDED = {
    Permission.READ: (
        "GET balance/wallet",
        "POST balance/wallet",
        "GET balance/currencies",
        "POST balance/withdraw",
        "GET balance/withdraw-history",
        "POST balance/deposit",
        "GET balance/deposit-history",
        "GET market/user-orders",
        "GET market/user-trades",
    ),
    Permission.TRADE: (
        "POST market/limit-buy",
        "POST market/limit-sell",
        "POST market/market-buy",
        "POST market/market-sell",
        "POST market/stop-limit-buy",
        "POST market/stop-limit-sell",
        "POST market/fast-buy",
        "POST market/fast-sell",
        "POST market/cancel-order",
    ),
    Permission.WITHDRAW: ("POST balance/create-withdraw",),
}
CALLS = [(needed, call) for needed, calls in NEEDED.items() for call in calls]
KEYS = tuple(KeyPair(f"{each}-key", "secret", frozenset({each})) for each in Permission)


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a sandbox where one account has a key for each permission."""
    config = SandboxConfig(
        port=0, accounts=(Account("ann", KEYS, {}),), market_maker=False, history=False
    )
    async with (
        serve(config) as running,
        httpx.AsyncClient(base_url=running.url, trust_env=False) as client,
    ):
        yield client


def test_of_every_signed_endpoint_the_permission_is_known() -> None:
    signed = {key for key, each in ENDPOINTS.items() if isinstance(each, SignedEndpoint)}
    assert {f"{method} {path.removeprefix(PATH_PREFIX)}" for method, path in signed} == {
        call for _, call in CALLS
    }


@pytest.mark.parametrize("held", Permission)
@pytest.mark.parametrize(("needed", "call"), CALLS)
async def test_a_key_with_one_permission_does_what_needs_it_and_nothing_else(
    http: httpx.AsyncClient, needed: Permission, call: str, held: Permission
) -> None:
    reply = await Trader(http, f"{held}-key", "secret").call(*call.split(" "))
    # Parameters are read after permissions, and none are sent.
    assert reply["code"] in ({"00000", "20005"} if held is needed else {"20011"})
