"""Which gateway `watch` asks: the environment's, or that of the `dev` that runs here."""

from pathlib import Path

import pytest

from gateway.cli.watch.target import NoTarget, find_target

NOWHERE = Path("/nonexistent/.dev/env")


def environ(url: str = "http://127.0.0.1:8000") -> dict[str, str]:
    return {"GATEWAY_URL": url, "GATEWAY_TOKEN": "t"}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/graphql"),
        ("https://gw.example/", "wss://gw.example/graphql"),
        ("https://gw.example/desk", "wss://gw.example/desk/graphql"),
        ("http://[::1]:8000", "ws://[::1]:8000/graphql"),
    ],
)
def test_the_socket_is_at_the_gateways_address(url: str, address: str) -> None:
    assert find_target(environ(url), NOWHERE).address == address


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://", "ws://127.0.0.1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(NoTarget, match="GATEWAY_URL: expected an address"):
        find_target(environ(url), NOWHERE)


def test_the_file_that_dev_leaves_serves_where_the_environment_says_nothing(tmp_path: Path) -> None:
    env_file = tmp_path / "env"
    env_file.write_text("export GATEWAY_URL=http://h:1\nexport GATEWAY_TOKEN='a b'\n")
    target = find_target({}, env_file)
    assert (target.address, target.token) == ("ws://h:1/graphql", "a b")


def test_an_address_of_the_environment_never_gets_the_token_of_the_file(tmp_path: Path) -> None:
    env_file = tmp_path / "env"
    env_file.write_text("export GATEWAY_URL=http://h:1\nexport GATEWAY_TOKEN=t\n")
    with pytest.raises(NoTarget, match="GATEWAY_TOKEN not set"):
        find_target({"GATEWAY_URL": "https://elsewhere.example"}, env_file)


def test_without_either_it_says_what_to_set() -> None:
    with pytest.raises(NoTarget, match="GATEWAY_URL and GATEWAY_TOKEN not set"):
        find_target({}, NOWHERE)


def test_the_first_token_that_is_set_is_shown() -> None:
    tokens = ("OPERATOR_TOKEN", "GATEWAY_TOKEN")
    both = environ() | {"OPERATOR_TOKEN": "o"}
    assert find_target(both, NOWHERE, tokens).token == "o"
    assert find_target(both | {"OPERATOR_TOKEN": ""}, NOWHERE, tokens).token == "t"
    assert find_target(both, NOWHERE).token == "t"
