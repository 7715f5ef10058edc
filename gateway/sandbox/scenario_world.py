"""What a scenario's shapes mean: defaults filled in, names resolved, contradictions found. Pure.

Faults are added to the list that is handed in; what is built then is not to be used.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from typing import Any

from gateway.sandbox.assets import (
    Asset,
    DepositChannel,
    DepositRules,
    WithdrawalChannel,
    WithdrawalRules,
    default_assets,
)
from gateway.sandbox.config import (
    Account,
    ExpectedDeposit,
    KeyPair,
    SandboxConfig,
    WithdrawalAddress,
)
from gateway.sandbox.market_maker import HOUSE_ACCOUNTS
from gateway.sandbox.markets import Market, default_markets
from gateway.sandbox.scenario_shapes import (
    AccountShape,
    AssetShape,
    DepositRulesShape,
    MarketShape,
    ScenarioShape,
    Shape,
    WithdrawalRulesShape,
)

_QUANTITY_PRECISION = 6


def build_config(shape: ScenarioShape, faults: list[str]) -> SandboxConfig:
    """Make the configuration that a file describes."""
    assets = _assets(shape.assets, faults)
    markets = _markets(shape.markets, assets, faults)
    return SandboxConfig(
        accounts=_accounts(shape.accounts, assets, faults),
        seed=shape.seed,
        market_maker=shape.market_maker.enabled,
        tick_seconds=float(shape.market_maker.tick_seconds),
        history=shape.history,
        stream_order_ids=shape.stream_order_ids,
        markets=markets,
        assets=assets,
        transfer_step_ms=_milliseconds(shape.transfers.step_seconds),
        registered_addresses_only=shape.transfers.registered_addresses_only,
    )


def _assets(shapes: Iterable[AssetShape], faults: list[str]) -> dict[str, Asset]:
    shapes = tuple(shapes)
    _refuse_twice("assets", "symbol", (shape.symbol for shape in shapes), faults)
    assets = default_assets()
    for shape in shapes:
        asset = assets.get(shape.symbol) or Asset(shape.symbol, shape.symbol)
        given = _given(shape)
        if shape.deposit:
            given["deposit"] = _deposit_rules(asset.deposit, shape.deposit)
        if shape.withdraw:
            given["withdraw"] = _withdrawal_rules(asset.withdraw, shape.withdraw)
        assets[shape.symbol] = replace(asset, **given)
    return assets


def _deposit_rules(default: DepositRules, shape: DepositRulesShape) -> DepositRules:
    given = _given(shape)
    if shape.channels is not None:
        given["channels"] = tuple(DepositChannel(**dict(channel)) for channel in shape.channels)
    return replace(default, **given)


def _withdrawal_rules(default: WithdrawalRules, shape: WithdrawalRulesShape) -> WithdrawalRules:
    given = _given(shape)
    if shape.channels is not None:
        given["channels"] = tuple(WithdrawalChannel(**dict(channel)) for channel in shape.channels)
    return replace(default, **given)


def _markets(
    shapes: Iterable[MarketShape], assets: Mapping[str, Asset], faults: list[str]
) -> dict[str, Market]:
    shapes = tuple(shapes)
    _refuse_twice("markets", "symbol", (shape.symbol for shape in shapes), faults)
    markets = default_markets()
    for position, shape in enumerate(shapes):
        place = f"markets[{position}]"
        default = markets.get(shape.symbol) or _new_market(place, shape, assets, faults)
        if default:
            markets[shape.symbol] = _changed_market(place, default, shape, faults)
    return markets


def _new_market(
    place: str, shape: MarketShape, assets: Mapping[str, Asset], faults: list[str]
) -> Market | None:
    pairs = [pair for pair in permutations(assets, 2) if "".join(pair) == shape.symbol]
    if len(pairs) != 1:
        faults.append(f"{place}.symbol: expected the symbols of two known assets in one word")
    if shape.opening_price is None:
        faults.append(f"{place}.openingPrice: is missing, and the market is none of the defaults")
    if len(pairs) != 1 or shape.opening_price is None:
        return None
    ((base, quote),) = pairs
    quantity_precision = min(assets[base].precision, _QUANTITY_PRECISION)
    return Market(
        base=base,
        quote=quote,
        name=assets[base].name,
        opening_price=shape.opening_price,
        price_precision=_decimals(shape.opening_price),
        quantity_precision=quantity_precision,
        min_quantity=Decimal(1).scaleb(-quantity_precision),
    )


def _changed_market(place: str, default: Market, shape: MarketShape, faults: list[str]) -> Market:
    given = _given(shape)
    del given["symbol"]
    market = replace(default, **given)
    if "min_quantity" not in given and "quantity_precision" in given:
        market = replace(market, min_quantity=market.quantity_step)
    if market.opening_price % market.tick:
        faults.append(f"{place}.openingPrice: has more decimals than pricePrecision")
    if market.min_quantity % market.quantity_step:
        faults.append(f"{place}.minQuantity: has more decimals than quantityPrecision")
    return market


def _accounts(
    shapes: Iterable[AccountShape], assets: Mapping[str, Asset], faults: list[str]
) -> tuple[Account, ...]:
    shapes = tuple(shapes)
    _refuse_twice("accounts", "id", (shape.id for shape in shapes), faults)
    keys = [key.api_key for shape in shapes for key in shape.keys]
    if len(set(keys)) < len(keys):
        faults.append("accounts: two key pairs have the same apiKey")
    accounts = []
    for position, shape in enumerate(shapes):
        place = f"accounts[{position}]"
        if shape.id in HOUSE_ACCOUNTS:
            faults.append(f"{place}.id: is the name of an account of the market maker")
        _check_assets(place, shape, assets, faults)
        _check_steps(place, shape, assets, faults)
        accounts.append(_account(shape))
    return tuple(accounts)


def _account(shape: AccountShape) -> Account:
    return Account(
        account_id=shape.id,
        keys=tuple(KeyPair(**dict(key)) for key in shape.keys),
        balances=shape.balances,
        registered=shape.registered,
        verification=shape.verification,
        country=shape.country,
        withdrawal_addresses=tuple(
            WithdrawalAddress(**dict(address)) for address in shape.withdrawal_addresses
        ),
        deposits=tuple(
            ExpectedDeposit(deposit.asset, deposit.quantity, _milliseconds(deposit.after_seconds))
            for deposit in shape.deposits
        ),
    )


def _check_assets(
    place: str, shape: AccountShape, assets: Mapping[str, Asset], faults: list[str]
) -> None:
    """Add a fault for each asset or channel that an account names and nobody knows."""
    named = [(f"balances.{asset}", asset) for asset in shape.balances]
    named += [(f"deposits[{row}].asset", one.asset) for row, one in enumerate(shape.deposits)]
    named += [
        (f"withdrawalAddresses[{row}].asset", one.asset)
        for row, one in enumerate(shape.withdrawal_addresses)
    ]
    faults.extend(
        f"{place}.{where}: no such asset" for where, asset in named if asset not in assets
    )
    for row, one in enumerate(shape.withdrawal_addresses):
        known = assets[one.asset].withdraw.channels if one.asset in assets else ()
        if one.asset in assets and one.channel not in {channel.name for channel in known}:
            faults.append(f"{place}.withdrawalAddresses[{row}].channel: no such channel")


def _check_steps(
    place: str, shape: AccountShape, assets: Mapping[str, Asset], faults: list[str]
) -> None:
    """Add a fault for each quantity that is finer than its asset."""
    quantities = [(f"balances.{asset}", asset, value) for asset, value in shape.balances.items()]
    quantities += [
        (f"deposits[{row}].quantity", one.asset, one.quantity)
        for row, one in enumerate(shape.deposits)
    ]
    faults.extend(
        f"{place}.{where}: has more decimals than {asset}"
        for where, asset, quantity in quantities
        if asset in assets and quantity % assets[asset].step
    )


def _given(shape: Shape) -> dict[str, Any]:
    """The members that the file sets."""
    return {name: getattr(shape, name) for name in shape.model_fields_set}


def _refuse_twice(place: str, key: str, names: Iterable[str], faults: list[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            faults.append(f"{place}: the {key} {name} is there {times} times")


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _milliseconds(seconds: Decimal) -> int:
    return int(seconds * 1000)
