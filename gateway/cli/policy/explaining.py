"""`policy explain`: what a policy says to a question, by which rule on which line, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from pathlib import Path

import typer

from gateway.access.policy import (
    Action,
    Decision,
    Deny,
    Grant,
    Narrowing,
    OrderLimits,
    OrderTerms,
    Policy,
)
from gateway.cli.policy.files import BAD_INPUT, read
from gateway.domain.market import OrderSide
from gateway.domain.money import MAX_DIGITS, plain
from gateway.domain.orders import OrderType

_ALLOWED, _DENIED = 0, 1
# Digits enough for price x quantity x percent, each of them bounded.
_EXACT = Context(prec=4 * MAX_DIGITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May `principal` do `action`? `price` and `quantity` say what the order would be worth.

    Raises ValueError for terms that no order has, or that the action has no use for.
    """

    principal: str
    action: Action
    account: str | None = None
    terms: OrderTerms | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse what could only be answered in part."""
        if self.terms is not None and self.action is not Action.ORDERS_PLACE:
            message = "--symbol, --side and --type go with --do orders:place alone"
            raise ValueError(message)
        if (self.price is None) != (self.quantity is None):
            message = "--price and --quantity go together"
            raise ValueError(message)
        if self.price is not None and self.terms is None:
            message = "--price and --quantity go with --symbol, --side and --type"
            raise ValueError(message)

    def __str__(self) -> str:
        """Say who asks for what."""
        account = "" if self.account is None else f" on {self.account}"
        terms = self.terms
        order = "" if terms is None else f", {terms.type} {terms.side} of {terms.symbol}"
        return f"{self.principal}: {self.action}{account}{order}"


def explain(file: Path, question: Question) -> int:
    """Print the answer; the exit status is 0 allowed, 1 denied, 2 when there is none.

    There is none when the file is not sound, or knows no principal or account of that name.
    """
    policy = read(file)
    if policy is None:
        return BAD_INPUT
    if unknown := _unknown(policy, question):
        typer.echo(f"{file}: {unknown}", err=True)
        return BAD_INPUT
    decision = policy.decide(question.principal, question.action, question.account, question.terms)
    excess = _excess(question, decision.grant)
    allowed = decision.allowed and excess is None
    typer.echo(f"{'ALLOWED' if allowed else 'DENIED'}  {question}")
    for line in _reasons(file, policy, question, decision):
        typer.echo(f"  {line}")
    if excess is not None:
        typer.echo(f"  {excess}")
    return _ALLOWED if allowed else _DENIED


def _unknown(policy: Policy, question: Question) -> str | None:
    principals = [principal.id for principal in policy.principals()]
    if question.principal not in principals:
        return f"no principal {question.principal!r}; there are: {', '.join(principals) or 'none'}"
    if question.account is not None and question.account not in policy.accounts:
        known = ", ".join(policy.accounts) or "none"
        return f"no account {question.account!r}; there are: {known}"
    return None


def _reasons(file: Path, policy: Policy, question: Question, decision: Decision) -> Iterator[str]:
    yield decision.reason
    denies, grants = policy.denies(question.principal), policy.grants(question.principal)
    rules: tuple[Deny | Grant, ...] = (*denies, *grants)
    for rule in rules:
        if rule.id == decision.rule:
            yield f"rule {rule.id}: {file}, line {rule.line}"
    if decision.grant is not None:
        yield from _bounds(policy, question, decision.grant)
    elif not any(rule.id == decision.rule for rule in rules):
        yield from _near_misses(policy, question)


def _bounds(policy: Policy, question: Question, grant: Grant) -> Iterator[str]:
    if question.action is Action.ORDERS_PLACE:
        yield from _limits(grant.limits)
        if question.terms is None:
            yield "some orders: with --symbol, --side and --type the answer is about one"
    rate = policy.rate_of(question.principal)
    if rate is not None:
        yield f"requests of {question.principal}: {rate}"
    of_account = None if question.account is None else policy.account_rate(question.account)
    if of_account is not None:
        yield f"signed calls for {question.account}: {of_account}"


def _limits(limits: OrderLimits) -> Iterator[str]:
    if limits.order_notional is not None:
        yield f"order_notional: {_by_asset(limits.order_notional)}"
    if limits.day_notional is not None:
        yield f"day_notional: {_by_asset(limits.day_notional)}"
    if limits.open_orders is not None:
        yield f"open_orders: {limits.open_orders}"
    if limits.rate is not None:
        yield f"rate: {limits.rate}"
    if limits.collar_percent is not None:
        yield f"collar_percent: {plain(limits.collar_percent)}"


def _by_asset(most: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{plain(value)} {asset}" for asset, value in most.items())


def _excess(question: Question, grant: Grant | None) -> str | None:
    """Why the order would be too large for a notional limit, whatever the day, if it would."""
    if grant is None or question.terms is None:
        return None
    if question.price is None or question.quantity is None:
        return None
    worth = _EXACT.multiply(question.price, question.quantity)
    if _counts_with_collar(question.terms):
        percent = Decimal(100) + (grant.limits.collar_percent or 0)
        worth = _EXACT.multiply(worth, percent).scaleb(-2, _EXACT)
    symbol, limits = question.terms.symbol, grant.limits
    return _above("order_notional", limits.order_notional, symbol, worth) or _above(
        "day_notional", limits.day_notional, symbol, worth
    )


def _above(
    name: str, most: Mapping[str, Decimal] | None, symbol: str, worth: Decimal
) -> str | None:
    if most is None:
        return None
    # A symbol ends in the asset that it is priced in.
    asset = max((each for each in most if symbol.endswith(each)), key=len, default="")
    if not asset:
        return f"{name} lists no asset that {symbol} is priced in"
    return f"{name}: the order is worth {plain(worth)} {asset}" if worth > most[asset] else None


def _counts_with_collar(terms: OrderTerms) -> bool:
    # A fast buy counts as what it may spend.
    fast_sale = terms.type is OrderType.FAST and terms.side is OrderSide.SELL
    return terms.type is OrderType.MARKET or fast_sale


def _near_misses(policy: Policy, question: Question) -> Iterator[str]:
    for grant in policy.grants(question.principal):
        if question.action in grant.actions:
            yield f"grant {grant.id} (line {grant.line}) is not for it: {_miss(grant, question)}"


def _miss(grant: Grant, question: Question) -> str:
    if grant.account != question.account:
        return "of no account" if grant.account is None else f"of the account {grant.account}"
    return "" if question.terms is None else _differing(grant.narrowing, question.terms)


def _differing(narrowing: Narrowing, terms: OrderTerms) -> str:
    if narrowing.symbols is not None and terms.symbol not in narrowing.symbols:
        return f"symbols {', '.join(sorted(narrowing.symbols))}"
    if narrowing.sides is not None and terms.side not in narrowing.sides:
        return f"sides {', '.join(sorted(narrowing.sides))}"
    return f"order types {', '.join(sorted(narrowing.order_types or ()))}"
