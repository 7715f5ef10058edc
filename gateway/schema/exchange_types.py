"""The GraphQL types of the exchange's state."""

import strawberry

from gateway.domain.streams import FeedState as DomainFeedState
from gateway.schema.described import described
from gateway.schema.scalars import Timestamp
from gateway.services.exchange_status import Reachability


@strawberry.type(description="How the gateway's stream from the exchange is doing.")
class FeedState:
    """The public stream."""

    connected: bool = described("True while it is connected.")
    since: Timestamp | None = described("When it last connected or broke.")
    topics: int = described("How many topics the exchange confirmed.")
    last_message_at: Timestamp | None = described("When the last frame came.")

    @classmethod
    def of(cls, state: DomainFeedState) -> "FeedState":
        """Show the state of a feed."""
        since, last = state.since, state.last_message_at
        return cls(
            connected=state.connected,
            since=None if since is None else Timestamp(since),
            topics=state.topics,
            last_message_at=None if last is None else Timestamp(last),
        )


@strawberry.type(description="How the exchange is doing, as far as the gateway can tell.")
class Exchange:
    """The exchange's state."""

    reachable: bool = described("True when it answered just now.")
    server_time: Timestamp | None = described("Its clock.")
    clock_offset_ms: int | None = described("Its clock minus the gateway's, at the least.")
    feed: FeedState = described("Its stream.")

    @classmethod
    def of(cls, state: Reachability) -> "Exchange":
        """Show the exchange's state."""
        server_time = state.server_time
        return cls(
            reachable=state.reachable,
            server_time=None if server_time is None else Timestamp(server_time),
            clock_offset_ms=state.offset_ms,
            feed=FeedState.of(state.feed),
        )
