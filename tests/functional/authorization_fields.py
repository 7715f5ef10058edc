"""A row for each field that carries a right of its own: how it is asked, and what it takes."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graphql import (
    FieldDefinitionNode,
    ObjectTypeDefinitionNode,
    StringValueNode,
    parse,
)

_SDL = Path(__file__).parents[2] / "graphql" / "schema.graphql"
_TYPES = ("Query", "Mutation", "Subscription", "Account")

NOWHERE = "nowhere"
"""An account that the policy does not declare."""

PLACES = ("demo", "vault", NOWHERE)


@dataclass(frozen=True)
class Ask:
    """One way to ask for `field`.

    `action` is what it takes, None a known caller; `also` another one that it takes besides.

    `account`: the account that it concerns; `anywhere`: the action on some account is enough.
    `order`: the terms of the order. `done`: the type of a mutation's result that says that it was
    done. `variant` tells rows apart that differ in nothing else. The document's variables:
    $ownOrder and $ownPlacement of the account, and $fresh, a text that is new each time.
    """

    field: str
    document: str
    action: str | None = None
    also: str | None = None
    account: str | None = None
    anywhere: bool = False
    order: dict[str, str] | None = None
    done: str | None = None
    variant: str = ""

    @property
    def name(self) -> str:
        """Tells it from the other rows."""
        terms = " ".join((self.order or {}).values())
        words = f"{self.field} {self.account or ''} {terms} {self.variant}"
        return " ".join(words.split())

    @property
    def operation(self) -> str:
        """query, mutation or subscription."""
        return self.document.split()[0]


def declared_needs() -> dict[str, str | None]:
    """What the published schema says that each field takes: an action, or None, a known caller."""
    needs: dict[str, str | None] = {}
    for kind in parse(_SDL.read_text()).definitions:
        if isinstance(kind, ObjectTypeDefinitionNode) and kind.name.value in _TYPES:
            for field in kind.fields or ():
                needs[f"{kind.name.value}.{field.name.value}"] = _need(field)
    return needs


def _need(field: FieldDefinitionNode) -> str | None:
    (directive,) = field.directives or ()
    if directive.name.value == "authenticated":
        return None
    assert directive.name.value == "requires"
    (argument,) = directive.arguments or ()
    assert isinstance(argument.value, StringValueNode)
    return argument.value.value


def _public(name: str, rest: str, operation: str = "query") -> Ask:
    field = f"{operation.capitalize()}.{name}"
    return Ask(field, f"{operation} {{ {name}{rest} }}", "market:read")


def _account(name: str, rest: str = "", action: str | None = "account:read") -> tuple[Ask, ...]:
    return tuple(
        Ask(
            f"Account.{name}",
            f'query {{ account(id: "{account}") {{ {name}{rest} }} }}',
            action,
            account=account,
        )
        for account in PLACES
    )


def _stream(name: str, rest: str) -> tuple[Ask, ...]:
    return tuple(
        Ask(
            f"Subscription.{name}",
            f'subscription {{ {name}(account: "{account}") {rest} }}',
            "account:read",
            account=account,
        )
        for account in PLACES
    )


_RESULT = "{ __typename ... on Problem { code } }"


def _place(symbol: str, side: str, kind: str, spec: str) -> tuple[Ask, ...]:
    return tuple(
        Ask(
            "Mutation.placeOrder",
            f"""mutation ($fresh: String!) {{ placeOrder(input: {{
                account: "{account}", clientOrderId: $fresh, symbol: "{symbol}", side: {side},
                order: {spec}
            }}) {_RESULT} }}""",
            "orders:place",
            account=account,
            order={"symbol": symbol, "side": side, "type": kind},
            done="OrderAccepted",
        )
        for account in PLACES
    )


def _switch(scope: str, account: str | None = None) -> Ask:
    return Ask(
        "Mutation.setTradingState",
        f"""mutation {{ setTradingState(
            input: {{ {scope} state: ACTIVE, reason: "matrix" }}
        ) {_RESULT} }}""",
        "operate",
        account=account,
        done="TradingStateSet",
    )


def _person(name: str, done: str) -> Ask:
    return Ask(
        f"Mutation.{name}",
        f"""mutation {{ {name}(
            input: {{ principal: "bystander", reason: "matrix" }}
        ) {_RESULT} }}""",
        "operate",
        done=done,
    )


def _cancel(name: str, arguments: str, done: str) -> tuple[Ask, ...]:
    return tuple(
        Ask(
            f"Mutation.{name}",
            f"mutation {{ {name}({arguments.format(account)}) {_RESULT} }}",
            "orders:cancel",
            account=account,
            done=done,
        )
        for account in PLACES
    )


_AUDIT = Ask("Query.auditLog", "query { auditLog(first: 1) { edges { cursor } } }", "audit:read")
_BTC = '(symbol: "BTCTRY")'

ASKS = (
    _public("exchange", " { reachable }"),
    _public("markets", " { symbol }"),
    _public("market", f"{_BTC} {{ ticker {{ last }} }}"),
    _public("tickers", '(symbols: ["BTCTRY"]) { last }', "subscription"),
    _public("topOfBook", f"{_BTC} {{ bid {{ price }} }}", "subscription"),
    _public("orderBook", f"{_BTC} {{ bids {{ price }} }}", "subscription"),
    _public("candles", '(symbol: "BTCTRY", interval: M1) { symbol }', "subscription"),
    _public("trades", f"{_BTC} {{ __typename }}", "subscription"),
    Ask("Query.accounts", "query { accounts { id } }"),
    Ask("Query.viewer", "query { viewer { principal } }"),
    *(
        Ask("Query.account", f'query {{ account(id: "{each}") {{ __typename }} }}', account=each)
        for each in PLACES
    ),
    *(
        Ask(
            "Query.placements",
            f'query {{ placements(account: "{each}") {{ edges {{ cursor }} }} }}',
            account=each,
        )
        for each in PLACES
    ),
    *(
        Ask(
            "Query.placement",
            "query ($ownPlacement: ID!) { placement(id: $ownPlacement) { id } }",
            account=each,
        )
        for each in PLACES[:2]
    ),
    replace(_AUDIT, anywhere=True),
    *(
        replace(
            _AUDIT,
            document=f'query {{ auditLog(first: 1, account: "{each}") {{ edges {{ cursor }} }} }}',
            account=each,
        )
        for each in PLACES
    ),
    Ask("Query.tradingSwitches", "query { tradingSwitches { state } }", "operate", anywhere=True),
    Ask("Query.quarantines", "query { quarantines { account } }", "operate", anywhere=True),
    Ask("Query.suspensions", "query { suspensions { principal } }", "operate"),
    _switch(""),
    *(_switch(f'account: "{each}",', each) for each in PLACES),
    replace(_switch('principal: "bystander",'), variant="principal"),
    _person("suspendPrincipal", "PrincipalSuspended"),
    _person("restorePrincipal", "PrincipalRestored"),
    *_place("BTCTRY", "BUY", "LIMIT", '{limit: {price: "300000", quantity: "0.001"}}'),
    *_place("BTCTRY", "SELL", "LIMIT", '{limit: {price: "600000", quantity: "0.001"}}'),
    *_place("ETHTRY", "BUY", "LIMIT", '{limit: {price: "10000", quantity: "0.1"}}'),
    *_place(
        "BTCTRY",
        "BUY",
        "STOP_LIMIT",
        '{stopLimit: {stopPrice: "500000", price: "500000", quantity: "0.001"}}',
    ),
    *(
        Ask(
            "Mutation.cancelOrder",
            f"""mutation ($ownOrder: ID!) {{ cancelOrder(
                input: {{ account: "{each}", orderId: $ownOrder }}
            ) {_RESULT} }}""",
            "orders:cancel",
            account=each,
            done="OrderCancelled",
        )
        for each in PLACES
    ),
    *(
        # One's own are for the other rows.
        replace(each, also="orders:read-all")
        for each in _cancel(
            "cancelAllOrders",
            'input: {{ account: "{}", principal: "bystander" }}',
            "OrdersCancelled",
        )
    ),
    *_cancel("armDeadManSwitch", 'input: {{ account: "{}", seconds: 3600 }}', "DeadManSwitch"),
    *_cancel("disarmDeadManSwitch", 'account: "{}"', "DeadManSwitchDisarmed"),
    *(
        Ask(
            "Query.unresolvedPlacements",
            f'query {{ unresolvedPlacements(account: "{each}") {{ id }} }}',
            "operate",
            account=each,
        )
        for each in PLACES
    ),
    *(
        Ask(
            "Mutation.resolvePlacement",
            # It was placed, and is known to be: saying so changes nothing.
            f"""mutation ($ownPlacement: ID!) {{ resolvePlacement(
                input: {{ id: $ownPlacement, outcome: PLACED, reason: "matrix" }}
            ) {_RESULT} }}""",
            "operate",
            account=each,
            done="PlacementResolved",
        )
        for each in PLACES[:2]
    ),
    *(
        Ask(
            "Mutation.reopenAccount",
            f"""mutation {{ reopenAccount(
                input: {{ account: "{each}", reason: "matrix" }}
            ) {_RESULT} }}""",
            "operate",
            account=each,
            done="AccountReopened",
        )
        for each in PLACES
    ),
    *_stream("balances", "{ __typename }"),
    *_stream("orders", "{ __typename }"),
    *(
        Ask(
            "Subscription.accountEvents",
            f'subscription {{ accountEvents(account: "{each}", after: "0") {{ sequence }} }}',
            "orders:read-all",
            also="account:read",
            account=each,
        )
        for each in PLACES
    ),
    *_account("id", action=None),
    *_account("balances", " { asset }"),
    *_account("openOrders", " { orderId }"),
    *_account("fills", " { price }"),
    *_account("currencies", " { asset }"),
    *_account("depositOptions", '(asset: "TRY") { asset }'),
    *_account("withdrawalOptions", '(asset: "TRY") { asset }'),
    *_account("deposits", " { id }"),
    *_account("withdrawals", " { id }"),
    *_account("tradingState"),
    *_account("quarantine"),
    *_account("deadManSwitch", " { expiresAt }"),
)


def outcome_of(body: dict[str, Any], ask: Ask) -> str:
    """The outcome that an answer tells: OK, the code of its only error, or what else it said."""
    if "errors" in body:
        (error,) = body["errors"]
        return str(error["extensions"]["code"])
    (value,) = body["data"].values()
    if ask.done is None:
        return "NULL" if value is None else "OK"
    return "OK" if value["__typename"] == ask.done else str(value.get("code", value))
