"""The audit log of a running gateway: over GraphQL, from the command line, and tampered with."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.operations import operation
from tests.functional.conftest import running_service
from tests.functional.ordering import accepted
from tests.functional.service import AUDIT, PEOPLE, Member, Service
from tests.processes import eventually

STREAM = "ngw:1:audit:{log}:entries"
HEADS = "ngw:1:audit:{log}:heads"
LOCAL = "audit-of-vault"
DENIED = "all-but-demo"


def audit(*words: str, redis: str | None = None) -> tuple[int, str]:
    """Run a command of `audit`: its exit status and what it printed."""
    named = {} if redis is None else {"NGW_STATE_REDIS_URL": redis}
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "audit", *words],
        env={"PATH": os.environ["PATH"], "COLUMNS": "200", **named},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    return done.returncode, done.stdout + done.stderr


class _OneAccount(Member):
    """May read the audit log of one account alone."""

    def _grant(self, number: int, actions: tuple[str, ...]) -> dict[str, Any]:
        return {"id": f"{self.name}-{number}", "actions": actions, "account": self.account}


class _AllButDemo(Member):
    """Is granted the whole audit log, and denied what concerns the account demo."""

    def entry(self) -> dict[str, Any]:
        deny = {"id": "not-demo", "account": "demo", "actions": AUDIT}
        return {**super().entry(), "denies": [deny]}


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Path]]:
    """A gateway that writes its audit log to a file as well; an order has been placed."""
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    people = (*PEOPLE, _OneAccount(LOCAL, (AUDIT,), account="vault"), _AllButDemo(DENIED, (AUDIT,)))
    settings = {"NGW_AUDIT_FILE": str(path), "NGW_AUDIT_ANCHOR_S": "1"}
    with running_service(tmp_path_factory, people=people, settings=settings) as service:
        accepted(service.caller("trader"), "audited")
        # Denied, and so on record as concerning that account.
        assert service.caller("reader").code(operation("audit-log"), account="vault")
        assert eventually(lambda: bool(nodes(service, account="vault")))
        yield service, path


def nodes(service: Service, name: str = "operator", **variables: object) -> list[dict[str, Any]]:
    answer = service.caller(name).answer(operation("audit-log"), **variables)
    return [edge["node"] for edge in answer["auditLog"]["edges"]]


def test_an_order_is_on_record_with_who_which_rule_and_what_came_of_it(
    audited: tuple[Service, Path],
) -> None:
    service, _ = audited
    assert eventually(lambda: len(nodes(service, kind="ORDER")) >= 2)
    done, sending = nodes(service, kind="ORDER", first=2)
    assert (sending["outcome"], done["outcome"]) == ("SENDING", "ACCEPTED")
    for node in (done, sending):
        assert node["principal"] == "trader"
        assert node["account"] == "demo"
        assert node["rule"] == "trader-2"
        assert re.fullmatch("[0-9a-f]{32}", node["traceId"])


def test_a_denied_look_at_the_audit_log_is_on_record_itself(audited: tuple[Service, Path]) -> None:
    service, _ = audited
    assert service.caller("reader").code("{ auditLog { edges { cursor } } }") == "FORBIDDEN"
    assert eventually(lambda: bool(nodes(service, kind="DENIED", principal="reader")))
    node = nodes(service, kind="DENIED", principal="reader")[0]
    assert (node["action"], node["outcome"]) == ("audit:read", "FORBIDDEN")


def test_a_grant_of_one_account_shows_that_account_alone(audited: tuple[Service, Path]) -> None:
    service, _ = audited
    assert {node["account"] for node in nodes(service, LOCAL)} == {"vault"}
    everything = {node["account"] for node in nodes(service, first=200)}
    assert {None, "demo"} <= everything
    assert service.caller(LOCAL).code(operation("audit-log"), account="demo") == "UNKNOWN_ACCOUNT"


def test_who_is_denied_an_account_sees_what_concerns_the_others_alone(
    audited: tuple[Service, Path],
) -> None:
    service, _ = audited
    assert {node["account"] for node in nodes(service, DENIED, first=200)} == {"vault"}


def test_pages_hold_every_entry_once(audited: tuple[Service, Path]) -> None:
    service, _ = audited
    cursor, seen = None, []
    for _ in range(3):
        operator = service.caller("operator")
        page = operator.answer(operation("audit-log"), first=2, after=cursor)["auditLog"]
        seen += [(edge["node"]["writer"], edge["node"]["sequence"]) for edge in page["edges"]]
        cursor = page["pageInfo"]["endCursor"]
    assert len(set(seen)) == len(seen) == 6


def test_a_whole_log_is_verified_in_redis_in_the_file_and_against_the_gateway_s_log(
    audited: tuple[Service, Path],
) -> None:
    service, path = audited
    assert eventually(lambda: b"audit.head" in service.log.read_bytes())
    code, told = audit(
        "verify", "--file", str(path), "--log", str(service.log), redis=service.valkey.url
    )
    assert (code, told.count("no finding")) == (0, 1), told
    assert audit("verify", "--file", str(path))[0] == 0


def test_what_is_printed_and_exported_is_what_happened(
    audited: tuple[Service, Path], tmp_path: Path
) -> None:
    service, _ = audited
    code, told = audit("tail", "--count", "1000", redis=service.valkey.url)
    assert code == 0
    assert re.search(r" ORDER trader demo \S+ ACCEPTED trader-2 ", told)
    code, told = audit("export", redis=service.valkey.url)
    assert code == 0
    assert {json.loads(line)["audit"]["principal"] for line in told.splitlines()} >= {"trader"}
    exported = tmp_path / "export.jsonl"
    exported.write_text(told)
    assert audit("verify", "--file", str(exported))[0] == 0
    assert audit("export", "--until", "2020-01-01", redis=service.valkey.url) == (0, "")


def test_a_moment_is_taken_as_it_is_printed(audited: tuple[Service, Path]) -> None:
    service, _ = audited
    _, told = audit("tail", "--count", "1000", redis=service.valkey.url)
    newest = told.splitlines()[-1].split()[0]
    assert newest.endswith("Z")
    _, before = audit("export", "--until", newest, redis=service.valkey.url)
    _, after = audit("export", "--since", newest, redis=service.valkey.url)
    assert before
    assert len((before + after).splitlines()) >= len(told.splitlines())
    whole_second = f"{newest[:19]}Z"
    assert audit("export", "--since", whole_second, redis=service.valkey.url)[0] == 0


def test_the_tail_of_an_empty_log_says_that_it_is_empty(audited: tuple[Service, Path]) -> None:
    service, _ = audited
    code, told = audit("tail", redis=f"{service.valkey.url}?db=7")
    assert (code, "no entry is there" in told) == (0, True), told


def test_edits_deletions_and_cuts_of_the_file_are_each_found(
    audited: tuple[Service, Path], tmp_path: Path
) -> None:
    service, path = audited
    lines = path.read_text().splitlines(keepends=True)
    copy = tmp_path / "copy.jsonl"
    edited = [line.replace('"principal":"trader"', '"principal":"nobody"') for line in lines]
    changes = {
        "was changed": edited,
        "stands behind": [lines[1], lines[0], *lines[2:]],
        "are gone": [*lines[:1], *lines[2:]],
        "no entry": [lines[0].replace("writer", "author"), *lines[1:]],
    }
    for finding, changed in changes.items():
        copy.write_text("".join(changed))
        code, told = audit("verify", "--file", str(copy))
        assert (code, finding in told) == (1, True), told
    copy.write_text("".join(lines[:2]))
    code, told = audit("verify", "--file", str(copy), "--log", str(service.log))
    assert (code, "a line audit.head, tells of them" in told) == (1, True), told


def test_a_log_on_standard_output_is_verified_from_there(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_service(tmp_path_factory) as service:
        accepted(service.caller("trader"), "audited")
        service.close()
        code, told = audit("verify", "--file", str(service.log), redis=service.valkey.url)
        assert code == 0, told
        newest = service.valkey.command("XREVRANGE", STREAM, "+", "-", "COUNT", "1")
        place_of_newest = re.search(rb"\d{13}-\d+", newest)
        assert place_of_newest is not None
        service.valkey.command("XDEL", STREAM, place_of_newest[0].decode())
        code, told = audit("verify", redis=service.valkey.url)
        assert (code, "the head in Redis tells of them" in told) == (1, True), told
        service.valkey.command("DEL", HEADS)
        # Not at once: what is a few seconds old may be on its way.
        both = ("verify", "--file", str(service.log))
        assert eventually(lambda: "Redis lacks" in audit(*both, redis=service.valkey.url)[1])


def test_without_a_log_to_read_the_commands_say_what_to_set(tmp_path: Path) -> None:
    for words in (("tail",), ("export",), ("verify",)):
        code, told = audit(*words)
        assert code == 2
        assert "NGW_STATE_REDIS_URL" in told
    code, told = audit("verify", "--file", str(tmp_path / "absent"))
    assert (code, "no entry of an audit log is there" in told) == (1, True)
    code, told = audit("tail", redis="redis://127.0.0.1:1")
    assert (code, "the store is away (ConnectionError)" in told) == (2, True)
