"""What `audit verify` makes of lines in files."""

import json
from pathlib import Path

import pytest

from gateway.cli.audit.verifying import verify
from gateway.domain.audit import AuditEntry
from gateway.domain.audit_chain import Head, first_or_next
from gateway.store.audit_file import to_line
from tests.unit.services.audit_examples import event


def entries(count: int) -> list[AuditEntry]:
    made: list[AuditEntry] = []
    for number in range(count):
        head = Head.of(made[-1]) if made else None
        made.append(first_or_next(head, "w", number, event(f"call-{number}")))
    return made


def lines(count: int) -> list[str]:
    return [to_line(entry) for entry in entries(count)]


def head_line(entry: AuditEntry) -> str:
    members = {"writer": "w", "sequence": entry.sequence, "digest": entry.digest, "time": 1}
    return json.dumps({**members, "event": "audit.head"}) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_other_lines_and_words_of_a_container_runtime_do_not_matter(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = ["\n", "plain words {\n", '{"event":"gateway.starting"}\n', "[1]\n", "{" * 5_000]
    framed = [f"2026-11-22T13:00:00.0Z stdout F {line}" for line in lines(3)]
    path.write_text("".join([*framed, *strange]))
    assert verify({}, files=[path], logs=[]) == 0
    assert "3 entries of 1 writer: no findings" in capsys.readouterr().out


def test_a_torn_last_line_is_a_note_and_a_torn_line_before_it_a_finding(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = lines(3)
    path.write_text("".join(whole[:2]) + whole[2][:50])
    assert verify({}, files=[path], logs=[]) == 0
    assert f"note: {path}:3: the last line is torn" in capsys.readouterr().out
    path.write_text(whole[0][:50] + "\n" + "".join(whole[1:]))
    assert verify({}, files=[path], logs=[]) == 1
    assert f"{path}:1: this is no entry" in capsys.readouterr().out


def test_a_log_tells_of_a_tail_that_is_cut_in_every_file(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "gateway.log"
    log.write_text(head_line(entries(5)[-1]))
    path.write_text("".join(lines(5)))
    assert verify({}, files=[path], logs=[log]) == 0
    path.write_text("".join(lines(3)))
    assert verify({}, files=[path], logs=[log]) == 1
    assert f"entries 4-5 are gone: {log}:1, a line audit.head" in capsys.readouterr().out


def test_heads_among_the_lines_of_a_file_count_too(path: Path) -> None:
    path.write_text("".join([*lines(3), head_line(entries(5)[-1])]))
    assert verify({}, files=[path], logs=[]) == 1


def test_a_head_that_is_none_is_a_finding(path: Path) -> None:
    path.write_text('{"event":"audit.head","sequence":"x","digest":"","time":1,"writer":"w"}\n')
    assert verify({}, files=[path], logs=[]) == 1


def test_a_file_that_was_emptied_or_taken_away_or_is_another_is_a_finding(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (other := tmp_path / "policy.yaml").write_text("version: 1\n")
    (whole := tmp_path / "whole.jsonl").write_text("".join(lines(3)))
    for absent in (tmp_path / "absent", other):
        assert verify({}, files=[whole, absent], logs=[]) == 1
        assert f"{absent}: no entry of an audit log is there" in capsys.readouterr().out
    path.write_text("")
    assert verify({}, files=[path], logs=[]) == 1
    told = capsys.readouterr().out
    assert "there is no entry to verify" in told
    assert "no entries of no writers: 2 findings" in told


def test_a_log_without_a_head_is_noted(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("".join(lines(3)))
    assert verify({}, files=[path], logs=[path]) == 0
    assert f"note: {path}: no line audit.head is there" in capsys.readouterr().out


def test_files_of_one_chain_may_come_in_any_order(path: Path, tmp_path: Path) -> None:
    older = tmp_path / "audit.1.jsonl"
    older.write_text("".join(lines(5)[:3]))
    path.write_text("".join(lines(5)[3:]))
    assert verify({}, files=[path, older], logs=[]) == 0


def test_without_anything_to_read_it_says_what_to_give(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert verify({}, files=[], logs=[]) == 2
    assert "NGW_STATE_REDIS_URL" in capsys.readouterr().err
    assert verify({"NGW_STATE_REDIS_URL": "http://s3cret@x"}, files=[], logs=[]) == 2
    assert "s3cret" not in capsys.readouterr().err
