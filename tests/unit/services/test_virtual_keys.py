"""Whose a signature is, as keys are issued and revoked, Redis goes, and entries do not open."""

import asyncio
import hashlib
import hmac
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.access.policy import AccountRule, Member, Policy
from gateway.access.principal import Principal, PrincipalKind
from gateway.access.proving import Cause, NotProven
from gateway.custody import NotOpened, VirtualPair, key_digest
from gateway.custody.encryption_keys import EncryptionKeys
from gateway.custody.virtual_sealing import open_virtual, seal_virtual
from gateway.domain.virtual_keys import VirtualKey
from gateway.services.loops import end_all
from gateway.services.virtual_keys import VirtualKeys
from gateway.store.virtual_keys import KEY, VirtualKeyStore
from tests.unit.services.examples import until
from tests.unit.store.examples import open_patient, open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

ENCRYPTION_KEYS = EncryptionKeys("a", {"a": b"a" * 32})
OTHER_KEYS = EncryptionKeys("b", {"b": b"b" * 32})
DESK = Principal("desk", PrincipalKind.APP)
DESK_KEY = VirtualKey("vk-desk", "desk", "demo", 1)
TEXT = b"symbol=BTCUSDT&timestamp=1"


def policy_of(*principals: Principal) -> Policy:
    return Policy(
        revision="1",
        accounts=(AccountRule("demo"),),
        members=tuple(map(Member, principals)),
        wall_ms=lambda: 0,
    )


def signed(text: bytes, secret: str = "desk-secret") -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


@dataclass
class House:
    """What stands around the keys: a store, the keys that open it, who is known and suspended."""

    store: VirtualKeyStore
    keys: EncryptionKeys | None = ENCRYPTION_KEYS
    policy: Policy = field(default_factory=lambda: policy_of(DESK))
    suspended: set[str] = field(default_factory=set)
    learnt: set[str] = field(default_factory=set)
    opened: int = 0

    async def issue(self, key: VirtualKey = DESK_KEY) -> None:
        name = key.id.removeprefix("vk-")
        pair = (f"{name}-key", f"{name}-secret")
        digest = key_digest(pair[0])
        await self.store.add(digest, seal_virtual(key, digest, pair, ENCRYPTION_KEYS, os.urandom))

    async def revoke(self, name: str = "desk") -> None:
        await self.store.remove(key_digest(f"{name}-key"))

    def open(self, digest: str, entry: bytes) -> VirtualPair:
        self.opened += 1
        if self.keys is None:
            raise NotOpened("the file of keys is away")
        return open_virtual(digest, entry, self.keys)

    def learn(self, secrets: Iterable[str]) -> None:
        self.learnt = set(secrets)

    def virtual_keys(self) -> VirtualKeys:
        return VirtualKeys(
            self.store,
            self.open,
            lambda: self.policy,
            self.suspended.__contains__,
            self.learn,
            0.01,
        )


@pytest.fixture
async def house(valkey: ValkeyServer) -> AsyncIterator[House]:
    async with open_patient(valkey.url) as redis:
        yield House(VirtualKeyStore(redis))


@asynccontextmanager
async def polled(keys: VirtualKeys) -> AsyncIterator[VirtualKeys]:
    """Have the loop run meanwhile."""
    polling = asyncio.create_task(keys.run())
    try:
        yield keys
    finally:
        await end_all((polling,))


async def cause_of(keys: VirtualKeys, name: str = "desk", signature: str | None = None) -> Cause:
    given = signed(TEXT, f"{name}-secret") if signature is None else signature
    with pytest.raises(NotProven) as refusal:
        await keys.verify(f"{name}-key", TEXT, given)
    return refusal.value.cause


async def test_a_signature_proves_the_keys_principal_and_account(house: House) -> None:
    await house.issue()
    proven = await house.virtual_keys().verify("desk-key", TEXT, signed(TEXT))
    assert proven == (DESK_KEY, DESK)


async def test_a_key_is_taken_as_soon_as_it_is_issued_and_refused_as_soon_as_it_is_revoked(
    house: House,
) -> None:
    keys = house.virtual_keys()
    assert await cause_of(keys) is Cause.UNKNOWN
    await house.issue()
    await keys.verify("desk-key", TEXT, signed(TEXT))
    assert keys.still_good(DESK_KEY)
    await house.revoke()
    assert await cause_of(keys) is Cause.REVOKED
    assert not keys.still_good(DESK_KEY)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "0" * 64,
        signed(TEXT, "other-secret"),
        signed(TEXT + b"0"),
        signed(TEXT).upper(),
        "ş\ud800",
    ],
    ids=["none", "zeros", "of-another-secret", "of-another-text", "upper-case", "of-no-letters"],
)
async def test_any_other_signature_proves_nothing(house: House, signature: str) -> None:
    await house.issue()
    assert await cause_of(house.virtual_keys(), signature=signature) is Cause.SIGNATURE


