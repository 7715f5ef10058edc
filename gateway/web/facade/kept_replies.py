"""Replies on public data: kept as bytes for as long as they are exactly right."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlencode

from gateway.domain.market import Snapshot
from gateway.services.market_data import MarketView
from gateway.web.facade.answers import Answer, success
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.requests import Body

STALE = "x-gateway-stale"
AS_OF = "x-gateway-as-of"
"""When the oldest stale value of a reply was received from the exchange, in ms."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The members of a reply, and the snapshots of the values that it tells."""

    members: Body
    snapshots: tuple[Snapshot[Any], ...]


Show: TypeAlias = Callable[[MarketView], Awaitable[Shown]]


async def kept_reply(
    parts: FacadeParts, endpoint: str, asked: Mapping[str, str], show: Show
) -> Answer:
    """What `show` tells, or what it told before if that still holds.

    `asked` has the parameters that `show` goes by, and no others. A reply that tells a stale value
    says so in its headers: its body has no place for it.
    """
    # As no request of GraphQL is, whose answers may be kept beside these: no body that is taken
    # begins with a question mark, and no query string holds a line's end.
    request = f"?\n/v3/{endpoint}?{urlencode(asked)}".encode()
    kept = parts.kept.find(request)
    parts.metrics.answers.labels("no" if kept is None else "yes").inc()
    if kept is not None:
        return Answer(kept)
    # No client of the exchange knows that a value may be stale: it would poll the poll before.
    view = MarketView(parts.services.market_data, parts.services.now, patient=True)
    shown = await show(view)
    answer = success(shown.members, _staleness(shown.snapshots))
    parts.kept.keep(request, answer.body, view.used)
    return answer


def _staleness(snapshots: Iterable[Snapshot[Any]]) -> dict[str, str]:
    received = [snapshot.as_of for snapshot in snapshots if snapshot.stale]
    return {STALE: "true", AS_OF: str(min(received))} if received else {}
