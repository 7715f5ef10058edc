import textwrap
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.faults import BadPolicy
from gateway.access.policy import Action, Grant, Policy, Principal, PrincipalKind
from gateway.access.policy_text import parse_policy
from gateway.access.principal import Proof
from gateway.access.tokens import hash_token
from gateway.access.yaml_reader import MAX_BYTES

ONE, TWO = hash_token("one"), hash_token("two")

GOOD = f"""\
version: 1
accounts: [demo, second]
principals:
  - id: demo-app
    kind: app
    tokens:
      - {{sha256: {ONE}}}
      - {{sha256: {TWO}, expires: 2027-01-31T00:00:00Z}}
    grants:
      - {{id: demo-market, actions: [market:read]}}
      - {{id: demo-trade, account: demo, actions: [account:read, orders:place]}}
  - {{id: alice, kind: person}}
"""


def parse(text: str | bytes, now: int = 0) -> Policy:
    return parse_policy(text if isinstance(text, bytes) else text.encode(), lambda: now)


def faults(text: str | bytes) -> list[tuple[int, str]]:
    with pytest.raises(BadPolicy) as raised:
        parse(text)
    return [(fault.line, fault.problem) for fault in raised.value.faults]


def test_a_good_file_becomes_the_policy_it_describes() -> None:
    policy = parse(GOOD)
    assert policy.accounts == ("demo", "second")
    assert policy.principals() == (
        Principal("demo-app", PrincipalKind.APP),
        Principal("alice", PrincipalKind.PERSON),
    )
    assert policy.authenticate("one") == Proof(policy.principals()[0], ONE)
    assert policy.grants("demo-app") == (
        Grant("demo-market", frozenset({Action.MARKET_READ})),
        Grant("demo-trade", frozenset({Action.ACCOUNT_READ, Action.ORDERS_PLACE}), "demo"),
    )
    assert policy.grants("alice") == ()


def test_a_token_expires_when_the_file_says() -> None:
    expires = 1_801_353_600_000  # 2027-01-31T00:00:00Z
    assert parse(GOOD, now=expires - 1).authenticate("two") is not None
    assert parse(GOOD, now=expires).authenticate("two") is None


@pytest.mark.parametrize("spelling", ["'2027-01-31T00:00:00Z'", "2027-01-31T03:00:00+03:00"])
def test_a_time_may_be_quoted_or_in_another_zone(spelling: str) -> None:
    policy = GOOD.replace("2027-01-31T00:00:00Z", spelling)
    assert parse(policy, now=1_801_353_600_000 - 1).authenticate("two") is not None
    assert parse(policy, now=1_801_353_600_000).authenticate("two") is None


def test_who_deletes_the_last_token_of_a_list_revokes_it() -> None:
    remaining = changed(f"      - {{sha256: {ONE}}}\n", "").replace(
        f"      - {{sha256: {TWO}, expires: 2027-01-31T00:00:00Z}}\n", ""
    )
    assert "    tokens:\n    grants:\n" in remaining
    policy = parse(remaining)
    assert (policy.authenticate("one"), policy.authenticate("two")) == (None, None)
    assert policy.grants("demo-app") == parse(GOOD).grants("demo-app")


@pytest.mark.parametrize("key", ["tokens", "identities", "grants", "denies"])
@pytest.mark.parametrize("nothing", ["", "~", "[]"])
def test_a_list_of_a_principal_with_nothing_in_it_is_empty(key: str, nothing: str) -> None:
    text = (
        f"version: 1\naccounts:\nissuers:\nprincipals: [{{id: a, kind: app, {key}: {nothing}}}]\n"
    )
    policy = parse(text)
    assert (policy.accounts, policy.issuers) == ((), ())
    assert (policy.grants("a"), policy.denies("a")) == ((), ())


def test_a_revision_tells_two_files_apart() -> None:
    assert parse(GOOD).revision == parse(GOOD).revision
    assert parse(GOOD).revision != parse(GOOD + "\n").revision


def test_a_hash_of_digits_alone_is_a_hash() -> None:
    parse(GOOD.replace(ONE, "1" * 64))


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


ACTIONS = (
    "market:read, account:read, orders:place, orders:cancel, orders:read-all, "
    "withdrawals:request, withdrawals:approve, audit:read, operate"
)
PRINCIPAL_KEYS = "id, kind, rate, tokens, identities, grants, denies"
TIME = "'expires': expected a time such as 2027-01-31T00:00:00Z"
HASH = "'sha256': expected 64 hex digits in lower case, of 'policy new-token'"