async def test_one_keys_signature_proves_nothing_beside_another_key(house: House) -> None:
    await house.issue()
    await house.issue(VirtualKey("vk-other", "desk", "demo", 2))
    other = signed(TEXT, "other-secret")
    assert await cause_of(house.virtual_keys(), signature=other) is Cause.SIGNATURE


async def test_who_is_suspended_or_has_left_the_policy_proves_nothing(house: House) -> None:
    await house.issue()
    keys = house.virtual_keys()
    await keys.verify("desk-key", TEXT, signed(TEXT))
    house.suspended.add("desk")
    assert await cause_of(keys) is Cause.SUSPENDED
    assert not keys.still_good(DESK_KEY)
    house.suspended.clear()
    assert keys.still_good(DESK_KEY)
    house.policy = policy_of()
    assert await cause_of(keys) is Cause.SUBJECT
    assert not keys.still_good(DESK_KEY)


async def test_a_revocation_reaches_who_only_polls(house: House) -> None:
    await house.issue()
    with capture_logs() as logs:
        async with polled(house.virtual_keys()) as keys:
            await until(lambda: keys.still_good(DESK_KEY))
            await house.revoke()
            await until(lambda: not keys.still_good(DESK_KEY))
    (line,) = (line for line in logs if line["event"] == "virtual_key.revoked")
    assert (line["key"], line["principal"], line["account"]) == ("vk-desk", "desk", "demo")


async def test_a_key_that_says_another_account_or_principal_is_not_the_one_that_stands(
    house: House,
) -> None:
    await house.issue()
    keys = house.virtual_keys()
    await keys.verify("desk-key", TEXT, signed(TEXT))
    assert not keys.still_good(VirtualKey("vk-desk", "desk", "vault", 1))


async def test_an_entry_is_opened_once_however_often_it_is_asked_for(house: House) -> None:
    await house.issue()
    async with polled(house.virtual_keys()) as keys:
        await until(lambda: keys.still_good(DESK_KEY))
        for _ in range(5):
            await keys.verify("desk-key", TEXT, signed(TEXT))
        assert house.opened == 1


async def test_everything_secret_of_the_open_pairs_is_learnt(house: House) -> None:
    await house.issue()
    await house.issue(VirtualKey("vk-other", "desk", "demo", 2))
    async with polled(house.virtual_keys()):
        await until(lambda: len(house.learnt) == 6)
        assert {"desk-key", "desk-secret", signed(b"desk-key"), "other-secret"} < house.learnt
        await house.revoke("other")
        await until(lambda: len(house.learnt) == 3)
        assert "desk-secret" in house.learnt


async def test_an_entry_that_does_not_open_is_a_problem_and_proves_nothing(house: House) -> None:
    await house.issue()
    house.keys = OTHER_KEYS
    with capture_logs() as logs:
        async with polled(house.virtual_keys()) as keys:
            await until(lambda: keys.problem is not None)
            assert keys.problem is not None
            assert keys.problem.startswith(
                "virtual key 'vk-desk' does not open: the key-encryption"
            )
            assert await cause_of(keys) is Cause.SEALED
            assert not keys.still_good(DESK_KEY)
            assert house.learnt == set()
            house.keys = ENCRYPTION_KEYS
            await until(lambda: keys.problem is None)
            await keys.verify("desk-key", TEXT, signed(TEXT))
    assert [line["event"] for line in logs] == ["virtual_key.not_opened"]


async def test_one_that_does_not_open_keeps_no_other_from_proving(house: House) -> None:
    await house.issue()
    await house.store.add("ab" * 32, b"no entry")
    async with polled(house.virtual_keys()) as keys:
        await until(lambda: keys.problem is not None)
        await keys.verify("desk-key", TEXT, signed(TEXT))
        assert keys.still_good(DESK_KEY)


async def test_many_problems_are_told_in_few_words(house: House) -> None:
    for number in range(5):
        await house.store.add(f"{number}" * 64, b"no entry")
    async with polled(house.virtual_keys()) as keys:
        await until(lambda: keys.problem is not None)
        assert keys.problem is not None
        assert keys.problem.count("does not open") == 3
        assert keys.problem.endswith("; and 2 more")


async def test_without_a_key_encryption_key_no_key_proves_anything(house: House) -> None:
    await house.issue()
    keys = VirtualKeys(
        house.store, None, lambda: house.policy, lambda _principal: False, house.learn, 0.01
    )
    assert await cause_of(keys) is Cause.SEALED
    async with polled(keys):
        await until(lambda: keys.problem is not None)
        assert "no key-encryption key is set" in str(keys.problem)


