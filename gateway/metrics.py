"""Every number that the process tells of itself, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Every metric of the process. Labels come from closed sets only, never from a caller."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(namespace="gateway", registry=self.registry)
        self._of_exchange()
        self._of_feeds()
        self._of_subscribers()
        self._of_orders()
        self._of_resolution()
        self._of_governance()
        self._of_requests()
        self._of_process()

    def _of_process(self) -> None:
        self.problem = self._gauge("problem", "1 while /readyz tells a problem of the part", "part")
        self.log_lines = self._counter(
            "log_lines", "Lines of the log that are a warning or worse, by level", "level"
        )
        for level in ("warning", "error", "critical"):
            self.log_lines.labels(level)
        self.span_batches = self._counter(
            "span_batches", "Batches of spans, by what became of them", "outcome"
        )
        self.loop_failures = self._counter(
            "loop_failures", "Failures of what runs all the time; it begins again", "loop"
        )

    def _of_exchange(self) -> None:
        self.upstream_requests = self._counter(
            "upstream_requests",
            "Requests to the exchange, by endpoint and by its code or the transport's failure",
            "endpoint",
            "code",
        )
        self.upstream_seconds = self._histogram(
            "upstream_seconds", "Seconds until the exchange answered a request", "endpoint"
        )
        self.exchange_answers = self._gauge(
            "exchange_answers", "1 while the exchange's REST answers when it is asked for its time"
        )
        self.cache_reads = self._counter(
            "cache_reads",
            "Reads of market data, by kind and by the layer that answered",
            "kind",
            "layer",
        )
        self.cache_failures = self._counter(
            "cache_failures", "What the cache Redis did not do", "reason"
        )

    def _of_feeds(self) -> None:
        self.feed_malformed = self._counter(
            "feed_malformed", "Stream frames that were withheld", "feed", "reason"
        )
        self.feed_refusals = self._counter(
            "feed_refusals", "Topics that the exchange did not confirm", "feed", "topic"
        )
        self.feed_endings = self._counter(
            "feed_endings", "Ends of a stream's connection, by what ended it", "feed", "ending"
        )
        self.feed_handler_failures = self._counter(
            "feed_handler_failures", "Events of a stream that we failed to take", "feed", "event"
        )
        self.feed_login_refused = self._gauge(
            "feed_login_refused", "1 while the exchange refuses an account's stream", "account"
        )
        self.account_unread = self._gauge(
            "account_unread", "1 while an account is followed that cannot be read", "account"
        )
        self.feed_lag_seconds = self._histogram(
            "feed_lag_seconds", "Seconds from a public trade, by the exchange's clock, to its frame"
        )
        self.delivery_seconds = self._histogram(
            "delivery_seconds",
            "Seconds from a frame of the exchange to its event's hand-over to subscribers",
            "field",
        )
        self.feed_connected = self._gauge(
            "feed_connected", "1 while the stream of public data is connected", "feed"
        )
        self.account_connected = self._gauge(
            "account_connected", "1 while an account's stream is connected", "account"
        )

    def _of_subscribers(self) -> None:
        self.subscriptions = self._gauge("subscriptions", "Open GraphQL subscriptions", "field")
        self.subscription_groups = self._gauge(
            "subscription_groups", "Executions that the open subscriptions share"
        )
        self.sockets = self._gauge("sockets", "Open GraphQL WebSockets")
        self.event_streams = self._gauge("event_streams", "Open GraphQL event streams (SSE)")
        self.facade_sockets = self._gauge(
            "facade_sockets", "Open WebSockets in the exchange's own protocol"
        )
        self.facade_subscriptions = self._gauge(
            "facade_subscriptions", "Open subscriptions in the exchange's own protocol"
        )
        self.slow_streams = self._counter(
            "slow_streams", "Streams that ended because their reader was too slow"
        )

    def _of_orders(self) -> None:
        self.orders = self._counter(
            "orders", "Orders by state, or by the code that kept them from being sent", "outcome"
        )
        self.cancels = self._counter("cancels", "Cancels by outcome", "outcome")
        self.journal_seconds = self._histogram(
            "journal_seconds", "Seconds that the order journal's scripts take in Redis", "script"
        )
        self.journal_spooled = self._gauge(
            "journal_spooled", "Order outcomes that wait to be written to the journal"
        )
        self.journal_problem = self._gauge(
            "journal_problem", "1 while the order journal is away, or its Redis may lose records"
        )
        self.policy_refused = self._gauge(
            "policy_refused", "1 while the policy file is bad and an older one is in force"
        )

    def _of_resolution(self) -> None:
        self.placements_unresolved = self._gauge(
            "placements_unresolved",
            "Placements without an outcome on the accounts that this replica leads, by state",
            "state",
        )
        self.placements_oldest_seconds = self._gauge(
            "placements_oldest_seconds",
            "Seconds since the oldest of them was made, by state; 0 without any",
            "state",
        )
        self.placements_resolved = self._counter(
            "placements_resolved", "Unknown outcomes that became known, by what they are", "outcome"
        )
        self.resolution_seconds = Histogram(
            "gateway_resolution_seconds",
            "Seconds from an order's signature until its unknown outcome was known",
            registry=self.registry,
            buckets=(0.5, 1, 2, 5, 10, 15, 20, 30, 60, 300, 3600),
        )
        self.placements_late = self._counter(
            "placements_late", "Orders that showed up after they were found not to be placed"
        )
        self.accounts = self._gauge("accounts", "Accounts that this replica holds a key of")
        self.account_led = self._gauge(
            "account_led",
            "1 while this replica looks after an account's outcomes and events",
            "account",
        )
        self.accounts_quarantined = self._gauge(
            "accounts_quarantined", "Accounts that take no orders until they are reopened"
        )
        self.window_unenforced = self._gauge(
            "window_unenforced", "1 while the exchange is known to take expired requests"
        )
        self.dead_man_fired = self._counter(
            "dead_man_fired", "Dead-man switches that lapsed and had orders cancelled"
        )
        self.dead_man_under_way = self._gauge(
            "dead_man_under_way", "Lapsed dead-man switches whose orders are not all cancelled yet"
        )
        self.journal_export_problem = self._gauge(
            "journal_export_problem", "1 while ended placements cannot be exported, so none go"
        )

    def _of_governance(self) -> None:
        self.denials = self._counter(
            "denials",
            "What the policy denied, by action and by what was answered",
            "action",
            "code",
        )
        self.would_deny = self._counter(
            "would_deny", "What is allowed and the candidate policy would deny, by action", "action"
        )
        self.key_stopped = self._gauge(
            "key_stopped", "1 while the exchange refuses a key", "account", "purpose"
        )
        self.key_problem = self._gauge(
            "key_problem", "1 while a source of keys is bad, or a new key is not taken"
        )
        self.audit_problem = self._gauge(
            "audit_problem", "1 while a sink of the audit log takes no entries"
        )
        self.audit_pending = self._gauge(
            "audit_pending", "Audit entries that wait for the sink that lacks most"
        )
        self.audit_lost = self._counter("audit_lost", "Events that found no room in the audit log")
        self.switches_set = self._gauge("switches_set", "Switches that are not ACTIVE")
        self.principals_suspended = self._gauge("principals_suspended", "Suspended principals")
        self.rates_local = self._counter(
            "rates_local", "Permits that were counted by this replica alone, Redis being away"
        )
        self.exchange_backs_off = self._gauge(
            "exchange_backs_off", "1 while no calls are made, as the exchange refuses too many"
        )

    def _of_requests(self) -> None:
        self.graphql_requests = self._counter(
            "graphql_requests",
            "GraphQL requests, by kind, first field, and the code of the outcome",
            "operation",
            "field",
            "code",
        )
        self.unauthenticated = self._counter(
            "unauthenticated", "Attempts to authenticate that proved nothing, by cause", "cause"
        )
        self.issuer_problem = self._gauge(
            "issuer_problem", "1 while the keys of an issuer of JWTs cannot be read"
        )
        self.answers = self._counter(
            "answers", "Answers on public data, by whether they were kept ones", "kept"
        )
        self.graphql_seconds = self._histogram(
            "graphql_seconds",
            "Seconds to answer a GraphQL request, by kind and first field",
            "operation",
            "field",
        )
        self.facade_requests = self._counter(
            "facade_requests",
            "Requests in the exchange's own protocol, by endpoint and by the code of the reply",
            "endpoint",
            "code",
        )
        self.facade_seconds = self._histogram(
            "facade_seconds",
            "Seconds to answer a request in the exchange's own protocol",
            "endpoint",
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"gateway_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"gateway_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(
            f"gateway_{name}", text, labels, registry=self.registry, buckets=_LATENCIES
        )
