"""What `dev` prints when everything runs: what is where, and commands that work when pasted."""

import json
import shlex
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Any

from gateway.cli.dev.ports import Ports
from gateway.cli.dev.workspace import ACCOUNT, APP, FUNDS, OPERATOR, Workspace

SYMBOL = "BTCUSDT"
_QUANTITY = "0.001"
_PRICE_MARGIN = Decimal("1.1")


@dataclass(frozen=True, slots=True)
class Running:
    """What the text speaks of. `program` runs the command line from the folder of `.dev`."""

    ports: Ports
    workspace: Workspace
    redis_socket: Path
    program: str
    token: str = field(repr=False)


def sure_price(market: dict[str, Any]) -> Decimal:
    """A limit price at which a buy fills at once, also in an hour: a tenth above the best ask.

    `market` is the answer's `market`. It fills at the price of the asks that it meets.
    """
    ticker = market["ticker"]
    asked = Decimal(ticker["ask"] or ticker["last"])
    step = Decimal(1).scaleb(-market["rules"]["pricePrecision"])
    return (asked * _PRICE_MARGIN).quantize(step, ROUND_UP)


def welcome(running: Running, price: Decimal, seconds: float) -> str:
    """The whole text; `price` is that of the order, `seconds` how long the start took."""
    ports, workspace = running.ports, running.workspace
    funds = ", ".join(f"{quantity} {asset}" for asset, quantity in FUNDS.items())
    return f"""
Ready in {seconds:.1f} s. The exchange is simulated: no real money moves. Keys, token and data are
new at each start. The order journal is volatile: no order waits until its record is on disk, so
Valkey may lose the last second's in a crash, and an order sent then could be sent twice. A gateway
in earnest waits, and refuses orders where that does not help.

  gateway   {ports.gateway_url}/graphql
  exchange  {ports.sandbox_url}, {ports.sandbox_stream_url} (simulated)
  Valkey    {running.redis_socket}
  logs      {workspace.logs}
  account   {ACCOUNT}: {funds}
  token     {running.token} (app {APP}; in {workspace.env_file} too)
  pair      VIRTUAL_API_KEY and VIRTUAL_API_SECRET in that file, for clients of the exchange's own
            protocol: they take {ports.gateway_url} for the exchange (docs/virtual-keys.md)
  operator  {OPERATOR} may switch trading off and read the audit log: OPERATOR_TOKEN in that file

Paste into another terminal, for a price:

{_query(running)}

To follow your orders (Ctrl-C ends it):

{_subscription(running)}

Into a third terminal, for an order that fills at once:

{_order(running, price)}

The same gateway in the exchange's own protocol, unsigned and signed:

{_unsigned(running)}

{_signed(running)}

Ctrl-C stops everything."""


def _query(running: Running) -> str:
    fields = "ticker { last bid ask asOf stale }"
    return _curl(running, {"query": f'{{ market(symbol: "{SYMBOL}") {{ {fields} }} }}'})


def _order(running: Running, price: Decimal) -> str:
    query = (
        "mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { __typename "
        "... on OrderAccepted { order { orderId status } } "
        "... on OrderRejected { code message } "
        "... on OrderPending { placement { id resolveBy } } } }"
    )
    command = {
        "account": ACCOUNT,
        "clientOrderId": "CLIENT-ORDER-ID",
        "symbol": SYMBOL,
        "side": "BUY",
        "order": {"limit": {"price": str(price), "quantity": _QUANTITY}},
    }
    pasted = _curl(running, {"query": query, "variables": {"input": command}})
    # A new id each second: the same one again would replay the first order's outcome.
    return pasted.replace("CLIENT-ORDER-ID", """try-'"$(date +%s)"'""")


def _curl(running: Running, body: dict[str, object]) -> str:
    # The body has no single quote in it, so it may stand between two.
    return f"""{_enter(running)} && . .dev/env && curl -sS "$GATEWAY_URL/graphql" \\
  -H "Authorization: Bearer $GATEWAY_TOKEN" -H 'Content-Type: application/json' \\
  -d '{json.dumps(body)}'; echo"""


def _unsigned(running: Running) -> str:
    path = f"/v3/api/market/orderbook?symbol={SYMBOL}"
    return f"""{_enter(running)} && . .dev/env && curl -sS "$GATEWAY_URL{path}"; echo"""


def _signed(running: Running) -> str:
    # A whole second may be almost a second old: the window is five.
    return f"""{_enter(running)} && . .dev/env && query="timestamp=$(date +%s)000" && \\
  signature=$(printf %s "$query" | openssl dgst -sha256 -hmac "$VIRTUAL_API_SECRET" -r) && \\
  curl -sS -H "X-APNK-APIKEY: $VIRTUAL_API_KEY" \\
  "$GATEWAY_URL/v3/api/balance/wallet?$query&signature=${{signature%% *}}"; echo"""


def _subscription(running: Running) -> str:
    return f"{_enter(running)} && {running.program} watch orders {ACCOUNT}"


def _enter(running: Running) -> str:
    return f"cd {shlex.quote(str(running.workspace.folder.parent))}"
