"""What the check of an audit log finds, and what it does not take for tampering."""

from dataclasses import replace

import pytest

from gateway.domain.audit import AuditEntry, AuditEvent, AuditKind
from gateway.domain.audit_chain import Head, first_or_next
from gateway.domain.audit_check import FILE, REDIS, AuditCheck, Report

NOW = 1_800_000_000_000


def chain(count: int = 6, writer: str = "w", start: int = NOW - 3_600_000) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for number in range(count):
        head = Head.of(entries[-1]) if entries else None
        event = AuditEvent(
            kind=AuditKind.ORDER, principal="desk", action=f"call-{number}", outcome="OK"
        )
        entries.append(first_or_next(head, writer, start + number, event))
    return entries


def added(entries: list[AuditEntry], kind: AuditKind, **detail: str) -> list[AuditEntry]:
    event = AuditEvent(kind=kind, principal="gateway", action="x", outcome="OK", detail=detail)
    last = entries[-1]
    return [*entries, first_or_next(Head.of(last), last.writer, last.time + 1, event)]


def checked(
    redis: list[AuditEntry] | None = None,
    file: list[AuditEntry] | None = None,
    *,
    heads: dict[str, Head] | None = None,
    bases: dict[str, Head] | None = None,
    trimmed_before: int = 0,
) -> Report:
    check = AuditCheck(NOW)
    if redis is not None:
        check.read(REDIS, [(f"Redis {n}", each) for n, each in enumerate(redis)])
        check.based(bases or {}, trimmed_before)
    if file is not None:
        check.read(FILE, [(f"file:{n}", each) for n, each in enumerate(file, start=1)])
    for writer, head in (heads or {}).items():
        check.told(writer, head, "the head")
    return check.report()


def test_two_equal_copies_of_several_writers_are_whole() -> None:
    both = [each for pair in zip(chain(), chain(writer="v"), strict=True) for each in pair]
    report = checked(both, both, heads={"w": Head.of(chain()[-1])})
    assert report.findings == ()
    assert report.notes == ()
    assert (report.entries, report.writers) == (24, 2)


@pytest.mark.parametrize("copy", ["redis", "file"])
def test_a_changed_entry_is_found_in_either_copy(copy: str) -> None:
    bad = chain()
    bad[2] = replace(bad[2], event=replace(bad[2].event, outcome="REFUSED"))
    report = checked(**{copy: bad})  # type: ignore[arg-type]
    assert any("entry 3 of writer w was changed" in finding for finding in report.findings)


def test_an_entry_that_was_made_anew_with_a_digest_of_its_own_breaks_the_chain() -> None:
    bad = chain()
    event = replace(bad[2].event, outcome="REFUSED")
    bad[2] = first_or_next(Head.of(bad[1]), "w", bad[2].time, event)
    assert any("(entry 4) does not stand behind" in each for each in checked(bad).findings)
    assert any("differ" in each for each in checked(bad, chain()).findings)


def test_entries_in_another_order_are_found() -> None:
    bad = chain()
    bad[2], bad[3] = bad[3], bad[2]
    assert any("stands behind entry 4" in each for each in checked(bad).findings)


def test_a_deleted_entry_is_found_with_and_without_the_other_copy() -> None:
    whole = chain()
    bad = [*whole[:2], *whole[4:]]
    assert any("entries 3-4 are gone" in each for each in checked(bad).findings)
    assert checked(whole, bad).findings == (
        "writer w: the files lack entries 3-4, which the other copy has",
    )
    assert checked(bad, whole).findings == (
        "writer w: Redis lacks entries 3-4, which the other copy has",
    )


def test_a_cut_tail_is_found_by_the_other_copy_and_by_the_head() -> None:
    whole = chain()
    assert checked(whole[:4], whole).findings == (
        "writer w: Redis lacks entries 5-6, which the other copy has",
    )
    assert checked(whole[:4], heads={"w": Head.of(whole[-1])}).findings == (
        "writer w: entries 5-6 are gone: the head tells of them",
    )


