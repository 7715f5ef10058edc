"""Following until there are enough events, or no more, and how to go on then."""

from contextlib import AbstractContextManager
from typing import Any

import pytest

from gateway.cli.watch.show import show
from tests.unit.cli.answering import gateway

BALANCE = {"__typename": "Balance", "asset": "BTC", "total": "3", "available": "2", "held": "1"}


def telling(sequence: str | None) -> AbstractContextManager[dict[str, str]]:
    """A gateway that tells one event of an account, and closes the connection."""
    event = {"sequence": sequence, "time": "2026-01-31T12:00:00.000Z", "change": BALANCE}
    return gateway(lambda asked: {"accountEvents": event})


def follow(given: dict[str, str], count: int | None = None, **variables: Any) -> int:  # noqa: ANN401
    environ = {"GATEWAY_URL": given["GATEWAY_URL"], "GATEWAY_TOKEN": "app"}
    return show("accountEvents", variables, environ, count=count, as_json=False)


def test_a_drop_copy_that_ends_says_how_to_go_on_behind_the_last_event(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with telling("17") as given:
        assert follow(given, account="demo", after="16") == 1
    assert capsys.readouterr().err.endswith("--after 17\n")


def test_before_the_first_numbered_event_one_goes_on_where_one_began(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with telling(None) as given:
        assert follow(given, account="demo", after="16") == 1
    assert capsys.readouterr().err.endswith("--after 16\n")
    with telling(None) as given:
        assert follow(given, account="demo", after=None) == 1
    assert "--after" not in capsys.readouterr().err


def test_enough_events_are_the_end_and_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with telling("17") as given:
        assert follow(given, count=1, account="demo", after=None) == 0
    told = capsys.readouterr()
    assert told.out == "    17  2026-01-31T12:00:00.000Z  BTC     total 3  available 2  held 1\n"
    assert "--after" not in told.err
