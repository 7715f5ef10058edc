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
