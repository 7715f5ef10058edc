"""docs/sandbox.md is the reference of scenarios and codes, and the code is held to it."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin

from pydantic import BaseModel

from gateway.sandbox.codes import Code
from gateway.sandbox.scenario_shapes import (
    AccountShape,
    AssetShape,
    DepositShape,
    MarketShape,
    ScenarioShape,
    WithdrawalAddressShape,
)

DOCUMENT = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
# Their members are named in the cell of the key that holds them.
IN_ONE_CELL: set[type[BaseModel]] = {DepositShape, WithdrawalAddressShape}


def section(title: str) -> str:
    return re.split(r"^##+ ", DOCUMENT.split(f" {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[
        0
    ]


def documented(title: str) -> set[str]:
    """The keys in the first cells of a section's table, without the way to them."""
    cells = re.findall(r"^\| (`[^|]*) \|", section(title), re.MULTILINE)
    keys = re.findall(r"`([^`]+)`", " ".join(cells))
    return {re.split(r"\.|\]", key)[-1] for key in keys} - {""}


def keys(shape: type[BaseModel]) -> Iterator[str]:
    """Every key of a shape and of the shapes within it."""
    for field in shape.model_fields.values():
        yield str(field.alias)
        for inner in shapes_in(field.annotation):
            if inner not in IN_ONE_CELL:
                yield from keys(inner)


def shapes_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType, tuple):
        for argument in get_args(annotation):
            yield from shapes_in(argument)


def test_every_key_of_an_account_is_described_and_no_other() -> None:
    assert documented("accounts") == set(keys(AccountShape))


def test_every_key_of_a_market_is_described_and_no_other() -> None:
    assert documented("markets") == set(keys(MarketShape))


def test_every_key_of_an_asset_is_described_and_no_other() -> None:
    # Told in the cell of deposit.channels, and the mappings that hold the rest.
    unwritten = {"addressPrefix", "deposit", "withdraw"}
    assert documented("assets") == set(keys(AssetShape)) - unwritten


def test_every_key_of_the_world_is_described_and_no_other() -> None:
    within = set(keys(AccountShape)) | set(keys(MarketShape)) | set(keys(AssetShape))
    own = set(keys(ScenarioShape)) - within | {"enabled"}
    assert documented("Scenario") == own - {"transfers"}


def test_every_code_has_a_row_that_says_how_to_meet_it() -> None:
    rows = re.findall(r"^\| (\d{5}) \| .+ \|$", section("How to meet each code"), re.MULTILINE)
    assert rows == [code.value for code in Code]


def test_what_one_cell_tells_is_told_whole() -> None:
    for shape in IN_ONE_CELL:
        for key in keys(shape):
            assert f"`{key}`" in section("accounts")
    assert "`addressPrefix`" in section("assets")
