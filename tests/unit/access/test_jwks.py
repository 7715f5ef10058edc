import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.access.jwks import IssuerKeys, NotRead, fetch_keys
from gateway.access.policy import Issuer, Policy
from tests.oidc.keys import ec_key, rsa_key
from tests.unit.access.issuing import DISCOVERY, issuing_server, policy_of, write_certificate
from tests.unit.services.examples import until

pytestmark = pytest.mark.anyio

FIRST, SECOND = rsa_key("first"), ec_key("second")


@dataclass
class Desk:
    """The keys of the issuers of a policy, at a time that the test sets."""

    policy: Policy
    now: float = 1000

    def __post_init__(self) -> None:
        self.keys = IssuerKeys(
            lambda: self.policy, refresh_s=300, keep_s=3600, clock=lambda: self.now
        )

    def kids(self, issuer: Issuer) -> list[str | None] | None:
        """The ids of the keys that count."""
        found = self.keys.of(issuer)
        return None if found is None else [key.kid for key in found.keys]

    async def refresh_later(self, issuer: Issuer, seconds: float = 10) -> None:
        """Have them read again after a while."""
        self.now += seconds
        await self.keys.refresh(issuer)


@asynccontextmanager
async def running(desk: Desk) -> AsyncIterator[None]:
    task = asyncio.create_task(desk.keys.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_keys_are_read_where_the_policy_says() -> None:
    async with issuing_server(FIRST, SECOND) as server:
        found = await fetch_keys(server.issuer())
        assert [key.kid for key in found.keys] == ["first", "second"]
        assert server.asked == [("/jwks", None)]


async def test_without_an_address_discovery_tells_where_they_are() -> None:
    async with issuing_server(FIRST) as server:
        server.discoverable()
        found = await fetch_keys(server.issuer(jwks_url=None))
        assert [key.kid for key in found.keys] == ["first"]
        assert [path for path, _ in server.asked] == [DISCOVERY, "/jwks"]


async def test_the_token_file_is_shown_to_the_issuer_and_to_no_address_it_names(
    tmp_path: Path,
) -> None:
    token = tmp_path / "token"
    async with issuing_server(FIRST) as server, issuing_server(SECOND) as other:
        for content in ("made-up-token\n", "renewed-token\n"):
            token.write_text(content)
            await fetch_keys(server.issuer(token_file=str(token)))
            assert server.asked.pop() == ("/jwks", f"Bearer {content.strip()}")
        server.discoverable()
        await fetch_keys(server.issuer(jwks_url=None, token_file=str(token)))
        assert server.asked == [
            (DISCOVERY, "Bearer renewed-token"),
            ("/jwks", "Bearer renewed-token"),
        ]
        server.discoverable(jwks_uri=f"{other.url}/jwks")
        await fetch_keys(server.issuer(jwks_url=None, token_file=str(token)))
        assert other.asked == [("/jwks", None)]


async def test_over_tls_the_ca_file_says_whom_to_trust(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path / "one.crt")
    another = write_certificate(tmp_path / "another.crt")
    async with issuing_server(FIRST, certificate=certificate) as server:
        found = await fetch_keys(server.issuer(ca_file=str(certificate)))
        assert [key.kid for key in found.keys] == ["first"]
        for authorities in (str(another), None):
            with pytest.raises(NotRead, match="ConnectError"):
                await fetch_keys(server.issuer(ca_file=authorities))
        assert len(server.asked) == 1


async def test_an_issuer_with_tls_sends_nobody_to_this_machine_without(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path / "one.crt")
    async with issuing_server(FIRST, certificate=certificate) as server, issuing_server() as local:
        server.discoverable(jwks_uri=f"{local.url}/jwks")
        with pytest.raises(NotRead, match="jwks_uri is not https"):
            await fetch_keys(server.issuer(jwks_url=None, ca_file=str(certificate)))
        assert local.asked == []


BAD_ANSWERS = [
    (None, "RemoteProtocolError"),
    ((404, ""), "HTTP status 404"),
    ((302, "location: /elsewhere\r\n"), "HTTP status 302"),
    (b"<html>", "no JSON Web Key Set"),
    (b'{"keys": []}', "no key that can check a signature"),
    (b" " * 262_145, "the answer is over 262144 bytes"),
]


@pytest.mark.parametrize(("answer", "problem"), BAD_ANSWERS, ids=range(len(BAD_ANSWERS)))
async def test_a_bad_answer_is_no_key_set(
    answer: bytes | tuple[int, str] | None, problem: str
) -> None:
    async with issuing_server() as server:
        server.answers["/jwks"] = answer
        with pytest.raises(NotRead) as refused:
            await fetch_keys(server.issuer())
        assert problem in str(refused.value)
        assert [path for path, _ in server.asked] == ["/jwks"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"issuer": "https://another.example.com"}, "the discovery document is another issuer's"),
        ({"jwks_uri": "http://keys.example.com/jwks"}, "its address is not https"),
        ({"jwks_uri": "file:///etc/passwd"}, "its address is not https"),
        ({"jwks_uri": "http://127.0.0.1.example.com/jwks"}, "its address is not https"),
        ({"jwks_uri": "http://[::1/jwks"}, "InvalidURL"),
        ({"jwks_uri": ""}, "its address is not https"),
        ({"jwks_uri": 7}, "no OpenID Connect discovery document"),
    ],
    ids=range(7),
)
async def test_a_bad_discovery_document_leads_nowhere(
    changes: dict[str, object], problem: str
) -> None:
    async with issuing_server(FIRST) as server:
        server.discoverable(**changes)
        with pytest.raises(NotRead) as refused:
            await fetch_keys(server.issuer(jwks_url=None))
        assert str(refused.value) == problem
        assert [path for path, _ in server.asked] == [DISCOVERY]


