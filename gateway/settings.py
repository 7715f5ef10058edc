"""All settings, read once from the environment; every fault is reported at once.

Each setting is the field's name in capitals behind `NGW_`; a name with that prefix that is no
setting is a fault, so that a misspelt one cannot go unseen. An empty value counts as not set.
"""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_core import ErrorDetails

from gateway.domain.limits import Rate
from gateway.domain.market import MarketKind
from gateway.setting_values import (
    Count,
    Lifetime,
    LifetimeSetting,
    Origins,
    RateSetting,
    RedisAddress,
    RestAddress,
    Seconds,
    StreamAddress,
    encryption_key_faults,
    text_of,
)

PREFIX = "NGW_"


class SettingsFault(Exception):
    """The environment does not make a configuration; `problems` has a sentence for each fault."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        """One line for each fault."""
        return "\n".join(self.problems)


class Settings(BaseModel):
    """The whole configuration of one gateway process; frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on")
    allowed_origins: Origins = Field(
        (),
        description="Origins of web pages that may call (CORS and WebSocket), separated by commas",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe level that is logged"
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="json: a JSON object a line; console: for people"
    )
    otlp_endpoint: RestAddress | None = Field(
        None, description="Collector of spans (OTLP over HTTP), such as http://collector:4318"
    )
    trace_share: float = Field(
        1, ge=0, le=1, description="Share of requests whose spans are sent, where no caller decides"
    )
    start_wait_s: Seconds = Field(
        600,
        description="Seconds after the start in which /startupz asks for Redis and the exchange to "
        "have been reached once; then it waits no longer",
    )
    shutdown_grace_s: Seconds = Field(
        10, description="Seconds from SIGTERM to the end, most of them for what is under way"
    )

    policy_file: Path = Field(description="The policy: accounts, principals, token hashes, grants")
    policy_reload_s: Seconds = Field(
        0.5, description="Seconds between two looks at the policy file for a change"
    )
    policy_candidate_file: Path | None = Field(
        None,
        description="A policy to try out: what it would deny is recorded, and nothing denied by it",
    )
    jwks_refresh_s: Seconds = Field(
        300, description="Seconds between two readings of the keys of a policy's JWT issuers"
    )
    jwks_keep_s: int = Field(
        86_400,
        ge=60,
        le=31 * 86_400,
        description="Seconds that an issuer's keys hold while they cannot be read again",
    )
    switch_poll_s: Seconds = Field(
        0.25, description="Seconds between two looks at switches, suspensions and back-off in Redis"
    )
    principal_rate: RateSetting = Field(
        Rate(1000, 1),
        description="Requests of one principal at most, over all replicas; the policy may say less",
    )
    anonymous_rate: RateSetting = Field(
        Rate(20, 1),
        description="Requests without key or token at most, where the policy says no other rate",
    )
    account_rate: RateSetting = Field(
        Rate(100, 1),
        description="Signed calls for one account at most, over all replicas; the policy may say "
        "less",
    )
    market_rate: RateSetting = Field(
        Rate(200, 1), description="Reads of the exchange's markets at most, over all replicas"
    )
    cancel_share_percent: int = Field(
        20,
        ge=1,
        le=90,
        description="Share (percent) of those rates that only cancels may use",
    )

    audit_file: str = Field(
        "-",
        min_length=1,
        description="File that takes the audit log as lines of JSON; - is standard output",
    )
    audit_retention_days: int = Field(
        30, ge=1, le=3650, description="Days that the audit log in Redis goes back"
    )
    audit_entries: int = Field(
        5_000_000,
        ge=1,
        le=1_000_000_000,
        description="Entries of the audit log in Redis at most, some 500 bytes each",
    )
    audit_spool: Count = Field(
        10_000, description="Audit entries held in memory at most while they cannot be written"
    )
    audit_anchor_s: Seconds = Field(
        60, description="Seconds between two anchors of the audit log's head in the log"
    )

    credentials_dir: Path | None = Field(
        None,
        description="Folder with <account>/<purpose>/api-key and api-secret for each key; purpose "
        "is read, trade or withdraw. <account>/api-key and api-secret are for read and trade",
    )
    keys_file: Path | None = Field(
        None, description="Sealed file of the exchange's keys, made by 'narkasa-gateway keys'"
    )
    key_encryption_key_file: Path | None = Field(
        None, description="File with the key-encryption keys that open sealed file and virtual keys"
    )
    key_encryption_key: SecretStr | None = Field(None, description="The same, in place of a file")
    keys_reload_s: Seconds = Field(
        1, description="Seconds between two looks at the sources of keys for a change"
    )
    key_recheck_s: Seconds = Field(
        60, description="Seconds between two probes of a key that the exchange refuses"
    )
    credentials: SecretStr | None = Field(
        None,
        description='Credentials as JSON: {"<account>": {"api_key": "…", "api_secret": "…"}}',
    )

    cache_redis_url: RedisAddress = Field(
        description="Redis for market data; it may lose everything"
    )
    state_redis_url: RedisAddress = Field(
        description="Redis for the order journal; it must keep everything (noeviction, AOF)"
    )
    redis_timeout_s: Seconds = Field(1, description="Seconds that one Redis command may take")

    exchange_rest_url: RestAddress = Field(
        "https://api.narkasa.com", description="The exchange's REST address, without /v3/api"
    )
    exchange_ws_url: StreamAddress = Field(
        "wss://api.narkasa.com/v3", description="The exchange's WebSocket address"
    )
    exchange_post_form: Literal["query", "json"] = Field(
        "query", description="Where a signed POST carries its parameters"
    )
    exchange_connect_timeout_s: Seconds = Field(
        2, description="Seconds to connect to the exchange, or to wait for a free connection"
    )
    exchange_read_timeout_s: Seconds = Field(
        5, description="Seconds to wait for the exchange's next byte"
    )
    exchange_connections: Count = Field(32, description="Connections to the exchange at most")
    order_window_ms: int = Field(
        5000, ge=500, le=60_000, description="windowSize (ms) that is signed into each request"
    )
    clock_sync_s: Seconds = Field(
        30, description="Seconds between two readings of the exchange's clock"
    )
    feed_audit_s: Seconds = Field(
        15, description="Seconds between two LIST_SUBSCRIPTIONS on the exchange's stream"
    )
    feed_mute_s: Seconds = Field(
        10, description="Seconds without frame or reply after which a stream counts as mute"
    )
    feed_backoff_cap_s: Seconds = Field(
        30, description="Longest pause (seconds) between two attempts to connect the stream"
    )
    feed_linger_s: Seconds = Field(
        30, description="Seconds that a stream's topic stays subscribed after its last subscriber"
    )

    lifetime_listing: LifetimeSetting = Field(
        Lifetime(60_000, 86_400_000), description="Lifetime of the market list, soft/hard seconds"
    )
    lifetime_rules: LifetimeSetting = Field(
        Lifetime(300_000, 86_400_000), description="Lifetime of market rules"
    )
    lifetime_ticker: LifetimeSetting = Field(
        Lifetime(5_000, 60_000), description="Lifetime of a ticker"
    )
    lifetime_top_of_book: LifetimeSetting = Field(
        Lifetime(1_000, 30_000), description="Lifetime of a top of book"
    )
    lifetime_order_book: LifetimeSetting = Field(
        Lifetime(1_000, 30_000), description="Lifetime of an order book"
    )
    lifetime_candles: LifetimeSetting = Field(
        Lifetime(5_000, 300_000), description="Lifetime of a candle series"
    )
    lifetime_trades: LifetimeSetting = Field(
        Lifetime(2_000, 60_000), description="Lifetime of a trade history"
    )
    cache_rows: Count = Field(
        100_000,
        description="Rows of market data kept in process memory at most, each about a kilobyte: "
        "a value is one, and so is each of its candles, trades, levels or markets",
    )
    answer_bytes: int = Field(
        33_554_432, ge=0, description="Bytes of answers on public data kept in memory at most"
    )

    max_head_bytes: Count = Field(
        16_384, description="Size of a request's line and headers at most; a GET's query is in it"
    )
    head_timeout_s: Seconds = Field(
        10,
        description="Seconds that a connection has to send a request's line and headers, and as "
        "many again for its body",
    )
    max_body_bytes: Count = Field(65_536, description="Size of a request's body at most")
    max_query_depth: Count = Field(8, description="Depth of a GraphQL document at most")
    max_query_aliases: Count = Field(15, description="Aliases in a GraphQL document at most")
    max_query_fields: Count = Field(
        1000, description="Fields in a GraphQL document at most, fragments written out"
    )
    max_query_tokens: Count = Field(1000, description="Tokens in a GraphQL document at most")
    max_query_cost: Count = Field(
        25_000, description="Values that a GraphQL document may ask for at most, lists counted full"
    )
    document_entries: Count = Field(
        500, description="Parsed and validated documents kept in process memory at most"
    )
    connection_init_s: Seconds = Field(
        5, description="Seconds that a WebSocket has to send connection_init"
    )
    max_connections: Count = Field(
        2000, description="Open WebSockets at most, once authenticated, and as many event streams"
    )
    max_waiting_connections: Count = Field(
        500, description="Open WebSockets at most that have not sent their token yet"
    )
    max_connections_per_principal: Count = Field(
        1000, description="Open WebSockets of one principal at most, and as many event streams"
    )
    max_subscriptions_per_connection: Count = Field(
        100, description="Subscriptions on one WebSocket at most"
    )
    max_subscriptions_per_principal: Count = Field(
        10_000, description="Subscriptions of one principal at most, over all its connections"
    )
    stream_queue: Count = Field(
        1000, description="Events that may wait for a slow subscriber before its stream ends"
    )
    max_requests: Count = Field(
        500,
        description="GraphQL requests of one principal under way at most, over HTTP and WebSocket",
    )

    order_lease_s: Seconds = Field(
        10,
        description="Seconds after its window in which an order's sender records its outcome",
    )
    order_guard_s: Seconds = Field(
        5,
        description="Seconds after an order's window in which the exchange may still execute it",
    )
    resolve_spacing_s: Seconds = Field(
        1, description="Seconds between the two readings that show that nothing was placed"
    )
    resolve_within_s: Seconds = Field(
        30,
        description="Seconds after window and guard until an unknown outcome is IN_DOUBT",
    )
    late_watch_s: int = Field(
        3600,
        ge=1,
        le=7 * 86_400,
        description="Seconds in which an order that was found not to be placed may still show up",
    )
    account_lease_s: Seconds = Field(
        3,
        description="Seconds after which another replica takes over what one does for an account",
    )
    account_event_entries: Count = Field(
        100_000, description="Events of an account kept for those who resume, at most"
    )
    journal_accept_volatile: bool = Field(
        default=False,
        description="Take orders although the journal's Redis could lose their records",
    )
    journal_retention_days: int = Field(
        90, ge=1, le=3650, description="Days that an ended placement is kept"
    )
    journal_export_file: str = Field(
        "-",
        min_length=1,
        description="File that takes placements as lines of JSON before they are dropped; - is "
        "standard output",
    )
    journal_spool: Count = Field(
        1000, description="Order outcomes held in memory at most while the journal is away"
    )

    def lifetime(self, kind: MarketKind) -> Lifetime:
        """The lifetime of one kind of market data."""
        lifetime: Lifetime = getattr(self, f"lifetime_{kind.value}")
        return lifetime


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings out of `environ`; raise `SettingsFault` with every fault at once."""
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and value.strip()
    }
    problems: list[str] = []
    if not given.keys() & {"credentials", "credentials_dir", "keys_file"}:
        problems.append(
            f"{PREFIX}KEYS_FILE: not set. Name the sealed file of the exchange's keys, or a folder "
            f"of them with {PREFIX}CREDENTIALS_DIR, or give {PREFIX}CREDENTIALS."
        )
    problems += encryption_key_faults(PREFIX, given)
    try:
        settings = Settings.model_validate(given)
    except ValidationError as fault:
        problems += [_sentence(error) for error in fault.errors(include_input=False)]
    else:
        problems += _contradictions(settings)
        if not problems:
            return settings
    raise SettingsFault(tuple(problems))


def _contradictions(settings: Settings) -> Iterator[str]:
    """An order's outcome must be known, or be known not to come, before its lease lapses."""
    call = settings.exchange_connect_timeout_s + 2 * settings.exchange_read_timeout_s
    if settings.order_window_ms / 1000 + settings.order_lease_s <= call:
        yield (
            f"{PREFIX}ORDER_LEASE_S: together with {PREFIX}ORDER_WINDOW_MS it must be longer than "
            f"the longest call to the exchange, {call:g} s ({PREFIX}EXCHANGE_CONNECT_TIMEOUT_S and "
            f"twice {PREFIX}EXCHANGE_READ_TIMEOUT_S)"
        )


def _sentence(error: ErrorDetails) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    setting = f"{PREFIX}{name.upper()}"
    match error["type"]:
        case "missing":
            return f"{setting}: not set. {Settings.model_fields[name].description}."
        case "extra_forbidden":
            near = difflib.get_close_matches(name, Settings.model_fields, n=1)
            advice = f"; did you mean {PREFIX}{near[0].upper()}?" if near else ""
            return f"{setting}: there is no such setting{advice}"
        case _:
            return f"{setting}: {error['msg'].removeprefix('Value error, ')}"


def example() -> str:
    """The text of `.env.example`: every setting, what it means, and its default."""
    lines = ["# Every setting of the gateway. Those without a default must be set.", ""]
    for name, field in Settings.model_fields.items():
        default = "" if field.is_required() else text_of(field.default)
        commented = "" if field.is_required() else "# "
        lines += [f"# {field.description}", f"{commented}{PREFIX}{name.upper()}={default}", ""]
    return "\n".join(lines)