BAD: dict[str, tuple[str | bytes, list[tuple[int, str]]]] = {
    "version-2": (changed("version: 1", "version: 2"), [(1, "'version' must be 1")]),
    "version-text": (changed("version: 1", "version: '1'"), [(1, "'version' must be 1")]),
    "version-list": (changed("version: 1", "version: [1]"), [(1, "'version' must be 1")]),
    "version-missing": (changed("version: 1", ""), [(2, "'version' is missing")]),
    "key-twice": (GOOD + "accounts: []\n", [(13, "'accounts' is given twice")]),
    "key-unknown": (
        GOOD + "deny: []\n",
        [(13, "unknown key 'deny'; known are: version, accounts, principals, issuers")],
    ),
    "key-twice-inside": (
        changed("kind: app\n", "kind: app\n    kind: person\n"),
        [(6, "'kind' is given twice")],
    ),
    "key-merge": (
        changed("kind: person", "kind: person, <<: {}"),
        [(12, f"unknown key '<<'; known are: {PRINCIPAL_KEYS}")],
    ),
    "key-no-text": (
        changed("kind: person", "kind: person, ? [a] : b"),
        [(12, f"unknown key; known are: {PRINCIPAL_KEYS}")],
    ),
    "account-twice": (
        changed("[demo, second]", "[demo, demo]"),
        [(2, "account 'demo' stands on line 2 already")],
    ),
    "account-number": (
        changed("[demo, second]", "[demo, 7]"),
        [(2, "'accounts': expected text; put it in quotes")],
    ),
    "account-letters": (
        changed("[demo, second]", "[demo, 'a b']"),
        [(2, "account id: expected 1 to 64 of A-Z a-z 0-9 . _ -")],
    ),
    "accounts-empty": (
        changed("[demo, second]", ""),
        [
            (11, "account 'demo' is not under 'accounts'"),
        ],
    ),
    "account-undeclared": (
        changed("account: demo", "account: dmeo"),
        [(11, "account 'dmeo' is not under 'accounts'")],
    ),
    "account-missing": (
        changed("account: demo, ", ""),
        [(11, "'account:read' needs an 'account'"), (11, "'orders:place' needs an 'account'")],
    ),
    "account-for-market": (
        changed("id: demo-market,", "id: demo-market, account: demo,"),
        [(10, "'market:read' is not of an account: give it a rule of its own")],
    ),
    "action-unknown": (
        changed("market:read", "market:*"),
        [(10, f"unknown action 'market:*'; known are: {ACTIONS}")],
    ),
    "actions-empty": (changed("[market:read]", "[]"), [(10, "'actions' is empty")]),
    "actions-nothing": (changed("[market:read]", ""), [(10, "'actions' is empty")]),
    "actions-text": (changed("[market:read]", "market:read"), [(10, "'actions': expected a list")]),
    "actions-missing": (
        changed(", actions: [market:read]", ""),
        [(10, "'actions' is missing")],
    ),
    "principal-twice": (
        changed("id: alice", "id: demo-app"),
        [(12, "principal 'demo-app' stands on line 4 already")],
    ),
    "grant-twice": (
        changed("id: demo-trade", "id: demo-market"),
        [(11, "rule 'demo-market' stands on line 10 already")],
    ),
    "token-twice": (changed(TWO, ONE), [(8, "this token stands on line 7 already")]),
    "token-short": (changed(ONE, ONE[1:]), [(7, HASH)]),
    "token-upper": (changed(ONE, ONE.upper()), [(7, HASH)]),
    "token-raw": (changed(ONE, "ngw_" + "a" * 43), [(7, HASH)]),
    "token-list": (changed(ONE, "[]"), [(7, HASH)]),
    "token-missing": (changed(f"sha256: {ONE}", ""), [(7, "'sha256' is missing")]),
    "token-no-mapping": (
        changed(f"{{sha256: {ONE}}}", ONE),
        [(7, "'tokens': expected a mapping, 'key: value'")],
    ),
    "expires-date": (changed("2027-01-31T00:00:00Z", "2027-01-31"), [(8, TIME)]),
    "expires-naive": (changed("00:00:00Z", "00:00:00"), [(8, TIME)]),
    "expires-never": (changed("2027-01-31T00:00:00Z", "never"), [(8, TIME)]),
    "expires-list": (changed("2027-01-31T00:00:00Z", "[]"), [(8, TIME)]),
    "kind": (
        changed("kind: app", "kind: robot"),
        [(5, "unknown kind 'robot'; known are: app, person")],
    ),
    "kind-bool": (
        changed("kind: app", "kind: yes"),
        [(5, "'kind': expected text; put it in quotes")],
    ),
    "a-list": ("- 1\n", [(1, "expected a mapping, 'key: value'")]),
    "empty": ("# nothing\n", [(0, "empty")]),
    "two-documents": (
        GOOD + "---\nversion: 1\n",
        [
            (13, "not valid YAML: but found another document"),
        ],
    ),
    "tab": (
        "version: 1\n\taccounts: []\n",
        [
            (2, "not valid YAML: found character '\\t' that cannot start any token"),
        ],
    ),
    "control": (
        "version: 1\n# \x07\n",
        [
            (2, "not valid YAML: special characters are not allowed"),
        ],
    ),
    "not-utf8": (b"version: 1\n# \xff\n", [(2, "not UTF-8")]),
    "alias": (
        "accounts: &a [x]\nb: *a\n",
        [
            (1, "anchors and aliases are not allowed"),
            (2, "anchors and aliases are not allowed"),
        ],
    ),
    "deep": ("[\n" * 17, [(17, "nested too deeply")]),
    "too-deep-to-recurse": ("[" * 100_000, [(1, "nested too deeply")]),
    "too-big": ("#" * (MAX_BYTES + 1), [(0, "larger than 256 KiB")]),
}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD)
def test_each_fault_is_told_with_its_line(
    text: str | bytes, expected: list[tuple[int, str]]
) -> None:
    assert faults(text) == expected


