from gateway.app.unresolved import Unresolved


def test_placements_are_counted_over_all_accounts_by_state() -> None:
    unresolved = Unresolved()
    unresolved.take("demo", {"SENDING": 1, "UNKNOWN": 2, "IN_DOUBT": 0})
    unresolved.take("vault", {"UNKNOWN": 1})
    counts = [unresolved.count(each) for each in ("SENDING", "UNKNOWN", "IN_DOUBT")]
    assert counts == [1, 3, 0]


def test_a_newer_look_takes_the_place_of_the_one_before() -> None:
    unresolved = Unresolved()
    unresolved.take("demo", {"UNKNOWN": 2})
    unresolved.take("demo", {"UNKNOWN": 1})
    assert unresolved.count("UNKNOWN") == 1
    unresolved.take("demo", {})
    assert unresolved.count("UNKNOWN") == 0


def test_only_orders_in_doubt_are_a_problem_and_their_accounts_are_named() -> None:
    unresolved = Unresolved()
    unresolved.take("demo", {"SENDING": 3, "UNKNOWN": 2})
    assert unresolved.problem is None
    unresolved.take("vault", {"IN_DOUBT": 2})
    unresolved.take("demo", {"IN_DOUBT": 1})
    problem = "orders in doubt wait for a person's judgement on demo (1), vault (2)"
    assert unresolved.problem == problem
