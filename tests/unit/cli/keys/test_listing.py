"""The table of `keys list`."""

import pytest

from gateway.cli.keys.listing import listed
from gateway.custody.sealed_entry import EntryLabel, EntryState, SealedEntry
from gateway.domain.signing import KeySlot, Purpose

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def entry(account: str, created: int = 0) -> SealedEntry:
    label = EntryLabel(KeySlot(account, Purpose.READ), 1, EntryState.ACTIVE, created)
    return SealedEntry(label, "2026", b"canary", b"canary")


def test_columns_stand_below_each_other_and_hold_no_key() -> None:
    headings, first, second = listed([entry("a"), entry("a-longer-name")], now=0)
    assert headings.index("PURPOSE") == first.index("read") == second.index("read")
    assert "canary" not in first


def test_without_entries_there_are_the_headings() -> None:
    assert list(listed([], now=0)) == ["ACCOUNT  PURPOSE  VERSION  STATE  AGE  KEK"]


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (-5, "0 min"),
        (59_999, "0 min"),
        (119 * MINUTE, "119 min"),
        (2 * HOUR, "2 h"),
        (47 * HOUR, "47 h"),
        (2 * DAY, "2 d"),
        (400 * DAY, "400 d"),
    ],
)
def test_an_age_is_told_in_the_largest_unit_of_which_there_are_two(age: int, shown: str) -> None:
    _, row = listed([entry("a", created=0)], now=age)
    assert f"  {shown}  " in row
