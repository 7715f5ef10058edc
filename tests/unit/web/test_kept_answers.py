import gc
import tracemalloc
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.streams import Broken, Started, Topic, TopicKind, Update
from gateway.services.market_data import MarketData, MarketView
from gateway.web.kept_answers import KeptAnswers
from tests.unit.services.examples import BOOK, BTC, SOFT_MS, TOP, book, top
from tests.unit.services.test_market_data import Desk, desk_of

pytestmark = pytest.mark.anyio

TOP_TOPIC = Topic(TopicKind.TOP_OF_BOOK, BTC)
BIG = 1_000_000
ONE_WITH_ITS_SNAPSHOT = 700


def feed(market_data: MarketData, bid: int) -> None:
    market_data.receive(Started(TOP_TOPIC, 1))
    market_data.receive(Update(TOP_TOPIC, top(bid), 1))


async def test_an_answer_holds_until_what_it_was_computed_from_changes() -> None:
    desk = desk_of()
    answers = KeptAnswers(desk.market_data, BIG)
    feed(desk.market_data, 1)
    view = MarketView(desk.market_data, desk.clock)
    await view.top_of_book(BTC)
    answers.keep(b"asked", b"answer", view.used)
    assert answers.find(b"asked") == b"answer"
    assert answers.find(b"asked ") is None
    feed(desk.market_data, 1)
    assert answers.find(b"asked") is None


async def test_an_answer_ends_with_the_soft_lifetime_of_what_it_was_computed_from() -> None:
    desk = desk_of()
    answers = KeptAnswers(desk.market_data, BIG)
    view = MarketView(desk.market_data, desk.clock)
    await view.top_of_book(BTC)
    answers.keep(b"asked", b"answer", view.used)
    desk.clock.now += SOFT_MS - 1
    assert answers.find(b"asked") == b"answer"
    desk.clock.now += 1
    assert answers.find(b"asked") is None


async def test_an_answer_that_was_stale_or_used_nothing_is_not_kept() -> None:
    desk = desk_of()
    answers = KeptAnswers(desk.market_data, BIG)
    view = MarketView(desk.market_data, desk.clock)
    await view.top_of_book(BTC)
    desk.clock.now += SOFT_MS
    answers.keep(b"asked", b"answer", view.used)
    answers.keep(b"nothing", b"answer", [])
    assert (answers.find(b"asked"), answers.find(b"nothing")) == (None, None)


async def test_an_answer_for_which_one_key_was_read_twice_and_changed_is_not_kept() -> None:
    """It would show both values, and no moment at which both stood."""
    desk = desk_of()
    answers = KeptAnswers(desk.market_data, BIG)
    view = MarketView(desk.market_data, desk.clock)
    for bid in (1, 2):
        feed(desk.market_data, bid)
        await view.top_of_book(BTC)
    answers.keep(b"asked", b"answer", view.used)
    assert answers.find(b"asked") is None


async def test_an_answer_keeps_nothing_alive_that_it_was_computed_from() -> None:
    desk = desk_of()
    answers = KeptAnswers(desk.market_data, BIG)
    feed(desk.market_data, 1)
    view = MarketView(desk.market_data, desk.clock)
    snapshot = weakref.ref(await view.top_of_book(BTC))
    answers.keep(b"asked", b"answer", view.used)
    del view
    feed(desk.market_data, 2)
    gc.collect()
    assert snapshot() is None
    assert answers.find(b"asked") is None


