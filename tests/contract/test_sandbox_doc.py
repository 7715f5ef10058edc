"""docs/sandbox.md tells what the code does by default."""

from pathlib import Path

import pytest

from gateway.sandbox import default_assets
from gateway.sandbox.assets import Asset, WithdrawalChannel

LINES = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text().splitlines()


def row(asset: Asset, channel: WithdrawalChannel) -> str:
    """A row of the table of default assets."""
    patterns = (channel.address_pattern, channel.tag_pattern)
    address, tag = (f"`{one}`".replace("|", r"\|") if one else "none" for one in patterns)
    ways_in = ", ".join(one.name for one in asset.deposit.channels)
    cells = (
        asset.symbol,
        asset.precision,
        f"{asset.deposit.minimum}, {ways_in}",
        asset.withdraw.minimum,
        f"{channel.name}, {channel.fee}",
        address,
        tag,
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"


@pytest.mark.parametrize("asset", default_assets().values(), ids=lambda asset: asset.symbol)
def test_each_default_asset_has_its_row(asset: Asset) -> None:
    assert asset.withdraw.channels
    for channel in asset.withdraw.channels:
        assert row(asset, channel) in LINES


def test_no_default_asset_has_a_limit_or_a_blocked_country() -> None:
    for asset in default_assets().values():
        rules = asset.withdraw
        assert not asset.deposit.blocked_countries | rules.blocked_countries
        assert rules.step_one_monthly_limit is rules.step_two_monthly_limit is None
        assert all(channel.monthly_limit is None for channel in rules.channels)
