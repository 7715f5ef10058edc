from gateway.sandbox.faults import NO_FAULT, Fault, Faults, Outcome

OUTAGE = Fault("v3/api/ping", Outcome.HTML_500, count=2)
SLOW = Fault("*", delay_ms=5)


def test_without_a_fault_nothing_goes_wrong() -> None:
    assert Faults().take("v3/api/ping") == NO_FAULT


def test_a_fault_hits_its_endpoint_as_often_as_it_counts() -> None:
    faults = Faults()
    faults.add(OUTAGE)
    taken = [faults.take(path).outcome for path in ("v3/api/time", *["v3/api/ping"] * 3)]
    assert taken == [None, Outcome.HTML_500, Outcome.HTML_500, None]


def test_a_fault_without_a_count_lasts_until_it_is_cleared() -> None:
    faults = Faults()
    faults.add(SLOW)
    assert [faults.take("anything") for _ in range(5)] == [SLOW] * 5
    faults.clear()
    assert faults.take("anything") == NO_FAULT


def test_the_oldest_fault_that_fits_comes_first() -> None:
    faults = Faults()
    faults.add(OUTAGE)
    faults.add(SLOW)
    taken = [faults.take("v3/api/ping").outcome for _ in range(3)]
    assert taken == [Outcome.HTML_500, Outcome.HTML_500, None]
