import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.account import TradingState
from gateway.domain.switches import Scope, Switch, strictest

ACTIVE, CANCEL_ONLY, HALTED = TradingState
EVERYTHING, DEMO, DESK = Scope(), Scope(account="demo"), Scope(principal="desk")
ORDER = list(TradingState)

names = st.sampled_from(["demo", "desk", "other"])
scopes = st.one_of(
    st.just(EVERYTHING), st.builds(Scope, account=names), st.builds(Scope, principal=names)
)


def switch(scope: Scope, state: TradingState) -> Switch:
    return Switch(scope, state, "why", "operator", 1)


switches = st.lists(st.builds(switch, scopes, st.sampled_from(TradingState)), max_size=8)


def test_a_scope_of_an_account_and_a_principal_is_refused() -> None:
    with pytest.raises(ValueError, match="not for both"):
        Scope(account="demo", principal="desk")


@pytest.mark.parametrize(
    ("scope", "name", "covered"),
    [
        (EVERYTHING, "everything", [("desk", "demo"), ("desk", "vault"), ("other", "demo")]),
        (DEMO, "account demo", [("desk", "demo"), ("other", "demo")]),
        (DESK, "principal desk", [("desk", "demo"), ("desk", "vault")]),
    ],
    ids=["everything", "account", "principal"],
)
def test_a_scope_has_a_name_and_covers_what_is_in_it(
    scope: Scope, name: str, covered: list[tuple[str, str]]
) -> None:
    pairs = [("desk", "demo"), ("desk", "vault"), ("other", "demo"), ("other", "vault")]
    wanted = pairs if scope == EVERYTHING else covered
    assert (str(scope), [pair for pair in pairs if scope.covers(*pair)]) == (name, wanted)


def test_without_a_switch_nothing_holds() -> None:
    assert strictest([], "desk", "demo") is None


@given(switches)
def test_the_strictest_that_covers_holds_whatever_its_order(standing: list[Switch]) -> None:
    strictness = max(
        (ORDER.index(each.state) for each in standing if each.scope.covers("desk", "demo")),
        default=0,
    )
    for order in (standing, standing[::-1]):
        held = strictest(order, "desk", "demo")
        assert (0 if held is None else ORDER.index(held.state)) == strictness
        assert held is None or held.scope.covers("desk", "demo")


def test_an_active_switch_opens_nothing_that_another_stops() -> None:
    halted = switch(EVERYTHING, HALTED)
    assert strictest([switch(DEMO, ACTIVE), halted], "desk", "demo") is halted
    assert strictest([switch(DEMO, CANCEL_ONLY), halted], "desk", "demo") is halted
