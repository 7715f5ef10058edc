import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.market import Trade, TradeHistory
from gateway.domain.streams import Gap
from gateway.services.mailbox import Mailbox
from gateway.services.trade_tape import TRADES_SHOWN, TradeTape
from tests.unit.services.examples import BTC, history, trade

Event = Trade | Gap
HISTORY = 100


class Reader:
    """A subscriber of a tape; `read` gives all that waits for it."""

    def __init__(self, tape: TradeTape) -> None:
        self._mailbox: Mailbox[Event] = Mailbox(10_000)
        tape.mailboxes.add(self._mailbox)

    def read(self) -> list[Event]:
        return asyncio.run(self._read())

    async def _read(self) -> list[Event]:
        end = Gap(-1, "end")
        self._mailbox.put(end)
        items: list[Event] = []
        async with aclosing(self._mailbox.__aiter__()) as waiting:  # type: ignore[type-var]
            async for item in waiting:
                if item is end:
                    break
                items.append(item)
        return items


# Few prices and times, so that equal trades are common: they have no ids.
trades = st.builds(lambda price, step: (price, step), st.integers(0, 1), st.integers(0, 1))


def sequence(steps: list[tuple[int, int]], started: int) -> list[Trade]:
    """Trades, no two of them equal of which one was made before the topic started, one after."""
    made, time = [], 0
    for place, (price, step) in enumerate(steps):
        time += 1 if place == started else step
        made.append(Trade(BTC, trade(price).price, trade(0).quantity, trade(0).side, 1_000 + time))
    return made


@given(st.lists(trades, max_size=120), *[st.integers(0, 1_000)] * 4)
@settings(max_examples=400)
def test_every_split_of_trades_between_history_and_frames_delivers_each_once_in_order(
    steps: list[tuple[int, int]], first: int, second: int, third: int, late: int
) -> None:
    """The topic starts, then the exchange answers with a history, then the answer arrives.

    Some frames of trades that were made before the answer may come after it.
    """
    cuts = (cut % (len(steps) + 1) for cut in (first, second, third))
    started, answered, arrived = sorted(cuts)
    arrived = max(started, answered - HISTORY, arrived - late % (len(steps) + 1))
    made = sequence(steps, started)
    tape = TradeTape()
    reader = Reader(tape)
    tape.syncing()
    for each in made[started:arrived]:
        tape.receive(each)
    tape.synced(TradeHistory(BTC, tuple(reversed(made[:answered]))[:HISTORY]))
    for each in made[arrived:]:
        tape.receive(each)
    shown = made[max(0, max(answered, arrived) - TRADES_SHOWN) :]
    assert reader.read() == shown
    assert list(tape.shown()) == shown[-TRADES_SHOWN:]


def test_however_many_were_held_back_no_more_than_the_last_trades_go_out_at_once() -> None:
    tape = TradeTape()
    reader = Reader(tape)
    tape.syncing()
    for number in range(2, 1_002):
        tape.receive(trade(number))
    tape.synced(history(1, 2, 3))
    assert reader.read() == [trade(number) for number in range(1_002 - TRADES_SHOWN, 1_002)]


def test_a_break_is_told_and_what_follows_starts_from_a_fresh_history() -> None:
    tape = TradeTape()
    reader = Reader(tape)
    tape.syncing()
    tape.synced(history(1))
    gap = Gap(5, "cut")
    tape.broken(gap)
    assert tape.shown() == ()
    tape.syncing()
    tape.receive(trade(4))
    tape.synced(history(1, 2, 3))
    assert reader.read() == [trade(1), gap, trade(1), trade(2), trade(3), trade(4)]


def test_a_history_that_comes_after_a_break_is_not_delivered() -> None:
    tape = TradeTape()
    reader = Reader(tape)
    tape.syncing()
    tape.broken(Gap(5, "cut"))
    tape.synced(history(1))
    assert reader.read() == [Gap(5, "cut")]


def test_a_second_history_delivers_nothing() -> None:
    tape = TradeTape()
    reader = Reader(tape)
    tape.syncing()
    tape.synced(history(1))
    tape.synced(history(1, 2))
    assert reader.read() == [trade(1)]


@pytest.mark.parametrize("held_back", [1, 1_500])
def test_what_was_held_back_before_the_oldest_of_the_history_is_not_delivered_late(
    held_back: int,
) -> None:
    tape = TradeTape()
    reader = Reader(tape)
    tape.syncing()
    for number in range(held_back):
        tape.receive(trade(number))
    newest = [trade(number) for number in range(2_000, 2_060)]
    tape.synced(TradeHistory(BTC, tuple(reversed(newest))))
    assert reader.read() == newest[-TRADES_SHOWN:]
