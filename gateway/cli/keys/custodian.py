"""What the commands of `keys` do to a sealed file, each with its words and its exit status."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from gateway.cli.keys import encryption_key_file
from gateway.cli.keys.listing import listed
from gateway.cli.keys.pairs import NoPair, take_pair
from gateway.cli.keys.probing import Finding, Rights, Verdict, find_rights, open_exchange
from gateway.cli.keys.settings import KeysSettings, keys_settings
from gateway.cli.recording import LONGEST_KEPT_MS, Record, record_in
from gateway.custody import FaultyCredentials, Key, KeyPlaces, Keyring
from gateway.custody.locking import locked
from gateway.custody.sealed import SealedFile, create, open_sealed
from gateway.custody.sealed_entry import EntryLabel, EntryState
from gateway.domain.errors import AuditUnavailable
from gateway.domain.signing import KeyId, KeySlot, Purpose
from gateway.settings import SettingsFault
from gateway.store.audit_stream import AuditStream
from gateway.store.redis import BadStoreUrl, open_redis

DONE, REFUSED, MISUSE = 0, 1, 2
_SEE_LIST = "'keys list' shows what there is"

_FAULTS = (FaultyCredentials, NoPair, SettingsFault, BadStoreUrl)


class Custodian:
    """Works on the sealed file `file`, opened by the keys of `kek_file` or of the environment.

    Every method returns the exit status: 0 done, 1 the exchange refuses the key or cannot be asked,
    2 something to set right; in the latter case nothing was changed.
    """

    def __init__(self, environ: Mapping[str, str], file: Path, kek_file: Path | None) -> None:
        self._environ = environ
        self._file = file
        self._kek_file = kek_file

    def init(self) -> int:
        """Make an empty sealed file, and the key-encryption key if there is none yet."""
        return _status(self._init)

    def add(self, account: str, purpose: Purpose, source: str | None) -> int:
        """Seal a key of `source` (`take_pair`)."""
        return _status(lambda: self._add(KeySlot(account, purpose), source))

    def show(self) -> int:
        """List every entry, and say which does not open."""
        return _status(self._show)

    def rotate(
        self, account: str, purpose: Purpose, source: str | None, version: int | None
    ) -> int:
        """Add a key, or take `version`; probe it; make it active if it may do its work."""
        return _status(lambda: self._rotate(KeySlot(account, purpose), source, version))

    def retire(self, account: str, purpose: Purpose, version: int, *, active: bool) -> int:
        """Take `version` out of use; the active one only with `active`."""
        return _status(lambda: self._retire(KeySlot(account, purpose), version, active=active))

    def reseal(self, *, new_kek: bool) -> int:
        """Seal everything with the newest key-encryption key, with `new_kek` one made now."""
        return _status(lambda: self._reseal(new_kek=new_kek))

    def probe(self, account: str, purpose: Purpose, version: int | None) -> int:
        """Ask the exchange what `version`, or the active one, may do."""
        return _status(lambda: self._probe(KeySlot(account, purpose), version))

    async def _init(self) -> int:
        settings = self._settings()
        made = None
        if self._kek_file is None or self._kek_file.exists():
            self._places(settings).encryption_keys()
        else:
            made = self._kek_file
        async with _open_record(settings) as record, record.change("key.init"):
            if made is not None:
                encryption_key_file.make(made, secrets.token_bytes, datetime.now(UTC))
            try:
                create(self._file)
            except FaultyCredentials:
                if made is not None:
                    made.unlink()
                raise
        typer.echo(f"{self._file} is there, without a key in it")
        if made is not None:
            typer.echo(
                f"{made} holds the key-encryption key: without it nobody opens {self._file}, with "
                "both anybody does. Back it up now, in another place than the sealed file"
            )
        elif self._kek_file is not None:
            typer.echo(f"{self._kek_file} was there, and seals what is added to it")
        return DONE

    async def _add(self, slot: KeySlot, source: str | None) -> int:
        settings = self._settings()
        file = self._sealed(settings)
        _require_whole(file)
        api_key, api_secret = take_pair(source)
        async with _open_record(settings) as record:
            label = await _added(file, record, slot, api_key, api_secret)
        if label.state is EntryState.PENDING:
            rotate = f"keys rotate {slot.account} {slot.purpose} --version {label.version}"
            typer.echo(f"'{rotate}' probes it and makes it active")
        return DONE

    async def _show(self) -> int:
        file = self._sealed(self._settings())
        for line in listed(file.entries(), _wall_ms()):
            typer.echo(line)
        _require_whole(file)
        return DONE

    async def _rotate(self, slot: KeySlot, source: str | None, version: int | None) -> int:
        settings = self._settings()
        file = self._sealed(settings)
        _require_whole(file)
        before = _active(file, slot)
        pair = take_pair(source) if version is None else None
        async with _open_record(settings) as record:
            if pair is not None:
                version = (await _added(file, record, slot, *pair)).version
            chosen = _label(file, slot, version)
            rights = await _probed(settings, file, record, chosen)
            suits = rights.suit(slot.purpose)
            if suits.verdict is not Verdict.YES:
                return _not_activated(chosen, suits)
            async with _change(record, "activate", slot, version=str(chosen.version)):
                file.activate(slot, chosen.version)
        typer.echo(f"{chosen.key_id} is active")
        if before is not None and before != chosen:
            typer.echo(
                f"{before.key_id} is still there. When every gateway has switched, delete it at "
                f"the exchange, then 'keys retire {slot.account} {slot.purpose} {before.version}'"
            )
        return DONE

    async def _retire(self, slot: KeySlot, version: int, *, active: bool) -> int:
        settings = self._settings()
        file = self._sealed(settings)
        label = _label(file, slot, version)
        if label.state is EntryState.ACTIVE and not active:
            problem = f"{label.key_id} is active: rotate first, or have {slot} without a key"
            raise FaultyCredentials((f"{problem} by --active; nothing was changed.",))
        async with (
            _open_record(settings) as record,
            _change(record, "retire", slot, version=str(version)),
        ):
            file.retire(slot, version)
        typer.echo(f"{label.key_id} is retired; it is worthless only when deleted at the exchange")
        return DONE

    async def _reseal(self, *, new_kek: bool) -> int:
        settings = self._settings()
        self._sealed(settings)
        grown = self._kek_file if new_kek else None
        if new_kek and grown is None:
            problem = "--new-kek needs --kek-file: put a new first line into NGW_KEY_ENCRYPTION_KEY"
            raise FaultyCredentials((f"{problem} by yourself, then reseal.",))
        async with _open_record(settings) as record, record.change("key.reseal") as learnt:
            # Until everything is sealed with it: another writer, who read before, would drop it.
            with nullcontext() if grown is None else locked(grown):
                if grown is not None:
                    encryption_key_file.put_new_first(grown, secrets.token_bytes, datetime.now(UTC))
                learnt["kek"] = newest = self._places(settings).encryption_keys().newest
                changed = self._sealed(settings).reseal()
        typer.echo(f"every entry is sealed with {newest}; {changed} had another key-encryption key")
        if grown is not None:
            typer.echo(f"Back {grown} up now: no copy of it from before opens {self._file}")
        return DONE

    async def _probe(self, slot: KeySlot, version: int | None) -> int:
        settings = self._settings()
        file = self._sealed(settings)
        if not any(entry.label.slot == slot for entry in file.entries()):
            raise FaultyCredentials((f"there is no key of {slot}; {_SEE_LIST}.",))
        label = _active(file, slot) if version is None else _label(file, slot, version)
        if label is None:
            raise FaultyCredentials((f"{slot}: has no active key; name a --version.",))
        async with _open_record(settings) as record:
            rights = await _probed(settings, file, record, label)
        return DONE if rights.suit(slot.purpose).verdict is Verdict.YES else REFUSED

    def _settings(self) -> KeysSettings:
        return keys_settings(self._environ)

    def _places(self, settings: KeysSettings) -> KeyPlaces:
        text = settings.key_encryption_key
        return KeyPlaces(
            sealed_file=self._file,
            encryption_key_file=self._kek_file,
            encryption_key_text=None if text is None else text.get_secret_value(),
        )

    def _sealed(self, settings: KeysSettings) -> SealedFile:
        return open_sealed(
            self._file,
            self._places(settings).encryption_keys(),
            wall_ms=_wall_ms,
            random_bytes=secrets.token_bytes,
        )


def _status(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    try:
        return asyncio.run(work())
    except AuditUnavailable:
        problem = "the audit log there cannot be written, and what is not on record is not done"
        typer.echo(f"NGW_STATE_REDIS_URL: {problem}", err=True)
        return MISUSE
    except _FAULTS as fault:
        typer.echo(str(fault), err=True)
        return MISUSE


@asynccontextmanager
async def _open_record(settings: KeysSettings) -> AsyncIterator[Record]:
    """Give the record in the state Redis, or one that records nothing if none is set."""
    if settings.state_redis_url is None:
        typer.echo("not on record: NGW_STATE_REDIS_URL is not set", err=True)
        yield Record(None)
        return
    async with (
        open_redis(
            settings.state_redis_url.get_secret_value(),
            connect_timeout=settings.redis_timeout_s,
            command_timeout=settings.redis_timeout_s,
            max_connections=2,
        ) as redis,
        record_in(AuditStream(redis, retention_ms=LONGEST_KEPT_MS)) as record,
    ):
        yield record


def _change(
    record: Record, action: str, slot: KeySlot, **detail: str
) -> AbstractAsyncContextManager[dict[str, str]]:
    return record.change(f"key.{action}", slot.account, purpose=slot.purpose.value, **detail)


def _require_whole(file: SealedFile) -> None:
    """Refuse to go on with a file that the gateways refuse, naming each entry that is at fault."""
    faults: list[str] = []
    for entry in file.entries():
        try:
            file.credential(entry.label.slot, entry.label.version)
        except FaultyCredentials as faulty:
            faults += faulty.faults
    if faults:
        raise FaultyCredentials(tuple(faults))


async def _added(
    file: SealedFile, record: Record, slot: KeySlot, api_key: str, api_secret: str
) -> EntryLabel:
    async with _change(record, "add", slot) as learnt:
        version = file.add(slot, api_key, api_secret)
        label = _label(file, slot, version)
        learnt |= {"version": str(version), "state": label.state}
    typer.echo(f"{label.key_id} is sealed, and {label.state}")
    return label


async def _probed(
    settings: KeysSettings, file: SealedFile, record: Record, label: EntryLabel
) -> Rights:
    """What the key may do, on record and told."""
    key = Key(str(label.version), file.credential(label.slot, label.version))
    # Whatever it is for, it is asked whether it may trade: a key for reading should not.
    sign = Keyring({}).candidate(KeySlot(label.slot.account, Purpose.TRADE), key)
    async with (
        _change(record, "probe", label.slot, version=key.version) as learnt,
        open_exchange(settings) as exchange,
    ):
        rights = await find_rights(exchange, sign)
        learnt |= {"read": rights.read.verdict.value, "trade": rights.trade.verdict.value}
    _tell(settings, label.key_id, rights)
    return rights


def _tell(settings: KeysSettings, key: KeyId, rights: Rights) -> None:
    typer.echo(f"{key} at {settings.exchange_rest_url}:")
    for name, finding in (
        ("is known", rights.known),
        ("may read", rights.read),
        ("may trade", rights.trade),
    ):
        typer.echo(f"  {name:<13} {finding.verdict.value}: {finding.why}")
    typer.echo("  may withdraw  not asked: only a withdrawal would tell; look at the exchange")
    if key.slot.purpose is not Purpose.TRADE and rights.trade.verdict is Verdict.YES:
        typer.echo(f"warning: a {key.slot.purpose} key needs no right to trade", err=True)


def _not_activated(label: EntryLabel, finding: Finding) -> int:
    what = "refuses" if finding.verdict is Verdict.NO else "could not be asked about"
    slot = label.slot
    typer.echo(
        f"the exchange {what} {label.key_id}, so it is {label.state} as before: {finding.why}\n"
        f"'keys rotate {slot.account} {slot.purpose} --version {label.version}' tries again, "
        f"'keys retire {slot.account} {slot.purpose} {label.version}' gives it up",
        err=True,
    )
    return REFUSED


def _active(file: SealedFile, slot: KeySlot) -> EntryLabel | None:
    labels = (entry.label for entry in file.entries() if entry.label.slot == slot)
    return next((label for label in labels if label.state is EntryState.ACTIVE), None)


def _label(file: SealedFile, slot: KeySlot, version: int | None) -> EntryLabel:
    for entry in file.entries():
        if (entry.label.slot, entry.label.version) == (slot, version):
            return entry.label
    raise FaultyCredentials((f"there is no {slot}@{version}; {_SEE_LIST}.",))


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
