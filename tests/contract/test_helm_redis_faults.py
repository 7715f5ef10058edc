"""What is wrong with an address of Redis: a password, no database, the other's database."""

import pytest

from tests.contract.helm_chart import render

PASSWORDS = (
    "redis://:pw@state:6379/0",
    "redis://user:pw@state:6379/0",
    "redis://:p/w@state:6379/0",
    "redis://:p?w@state:6379/0",
    "redis://user%3Apw@state:6379/0",
    "redis://user%3apw@state:6379/0",
    "rediss://state:6379/0?password=pw",
    "rediss://state:6379/0?PASSWORD=pw",
    "rediss://state:6379/0?%70assword=pw",
    "rediss://state:6379/0?ssl_ca_certs=/ca.crt&ssl_password=pw",
    "redis+sentinel://a:26379,b:26379/primary/0?sentinel_password=pw",
)


@pytest.mark.parametrize("url", PASSWORDS)
def test_a_password_of_redis_is_refused_however_it_is_written(url: str) -> None:
    run = render("minimal", {"redis.state.url": url, "networkPolicy.redis.ports": [6379]})
    assert run.returncode != 0
    assert "redis.state.url holds a password: name a Secret" in run.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://state:6379/journal", "after the host comes the number of a database alone"),
        ("redis://state:6379/0/1", "after the host comes the number of a database alone"),
        ("redis://state:6379/0#1", "after the host comes the number of a database alone"),
        ("redis+sentinel://a", "say which master the Sentinels are asked for"),
        ("redis+sentinel://a/primary/journal", "and the number of a database"),
    ],
)
def test_what_the_gateway_would_take_for_no_database_or_another_is_refused(
    url: str, said: str
) -> None:
    run = render("minimal", {"redis.state.url": url, "networkPolicy.redis.ports": [6379]})
    assert run.returncode != 0
    assert said in run.stderr


@pytest.mark.parametrize(
    ("cache", "state"),
    [
        ("redis://a:6379/0", "redis://a:6379/0"),
        ("redis://a", "rediss://user@A:6379/0?ssl_ca_certs=/ca.crt"),
        ("redis://a:6379/1", "redis://a:6379/0?db=1"),
        ("redis+sentinel://a,b:26379/primary", "redis+sentinel://b,a/primary/0"),
    ],
)
def test_cache_and_state_are_not_the_same_database(cache: str, state: str) -> None:
    named = {"redis.cache.url": cache, "redis.state.url": state}
    run = render("minimal", named | {"networkPolicy.redis.ports": [6379]})
    assert run.returncode != 0
    assert "redis: cache and state are the same database" in run.stderr


def test_cache_and_state_are_not_the_same_entry_of_a_secret() -> None:
    run = render("external-secrets", {"redis.cache.secretKey": "state-url"})
    assert run.returncode != 0
    assert "redis: cache and state are the same database" in run.stderr


@pytest.mark.parametrize(
    ("cache", "state"),
    [
        ("redis://a:6379/0", "redis://a:6379/1"),
        ("redis://a:6379/0", "redis://a:6380/0"),
        ("redis://a:6379/0", "redis://b:6379/0"),
        ("redis+sentinel://a,b/cache/0", "redis+sentinel://a,b/state/0"),
    ],
)
def test_they_may_be_two_databases_or_two_servers(cache: str, state: str) -> None:
    named = {"redis.cache.url": cache, "redis.state.url": state}
    run = render("minimal", named | {"networkPolicy.redis.ports": [6379]})
    assert run.returncode == 0, run.stderr
