"""`narkasa-gateway check`: every fault of the configuration at once."""

import asyncio
import os
import re
import time
from collections.abc import Iterator, Mapping
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import typer

from gateway.access.faults import BadPolicy
from gateway.access.policy_file import PolicyFile
from gateway.custody import (
    FaultyCredentials,
    KeyPlaces,
    Keyring,
    NotOpened,
    OpenVirtual,
    configured_sources,
    read_keys,
    shown_entry,
    virtual_key_opener,
)
from gateway.settings import PREFIX, Settings, SettingsFault, load_settings
from gateway.store.durability import inspect
from gateway.store.redis import BadStoreUrl, StoreUnavailable, attempt, open_redis, reach
from gateway.store.virtual_keys import VirtualKeyStore

_PORT = re.compile(r":\d+$")
_POLICY_FILE = f"{PREFIX}POLICY_FILE"
_ENCRYPTION_KEY = f"{PREFIX}KEY_ENCRYPTION_KEY"
_NO_VIRTUAL_KEYS = (
    f"no virtual keys: {_ENCRYPTION_KEY}_FILE is not set, so whatever clients of the exchange's "
    "own protocol sign is refused (20001)"
)


def check(environ: Mapping[str, str], *, connect: bool) -> int:
    """Print each fault on a line of standard error: 2; or that there is none: 0.

    With `connect`, a Redis that cannot be reached is a fault as well.
    """
    if not is_sound(environ, connect=connect):
        return 2
    typer.echo("configuration is sound")
    settings = load_settings(environ)
    for warning in (*_shared_database(settings), *_unwritable(settings)):
        typer.echo(f"warning: {warning}", err=True)
    if not any(environ.get(f"{_ENCRYPTION_KEY}{ending}") for ending in ("", "_FILE")):
        typer.echo(_NO_VIRTUAL_KEYS)
    return 0


def is_sound(environ: Mapping[str, str], *, connect: bool) -> bool:
    """Print each warning and each fault on a line of standard error; True without a fault."""
    faults = _Faults(environ)
    faults.look(connect=connect)
    for warning in faults.warnings:
        typer.echo(f"warning: {warning}", err=True)
    for problem in faults.problems:
        typer.echo(problem, err=True)
    return not faults.problems