def test_a_cut_beginning_is_found() -> None:
    assert checked(chain()[2:]).findings == ("writer w: entries 1-2 are gone",)


def test_a_writer_that_is_gone_is_found_by_the_anchor_of_another() -> None:
    other = chain(writer="v")
    anchored = added(chain(), AuditKind.ANCHOR, v=str(Head.of(other[-1])))
    assert checked(anchored + other).findings == ()
    (finding,) = checked(anchored).findings
    assert finding.startswith("writer v: entries 1-6 are gone: the anchor 7 of writer w")


def test_a_writer_that_is_gone_from_the_files_altogether_is_a_finding() -> None:
    found = checked(chain() + chain(writer="v"), chain()).findings
    assert found == ("writer v: the files lack entries 1-6, which the other copy has",)


def test_a_command_writes_to_redis_alone() -> None:
    command = chain(writer="shell:w")
    assert checked(chain() + command, chain()).findings == ()
    anchored = added(chain(), AuditKind.ANCHOR, **{"shell:w": str(Head.of(command[-1]))})
    report = checked(file=anchored)
    assert report.findings == ()
    assert report.notes == ("writer shell:w: a command's, which writes to Redis alone",)
    assert checked(anchored, anchored).findings != ()
    exported = [*command[:2], *command[3:]]
    assert checked(file=exported).findings == ("writer shell:w: entries 3 are gone",)


@pytest.mark.parametrize("copies", [(None, None), ([], None), (None, []), ([], [])])
def test_where_nothing_is_nothing_is_verified(
    copies: tuple[list[AuditEntry] | None, list[AuditEntry] | None],
) -> None:
    assert checked(*copies).findings == ("there is no entry to verify",)


def test_a_chain_that_was_written_anew_is_found_by_a_head_that_was_told() -> None:
    forged = chain(start=NOW - 3_599_000)
    (finding,) = checked(forged, heads={"w": Head.of(chain()[3])}).findings
    assert "is not the entry 4 of which the head tells" in finding


def test_what_was_taken_off_by_age_is_no_finding_and_its_base_is_checked() -> None:
    whole = chain()
    base = Head.of(whole[2])
    marks = {"bases": {"w": base}, "trimmed_before": whole[3].time}
    assert checked(whole[3:], whole, **marks).findings == ()  # type: ignore[arg-type]
    assert checked(whole[3:], **marks).findings == ()  # type: ignore[arg-type]
    wrong = {"w": replace(base, digest="00")}
    assert checked(whole[3:], bases=wrong, trimmed_before=whole[3].time).findings != ()


def test_a_writer_that_is_gone_by_age_is_no_finding() -> None:
    old = chain()
    heads = {"w": Head.of(old[-1])}
    assert checked([], old, trimmed_before=NOW).findings == ()
    left = chain(writer="v", start=NOW)
    assert checked(left, heads=heads, trimmed_before=NOW).findings == ()
    assert checked(left, heads=heads).findings != ()


def test_what_an_entry_says_was_lost_is_a_note() -> None:
    whole = added(chain(), AuditKind.LOST, sink="redis", first="3", last="4")
    report = checked([*whole[:2], *whole[4:]], whole)
    assert report.findings == ()
    assert "Redis lacks entries 3-4, as an entry of kind LOST says" in report.notes[0]
    counted = added(chain(), AuditKind.LOST, count="7")
    assert checked(counted, counted).notes == ("writer w: 7 events were lost for want of room",)


@pytest.mark.parametrize("last", ["", "x", "-1", "999999999999999999"])
def test_a_lost_entry_that_makes_no_sense_harms_nothing(last: str) -> None:
    whole = added(chain(), AuditKind.LOST, sink="redis", first="5", last=last)
    assert checked(whole, whole).findings == ()


def test_what_is_just_being_written_may_be_in_one_copy_alone() -> None:
    fresh = chain(start=NOW - 1_000)
    assert checked(fresh[:4], fresh).findings == ()


def test_files_alone_may_begin_anywhere_and_say_so() -> None:
    report = checked(file=chain()[2:])
    assert report.findings == ()
    assert "the chain begins with entry 3" in report.notes[0]
