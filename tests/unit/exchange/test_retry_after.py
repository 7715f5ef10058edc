import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange.retry_after import seconds_to_wait

SENT = "Sun, 22 Nov 2026 13:00:00 GMT"


def test_a_reply_that_asks_for_nothing_asks_for_nothing() -> None:
    assert seconds_to_wait({}) is None


@pytest.mark.parametrize(
    ("asked", "seconds"), [("0", 0), ("7", 7), (" 120 ", 120)], ids=["now", "7", "spaces"]
)
def test_seconds_are_taken_as_they_stand(asked: str, seconds: float) -> None:
    assert seconds_to_wait({"retry-after": asked}) == seconds


def test_a_date_counts_from_the_replys_own() -> None:
    headers = {"retry-after": "Sun, 22 Nov 2026 13:01:30 GMT", "date": SENT}
    assert seconds_to_wait(headers) == 90


def test_a_date_that_has_passed_is_now() -> None:
    headers = {"retry-after": "Sun, 22 Nov 2026 12:00:00 GMT", "date": SENT}
    assert seconds_to_wait(headers) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "soon"},
        {"retry-after": "-1", "date": SENT},
        {"retry-after": "1.5", "date": SENT},
        {"retry-after": "٣"},
        {"retry-after": "Sun, 22 Nov 2026 13:01:30 GMT"},
        {"retry-after": "Sun, 22 Nov 2026 13:01:30 GMT", "date": "today"},
        {"retry-after": "Sun, 22 Nov 2026 13:01:30 -0000", "date": SENT},
    ],
    ids=["word", "negative", "fraction", "digit", "undated", "bad-date", "no-zone"],
)
def test_what_is_in_no_known_form_asks_for_nothing(headers: dict[str, str]) -> None:
    assert seconds_to_wait(headers) is None


@given(st.text(), st.text())
def test_nothing_that_a_peer_writes_is_a_fault(asked: str, date: str) -> None:
    waited = seconds_to_wait({"retry-after": asked, "date": date})
    assert waited is None or 0 <= waited < 1e12
