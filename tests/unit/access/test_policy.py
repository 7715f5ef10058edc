import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.policy import (
    DEFAULT_DENY,
    Action,
    Decision,
    Grant,
    Member,
    Policy,
    Principal,
    PrincipalKind,
    TokenRecord,
)
from gateway.access.tokens import hash_token

MARKET = Grant("demo-market", frozenset({Action.MARKET_READ}))
TRADE = Grant("demo-trade", frozenset({Action.ACCOUNT_READ, Action.ORDERS_PLACE}), "demo")
APP = Principal("app", PrincipalKind.APP)
PERSON = Principal("person", PrincipalKind.PERSON)
DENIED = Decision(allowed=False, rule=DEFAULT_DENY)


def allowed_by(rule: str) -> Decision:
    return Decision(allowed=True, rule=rule)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


def policy(clock: Clock | None = None) -> Policy:
    return Policy(
        revision="r1",
        accounts=("demo", "second", "third"),
        members=(
            Member(
                APP,
                (TokenRecord(hash_token("one")), TokenRecord(hash_token("two"), expires=2_000)),
                (MARKET, TRADE, Grant("third-cancel", frozenset({Action.ORDERS_CANCEL}), "third")),
            ),
            Member(PERSON, (TokenRecord(hash_token("three")),)),
        ),
        wall_ms=clock or Clock(),
    )


def test_what_a_grant_names_is_allowed_by_it() -> None:
    assert policy().decide("app", Action.MARKET_READ) == allowed_by("demo-market")
    assert policy().decide("app", Action.ORDERS_PLACE, "demo") == allowed_by("demo-trade")
    assert policy().decide("app", Action.ORDERS_CANCEL, "third") == allowed_by("third-cancel")


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
    ],
    ids=range(9),
)
def test_all_else_is_denied(principal: str, action: Action, account: str | None) -> None:
    assert policy().decide(principal, action, account) == DENIED


def test_a_token_tells_who_calls() -> None:
    assert policy().authenticate("one") == APP
    assert policy().authenticate("three") == PERSON


@pytest.mark.parametrize(
    "token", ["", "One", "one ", "four", "\ud800", hash_token("one")], ids=ascii
)
def test_a_token_that_is_not_listed_is_nobodys(token: str) -> None:
    assert policy().authenticate(token) is None


def test_a_token_ends_at_the_moment_it_expires() -> None:
    clock = Clock()
    it = policy(clock)
    clock.now = 1_999
    assert it.authenticate("two") == APP
    clock.now = 2_000
    assert it.authenticate("two") is None
    assert it.authenticate("one") == APP


def test_accounts_are_visible_to_those_who_hold_a_grant_on_them() -> None:
    assert policy().visible_accounts("app") == ("demo", "third")
    assert policy().visible_accounts("person") == ()
    assert policy().visible_accounts("nobody") == ()


def test_grants_are_told_as_they_stand() -> None:
    assert [grant.id for grant in policy().grants("app")] == [
        "demo-market",
        "demo-trade",
        "third-cancel",
    ]
    assert policy().grants("nobody") == ()


def test_a_hash_shows_in_no_repr() -> None:
    assert hash_token("one") not in repr(TokenRecord(hash_token("one")))
    assert hash_token("one") not in repr(policy())


names = st.sampled_from(["a", "b", "c", "A", ""])
grants = st.builds(
    Grant, names, st.frozensets(st.sampled_from(Action), max_size=3), st.none() | names
)
member_lists = st.lists(
    st.builds(
        Member,
        st.builds(Principal, names, st.sampled_from(PrincipalKind)),
        grants=st.lists(grants, max_size=4).map(tuple),
    ),
    max_size=4,
    unique_by=lambda member: member.principal.id,
)


@given(
    members=member_lists,
    principal=names,
    action=st.sampled_from(Action),
    account=st.none() | names,
)
def test_nothing_is_allowed_but_what_is_declared(
    members: list[Member], principal: str, action: Action, account: str | None
) -> None:
    it = Policy(revision="", accounts=(), members=tuple(members), wall_ms=Clock())
    declared = {
        (member.principal.id, grant.id)
        for member in members
        for grant in member.grants
        if action in grant.actions and grant.account == account
    }
    decision = it.decide(principal, action, account)
    if decision.allowed:
        assert (principal, decision.rule) in declared
    else:
        assert decision == DENIED
        assert principal not in {owner for owner, _ in declared}
