"""The ports are looked at before anything starts, and each problem names its variable."""

import socket
from collections.abc import Iterator

import pytest

from gateway.cli.dev.ports import BadPorts, choose_ports
from tests.processes import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(BadPorts) as bad:
        choose_ports(environ)
    assert str(bad.value) == "\n".join(bad.value.problems)
    return bad.value.problems


def test_free_ports_are_taken_from_the_environment() -> None:
    one, two = free_port(), free_port()
    ports = choose_ports({"GATEWAY_PORT": str(one), "SANDBOX_PORT": str(two)})
    assert ports.gateway_url == f"http://127.0.0.1:{one}"
    assert ports.sandbox_url == f"http://127.0.0.1:{two}"
    assert ports.sandbox_stream_url == f"ws://127.0.0.1:{two}/v3"


@pytest.mark.parametrize(("name", "other"), [("GATEWAY_PORT", 18000), ("SANDBOX_PORT", 18001)])
def test_a_port_in_use_names_the_variable_to_set(name: str, other: int, taken: int) -> None:
    environ = {"GATEWAY_PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}
    assert problems(environ | {name: str(taken)}) == (
        f"port {taken} is in use; set {name} to another, as in: {name}={other} make dev",
    )


@pytest.mark.parametrize("text", ["0", "65536", "-1", "80 80", "http", "٣", "1e3"])
def test_what_is_no_port_is_said_to_be_none(text: str) -> None:
    (problem,) = problems({"GATEWAY_PORT": text, "SANDBOX_PORT": str(free_port())})
    assert problem == f"GATEWAY_PORT: expected a port from 1 to 65535, not {text!r}"


def test_both_problems_are_told_at_once(taken: int) -> None:
    found = problems({"GATEWAY_PORT": str(taken), "SANDBOX_PORT": "none"})
    assert [problem.partition(" ")[0] for problem in found] == ["port", "SANDBOX_PORT:"]


def test_the_two_ports_must_differ() -> None:
    port = str(free_port())
    assert problems({"GATEWAY_PORT": port, "SANDBOX_PORT": port}) == (
        "GATEWAY_PORT and SANDBOX_PORT must be different ports",
    )
