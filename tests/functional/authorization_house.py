"""A gateway under the policy of the matrix, in which everybody once owned something."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from threading import Thread
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from gateway.cli.operations import operation
from tests.functional.authorization_fields import ASKS, NOWHERE, Ask, outcome_of
from tests.functional.authorization_people import (
    ACCOUNTS,
    BY_NAME,
    BYSTANDER,
    EVERYBODY,
    EVERYTHING,
    NEIGHBOUR,
    PEOPLE,
    Person,
    policy,
)
from tests.functional.callers import Caller, Json, Socket, open_socket
from tests.functional.conftest import running_service
from tests.functional.exchange import DEMO, VAULT, Trader
from tests.functional.ordering import accepted
from tests.functional.service import Service
from tests.oidc.keys import claims_of, rsa_key
from tests.oidc.provider import AUDIENCE, running_provider
from tests.processes import eventually

SYMBOL = "UNITRY"
"""The market of the orders that are there from the start; the matrix trades in others."""

NO_ORDER = "0" * 72
"""What could be an order's id and is none's."""

_KEY = rsa_key()
_EACH = 5
"""Own orders of each on each account: one for each test that cancels, and one that stays."""
_FAST = {
    "NGW_PRINCIPAL_RATE": "100000/s",
    "NGW_ACCOUNT_RATE": "100000/s",
    "NGW_MARKET_RATE": "100000/s",
}
_EVERYONE = (*PEOPLE, BYSTANDER, NEIGHBOUR)


@dataclass
class House:
    """The gateway, and what everybody owns in it: orders and a placement, by name and account.

    `unused`: those of the orders that were not given to any test yet.
    """

    service: Service
    issuer: str
    orders: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    unused: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    placements: dict[tuple[str, str], str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    def token(self, person: Person | None) -> str | None:
        """What somebody shows as proof."""
        if person is None:
            return None
        if not person.jwt:
            return person.token
        return _KEY.sign(claims_of(self.issuer, AUDIENCE, person.name))

    def caller(self, person: Person | None) -> Caller:
        """Somebody over HTTP."""
        return Caller(self.service.http, self.token(person))

    def broker(self, account: str) -> Trader:
        """The account's holder, past the gateway."""
        keys = {"demo": DEMO, "vault": VAULT}[account].keys[0]
        return Trader(self.service.exchange.http, keys)

    def fresh(self) -> str:
        """A client order id that nobody has used."""
        return f"matrix-{next(self.numbers)}"

    def own_order(self, person: Person | None, account: str) -> str:
        """An open order of one's own to cancel; of none there is, one that does not exist."""
        proven = person is not None and person.proves_itself
        owned = self.unused.get((person.name, account)) if person and proven else None
        return owned.pop() if owned else NO_ORDER

    def variables(self, person: Person | None, ask: Ask) -> dict[str, str]:
        """What an ask's document needs."""
        owner = person.name if person and person.in_policy else EVERYBODY
        given: dict[str, str] = {}
        if "$ownOrder" in ask.document:
            given["ownOrder"] = self.own_order(person, str(ask.account))
        if "$ownPlacement" in ask.document:
            given["ownPlacement"] = self.placements[owner, str(ask.account)]
        if "$fresh" in ask.document:
            given["fresh"] = self.fresh()
        return given

    def over_http(self, person: Person | None, ask: Ask) -> str:
        """The outcome of asking, right after one who may do everything asked the same."""
        variables = self.variables(person, ask)
        if ask.operation == "query":
            self.caller(BY_NAME[EVERYBODY]).post(ask.document, **variables)
        response = self.caller(person).post(ask.document, **variables)
        outcome = outcome_of(response.json(), ask)
        assert (response.status_code == 401) == (outcome == "UNAUTHENTICATED")
        return outcome

    def unheard(self, person: Person | None, ask: Ask) -> str:
        """The outcome of asking over a WebSocket without waiting to be acknowledged."""
        token = self.token(person)
        payload = {} if token is None else {"Authorization": f"Bearer {token}"}
        with open_socket(self.service.ws_url) as socket:
            socket.send(type="connection_init", payload=payload)
            with suppress(ConnectionClosed):  # it may be closed by now
                socket.subscribe(ask.document, **self.variables(person, ask))
            return {4403: "UNAUTHENTICATED"}.get(socket.closed() or 0, "closed otherwise")

    def enter(self, person: Person) -> None:
        """Let somebody place orders on each account."""
        for account in ACCOUNTS:
            placed = [self._order(person, account) for _ in range(_EACH)]
            self.orders[person.name, account] = [each["order"]["orderId"] for each in placed]
            self.unused[person.name, account] = self.orders[person.name, account][1:]
            self.placements[person.name, account] = placed[0]["placement"]["id"]

    def order_of_neighbour(self, account: str) -> str:
        """A fresh order of somebody else."""
        return str(self._order(NEIGHBOUR, account)["order"]["orderId"])

    def order_of_nobody(self, account: str) -> str:
        """A fresh order that came past the gateway."""
        return self.broker(account).limit("buy", SYMBOL, "200", "1")

    def standing(self, account: str) -> set[str]:
        """The ids of the open orders that are there from the start, as the exchange has them."""
        orders = self.broker(account).call("market/user-orders", "GET")["orders"]
        return {order["orderId"] for order in orders if order["market"] == SYMBOL}

    def _order(self, person: Person, account: str) -> Json:
        terms = {"account": account, "symbol": SYMBOL, "price": "200", "quantity": "1"}
        return accepted(self.caller(person), self.fresh(), **terms)

    def move_in(self) -> None:
        """Under a policy that allows everybody everything, let everybody own something."""
        open_handed = [
            replace(each, grants=EVERYTHING, denies=(), expires=None) for each in _EVERYONE
        ]
        self.service.write_policy_text(policy(tuple(open_handed), self.issuer, AUDIENCE))
        assert eventually(lambda: self._grants(NEIGHBOUR) == len(EVERYTHING))
        for person in open_handed:
            if person.in_policy:
                self.enter(person)
        self.service.exchange.trade("BTCTRY", "450000", "0.01")

    def lock(self) -> None:
        """Bring the policy of the matrix into force."""
        self.service.write_policy_text(policy(_EVERYONE, self.issuer, AUDIENCE))
        assert eventually(lambda: self._grants(BY_NAME["nothing"]) == 0)
        suspend = operation("suspend-principal")
        suspended = [each for each in PEOPLE if each.suspended]
        for person in suspended:
            caller = self.caller(BY_NAME[EVERYBODY])
            caller.answer(suspend, principal=person.name, reason="matrix")
        assert eventually(lambda: all(self._grants(each) is None for each in suspended))

    def _grants(self, person: Person) -> int | None:
        response = self.caller(person).post("{ viewer { grants { id } } }")
        return len(response.json()["data"]["viewer"]["grants"]) if response.is_success else None


