"""What the commands of `vkeys` do, each with its words and its exit status."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from gateway.access.faults import BadPolicy
from gateway.access.policy import Action
from gateway.access.policy_file import PolicyFile
from gateway.access.principal import ANONYMOUS
from gateway.cli.keys.listing import aligned
from gateway.cli.vkeys.issuing import Issued, Issuer, find_all, open_issuer, open_store
from gateway.cli.vkeys.settings import VirtualKeySettings, virtual_key_settings
from gateway.cli.vkeys.standing import Ambiguous, Standing, held_by, named
from gateway.cli.watch.lines import printable
from gateway.custody import FaultyCredentials, KeyPlaces, NotOpened
from gateway.custody.encryption_keys import EncryptionKeys
from gateway.custody.virtual_sealing import SealedVirtualKey
from gateway.domain.errors import AuditUnavailable
from gateway.settings import PREFIX, SettingsFault
from gateway.store.redis import BadStoreUrl, StoreUnavailable

DONE, UNKNOWN, MISUSE = 0, 1, 2

_STATE_REDIS = f"{PREFIX}STATE_REDIS_URL"
_POLICY_FILE = f"{PREFIX}POLICY_FILE"
_HEADINGS = ("ID", "PRINCIPAL", "ACCOUNT", "CREATED", "KEK")
_FOR_CLIENTS = (Action.ACCOUNT_READ, Action.ORDERS_PLACE, Action.ORDERS_CANCEL)
"""What a client of the exchange's protocol mostly does on its account."""
_LONGEST_QUOTED = 64
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class Misuse(Exception):
    """What is asked for cannot be done; `problem` says why and what to do."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        """Say it."""
        return self.problem


_FAULTS = (Misuse, FaultyCredentials, SettingsFault, BadStoreUrl)


class VirtualKeyDesk:
    """Works on the virtual keys in the state Redis that the environment names.

    Every method returns the exit status: 0 done, 1 not known whether it was done, 2 something to
    set right, and nothing was changed.
    """

    def __init__(self, environ: Mapping[str, str], kek_file: Path | None) -> None:
        self._environ = environ
        self._kek_file = kek_file

    def issue(self, principal: str, account: str) -> int:
        """Make a pair and show it, this once."""
        return _status(lambda: self._issue(principal, account))

    def show(self) -> int:
        """List what stands; with the key-encryption keys, say what does not open."""
        return _status(self._show, then="")

    def revoke(self, name: str) -> int:
        """Have a key prove nothing any more.

        `name`: its id, or the digest that `show` gives of an entry, or how that begins.
        """
        return _status(lambda: self._revoke(lambda entries: _named(entries, name), _quoted(name)))

    def revoke_all(self, principal: str, account: str | None) -> int:
        """Have all keys of a principal prove nothing any more; with `account`, those on it."""
        asked = f"of {_quoted(principal)}"
        asked += "" if account is None else f" on {_quoted(account)}"
        return _status(
            lambda: self._revoke(lambda entries: held_by(entries, principal, account), asked)
        )

    def reseal(self) -> int:
        """Seal everything with the newest key-encryption key."""
        return _status(self._reseal)

    async def _issue(self, principal: str, account: str) -> int:
        settings = virtual_key_settings(self._environ)
        keys = self._encryption_keys(settings)
        _check_names(settings.policy_file, principal, account)
        async with _open_issuer(settings) as issuer:
            issued = await issuer.issue(principal, account, keys)
            try:
                _tell(issued)
            except OSError as fault:
                for entry in named(await issuer.standing(), issued.key.id):
                    await issuer.revoke(entry)
                told = f"the pair could not be shown ({fault.strerror})"
                problem = f"{told}, so {issued.key.id} is revoked"
                raise Misuse(problem) from None
        return DONE

    async def _show(self) -> int:
        settings = virtual_key_settings(self._environ)
        keys = self._encryption_keys(settings) if self._has_encryption_keys(settings) else None
        address = settings.state_redis_url.get_secret_value()
        async with open_store(address, timeout_s=settings.redis_timeout_s) as store:
            found = await find_all(store, keys)
        for line in aligned([_HEADINGS, *map(_row, found.entries)]):
            typer.echo(line)
        if keys is None:
            typer.echo("without the key-encryption key nobody knows whether they open", err=True)
        for fault in found.faults:
            typer.echo(printable(fault), err=True)
        return MISUSE if found.faults else DONE

    async def _revoke(
        self, choose: Callable[[Sequence[Standing]], Sequence[Standing]], asked: str
    ) -> int:
        async with _open_issuer(virtual_key_settings(self._environ)) as issuer:
            chosen = choose(await issuer.standing())
            if not chosen:
                problem = f"there is no virtual key {asked}; 'vkeys list' shows what there is"
                raise Misuse(problem)
            for entry in chosen:
                await issuer.revoke(entry)
                typer.echo(printable(f"{entry} is revoked"))
        typer.echo("no call proves itself by that any more, and streams that it opened are closed")
        return DONE

    async def _reseal(self) -> int:
        settings = virtual_key_settings(self._environ)
        keys = self._encryption_keys(settings)
        async with _open_issuer(settings) as issuer:
            try:
                changed = await issuer.reseal(keys)
            except NotOpened:
                faults = (await find_all(issuer.store, keys)).faults
                told = "\n".join(map(printable, faults))
                problem = f"{told}\nnothing was changed; revoke what cannot be opened, and reseal"
                raise Misuse(problem) from None
        typer.echo(f"every entry is sealed with {keys.newest}; {changed} had another key")
        return DONE

    def _has_encryption_keys(self, settings: VirtualKeySettings) -> bool:
        return self._kek_file is not None or settings.key_encryption_key is not None

    def _encryption_keys(self, settings: VirtualKeySettings) -> EncryptionKeys:
        text = settings.key_encryption_key
        return KeyPlaces(
            encryption_key_file=self._kek_file,
            encryption_key_text=None if text is None else text.get_secret_value(),
        ).encryption_keys()


def _tell(issued: Issued) -> None:
    key = issued.key
    told = f"{key.id} lets its holder act as {key.principal} on {key.account}. Shown this once:"
    typer.echo(told, err=True)
    typer.echo(f"VIRTUAL_API_KEY={issued.api_key}\nVIRTUAL_API_SECRET={issued.api_secret}")


def _open_issuer(settings: VirtualKeySettings) -> AbstractAsyncContextManager[Issuer]:
    return open_issuer(
        settings.state_redis_url.get_secret_value(),
        timeout_s=settings.redis_timeout_s,
        wall_ms=_wall_ms,
        random_bytes=secrets.token_bytes,
    )


def _status(
    work: Callable[[], Coroutine[Any, Any, int]], then: str = ". 'vkeys list' tells what stands"
) -> int:
    try:
        return asyncio.run(work())
    except AuditUnavailable:
        problem = "the audit log there cannot be written, and what is not on record is not done"
        typer.echo(f"{_STATE_REDIS}: {problem}", err=True)
        return MISUSE
    except StoreUnavailable as away:
        typer.echo(f"{_STATE_REDIS}: {away}{then}", err=True)
        return UNKNOWN
    except _FAULTS as fault:
        typer.echo(str(fault), err=True)
        return MISUSE


def _named(entries: Sequence[Standing], name: str) -> Sequence[Standing]:
    try:
        return named(entries, name)
    except Ambiguous:
        problem = f"several entries begin with {_quoted(name)}: write more of it"
        raise Misuse(problem) from None


def _quoted(word: str) -> str:
    return repr(word[:_LONGEST_QUOTED])


def _check_names(policy_file: Path | None, principal: str, account: str) -> None:
    """Refuse whom the policy does not know, where it can be asked."""
    for what, name in (("--principal", principal), ("--account", account)):
        if not _NAME.fullmatch(name):
            problem = f"{what}: expected 1 to 64 of A-Z a-z 0-9 . _ -"
            raise Misuse(problem)
    if principal == ANONYMOUS:
        problem = f"--principal: {ANONYMOUS} is whoever shows no key, so it is given none"
        raise Misuse(problem)
    if policy_file is None:
        told = f"not checked whether the policy knows {principal} and {account}: {_POLICY_FILE}"
        typer.echo(f"{told} is not set", err=True)
    else:
        _check_against(policy_file, principal, account)


def _check_against(file: Path, principal: str, account: str) -> None:
    try:
        policy = PolicyFile(file, _wall_ms).current
    except BadPolicy as bad:
        problem = f"{_POLICY_FILE}: {file} is no policy:\n{bad}"
        raise Misuse(problem) from None
    known = [each.id for each in policy.principals()]
    if principal not in known:
        problem = f"--principal: {file} knows no {principal!r}, but {', '.join(known) or 'nobody'}"
        raise Misuse(problem)
    if account not in policy.accounts:
        declared = ", ".join(policy.accounts) or "none"
        problem = f"--account: {file} declares no {account!r}, but {declared}"
        raise Misuse(problem)
    lacking = [
        action for action in _FOR_CLIENTS if not policy.decide(principal, action, account).allowed
    ]
    if lacking:
        told = f"warning: {file} allows {principal} no {', no '.join(lacking)} on {account}"
        typer.echo(told, err=True)


def _row(entry: SealedVirtualKey) -> tuple[str, ...]:
    key = entry.key
    created = datetime.fromtimestamp(key.created / 1000, UTC)
    cells = (key.id, key.principal, key.account, f"{created:%Y-%m-%dT%H:%M:%SZ}")
    return tuple(map(printable, (*cells, entry.envelope.encryption_key)))


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
