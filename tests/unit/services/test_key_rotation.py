"""Keys that come, go, change and are refused, with an exchange over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from gateway.custody import Credential, FaultyCredentials, FoundKeys, Key, Keyring
from gateway.domain.audit import GATEWAY, AuditEvent, AuditKind
from gateway.domain.key_errors import KeyStopped
from gateway.domain.signing import KeyId, KeySlot, Purpose, SigningRequest
from gateway.services.key_rotation import KeyHooks, KeyRefusals, KeyRotation
from tests.unit.exchange.calling import NOW, bench, code
from tests.unit.exchange.peer import Answer, Peer, close

pytestmark = pytest.mark.anyio

READ = KeySlot("demo", Purpose.READ)
OTHER = KeySlot("other", Purpose.READ)
OK = code("00000")
REFUSED = code("20001")
RECHECK_S = 60.0
WALLET = SigningRequest("balance/wallet", (("timestamp", NOW), ("windowSize", 5000)))


def key(version: str) -> Key:
    return Key(version, Credential(f"the-key-{version}", f"the-secret-{version}"))


@dataclass
class Scene:
    """A rotation, what it reads from, what it moves, and what it told."""

    peer: Peer
    keyring: Keyring
    source: dict[KeySlot, Key]
    faults: list[str] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    now: float = 1000.0
    events: list[AuditEvent] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    learnt: list[frozenset[str]] = field(default_factory=list)
    rotation: KeyRotation = field(init=False)

    def read(self) -> FoundKeys:
        if self.faults:
            raise FaultyCredentials(tuple(self.faults))
        return FoundKeys(dict(self.source), self.warnings)

    @property
    def in_force(self) -> dict[str, str | None]:
        return {
            str(KeyId(status.slot, status.version)): status.stopped
            for status in self.keyring.slots()
        }

    @property
    def told(self) -> list[str]:
        """What is on record, but for the probes."""
        return [_said(event) for event in self.events if event.action != "key.probed"]

    @property
    def probed(self) -> list[tuple[str, str]]:
        """The probes on record, each with its outcome."""
        return [(_said(e), e.outcome) for e in self.events if e.action == "key.probed"]

    def move(self, account: str) -> None:
        self.changed.append(account)
        self.moved.set()

    def stop(self, slot: KeySlot = READ, version: str = "1") -> None:
        KeyRefusals(self.keyring, self.events.append)(KeyId(slot, version), "20001")


def _said(event: AuditEvent) -> str:
    if event.account is None:
        return event.action
    return f"{event.action} {event.account}/{event.detail['purpose']}@{event.detail['version']}"


@asynccontextmanager
async def scene(*answers: Answer) -> AsyncIterator[Scene]:
    """Have version 1 of the read key in force, and an exchange that answers probes so."""
    async with bench(*answers) as at:
        it = Scene(at.peer, Keyring({READ: key("1")}), {READ: key("1")})
        it.rotation = KeyRotation(
            keyring=it.keyring,
            sources=[it.read],
            exchange=at.client,
            recheck_s=RECHECK_S,
            hooks=KeyHooks(
                learn=lambda secrets: it.learnt.append(frozenset(secrets)),
                note=it.events.append,
                on_change=it.move,
            ),
            clock=lambda: it.now,
        )
        yield it


async def test_keys_that_do_not_change_are_left_alone() -> None:
    async with scene(OK) as it:
        for _ in range(3):
            await it.rotation.refresh()
        assert it.peer.requests == []
        assert (it.told, it.changed, it.rotation.problem) == ([], [], None)


async def test_keys_that_others_may_read_are_told_of_each_time_that_begins() -> None:
    async with scene(OK) as it:
        with capture_logs() as logs:
            for warnings in (("a",), ("a", "b"), ("a", "b"), (), ("a",)):
                it.warnings = warnings
                await it.rotation.refresh()
        told = [(line["event"], line["problem"]) for line in logs]
        assert told == [("credentials.exposed", problem) for problem in ("a", "b", "a")]


async def test_a_changed_key_is_switched_to_once_the_exchange_has_taken_it() -> None:
    async with scene(OK) as it:
        it.source[READ] = key("2")
        await it.rotation.refresh()
        assert [b"the-key-2" in request for request in it.peer.requests] == [True]
        assert it.in_force == {"demo/read@2": None}
        assert it.keyring.signer("demo")(WALLET).header[1] == "the-key-2"
        assert (it.told, it.changed) == (["key.switched demo/read@2"], ["demo"])
        await it.rotation.refresh()
        assert len(it.peer.requests) == len(it.told) == 1


async def test_what_is_put_on_record_of_a_key_is_its_slot_and_version() -> None:
    async with scene(OK) as it:
        it.source[READ] = key("2")
        await it.rotation.refresh()
        (_, event) = it.events
    assert (event.kind, event.principal, event.outcome) == (AuditKind.KEYS, GATEWAY, "OK")
    assert event.detail == {"purpose": "read", "version": "2"}
    assert "the-" not in repr(event)


async def test_a_keys_secrets_are_known_before_it_is_used_and_those_before_it_stay_known() -> None:
    async with scene(OK) as it:
        it.source[READ] = key("2")
        await it.rotation.refresh()
        assert {"the-key-1", "the-secret-1", "the-key-2", "the-secret-2"} < it.learnt[0]


async def test_a_key_that_the_exchange_refuses_is_not_switched_to_and_tried_again_later() -> None:
    async with scene(REFUSED, OK) as it:
        it.source[READ] = key("2")
        for _ in range(3):
            await it.rotation.refresh()
        assert it.in_force == {"demo/read@1": None}
        assert len(it.peer.requests) == 1
        assert it.rotation.problem == (
            "demo/read@2 is not used yet: the exchange refuses it (20001)"
        )
        assert it.told == ["key.not_used demo/read@2"]
        it.now += RECHECK_S
        await it.rotation.refresh()
        assert it.in_force == {"demo/read@2": None}
        assert it.rotation.problem is None


async def test_a_key_that_stays_refused_is_put_on_record_once() -> None:
    async with scene(REFUSED) as it:
        it.source[READ] = key("2")
        for _ in range(3):
            await it.rotation.refresh()
            it.now += RECHECK_S
        assert len(it.peer.requests) == 3
        assert it.told == ["key.not_used demo/read@2"]


async def test_a_key_that_could_not_be_tried_is_tried_at_the_next_look() -> None:
    async with scene(close, close, close, OK) as it:
        it.source[READ] = key("2")
        await it.rotation.refresh()
        assert it.in_force == {"demo/read@1": None}
        assert "no usable answer" in (it.rotation.problem or "")
        await it.rotation.refresh()
        assert it.in_force == {"demo/read@2": None}
        assert it.rotation.problem is None


async def test_a_refused_key_that_is_taken_back_is_no_problem_any_more() -> None:
    async with scene(REFUSED) as it:
        it.source[READ] = key("2")
        await it.rotation.refresh()
        it.source[READ] = key("1")
        await it.rotation.refresh()
        assert it.rotation.problem is None
        it.source[READ] = key("2")
        await it.rotation.refresh()
        assert len(it.peer.requests) == 2


async def test_a_faulty_source_changes_nothing_and_is_told_until_it_is_mended() -> None:
    async with scene(OK) as it:
        it.source.clear()
        it.faults += ["the file was cut", "and its lock is gone"]
        await it.rotation.refresh()
        await it.rotation.refresh()
        assert it.rotation.problem == "the file was cut and its lock is gone"
        assert (it.in_force, it.told) == ({"demo/read@1": None}, ["keys.refused"])
        assert (it.events[0].outcome, it.events[0].detail) == ("REFUSED", {})
        it.faults.clear()
        it.source[READ] = key("1")
        await it.rotation.refresh()
        assert it.rotation.problem is None


async def test_accounts_come_and_go() -> None:
    async with scene(OK) as it:
        it.source[OTHER] = key("1")
        await it.rotation.refresh()
        assert list(it.in_force) == ["demo/read@1", "other/read@1"]
        del it.source[READ]
        await it.rotation.refresh()
        assert list(it.in_force) == ["other/read@1"]
        assert it.told == ["key.switched other/read@1", "key.removed demo/read@1"]
        assert it.changed == ["other", "demo"]


async def test_only_a_change_of_the_key_that_reads_moves_the_accounts_stream() -> None:
    async with scene(OK) as it:
        it.source[KeySlot("demo", Purpose.TRADE)] = key("1")
        it.source[KeySlot("vault", Purpose.WITHDRAW)] = key("1")
        await it.rotation.refresh()
        assert it.changed == ["vault"]
        del it.source[READ]
        await it.rotation.refresh()
        assert it.changed == ["vault", "demo"]


async def test_each_probe_is_on_record_with_what_came_of_it() -> None:
    async with scene(REFUSED, close, close, close, OK) as it:
        it.stop()
        await it.rotation.refresh()
        for _ in range(3):
            it.now += RECHECK_S
            await it.rotation.refresh()
        probe = "key.probed demo/read@1"
        assert it.probed == [(probe, "KEY_UNAVAILABLE")] * 2 + [(probe, "OK")]
        problems = [event.detail.get("problem", "") for event in it.events]
        assert problems[:2] == ["the exchange refuses it (20001)"] * 2
        assert "no usable answer" in problems[2]
        outcomes = [event.outcome for event in it.events if event.action != "key.probed"]
        assert outcomes == ["KEY_UNAVAILABLE", "OK"]


async def test_one_key_that_is_refused_holds_up_no_other() -> None:
    async with scene(REFUSED, OK) as it:
        it.source |= {READ: key("2"), OTHER: key("1")}
        await it.rotation.refresh()
        assert it.in_force == {"demo/read@1": None, "other/read@1": None}


async def test_a_key_that_the_exchange_refuses_in_a_call_is_stopped_and_put_on_record_once() -> (
    None
):
    async with scene(OK) as it:
        it.stop()
        it.stop()
        it.stop(version="0")
        assert it.told == ["key.stopped demo/read@1"]
        assert it.rotation.problem == "the exchange refuses demo/read@1 (20001)"
        with pytest.raises(KeyStopped):
            it.keyring.signer("demo")(WALLET)


async def test_a_stopped_key_is_tried_now_and_then_and_resumes_when_the_exchange_takes_it() -> None:
    async with scene(REFUSED, OK) as it:
        it.stop()
        for expected in (0, 0, 1, 1, 2):
            await it.rotation.refresh()
            assert len(it.peer.requests) == expected
            it.now += RECHECK_S / 2
        assert it.in_force == {"demo/read@1": None}
        assert it.rotation.problem is None
        assert it.told == ["key.stopped demo/read@1", "key.resumed demo/read@1"]
        assert it.changed == []


async def test_a_stopped_key_that_could_not_be_tried_stays_stopped_and_is_tried_again() -> None:
    async with scene(close, close, close, OK) as it:
        it.stop()
        await it.rotation.refresh()
        it.now += RECHECK_S
        await it.rotation.refresh()
        assert it.in_force == {"demo/read@1": "20001"}
        await it.rotation.refresh()
        assert it.in_force == {"demo/read@1": None}


async def test_a_stopped_key_can_be_replaced_at_once() -> None:
    async with scene(OK) as it:
        it.stop()
        it.source[READ] = key("2")
        await it.rotation.refresh()
        assert it.in_force == {"demo/read@2": None}
        assert it.rotation.problem is None


async def test_it_looks_again_and_again_until_it_is_cancelled() -> None:
    async with scene(OK) as it:
        running = asyncio.create_task(it.rotation.run(every_s=0.001))
        for version in ("2", "3"):
            it.moved.clear()
            it.source[READ] = key(version)
            await it.moved.wait()
            assert it.in_force == {f"demo/read@{version}": None}
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