@pytest.mark.parametrize("name", ["ca_file", "token_file"])
async def test_a_file_that_cannot_be_read_is_a_problem_and_nothing_is_asked(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "bad").write_text("no certificate, and no token: é")
    async with issuing_server(FIRST) as server:
        for file in ("bad", "none"):
            with pytest.raises(NotRead):
                await fetch_keys(server.issuer(**{name: str(tmp_path / file)}))
        assert server.asked == []


async def test_an_issuer_without_tls_is_only_asked_on_this_machine() -> None:
    with pytest.raises(NotRead, match="not https"):
        await fetch_keys(Issuer("far", "http://issuer.example.com", "a", ("RS256",)))


async def test_keys_follow_what_the_issuer_publishes() -> None:
    async with issuing_server(FIRST) as server:
        issuer = server.issuer()
        desk = Desk(policy_of(issuer))
        assert desk.kids(issuer) is None
        await desk.keys.refresh(issuer)
        assert desk.kids(issuer) == ["first"]
        server.publish(FIRST, SECOND)
        await desk.refresh_later(issuer)
        assert desk.kids(issuer) == ["first", "second"]


async def test_all_who_ask_at_once_share_one_reading() -> None:
    async with issuing_server(FIRST) as server:
        issuer = server.issuer()
        desk = Desk(policy_of(issuer))
        server.held.clear()
        asking = [asyncio.create_task(desk.keys.refresh(issuer)) for _ in range(20)]
        await until(lambda: server.asked)
        server.held.set()
        await asyncio.gather(*asking)
        assert len(server.asked) == 1
        assert desk.kids(issuer) == ["first"]


async def test_who_asks_again_at_once_waits_until_that_is_decent() -> None:
    async with issuing_server(FIRST) as server:
        issuer = server.issuer()
        desk = Desk(policy_of(issuer))
        await desk.keys.refresh(issuer)
        server.publish(SECOND)
        again = asyncio.create_task(desk.keys.refresh(issuer))
        await asyncio.sleep(0.3)
        assert len(server.asked) == 1
        await again
        assert desk.kids(issuer) == ["second"]


