"""The embedded server: which one it is, and that it keeps what it is told on a socket file."""

import os
import socket
from pathlib import Path

import pytest

from gateway.cli.dev import embedded
from gateway.cli.dev.fleet import Fleet
from gateway.cli.dev.processes import Program

NO_PACKAGE = "there-is-no-such-package"


def test_the_server_comes_with_the_package() -> None:
    assert embedded.find_server("").name == "valkey-server"


def test_without_the_package_it_is_the_installed_redis_server(tmp_path: Path) -> None:
    installed = tmp_path / "redis-server"
    installed.symlink_to(embedded.find_server(""))
    assert embedded.find_server(str(tmp_path), NO_PACKAGE) == installed


def test_without_either_one_line_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(embedded.NoRedisServer) as missing:
        embedded.find_server(str(tmp_path), NO_PACKAGE)
    assert "redis-server" in str(missing.value)
    assert "\n" not in str(missing.value)


def test_a_path_too_long_for_a_socket_is_replaced_by_a_short_private_one(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    with embedded.room_for_socket(deep) as place:
        assert len(os.fsencode(place)) <= 100
        assert place.parent.stat().st_mode & 0o777 == 0o700
    assert not place.parent.exists()


def test_a_path_short_enough_is_kept() -> None:
    with embedded.room_for_socket(Path("/run/gateway")) as place:
        assert place == Path("/run/gateway/valkey.sock")


def test_nothing_answers_where_no_server_is(tmp_path: Path) -> None:
    assert not embedded.answers(tmp_path / "none.sock")


def command(place: Path, line: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(place))
        connection.sendall(f"{line}\r\n".encode())
        return connection.recv(4096)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("port", "0"),
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("maxmemory-policy", "noeviction"),
        ("save", ""),
        ("unixsocketperm", "600"),
    ],
)
async def test_the_server_listens_on_its_socket_alone_and_keeps_everything(
    tmp_path: Path, option: str, value: str
) -> None:
    with embedded.room_for_socket(tmp_path) as place:
        program = Program(
            "valkey",
            embedded.server_command(embedded.find_server(""), place, tmp_path),
            {},
            tmp_path / "valkey.log",
            lambda: embedded.answers(place),
        )
        async with Fleet(lambda _line: None) as fleet:
            await fleet.start(program)
            reply = command(place, f"CONFIG GET {option}").decode().split("\r\n")
            assert place.stat().st_mode & 0o777 == 0o600
    assert reply[4] == value


def test_the_address_of_a_database_is_one_that_the_redis_library_takes() -> None:
    address = embedded.address(Path("/tmp/my data/valkey.sock"), 1)  # noqa: S108
    assert address == "unix:///tmp/my%20data/valkey.sock?db=1"