async def test_a_request_too_long_to_come_again_is_not_kept() -> None:
    desk = desk_of()
    answers = KeptAnswers(desk.market_data, BIG)
    feed(desk.market_data, 1)
    view = MarketView(desk.market_data, desk.clock)
    await view.top_of_book(BTC)
    answers.keep(b"a" * 16_385, b"answer", view.used)
    assert answers.find(b"a" * 16_385) is None


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60), st.booleans()), max_size=60),
    st.integers(0, 3000),
)
@settings(max_examples=60)
async def test_the_bytes_kept_never_pass_the_bound_and_what_is_found_is_exact(
    steps: list[tuple[int, int, bool]], capacity: int
) -> None:
    desk = desk_of()
    answers = KeptAnswers(desk.market_data, capacity)
    feed(desk.market_data, 0)
    kept: dict[bytes, bytes] = {}
    for number, length, changes in steps:
        if changes:
            feed(desk.market_data, number)
            kept.clear()
        request, body = b"%d" % number, b"x" * length
        view = MarketView(desk.market_data, desk.clock)
        await view.top_of_book(BTC)
        answers.keep(request, body, view.used)
        kept[request] = body
        found = {each: answers.find(each) for each in (b"%d" % other for other in range(10))}
        hits = {each: text for each, text in found.items() if text is not None}
        sizes = {each: len(each) + len(text) + ONE_WITH_ITS_SNAPSHOT for each, text in hits.items()}
        assert sum(sizes.values()) <= capacity
        assert hits.items() <= kept.items()
        assert (request in hits) == (len(request) + length + ONE_WITH_ITS_SNAPSHOT <= capacity)


async def test_the_memory_that_many_tiny_answers_take_is_near_what_they_count() -> None:
    """Each holds a weak reference for every snapshot that it was computed from."""
    desk = desk_of()
    feed(desk.market_data, 1)
    view = MarketView(desk.market_data, desk.clock)
    await view.top_of_book(BTC)
    answers = KeptAnswers(desk.market_data, BIG)
    tracemalloc.start()
    try:
        for number in range(10_000):
            answers.keep(b"%d" % number, b"%d" % -number, view.used)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert BIG / 3 < taken < BIG * 1.5


async def test_an_answer_ends_with_an_order_in_the_market_that_it_shows() -> None:
    desk = desk_of()
    answers = KeptAnswers(desk.market_data, BIG)
    feed(desk.market_data, 1)
    view = MarketView(desk.market_data, desk.clock)
    await view.top_of_book(BTC)
    answers.keep(b"asked", b"answer", view.used)
    desk.market_data.outdate(BTC)
    assert answers.find(b"asked") is None
    answers.keep(b"asked", b"answer", view.used)
    assert answers.find(b"asked") is None


ACTIONS = st.lists(
    st.sampled_from(["frame", "cut", "rest", "time", "keep", "other", "order"]), max_size=30
)


async def act(desk: Desk, action: str, count: int) -> None:
    match action:
        case "frame":
            feed(desk.market_data, count)
        case "cut":
            desk.market_data.receive(Broken(desk.clock.now, "cut"))
        case "rest":
            desk.exchange.answers[f"top {BTC}"] = top(count)
            await desk.market_data.refetch(TOP)
        case "other":
            desk.exchange.answers[f"book {BTC}"] = book(count)
            await desk.market_data.refetch(BOOK)
        case "order":
            desk.market_data.outdate(BTC)
        case "time":
            desk.clock.now += SOFT_MS // 2


@given(ACTIONS)
@settings(max_examples=100)
async def test_an_answer_that_is_found_is_the_one_that_would_be_computed_now(
    actions: list[str],
) -> None:
    desk = desk_of()
    answers = KeptAnswers(desk.market_data, BIG)
    desk.exchange.answers[f"book {BTC}"] = book(1)

    async def computed() -> tuple[bytes, MarketView]:
        view = MarketView(desk.market_data, desk.clock)
        tops, books = await view.top_of_book(BTC), await view.order_book(BTC)
        return repr((tops, books)).encode(), view

    for count, action in enumerate(actions, 2):
        if action == "keep":
            body, view = await computed()
            answers.keep(b"asked", body, view.used)
        else:
            await act(desk, action, count)
        found = answers.find(b"asked")
        if found is not None:
            assert found == (await computed())[0]