class _Faults:
    """Looks at each part for itself, so that a fault in one hides none in another."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def look(self, *, connect: bool) -> None:
        settings = self._settings()
        declared = self._declared_accounts()
        self._candidate()
        places = self._places()
        keyring = self._keyring(places)
        opener = self._opener(places)
        if declared is not None and keyring is not None:
            self.problems += _unmatched(declared, keyring)
        if settings is None and connect:
            self.warnings.append("no Redis was looked at: mend the settings first, and check again")
        if settings is not None:
            self.warnings += _in_the_clear(settings)
            problems, warnings = asyncio.run(_store_problems(settings, opener, connect=connect))
            self.problems += problems
            self.warnings += warnings

    def _settings(self) -> Settings | None:
        try:
            return load_settings(self._environ)
        except SettingsFault as fault:
            self.problems += fault.problems
            return None

    def _declared_accounts(self) -> tuple[str, ...] | None:
        path = self._environ.get(_POLICY_FILE)
        if not path:
            return None
        try:
            return PolicyFile(Path(path), _wall_ms).current.accounts
        except BadPolicy as bad:
            self.problems += [f"{path}: {line}" for line in str(bad).splitlines()]
            return None

    def _candidate(self) -> None:
        """A policy that is only tried out keeps nothing from starting."""
        if (path := self._path("POLICY_CANDIDATE_FILE")) is None:
            return
        try:
            PolicyFile(path, _wall_ms)
        except BadPolicy as bad:
            self.warnings += [f"{path}: {line}" for line in str(bad).splitlines()]

    def _places(self) -> KeyPlaces:
        return KeyPlaces(
            folder=self._path("CREDENTIALS_DIR"),
            text=self._text("CREDENTIALS"),
            sealed_file=self._path("KEYS_FILE"),
            encryption_key_file=self._path("KEY_ENCRYPTION_KEY_FILE"),
            encryption_key_text=self._text("KEY_ENCRYPTION_KEY"),
        )

    def _keyring(self, places: KeyPlaces) -> Keyring | None:
        if not (sources := configured_sources(places)):
            return None
        try:
            found = read_keys(sources)
        except FaultyCredentials as faulty:
            self.problems += faulty.faults
            return None
        self.warnings += found.warnings
        return Keyring(found.keys)

    def _opener(self, places: KeyPlaces) -> OpenVirtual | None:
        try:
            return virtual_key_opener(places)
        except FaultyCredentials as faulty:
            # With a sealed file, which these keys open too, they have been told already.
            self.problems += [fault for fault in faulty.faults if fault not in self.problems]
            return None

    def _text(self, name: str) -> str | None:
        return self._environ.get(f"{PREFIX}{name}") or None

    def _path(self, name: str) -> Path | None:
        text = self._text(name)
        return None if text is None else Path(text)


def _unmatched(declared: tuple[str, ...], keyring: Keyring) -> Iterator[str]:
    held = set(keyring.accounts)
    for account in declared:
        if account not in held:
            yield f"account {account!r}: the policy declares it, but it has no credentials"
    for account in sorted(held.difference(declared)):
        yield f"account {account!r}: it has credentials, but the policy does not declare it"


def _in_the_clear(settings: Settings) -> Iterator[str]:
    addresses = {
        f"{PREFIX}EXCHANGE_REST_URL": settings.exchange_rest_url,
        f"{PREFIX}EXCHANGE_WS_URL": settings.exchange_ws_url,
    }
    for name, address in addresses.items():
        parts = urlsplit(address)
        if parts.scheme in ("http", "ws") and not _is_loopback(parts.hostname or ""):
            yield f"{name}: keys and signatures leave this machine unencrypted; use {parts.scheme}s"


def _shared_database(settings: Settings) -> Iterator[str]:
    addresses = (settings.cache_redis_url, settings.state_redis_url)
    cache, state = (_database(address.get_secret_value()) for address in addresses)
    if cache == state:
        yield (
            f"{PREFIX}CACHE_REDIS_URL, {PREFIX}STATE_REDIS_URL: are the same database; what the "
            "cache may throw away, the state must keep: give each a server of its own"
        )


def _unwritable(settings: Settings) -> Iterator[str]:
    """The files that take no line here; the gateway starts all the same, and goes on trying."""
    files = {
        f"{PREFIX}AUDIT_FILE": settings.audit_file,
        f"{PREFIX}JOURNAL_EXPORT_FILE": settings.journal_export_file,
    }
    for name, text in files.items():
        file = Path(text)
        place = file if file.exists() else file.parent
        if text not in ("", "-") and not os.access(place, os.W_OK):
            yield f"{name}: {place} is not there, or cannot be written by this user"


def _database(address: str) -> tuple[str, str]:
    """Servers (and service), or the socket, and database: without user, password and options."""
    scheme, _, rest = address.partition("://")
    place, _, options = rest.rpartition("@")[2].partition("?")
    number = dict(parse_qsl(options)).get("db")
    if scheme == "unix":
        return place, number or "0"
    servers, _, path = place.partition("/")
    service, port = "", "6379"
    if scheme.endswith("+sentinel"):
        (service, _, path), port = path.partition("/"), "26379"
    named = (host if _PORT.search(host) else f"{host}:{port}" for host in servers.split(","))
    return f"{','.join(sorted(named)).lower()}/{service}", number or path.strip("/") or "0"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _store_problems(
    settings: Settings, opener: OpenVirtual | None, *, connect: bool
) -> tuple[list[str], list[str]]:
    """What keeps each Redis from being used, and what would let the journal's lose records.

    Among the warnings is each virtual key there that does not open.
    """
    addresses = {
        f"{PREFIX}CACHE_REDIS_URL": settings.cache_redis_url,
        f"{PREFIX}STATE_REDIS_URL": settings.state_redis_url,
    }
    timeout = settings.redis_timeout_s
    problems: list[str] = []
    warnings: list[str] = []
    for name, address in addresses.items():
        try:
            async with open_redis(
                address.get_secret_value(),
                connect_timeout=timeout,
                command_timeout=timeout,
                max_connections=1,
            ) as redis:
                if connect:
                    await attempt(partial(reach, redis))
                if connect and address is settings.state_redis_url:
                    found = (await inspect(redis)).problem
                    told = warnings if settings.journal_accept_volatile else problems
                    told += [] if found is None else [f"{name}: {found}"]
                    entries = await VirtualKeyStore(redis).all()
                    warnings += _not_opening(name, entries, opener)
        except (BadStoreUrl, StoreUnavailable) as problem:
            problems.append(f"{name}: {problem}")
    return problems, warnings


def _not_opening(
    name: str, entries: Mapping[str, bytes], opener: OpenVirtual | None
) -> Iterator[str]:
    if opener is None and entries:
        held = f"holds virtual keys ({len(entries)})"
        yield f"{name}: {held}, and there is no key-encryption key for them"
        return
    for digest, entry in entries.items():
        try:
            if opener is not None:
                opener(digest, entry)
        except NotOpened as refused:
            yield f"{name}: {shown_entry(digest, entry)} does not open: {refused.problem}"


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