async def test_an_asker_who_goes_away_breaks_off_no_reading() -> None:
    async with issuing_server(FIRST) as server:
        issuer = server.issuer()
        desk = Desk(policy_of(issuer))
        server.held.clear()
        gone = asyncio.create_task(desk.keys.refresh(issuer))
        await until(lambda: server.asked)
        gone.cancel()
        server.held.set()
        await until(lambda: desk.kids(issuer))


async def test_in_an_outage_the_last_keys_hold_and_not_for_ever() -> None:
    async with issuing_server(FIRST) as server:
        issuer = server.issuer()
        desk = Desk(policy_of(issuer))
        await desk.keys.refresh(issuer)
        assert desk.keys.problem is None
        server.answers["/jwks"] = (503, "")
        with capture_logs() as lines:
            await desk.refresh_later(issuer)
            await desk.refresh_later(issuer)
        assert desk.kids(issuer) == ["first"]
        told = "the keys of issuer 'cluster' cannot be read: HTTP status 503"
        assert desk.keys.problem == told
        assert [line["event"] for line in lines] == ["issuer.not_read"]
        desk.now = 1000 + 3600
        assert desk.kids(issuer) == ["first"]
        desk.now += 1
        assert desk.kids(issuer) is None
        server.publish(SECOND)
        await desk.keys.refresh(issuer)
        assert (desk.kids(issuer), desk.keys.problem) == (["second"], None)


async def test_the_loop_reads_every_issuer_s_keys_and_again_when_it_is_time() -> None:
    async with issuing_server(FIRST) as server, issuing_server(SECOND) as other:
        issuers = server.issuer(), other.issuer()
        desk = Desk(policy_of(*issuers))
        async with running(desk):
            await until(lambda: all(map(desk.kids, issuers)))
            desk.now += 299
            await asyncio.sleep(0.7)
            assert (len(server.asked), len(other.asked)) == (1, 1)
            desk.now += 2
            await until(lambda: len(server.asked) == len(other.asked) == 2)


async def test_an_outage_is_over_soon_after_it_is() -> None:
    async with issuing_server(FIRST) as server:
        issuer = server.issuer()
        desk = Desk(policy_of(issuer))
        server.answers["/jwks"] = None
        async with running(desk):
            await until(lambda: desk.keys.problem)
            server.publish(FIRST)
            desk.now += 3
            await until(lambda: desk.kids(issuer))
            assert desk.keys.problem is None


async def test_issuers_come_and_go_with_the_policy() -> None:
    async with issuing_server(FIRST) as server, issuing_server(SECOND) as other:
        old, new = server.issuer(), other.issuer()
        desk = Desk(policy_of(old))
        async with running(desk):
            await until(lambda: desk.kids(old))
            desk.policy = policy_of(new)
            await until(lambda: desk.kids(new))
            await until(lambda: desk.kids(old) is None)


async def test_keys_outlive_a_change_of_rules_and_not_one_of_their_address() -> None:
    async with issuing_server(FIRST) as server:
        desk = Desk(policy_of(server.issuer()))
        await desk.keys.refresh(server.issuer())
        assert desk.kids(server.issuer(algorithms=("ES256",))) == ["first"]
        assert desk.kids(server.issuer(jwks_url=f"{server.url}/elsewhere")) is None


async def test_the_end_of_the_loop_waits_for_no_answer() -> None:
    before = asyncio.all_tasks()
    async with issuing_server(FIRST) as server:
        desk = Desk(policy_of(server.issuer()))
        server.held.clear()
        loop = asyncio.create_task(desk.keys.run())
        await until(lambda: server.asked)
        loop.cancel()
        ended, _ = await asyncio.wait({loop}, timeout=3)  # an answer is waited for longer
        assert ended
        assert not [each for each in asyncio.all_tasks() - before if "_read" in repr(each)]