class AskingSocket:
    """Asks one thing after another over one WebSocket."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._numbers = count(1)

    def outcome(self, ask: Ask, variables: dict[str, str]) -> str:
        """The outcome of asking; a stream is left after its first event."""
        stream = str(next(self._numbers))
        self._socket.subscribe(ask.document, stream, **variables)
        while (message := self._socket.receive())["id"] != stream:
            pass
        body: dict[str, Any] = message["payload"]
        if message["type"] == "error":
            body = {"errors": message["payload"]}
        elif ask.operation == "subscription":
            self._socket.send(type="complete", id=stream)
        return outcome_of(body, ask)


@contextmanager
def everything_followed(house: House) -> Iterator[None]:
    """Let one who may do everything follow each stream of the matrix meanwhile."""
    streams = [
        each for each in ASKS if each.operation == "subscription" and each.account != NOWHERE
    ]
    with open_socket(house.service.ws_url, house.token(BY_NAME[EVERYBODY])) as socket:
        for number, ask in enumerate(streams):
            socket.subscribe(ask.document, str(number))
            while socket.receive()["id"] != str(number):
                pass
        reader = Thread(target=_read_all, args=(socket,))
        reader.start()
        yield
    reader.join()


def _read_all(socket: Socket) -> None:
    """Read what nobody looks at, until the connection ends: unread, it would not end."""
    with suppress(ConnectionClosed):
        while True:
            socket.connection.recv()


@contextmanager
def running_house(folders: pytest.TempPathFactory) -> Iterator[House]:
    """Run the gateway of the matrix, beside an OpenID provider whose tokens it takes."""
    with (
        running_provider(_KEY) as provider,
        running_service(folders, people=(), settings=_FAST) as service,
    ):
        house = House(service, provider.issuer)
        house.move_in()
        house.lock()
        yield house
