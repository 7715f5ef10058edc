from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.policy import (
    DEFAULT_DENY,
    AccountRule,
    Action,
    Decision,
    Deny,
    Grant,
    Identity,
    Member,
    Narrowing,
    OrderTerms,
    Policy,
    Principal,
    PrincipalKind,
    TokenRecord,
)
from gateway.access.principal import Proof
from gateway.access.tokens import hash_token
from gateway.domain.limits import Rate
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderType

MARKET = Grant("demo-market", frozenset({Action.MARKET_READ}))
TRADE = Grant("demo-trade", frozenset({Action.ACCOUNT_READ, Action.ORDERS_PLACE}), "demo")
CANCEL = Grant("third-cancel", frozenset({Action.ORDERS_CANCEL}), "third")
AUDIT = Grant("audit", frozenset({Action.AUDIT_READ, Action.OPERATE}))
APP = Principal("app", PrincipalKind.APP)
PERSON = Principal("person", PrincipalKind.PERSON)
ACCOUNTS = (AccountRule("demo"), AccountRule("second", Rate(300, 60)), AccountRule("third"))


class Clock:
    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


def policy(clock: Clock | None = None) -> Policy:
    tokens = (TokenRecord(hash_token("one")), TokenRecord(hash_token("two"), expires=2_000))
    return Policy(
        revision="r1",
        accounts=ACCOUNTS,
        members=(
            Member(APP, tokens, (MARKET, TRADE, CANCEL), rate=Rate(600, 60)),
            Member(
                PERSON,
                (TokenRecord(hash_token("three")),),
                identities=(Identity("cluster", "pod"), Identity("sso", "pod", issued_after=500)),
            ),
        ),
        wall_ms=clock or Clock(),
    )


def of_rules(grants: tuple[Grant, ...] = (), denies: tuple[Deny, ...] = ()) -> Policy:
    member = Member(APP, grants=grants, denies=denies)
    return Policy(revision="", accounts=ACCOUNTS, members=(member,), wall_ms=Clock())


def terms(
    symbol: str = "BTCTRY",
    side: OrderSide = OrderSide.BUY,
    order_type: OrderType = OrderType.LIMIT,
) -> OrderTerms:
    return OrderTerms(symbol, side, order_type)


def verdict(decision: Decision) -> tuple[bool, str]:
    return decision.allowed, decision.rule


def test_what_a_grant_names_is_allowed_by_it() -> None:
    for action, account, grant in (
        (Action.MARKET_READ, None, MARKET),
        (Action.ORDERS_PLACE, "demo", TRADE),
        (Action.ORDERS_CANCEL, "third", CANCEL),
    ):
        decision = policy().decide("app", action, account)
        assert verdict(decision) == (True, grant.id)
        assert decision.grant is grant
        assert decision.reason == f"the grant '{grant.id}' allows {action}"


@pytest.mark.parametrize(
    ("principal", "action", "account"),
    [
        ("nobody", Action.MARKET_READ, None),
        ("", Action.MARKET_READ, None),
        ("person", Action.MARKET_READ, None),
        ("app", Action.MARKET_READ, "demo"),
        ("app", Action.ORDERS_PLACE, None),
        ("app", Action.ORDERS_PLACE, "second"),
        ("app", Action.ORDERS_PLACE, "DEMO"),
        ("app", Action.ORDERS_PLACE, "third"),
        ("app", Action.ORDERS_CANCEL, "demo"),
        ("app", Action.OPERATE, None),
    ],
    ids=range(10),
)
def test_all_else_is_denied(principal: str, action: Action, account: str | None) -> None:
    decision = policy().decide(principal, action, account)
    assert verdict(decision) == (False, DEFAULT_DENY)
    assert decision.grant is None


def test_a_denial_says_what_was_not_granted() -> None:
    decision = policy().decide("app", Action.ORDERS_PLACE, "second", terms())
    assert decision.reason == (
        "no grant allows orders:place on account 'second' for LIMIT BUY of BTCTRY"
    )
    assert policy().decide("x", Action.OPERATE).reason == "the principal is not in the policy"


NARROWED = Narrowing(
    symbols=frozenset({"BTCTRY"}),
    sides=frozenset({OrderSide.BUY}),
    order_types=frozenset({OrderType.LIMIT, OrderType.FAST}),
)
PLACE = frozenset({Action.ORDERS_PLACE, Action.ORDERS_CANCEL})
OTHER_TERMS = [
    terms(symbol="ETHTRY"),
    terms(symbol="btctry"),
    terms(side=OrderSide.SELL),
    terms(order_type=OrderType.MARKET),
]


