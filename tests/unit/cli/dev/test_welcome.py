"""What `dev` prints: an order that fills, and commands that survive any folder."""

import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.cli.dev.ports import Ports
from gateway.cli.dev.welcome import Running, sure_price, welcome
from gateway.cli.dev.workspace import Workspace

TOKEN = "ngw_made_up"


def market(ask: str | None, last: str = "100", precision: int = 2) -> dict[str, object]:
    return {"ticker": {"ask": ask, "last": last}, "rules": {"pricePrecision": precision}}


@pytest.mark.parametrize(
    ("ask", "precision", "price"),
    [("54000.13", 2, "59400.15"), ("434497", 0, "477947"), ("0.0087709", 7, "0.0096480")],
)
def test_the_price_is_a_tenth_above_the_ask_in_steps_of_the_market(
    ask: str, precision: int, price: str
) -> None:
    assert str(sure_price(market(ask, precision=precision))) == price


def test_without_an_ask_the_last_price_serves() -> None:
    assert sure_price(market(None, last="100")) == Decimal(110)


def text(folder: Path) -> str:
    running = Running(
        ports=Ports(18000, 18001),
        workspace=Workspace(folder / ".dev"),
        redis_socket=folder / ".dev" / "valkey" / "valkey.sock",
        program=".venv/bin/narkasa-gateway",
        token=TOKEN,
    )
    assert TOKEN not in repr(running)
    return welcome(running, Decimal("59400.15"), 2.345)


def test_it_says_what_runs_where_and_how_long_the_start_took(tmp_path: Path) -> None:
    shown = text(tmp_path)
    for part in ("Ready in 2.3 s", "http://127.0.0.1:18000/graphql", "ws://127.0.0.1:18001/v3"):
        assert part in shown
    assert "100000 USDT, 1000000 TRY, 5 BTC, 50 ETH" in shown
    assert "new at each start" in " ".join(shown.split())
    assert "The order journal is volatile" in shown


def test_the_commands_work_in_a_folder_with_an_awkward_name(tmp_path: Path) -> None:
    folder = tmp_path / "my 'gateway' $HOME"
    folder.mkdir()
    enter = [line for line in text(folder).splitlines() if line.startswith("cd ")]
    assert len(enter) == 5
    for line in enter:
        shell = ["/bin/sh", "-c", f"{line.split(' && ')[0]} && pwd"]
        done = subprocess.run(shell, capture_output=True, text=True, check=True, timeout=20)
        assert done.stdout == f"{folder}\n"
