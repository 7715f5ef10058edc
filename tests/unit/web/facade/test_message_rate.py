from gateway.domain.limits import Rate
from gateway.web.facade.message_rate import MessageRate


def test_a_burst_passes_and_then_one_for_each_share_of_the_time() -> None:
    rate = MessageRate(Rate(4, 2), now=10)
    assert [rate.take(10) for _ in range(5)] == [True] * 4 + [False]
    assert [rate.take(10.5), rate.take(10.5)] == [True, False]
    assert [rate.take(10.75), rate.take(11)] == [False, True]


def test_a_long_silence_saves_up_no_more_than_a_burst() -> None:
    rate = MessageRate(Rate(2, 1), now=0)
    assert [rate.take(1000) for _ in range(3)] == [True, True, False]