@pytest.mark.parametrize("other", OTHER_TERMS, ids=str)
def test_a_narrowed_grant_allows_the_orders_that_it_names_alone(other: OrderTerms) -> None:
    it = of_rules((Grant("narrow", PLACE, "demo", NARROWED),))
    assert it.decide("app", Action.ORDERS_PLACE, "demo", terms()).allowed
    assert it.decide("app", Action.ORDERS_PLACE, "demo", terms(order_type=OrderType.FAST)).allowed
    assert not it.decide("app", Action.ORDERS_PLACE, "demo", other).allowed


@pytest.mark.parametrize("other", OTHER_TERMS, ids=str)
def test_a_narrowed_deny_forbids_the_orders_that_it_names_alone(other: OrderTerms) -> None:
    it = of_rules((Grant("all", PLACE, "demo"),), (Deny("narrow", PLACE, None, NARROWED),))
    assert verdict(it.decide("app", Action.ORDERS_PLACE, "demo", terms())) == (False, "narrow")
    assert verdict(it.decide("app", Action.ORDERS_PLACE, "demo", other)) == (True, "all")
    assert verdict(it.decide("app", Action.ORDERS_PLACE, "demo")) == (True, "all")


def test_what_narrows_orders_narrows_no_other_action_of_the_rule() -> None:
    granted = of_rules((Grant("narrow", PLACE, "demo", NARROWED),))
    assert granted.decide("app", Action.ORDERS_CANCEL, "demo").allowed
    denied = of_rules((Grant("all", PLACE, "demo"),), (Deny("narrow", PLACE, None, NARROWED),))
    assert verdict(denied.decide("app", Action.ORDERS_CANCEL, "demo")) == (False, "narrow")


def test_of_several_grants_the_first_that_matches_decides() -> None:
    first = Grant("first", PLACE, "demo", NARROWED)
    second = Grant("second", PLACE, "demo")
    it = of_rules((first, second))
    assert it.decide("app", Action.ORDERS_PLACE, "demo", terms()).grant is first
    sell = terms(side=OrderSide.SELL)
    assert it.decide("app", Action.ORDERS_PLACE, "demo", sell).grant is second


@pytest.mark.parametrize("account", [None, "demo", "second"])
def test_a_grant_of_operating_without_an_account_is_for_everything(account: str | None) -> None:
    assert of_rules((AUDIT,)).decide("app", Action.OPERATE, account).allowed


def test_a_grant_of_operating_on_an_account_is_for_that_one() -> None:
    it = of_rules((Grant("audit", frozenset({Action.OPERATE}), "demo"),))
    allowed = [it.decide("app", Action.OPERATE, each).allowed for each in ("demo", "second", None)]
    assert allowed == [True, False, False]


def test_who_is_denied_one_account_is_not_allowed_everything() -> None:
    it = of_rules((AUDIT,), (Deny("not-demo", frozenset({Action.AUDIT_READ}), "demo"),))
    rules = [it.decide("app", Action.AUDIT_READ, each).rule for each in ("demo", "second", None)]
    assert rules == ["not-demo", "audit", "not-demo"]


def test_a_deny_on_one_account_leaves_the_others() -> None:
    grants = (TRADE, Grant("second-read", frozenset({Action.ACCOUNT_READ}), "second"))
    it = of_rules(grants, (Deny("not-demo", frozenset({Action.ACCOUNT_READ}), "demo"),))
    assert not it.decide("app", Action.ACCOUNT_READ, "demo").allowed
    assert it.decide("app", Action.ACCOUNT_READ, "second").allowed


def test_a_token_tells_who_calls_and_until_when() -> None:
    assert policy().authenticate("one") == Proof(APP, hash_token("one"))
    assert policy().authenticate("two") == Proof(APP, hash_token("two"), 2_000)
    assert policy().authenticate("three") == Proof(PERSON, hash_token("three"))


@pytest.mark.parametrize(
    "token", ["", "One", "one ", "four", "\ud800", hash_token("one")], ids=ascii
)
def test_a_token_that_is_not_listed_is_nobodys(token: str) -> None:
    assert policy().authenticate(token) is None


def test_a_token_ends_at_the_moment_it_expires() -> None:
    clock = Clock()
    it = policy(clock)
    clock.now = 1_999
    assert it.authenticate("two") is not None
    clock.now = 2_000
    assert it.authenticate("two") is None
    assert it.authenticate("one") is not None


def test_an_identity_is_a_subject_of_its_issuer() -> None:
    assert policy().identify("cluster", "pod", 0) == PERSON
    assert policy().identify("cluster", "Pod", 0) is None
    assert policy().identify("other", "pod", 0) is None


