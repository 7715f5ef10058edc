"""Issuing, revoking and resealing virtual keys, each change on record before it is made."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.cli.recording import LONGEST_KEPT_MS, Record, record_in
from gateway.cli.vkeys.standing import Standing, standing_in
from gateway.custody import NotOpened, key_digest, shown_entry
from gateway.custody.encryption_keys import EncryptionKeys
from gateway.custody.envelope import RandomBytes
from gateway.custody.virtual_pair import new_virtual_pair
from gateway.custody.virtual_sealing import (
    SealedVirtualKey,
    open_virtual,
    read_virtual,
    reseal_virtual,
    seal_virtual,
)
from gateway.domain.virtual_keys import VirtualKey
from gateway.store.audit_stream import AuditStream
from gateway.store.redis import open_redis
from gateway.store.virtual_keys import VirtualKeyStore

_ID_BYTES = 6


@dataclass(frozen=True, slots=True)
class Issued:
    """A new virtual key with its pair, which nobody can be shown again."""

    key: VirtualKey
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in Redis: entries as they describe themselves, and what is wrong with any."""

    entries: tuple[SealedVirtualKey, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Issuer:
    """Works on the virtual keys of all replicas.

    Everything here raises `StoreUnavailable`, after which a change may have been made all the same,
    and `AuditUnavailable`, after which none has. `wall_ms` is the time, `random_bytes` must be fit
    for keys.
    """

    store: VirtualKeyStore
    record: Record
    wall_ms: Callable[[], int]
    random_bytes: RandomBytes

    async def issue(self, principal: str, account: str, keys: EncryptionKeys) -> Issued:
        """Make a pair that acts as `principal` on `account`, sealed with the newest of `keys`."""
        key_id = f"vk-{self.random_bytes(_ID_BYTES).hex()}"
        key = VirtualKey(key_id, principal, account, self.wall_ms())
        pair = new_virtual_pair(self.random_bytes)
        digest = key_digest(pair[0])
        entry = seal_virtual(key, digest, pair, keys, self.random_bytes)
        async with self.record.change("vkey.issue", account, key=key.id, principal=principal):
            await self.store.add(digest, entry)
        return Issued(key, *pair)

    async def standing(self) -> tuple[Standing, ...]:
        """Every entry that stands now, also what cannot be read."""
        return standing_in(await self.store.all())

    async def revoke(self, entry: Standing) -> None:
        """Have an entry prove nothing from now on."""
        account, detail = None, {"entry": entry.place}
        if entry.key is not None:
            account = entry.key.account
            detail = {"key": entry.key.id, "principal": entry.key.principal}
        async with self.record.change("vkey.revoke", account, **detail):
            await self.store.remove(entry.digest)

    async def reseal(self, keys: EncryptionKeys) -> int:
        """Seal everything with the newest of `keys`; say how many another had.

        Raises `NotOpened`, and then nothing was changed. What is revoked meanwhile stays so.
        """
        standing = await self.store.all()
        fresh = {
            digest: reseal_virtual(digest, entry, keys, self.random_bytes)
            for digest, entry in standing.items()
        }
        older = sum(
            read_virtual(entry).envelope.encryption_key != keys.newest
            for entry in standing.values()
        )
        async with self.record.change("vkey.reseal", kek=keys.newest):
            for digest, entry in fresh.items():
                await self.store.replace(digest, standing[digest], entry)
        return older


async def find_all(store: VirtualKeyStore, keys: EncryptionKeys | None) -> Found:
    """All that stands, the oldest first; with `keys`, faults name what does not open."""
    entries: list[SealedVirtualKey] = []
    faults: list[str] = []
    for digest, entry in (await store.all()).items():
        try:
            entries.append(read_virtual(entry))
            if keys is not None:
                open_virtual(digest, entry, keys)
        except NotOpened as refused:
            faults.append(f"{shown_entry(digest, entry)} does not open: {refused.problem}.")
    entries.sort(key=lambda entry: (entry.key.created, entry.key.id))
    return Found(tuple(entries), tuple(sorted(faults)))


@asynccontextmanager
async def open_store(state_redis: str, *, timeout_s: float) -> AsyncIterator[VirtualKeyStore]:
    """Give the virtual keys in the Redis at that address, to be read; raise `BadStoreUrl`."""
    async with open_redis(
        state_redis, connect_timeout=timeout_s, command_timeout=timeout_s, max_connections=1
    ) as redis:
        yield VirtualKeyStore(redis)


@asynccontextmanager
async def open_issuer(
    state_redis: str, *, timeout_s: float, wall_ms: Callable[[], int], random_bytes: RandomBytes
) -> AsyncIterator[Issuer]:
    """Give an issuer for the Redis at that address; raise `BadStoreUrl`. Nothing connects yet."""
    async with (
        open_redis(
            state_redis, connect_timeout=timeout_s, command_timeout=timeout_s, max_connections=2
        ) as redis,
        record_in(AuditStream(redis, retention_ms=LONGEST_KEPT_MS)) as record,
    ):
        yield Issuer(VirtualKeyStore(redis), record, wall_ms, random_bytes)
