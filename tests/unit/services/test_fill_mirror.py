from gateway.domain.account import Fill
from gateway.domain.streams import Gap
from gateway.services.fill_mirror import FillMirror
from tests.unit.services.examples import fill


def test_fills_that_were_never_read_are_not_current() -> None:
    assert not FillMirror().current


def test_fills_are_current_until_something_may_have_added_one() -> None:
    mirror = FillMirror()
    mirror.take((fill(1),), mirror.mark())
    assert (mirror.fills(), mirror.current) == ((fill(1),), True)
    mirror.outdate()
    assert (mirror.fills(), mirror.current) == ((fill(1),), False)


def test_fills_that_were_asked_for_earlier_do_not_take_the_place_of_later_ones() -> None:
    mirror = FillMirror()
    begun = mirror.mark()
    mirror.outdate()
    mirror.take((fill(2),), mirror.mark())
    mirror.take((fill(1),), begun)
    assert (mirror.fills(), mirror.current) == ((fill(2),), True)


def test_fills_that_were_outdated_on_their_way_are_taken_but_not_current() -> None:
    mirror = FillMirror()
    begun = mirror.mark()
    mirror.outdate()
    mirror.take((fill(1),), begun)
    assert (mirror.fills(), mirror.current) == ((fill(1),), False)


def taken(*lists: tuple[int, ...]) -> list[tuple[Fill | Gap, ...] | None]:
    """What a mirror tells of each list; the numbers name fills, the newest first."""
    mirror = FillMirror()
    return [
        mirror.take(tuple(fill(number) for number in numbers), mirror.mark()) for numbers in lists
    ]


def test_fills_that_came_since_the_last_list_are_told_oldest_first() -> None:
    assert taken((2, 1), (4, 3, 2, 1), (5, 4, 3)) == [(), (fill(3), fill(4)), (fill(5),)]


def test_equal_fills_are_counted() -> None:
    assert taken((1,), (1, 1), (1, 1)) == [(), (fill(1),), ()]


def test_a_list_that_does_not_go_back_to_what_was_known_begins_with_a_gap() -> None:
    gap = Gap(fill(2).time, "more was traded than the list of fills shows")
    assert taken((2, 1), (5, 4)) == [(), (gap, fill(4), fill(5))]


def test_the_first_fills_of_an_account_are_new() -> None:
    assert taken((), (2, 1)) == [(), (fill(1), fill(2))]


def test_after_nobody_followed_nothing_is_new() -> None:
    mirror = FillMirror()
    mirror.take((fill(1),), mirror.mark())
    mirror.forget()
    assert not mirror.current
    assert mirror.take((fill(2), fill(1)), mirror.mark()) == ()


def test_a_list_asked_for_earlier_tells_nothing() -> None:
    mirror = FillMirror()
    begun = mirror.mark()
    mirror.outdate()
    mirror.take((fill(1),), mirror.mark())
    assert mirror.take((fill(2), fill(1)), begun) is None