def test_what_was_issued_before_a_revocation_proves_nothing() -> None:
    assert policy().identify("sso", "pod", 499) is None
    assert policy().identify("sso", "pod", 500) == PERSON


def test_accounts_are_visible_to_those_who_hold_a_grant_on_them() -> None:
    assert policy().visible_accounts("app") == ("demo", "third")
    assert policy().visible_accounts("person") == ()
    assert policy().visible_accounts("nobody") == ()


def test_rules_are_told_as_they_stand() -> None:
    assert policy().grants("app") == (MARKET, TRADE, CANCEL)
    assert policy().grants("nobody") == ()
    deny = Deny("d", PLACE)
    assert of_rules((), (deny,)).denies("app") == (deny,)
    assert policy().denies("nobody") == ()
    assert policy().principals() == (APP, PERSON)


def test_rates_are_those_of_the_policy_or_none() -> None:
    assert policy().rate_of("app") == Rate(600, 60)
    assert policy().rate_of("person") is None
    assert policy().rate_of("nobody") is None
    assert policy().account_rate("second") == Rate(300, 60)
    assert policy().account_rate("demo") is None
    assert policy().account_rate("nowhere") is None


def test_a_hash_shows_in_no_repr() -> None:
    assert hash_token("one") not in repr(TokenRecord(hash_token("one")))
    assert hash_token("one") not in repr(policy())


names = st.sampled_from(["a", "b", "A", ""])
accounts = st.none() | names
action_sets = st.frozensets(st.sampled_from(Action), max_size=4)
symbols = st.sampled_from(["BTCTRY", "ETHTRY"])
narrowings = st.builds(
    Narrowing,
    symbols=st.none() | st.frozensets(symbols, min_size=1),
    sides=st.none() | st.frozensets(st.sampled_from(OrderSide), min_size=1),
    order_types=st.none() | st.frozensets(st.sampled_from(OrderType), min_size=1),
)
grants = st.builds(Grant, names, action_sets, accounts, narrowings)
denies = st.builds(Deny, names, action_sets, accounts, narrowings)
member_lists = st.lists(
    st.builds(
        Member,
        st.builds(Principal, names, st.sampled_from(PrincipalKind)),
        grants=st.lists(grants, max_size=4).map(tuple),
        denies=st.lists(denies, max_size=2).map(tuple),
    ),
    max_size=3,
    unique_by=lambda member: member.principal.id,
)
any_terms = st.builds(OrderTerms, symbols, st.sampled_from(OrderSide), st.sampled_from(OrderType))


def in_narrowing(rule: Grant | Deny, asked: OrderTerms) -> bool:
    """Say it again, by every order that the rule is about."""
    it = rule.narrowing
    about: Iterator[OrderTerms] = (
        OrderTerms(symbol, side, order_type)
        for symbol in (["BTCTRY", "ETHTRY"] if it.symbols is None else it.symbols)
        for side in (OrderSide if it.sides is None else it.sides)
        for order_type in (OrderType if it.order_types is None else it.order_types)
    )
    return asked in set(about)


def applies(rule: Grant | Deny, action: Action, asked: OrderTerms) -> bool:
    if action not in rule.actions:
        return False
    return action is not Action.ORDERS_PLACE or in_narrowing(rule, asked)


@given(
    members=member_lists,
    principal=names,
    action=st.sampled_from(Action),
    account=accounts,
    asked=any_terms,
)
def test_nothing_is_allowed_but_what_is_granted_and_not_denied(
    members: list[Member], principal: str, action: Action, account: str | None, asked: OrderTerms
) -> None:
    it = Policy(revision="", accounts=(), members=tuple(members), wall_ms=Clock())
    mine = next((each for each in members if each.principal.id == principal), Member(APP))
    of_all = {Action.AUDIT_READ, Action.OPERATE}
    granting = [
        grant
        for grant in mine.grants
        if applies(grant, action, asked)
        and (grant.account == account or (grant.account is None and action in of_all))
        and (account is not None or action in {Action.MARKET_READ, *of_all})
    ]
    denying = [
        deny
        for deny in mine.denies
        if applies(deny, action, asked)
        and (deny.account in (None, account) or (account is None and action in of_all))
    ]
    decision = it.decide(principal, action, account, asked)
    assert decision.allowed == (bool(granting) and not denying)
    if decision.allowed:
        assert decision.grant is granting[0]
    assert decision.reason


@given(wide=narrowings, narrow=narrowings, asked=any_terms)
def test_what_covers_another_is_about_each_of_its_orders(
    wide: Narrowing, narrow: Narrowing, asked: OrderTerms
) -> None:
    if wide.covers(narrow) and narrow.includes(asked):
        assert wide.includes(asked)