def test_every_fault_is_told_at_once() -> None:
    text = textwrap.dedent("""\
        version: 3
        accounts: [demo, demo]
        principals:
          - id: app
            kind: robot
            color: blue
            grants:
              - {id: g, actions: [fly], account: moon}
              - {id: g, actions: [orders:place]}
        """)
    assert [line for line, _ in faults(text)] == [1, 2, 5, 6, 8, 8, 9, 9]


def test_the_text_of_a_refusal_has_a_line_for_each_fault() -> None:
    with pytest.raises(BadPolicy) as raised:
        parse("version: 2\n")
    assert str(raised.value).splitlines() == [
        "line 1: 'accounts' is missing",
        "line 1: 'principals' is missing",
        "line 1: 'version' must be 1",
    ]


TOKEN = "ngw_" + "Zx9" * 14 + "Z"


@pytest.mark.parametrize(
    "tokens",
    [
        f"[{TOKEN}]",
        f"[{{sha256: {TOKEN}}}]",
        f"[{{{TOKEN}: }}]",
        f"[{{sha256:{TOKEN}}}]",
        f"{TOKEN}",
        f"[{{sha256: {ONE}, expires: {TOKEN}}}]",
        f"[*{TOKEN}]",
        f"[&{TOKEN} a]",
        f"[!{TOKEN} a]",
        f"[!{TOKEN}!b a]",
        f"[!<{TOKEN} a]",
        f"[%{TOKEN}]",
        f"[{{sha256: {TOKEN}]",
    ],
    ids=range(13),
)
def test_a_token_in_the_wrong_place_is_not_shown(tokens: str) -> None:
    text = f"version: 1\naccounts: []\nprincipals: [{{id: a, kind: app, tokens: {tokens}}}]\n"
    with pytest.raises(BadPolicy) as raised:
        parse(text)
    assert TOKEN[:12] not in str(raised.value) + repr(raised.value)
    assert raised.value.__cause__ is None


@given(noise=st.text(max_size=40) | st.text("[]{}:,-&*!|>'\"%@` \n\tab1", max_size=40))
def test_no_text_raises_anything_but_a_refusal(noise: str) -> None:
    for text in (noise, GOOD + noise, GOOD.replace("alice", noise, 1)):
        with suppress(BadPolicy):
            parse(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("account: demo", f"account: {TOKEN}"),
        ("kind: app", f"kind: {TOKEN}"),
        ("[market:read]", f"[{TOKEN}]"),
        ("id: alice", f"id: {TOKEN}}}\n  - {{id: {TOKEN}"),
        ("[demo, second]", f"[demo, second, {TOKEN}, {TOKEN}]"),
        ("kind: person}", f"kind: person, identities: [{{issuer: {TOKEN}, subject: a}}]}}"),
    ],
    ids=["account", "kind", "action", "principal", "accounts", "issuer"],
)
def test_a_token_in_place_of_a_name_is_not_shown(old: str, new: str) -> None:
    with pytest.raises(BadPolicy) as raised:
        parse(changed(old, new))
    assert TOKEN[4:12] not in str(raised.value)
