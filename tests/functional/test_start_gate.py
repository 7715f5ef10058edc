"""A new process is sent nothing before it has reached Redis and the exchange once."""

from tests.functional.conftest import FreshService
from tests.functional.service import Service
from tests.processes import eventually


def started(service: Service) -> tuple[int, list[str]]:
    """The status of /startupz, and what it misses."""
    response = service.http.get("/startupz")
    return response.status_code, response.json()["missing"]


def test_one_that_cannot_reach_redis_is_not_started_beside_one_that_could(
    fresh_service: FreshService,
) -> None:
    old = fresh_service()
    assert started(old) == (200, [])
    old.valkey.stop()
    new = old.replica()
    new.start(("degraded",))
    try:
        assert eventually(lambda: started(new) == (503, ["cache", "journal"]))
        assert started(old) == (200, [])
        old.valkey.start()
        assert eventually(lambda: started(new) == (200, []))
        old.exchange.stop()
        assert eventually(lambda: "feed" in new.problems())
        assert started(new) == (200, [])
    finally:
        new.close()


def test_one_that_cannot_reach_the_exchange_is_not_started_until_its_time_is_over(
    fresh_service: FreshService,
) -> None:
    old = fresh_service(NGW_START_WAIT_S="8")
    old.exchange.stop()
    new = old.replica()
    new.start(("degraded",))
    try:
        assert eventually(lambda: started(new) == (503, ["feed", "clock"]))
        assert eventually(lambda: started(new) == (200, []))
        assert new.problems().keys() >= {"feed", "clock"}
    finally:
        new.close()
