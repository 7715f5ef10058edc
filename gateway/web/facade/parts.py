"""What the edges of the facade share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.access.identities import Identities
from gateway.metrics import Metrics
from gateway.schema.context import Services
from gateway.services.rates import Rates
from gateway.services.replay_guard import ReplayGuard
from gateway.services.virtual_keys import VirtualKeys
from gateway.tracing import Spans
from gateway.web.kept_answers import KeptAnswers
from gateway.web.under_way import UnderWay


@dataclass(frozen=True, slots=True)
class FacadeParts:
    """What every request and every connection works with.

    `server_ms` is the exchange's time in ms as far as it is known, else the machine's: timestamps
    of signed requests are held against it, and clients may ask for it.
    """

    services: Services
    identities: Identities
    virtual_keys: VirtualKeys
    replay_guard: ReplayGuard
    kept: KeptAnswers
    metrics: Metrics
    under_way: UnderWay
    rates: Rates
    server_ms: Callable[[], int]
    random_bytes: Callable[[int], bytes]
    spans: Spans = field(default_factory=Spans)
