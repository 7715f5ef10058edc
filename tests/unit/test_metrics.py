import re
from pathlib import Path

from prometheus_client import generate_latest

import gateway
from gateway.metrics import Metrics


def test_every_metric_has_a_help_text_and_the_gateway_s_prefix() -> None:
    for family in Metrics().registry.collect():
        assert family.name.startswith("gateway_")
        assert family.documentation
    assert b"gateway_graphql_seconds" in generate_latest(Metrics().registry)


def test_every_metric_is_set_or_counted_somewhere() -> None:
    declared = vars(Metrics()).keys() - {"registry"}
    code = "".join(path.read_text() for path in Path(gateway.__file__).parent.rglob("*.py"))
    used = set(re.findall(r"metrics\.(\w+)", code))
    assert declared - used == set()


def test_labels_are_of_closed_sets() -> None:
    """Each name of a label stands for one set, which no caller can add to."""
    names = {
        label
        for family in Metrics().registry._collector_to_names  # noqa: SLF001 - samples need counts
        for label in getattr(family, "_labelnames", ())
    }
    assert names == CLOSED


CLOSED = {
    "account",  # of keys and policy
    "action",  # of the policy's language
    "cause",  # of access.proving.Cause
    "code",  # of docs/errors.md, of the exchange, of the transport's failures
    "ending",  # of exchange.feed.Ending
    "endpoint",  # of the exchange's document
    "event",  # of domain.streams.FeedEvent
    "feed",  # public, account
    "field",  # of the schema's root types
    "kept",  # yes, no
    "kind",  # of domain.market.MarketKind
    "layer",  # of services.market_data
    "level",  # of the log
    "loop",  # of app.loops, app.duties
    "operation",  # query, mutation, subscription, none
    "outcome",  # of placements, cancels, and docs/errors.md
    "part",  # of /readyz
    "purpose",  # of custody's slots
    "reason",  # of store.market_cache.CacheFault and exchange.stream_wire.Malformed
    "script",  # of store.journal_writes
    "state",  # of domain.placements.PlacementState
    "topic",  # of domain.streams.TopicKind
}