async def test_while_redis_is_away_keys_count_as_they_were_read_last(
    own_valkey: ValkeyServer,
) -> None:
    async with open_quick(own_valkey.url) as redis:
        house = House(VirtualKeyStore(redis))
        await house.issue()
        async with polled(house.virtual_keys()) as keys:
            await until(lambda: keys.still_good(DESK_KEY))
            await asyncio.to_thread(own_valkey.kill)
            await until(lambda: keys.problem is not None)
            assert "count as they were read last" in str(keys.problem)
            assert await keys.verify("desk-key", TEXT, signed(TEXT)) == (DESK_KEY, DESK)
            assert keys.still_good(DESK_KEY)
            assert await cause_of(keys, signature="0" * 64) is Cause.SIGNATURE
            assert await cause_of(keys, "never-read") is Cause.KEYS_AWAY
            house.suspended.add("desk")
            assert await cause_of(keys) is Cause.SUSPENDED
            await asyncio.to_thread(own_valkey.start)
            await until(lambda: keys.problem is None)
            assert await cause_of(keys, "never-read") is Cause.UNKNOWN


async def test_who_asks_first_while_redis_is_silent_finds_out_that_it_is_away(
    own_valkey: ValkeyServer,
) -> None:
    async with open_quick(own_valkey.url) as redis:
        house = House(VirtualKeyStore(redis))
        await house.issue()
        keys = house.virtual_keys()
        await keys.verify("desk-key", TEXT, signed(TEXT))
        own_valkey.pause()
        assert await keys.verify("desk-key", TEXT, signed(TEXT)) == (DESK_KEY, DESK)
        assert keys.problem is not None


async def test_what_must_not_pass_by_a_revoked_key_asks_though_redis_was_away_a_moment_ago(
    own_valkey: ValkeyServer,
) -> None:
    async with open_quick(own_valkey.url) as redis:
        house = House(VirtualKeyStore(redis))
        await house.issue()
        keys = house.virtual_keys()
        await keys.verify("desk-key", TEXT, signed(TEXT))
        own_valkey.pause()
        assert await keys.verify("desk-key", TEXT, signed(TEXT), ask=True) == (DESK_KEY, DESK)
        own_valkey.resume()
        await asyncio.to_thread(own_valkey.command, "DEL", KEY)
        assert await keys.verify("desk-key", TEXT, signed(TEXT)) == (DESK_KEY, DESK)
        with pytest.raises(NotProven):
            await keys.verify("desk-key", TEXT, signed(TEXT), ask=True)


async def test_keys_that_redis_has_lost_prove_nothing(house: House, valkey: ValkeyServer) -> None:
    await house.issue()
    async with polled(house.virtual_keys()) as keys:
        await until(lambda: keys.still_good(DESK_KEY))
        await asyncio.to_thread(valkey.command, "DEL", KEY)
        assert await cause_of(keys) is Cause.REVOKED


async def test_whose_a_revoked_key_was_is_told_for_as_long_as_this_process_runs(
    house: House,
) -> None:
    await house.issue()
    async with polled(house.virtual_keys()) as keys:
        await until(lambda: keys.still_good(DESK_KEY))
        await house.revoke()
        await until(lambda: not keys.still_good(DESK_KEY))
        for _ in range(3):
            with pytest.raises(NotProven) as refused:
                await keys.verify("desk-key", TEXT, "0" * 64)
            assert (refused.value.cause, refused.value.key) == (Cause.REVOKED, DESK_KEY)
            await asyncio.sleep(0.02)


async def test_a_key_whose_signature_is_wrong_is_named(house: House) -> None:
    await house.issue()
    keys = house.virtual_keys()
    with pytest.raises(NotProven) as refused:
        await keys.verify("desk-key", TEXT, "0" * 64)
    assert refused.value.key == DESK_KEY
    assert DESK_KEY.principal not in str(refused.value)


async def test_a_key_that_is_resealed_goes_on(house: House) -> None:
    await house.issue()
    async with polled(house.virtual_keys()) as keys:
        await until(lambda: keys.still_good(DESK_KEY))
        await house.issue()
        for _ in range(20):
            await keys.verify("desk-key", TEXT, signed(TEXT))
            assert keys.still_good(DESK_KEY)
        await until(lambda: house.opened >= 2)


class SlowStore(VirtualKeyStore):
    """Answers about everything only once it is let go, with what stood when it was asked."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.asked, self._go = asyncio.Event(), asyncio.Event()

    async def all(self) -> dict[str, bytes]:
        found = await super().all()
        self.asked.set()
        await self._go.wait()
        self._go.clear()
        return found

    def let_go(self) -> None:
        self._go.set()


async def test_a_look_that_began_before_a_revocation_does_not_bring_the_key_back(
    valkey: ValkeyServer,
) -> None:
    async with open_patient(valkey.url) as redis:
        slow = SlowStore(redis)
        house = House(slow)
        await house.issue()
        keys = house.virtual_keys()
        await keys.verify("desk-key", TEXT, signed(TEXT))
        async with polled(keys):
            await slow.asked.wait()
            await house.revoke()
            assert await cause_of(keys) is Cause.REVOKED
            slow.asked.clear()
            slow.let_go()
            await slow.asked.wait()  # by the next look: the one before has been taken
            assert not keys.still_good(DESK_KEY)
