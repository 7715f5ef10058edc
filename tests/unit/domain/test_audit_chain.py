"""An entry's digest and text."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.audit import AuditEvent, AuditKind
from gateway.domain.audit_chain import (
    Head,
    MalformedEntry,
    first_or_next,
    from_text,
    is_whole,
    to_text,
)

TEXTS = st.text(max_size=20)
EVENTS = st.builds(
    AuditEvent,
    kind=st.sampled_from(AuditKind),
    principal=TEXTS,
    action=TEXTS,
    outcome=TEXTS,
    account=st.none() | TEXTS,
    rule=st.none() | TEXTS,
    trace_id=st.none() | TEXTS,
    detail=st.dictionaries(TEXTS, TEXTS, max_size=3),
)


@given(EVENTS)
def test_an_entry_comes_back_from_its_text_whole_and_on_one_line(event: AuditEvent) -> None:
    first = first_or_next(None, "w", 5, event)
    entry = first_or_next(Head.of(first), "w", 6, event)
    assert entry.sequence == 2
    assert entry.previous == first.digest
    text = to_text(entry)
    assert from_text(text) == entry
    assert is_whole(entry)
    assert text.isascii()
    assert len(text.splitlines()) == 1


@given(EVENTS, EVENTS)
def test_another_event_has_another_digest(one: AuditEvent, other: AuditEvent) -> None:
    digests = {first_or_next(None, "w", 5, event).digest for event in (one, other)}
    assert len(digests) == (1 if one == other else 2)


def test_an_entry_that_says_anything_else_is_not_whole() -> None:
    event = AuditEvent(kind=AuditKind.ORDER, principal="desk", action="a", outcome="OK")
    entry = first_or_next(None, "w", 5, event)
    changes = ({"time": 6}, {"sequence": 2}, {"writer": "v"}, {"previous": "00"})
    for change in changes:
        assert not is_whole(replace(entry, **change))
    assert not is_whole(replace(entry, event=replace(event, principal="else")))


@given(st.text() | st.sampled_from(["[]", "{}", '"x"', "1", "[" * 100_000]))
def test_whatever_is_no_entry_is_malformed(text: str) -> None:
    with pytest.raises(MalformedEntry):
        from_text(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"kind":"ORDER"', '"kind":"NO"'),
        ('"sequence":1', '"sequence":true'),
        ('"sequence":1', '"sequence":"1"'),
        ('"detail":{}', '"detail":{"a":1}'),
        ('"detail":{}', '"detail":[]'),
        ('"writer":"w"', '"writer":null'),
        ('"writer":"w"', '"author":"w"'),
    ],
)
def test_a_member_of_another_type_or_name_is_malformed(old: str, new: str) -> None:
    event = AuditEvent(kind=AuditKind.ORDER, principal="desk", action="a", outcome="OK")
    text = to_text(first_or_next(None, "w", 5, event))
    assert old in text
    with pytest.raises(MalformedEntry):
        from_text(text.replace(old, new))


def test_a_head_is_written_and_read() -> None:
    assert Head.parse(str(Head(3, "ab", 7))) == Head(3, "ab", 7)
    for text in ("", "3 ab", "x ab 7", "3 ab 7 8"):
        with pytest.raises(MalformedEntry):
            Head.parse(text)
