"""The kinds of values that settings have, and how each is read from its text."""

from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from gateway.domain.limits import Rate

_REDIS_SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel", "unix")
_LONGEST_LIFETIME_MS = 31 * 86_400_000


class Lifetime(NamedTuple):
    """How long (ms) a value from the exchange counts as fresh, and how long it is shown at all."""

    soft_ms: int
    hard_ms: int


def _lifetime(text: object) -> object:
    if not isinstance(text, str):
        return text
    soft, slash, hard = text.partition("/")
    try:
        lifetime = Lifetime(int(float(soft) * 1000), int(float(hard) * 1000))
    except (ValueError, OverflowError):
        slash = ""
        lifetime = Lifetime(0, 0)
    if not slash or not 0 < lifetime.soft_ms <= lifetime.hard_ms <= _LONGEST_LIFETIME_MS:
        message = (
            "expected seconds as 'soft/hard', soft no longer than hard, such as '5/60', "
            "and at most 31 days"
        )
        raise ValueError(message)
    return lifetime


def _rate(text: object) -> object:
    return Rate.parse(text) if isinstance(text, str) else text


def _comma_list(text: object) -> object:
    if not isinstance(text, str):
        return text
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _address(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        parts = urlsplit(value)
        # Reading `port` raises ValueError with a sentence when it is no port.
        bare = parts.port != 0 and "@" not in parts.netloc and not parts.query
        if parts.scheme not in schemes or not parts.hostname or not bare:
            message = f"expected an address such as '{schemes[-1]}://host[:port]'"
            raise ValueError(message)
        return value.rstrip("/")

    return AfterValidator(check)


def _redis_address(value: SecretStr) -> SecretStr:
    scheme = value.get_secret_value().partition(":")[0]
    if scheme in ("redis+cluster", "rediss+cluster"):
        message = "a Redis Cluster will not do; name one server, or Sentinels: 'redis+sentinel://…'"
        raise ValueError(message)
    if scheme not in _REDIS_SCHEMES:
        message = (
            "expected 'redis://host:port/0', 'redis+sentinel://host:port,host:port/service/0', "
            "with rediss for TLS, or 'unix:///path'"
        )
        raise ValueError(message)
    return value


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        parts = urlsplit(value)
        # As browsers write it, or it never equals what they send.
        plain = f"{parts.scheme}://{parts.netloc}".lower()
        if parts.scheme not in ("http", "https") or not parts.netloc or value != plain:
            message = "expected origins such as 'https://desk.example.com', separated by commas"
            raise ValueError(message)
    return values


Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0, le=1_000_000)]
RateSetting = Annotated[Rate, BeforeValidator(_rate)]
LifetimeSetting = Annotated[Lifetime, BeforeValidator(_lifetime)]
RedisAddress = Annotated[SecretStr, AfterValidator(_redis_address)]
Origins = Annotated[tuple[str, ...], BeforeValidator(_comma_list), AfterValidator(_origins)]
RestAddress = Annotated[str, _address("http", "https")]
StreamAddress = Annotated[str, _address("ws", "wss")]


def text_of(value: object) -> str:
    """A value as it stands in the environment; nothing for None."""
    match value:
        case None:
            return ""
        case Lifetime(soft_ms=soft, hard_ms=hard):
            return f"{soft / 1000:g}/{hard / 1000:g}"
        case tuple():
            return ",".join(str(item) for item in value)
        case _:
            return str(value)


def encryption_key_faults(prefix: str, given: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with how the key-encryption key is `given`, whose settings have that prefix."""
    names = ("key_encryption_key_file", "key_encryption_key")
    keys = [name for name in names if name in given]
    either = " and ".join(f"{prefix}{name.upper()}" for name in names)
    if len(keys) > 1:
        yield f"{either}: are both set; keep one of them"
    if "keys_file" in given and not keys:
        yield f"{prefix}KEYS_FILE: needs the key-encryption key: set one of {either}"
