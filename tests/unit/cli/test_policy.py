"""`policy check`, `policy explain` and `policy new-token`."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.access.policy_file import PolicyFile
from gateway.cli.commands import app

POLICY = """\
version: 1
accounts: [demo]
principals:
  - id: desk
    kind: app
    tokens:
{tokens}
"""


def test_a_new_token_and_its_line_fit_together(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["policy", "new-token"])
    assert done.exit_code == 0
    (token,) = re.findall(r"ngw_[\w-]+", done.output)
    (line,) = re.findall(r"- \{sha256: .*\}", done.output)
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY.format(tokens=f"      {line}"))
    proof = PolicyFile(file, lambda: 0).current.authenticate(token)
    assert proof is not None
    assert proof.principal.id == "desk"


def test_a_new_token_ends_when_it_was_told_to(tmp_path: Path) -> None:
    asked = ["policy", "new-token", "--expires", "2099-01-31T03:00:00+03:00"]
    done = CliRunner().invoke(app, asked)
    (token,) = re.findall(r"ngw_[\w-]+", done.output)
    (line,) = re.findall(r"- \{sha256: .*\}", done.output)
    assert line.endswith(", expires: 2099-01-31T00:00:00Z}")
    assert "never expires" not in done.output
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY.format(tokens=f"      {line}"))
    proof = PolicyFile(file, lambda: 0).current.authenticate(token)
    assert proof is not None
    assert proof.expires == 4_073_500_800_000  # 2099-01-31T00:00:00Z


@pytest.mark.parametrize("expires", ["2020-01-31T00:00:00Z", "2099-01-31T00:00:00", "2099-01-31"])
def test_a_token_is_not_made_that_ends_in_the_past_or_in_no_zone(expires: str) -> None:
    done = CliRunner().invoke(app, ["policy", "new-token", "--expires", expires])
    assert (done.exit_code, done.stdout) == (2, "")


def test_a_token_without_end_is_said_to_have_none() -> None:
    assert "It never expires" in CliRunner().invoke(app, ["policy", "new-token"]).stdout


def test_every_token_is_new() -> None:
    outputs = {CliRunner().invoke(app, ["policy", "new-token"]).output for _ in range(3)}
    assert len(outputs) == 3


def test_a_sound_policy_file_is_said_to_be_sound(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("version: 1\naccounts: [demo]\nprincipals: []\n")
    done = CliRunner().invoke(app, ["policy", "check", str(file)])
    assert (done.exit_code, done.stdout) == (0, f"{file} is sound (accounts: demo)\n")


def test_every_fault_of_a_policy_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("version: 2\naccounts: ['a b']\nprincipals: []\n")
    done = CliRunner().invoke(app, ["policy", "check", str(file)])
    assert done.exit_code == 2
    assert [line.partition(":")[0] for line in done.stderr.splitlines()[1:]] == ["line 1", "line 2"]


def test_a_policy_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["policy", "check", str(tmp_path / "none.yaml")])
    assert done.exit_code == 2
    assert "cannot be read" in done.stderr


DOCS = Path(__file__).parents[3] / "docs"
EXAMPLE = str(DOCS / "examples" / "policy.yaml")


def test_the_example_is_sound() -> None:
    done = CliRunner().invoke(app, ["policy", "check", EXAMPLE])
    assert (done.exit_code, done.stderr) == (0, "")


def test_the_document_shows_what_is_really_said_of_the_example() -> None:
    document = (DOCS / "policy.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"(?ms)^\$ narkasa-gateway (policy explain .*?)^```", document)
    asked, _, said = shown.replace("\\\n", "").partition("\n")
    arguments = [EXAMPLE if "/" in word else word for word in asked.split()]
    done = CliRunner().invoke(app, arguments)
    assert done.stdout.replace(EXAMPLE, "docs/examples/policy.yaml") == said


def test_the_first_policy_of_the_document_is_sound(tmp_path: Path) -> None:
    document = (DOCS / "policy.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"(?ms)^```yaml\n(version: 1.*?)^```", document)
    file = tmp_path / "policy.yaml"
    file.write_text(shown.replace("<64 hex digits>", "0" * 64))
    done = CliRunner().invoke(app, ["policy", "check", str(file)])
    assert (done.exit_code, done.stderr) == (0, "")


PROVEN = """\
version: 1
accounts: []
issuers: [{id: sso, issuer: "https://login.example.com", audience: gateway, algorithms: [ES256]}]
principals:
  - {id: desk, kind: app, PROOFS}
"""
OLD = f"{{sha256: {'0' * 64}, expires: 2020-01-31T00:00:00Z}}"
GOOD = f"{{sha256: {'1' * 64}, expires: 2099-01-31T00:00:00Z}}"
ENDLESS = f"{{sha256: {'2' * 64}}}"
NOTHING = "principal 'desk': nothing proves it, no token that is good, no identity"


@pytest.mark.parametrize(
    ("proofs", "remarks"),
    [
        ("tokens: []", [NOTHING]),
        (f"tokens: [{OLD}]", ["principal 'desk': expired tokens: 1 of 1", NOTHING]),
        (f"tokens: [{OLD}, {GOOD}]", ["principal 'desk': expired tokens: 1 of 2"]),
        (f"tokens: [{GOOD}]", []),
        (f"tokens: [{ENDLESS}]", []),
        ("identities: [{issuer: sso, subject: desk}]", []),
    ],
    ids=["nothing", "expired", "one-expired", "good", "endless", "identity"],
)
def test_a_principal_that_cannot_call_any_more_is_remarked_on(
    tmp_path: Path, proofs: str, remarks: list[str]
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(PROVEN.replace("PROOFS", proofs))
    done = CliRunner().invoke(app, ["policy", "check", str(file)])
    assert (done.exit_code, done.stdout.splitlines()[1:]) == (0, remarks)


ORDERED = """\
version: 1
accounts: [demo, vault]
principals:
  - id: desk
    kind: app
    tokens: [{{sha256: 3333333333333333333333333333333333333333333333333333333333333333}}]
    grants:
      - {{id: first, account: demo, actions: [orders:place, account:read]{first}}}
      - {{id: second, account: {account}, actions: [orders:place]{second}}}
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", ""),
        ("", ", limits: {open_orders: 1}"),
        ("", ", sides: [BUY]"),
        (", symbols: [A, B]", ", symbols: [B]"),
        (", order_types: [LIMIT, FAST]", ", order_types: [FAST], sides: [SELL]"),
    ],
    ids=range(5),
)
def test_a_grant_that_never_decides_about_orders_is_remarked_on(
    tmp_path: Path, first: str, second: str
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(ORDERED.format(first=first, second=second, account="demo"))
    done = CliRunner().invoke(app, ["policy", "check", str(file)])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1:] == [
        (
            "line 9: the grant 'second' never decides about orders: all that it allows, 'first' "
            "on line 8 allows before it"
        )
    ]


@pytest.mark.parametrize(
    ("first", "second", "account"),
    [
        ("", "", "vault"),
        (", sides: [BUY]", "", "demo"),
        (", symbols: [A]", ", symbols: [A, B]", "demo"),
        (", symbols: [A]", ", sides: [BUY]", "demo"),
    ],
    ids=range(4),
)
def test_a_grant_that_decides_about_some_order_is_not(
    tmp_path: Path, first: str, second: str, account: str
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(ORDERED.format(first=first, second=second, account=account))
    done = CliRunner().invoke(app, ["policy", "check", str(file)])
    assert (done.exit_code, done.stdout.splitlines()[1:]) == (0, [])


EXPLAINED = """\
version: 1
accounts: [demo, {id: vault, rate: 300/min}]
principals:
  - id: desk
    kind: app
    rate: 600/min
    grants:
      - {id: look, account: vault, actions: [account:read]}
      - id: trade
        account: demo
        actions: [orders:place, orders:cancel]
        symbols: [BTCTRY, ETHTRY]
        sides: [BUY]
        order_types: [LIMIT, MARKET]
        limits:
          order_notional: {TRY: "1000.50"}
          day_notional: {TRY: "5000"}
          open_orders: 20
          rate: 10/s
          collar_percent: "5"
      - {id: sell, account: demo, actions: [orders:place], sides: [SELL], symbols: [BTCUSDT]}
      - {id: all, actions: [operate]}
    denies:
      - {id: no-eth, actions: [orders:place], symbols: [ETHTRY]}
"""
PLACE = ["--as", "desk", "--do", "orders:place", "--account", "demo"]


def order(symbol: str = "BTCTRY", side: str = "BUY", order_type: str = "LIMIT") -> list[str]:
    return [*PLACE, "--symbol", symbol, "--side", side, "--type", order_type]


def worth(price: str, quantity: str) -> list[str]:
    return ["--price", price, "--quantity", quantity]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(EXPLAINED)
    return path


def explained(file: Path, *asked: str) -> tuple[int, list[str]]:
    done = CliRunner().invoke(app, ["policy", "explain", str(file), *asked])
    return done.exit_code, [line.strip() for line in done.stdout.splitlines()]


LIMITS = [
    "order_notional: 1000.50 TRY",
    "day_notional: 5000 TRY",
    "open_orders: 20",
    "rate: 10/s",
    "collar_percent: 5",
    "requests of desk: 600/min",
]


def test_what_is_allowed_is_explained_by_its_grant_with_its_limits(file: Path) -> None:
    assert explained(file, *order(), *worth("100.05", "10")) == (
        0,
        [
            "ALLOWED  desk: orders:place on demo, LIMIT BUY of BTCTRY",
            "the grant 'trade' allows orders:place",
            f"rule trade: {file}, line 9",
            *LIMITS,
        ],
    )


def test_what_is_forbidden_is_explained_by_its_deny(file: Path) -> None:
    assert explained(file, *order("ETHTRY")) == (
        1,
        [
            "DENIED  desk: orders:place on demo, LIMIT BUY of ETHTRY",
            "the deny 'no-eth' forbids orders:place",
            f"rule no-eth: {file}, line 24",
        ],
    )


@pytest.mark.parametrize(
    ("asked", "trade", "sell"),
    [
        (order("XRPTRY"), "symbols BTCTRY, ETHTRY", "symbols BTCUSDT"),
        (order("BTCTRY", "SELL"), "sides BUY", "symbols BTCUSDT"),
        (order("BTCUSDT", "BUY"), "symbols BTCTRY, ETHTRY", "sides SELL"),
        (order("BTCTRY", "BUY", "FAST"), "order types LIMIT, MARKET", "symbols BTCUSDT"),
        (
            ["--as", "desk", "--do", "orders:place", "--account", "vault"],
            "of the account demo",
            "of the account demo",
        ),
    ],
    ids=["symbol", "side", "both", "type", "account"],
)
def test_what_nothing_grants_is_explained_by_what_is_granted_instead(
    file: Path, asked: list[str], trade: str, sell: str
) -> None:
    code, lines = explained(file, *asked)
    assert code == 1
    assert lines[0].startswith("DENIED  desk: orders:place on ")
    assert lines[1].startswith("no grant allows orders:place on account ")
    assert lines[2:] == [
        f"grant trade (line 9) is not for it: {trade}",
        f"grant sell (line 21) is not for it: {sell}",
    ]


def test_an_action_of_everything_is_asked_about_without_an_account(file: Path) -> None:
    code, lines = explained(file, "--as", "desk", "--do", "operate")
    assert (code, lines[0]) == (0, "ALLOWED  desk: operate")
    code, lines = explained(file, "--as", "desk", "--do", "market:read")
    assert (code, lines[1:]) == (1, ["no grant allows market:read"])


def test_an_account_is_told_with_its_rate(file: Path) -> None:
    code, lines = explained(file, "--as", "desk", "--do", "account:read", "--account", "vault")
    assert (code, lines[-1]) == (0, "signed calls for vault: 300/min")


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (["--as", "dekst", "--do", "operate"], "no principal 'dekst'; there are: desk"),
        (
            ["--as", "desk", "--do", "orders:place", "--account", "nope"],
            "no account 'nope'; there are: demo, vault",
        ),
    ],
    ids=["principal", "account"],
)
def test_a_name_that_the_policy_does_not_have_is_no_answer(
    file: Path, asked: list[str], problem: str
) -> None:
    done = CliRunner().invoke(app, ["policy", "explain", str(file), *asked])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"{file}: {problem}\n"


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ([*order(), *worth("100.051", "10")], "the order is worth 1000.510 TRY"),
        # At the market's price plus the collar: 953 x 1.05.
        ([*order(order_type="MARKET"), *worth("953", "1")], "the order is worth 1000.65 TRY"),
    ],
    ids=["limit", "market"],
)
def test_an_order_worth_too_much_is_denied_with_the_figure(
    file: Path, asked: list[str], problem: str
) -> None:
    code, lines = explained(file, *asked)
    assert code == 1
    assert lines[0].startswith("DENIED")
    assert lines[-1] == f"order_notional: {problem}"


@pytest.mark.parametrize(("price", "code"), [("5000", 0), ("5000.01", 1)])
def test_an_order_that_no_day_allows_is_denied_with_the_figure(
    file: Path, price: str, code: int
) -> None:
    file.write_text(EXPLAINED.replace('          order_notional: {TRY: "1000.50"}\n', ""))
    answered, lines = explained(file, *order(), *worth(price, "1"))
    assert answered == code
    assert (lines[-1] == "day_notional: the order is worth 5000.01 TRY") is bool(code)


def test_an_order_worth_just_enough_is_allowed(file: Path) -> None:
    assert explained(file, *order(), *worth("1000.50", "1"))[0] == 0
    assert explained(file, *order(order_type="MARKET"), *worth("952", "1"))[0] == 0


@pytest.mark.parametrize(("side", "code"), [("BUY", 0), ("SELL", 1)])
def test_a_fast_buy_counts_as_what_it_spends_and_a_fast_sale_with_the_collar(
    file: Path, side: str, code: int
) -> None:
    file.write_text(EXPLAINED.replace("[BUY]", "[BUY, SELL]").replace("MARKET]", "FAST]"))
    assert explained(file, *order(side=side, order_type="FAST"), *worth("1000", "1"))[0] == code


def test_an_order_in_an_asset_that_is_not_listed_is_denied(file: Path) -> None:
    file.write_text(EXPLAINED.replace("[BTCTRY, ETHTRY]", "[BTCUSDT]"))
    code, lines = explained(file, *order("BTCUSDT"), *worth("1", "1"))
    assert code == 1
    assert lines[-1] == "order_notional lists no asset that BTCUSDT is priced in"


def test_a_question_about_no_order_in_particular_says_so(file: Path) -> None:
    code, lines = explained(file, *PLACE)
    assert code == 0
    assert "some orders: with --symbol, --side and --type the answer is about one" in lines


@pytest.mark.parametrize(
    "asked",
    [
        [*PLACE, "--symbol", "BTCTRY"],
        [*PLACE, *worth("1", "1")],
        [*order(), "--price", "1"],
        [*order(), *worth("1e3", "1")],
        [*order(), *worth("0", "1")],
        ["--as", "desk", "--do", "fly"],
        order(side="LEFT"),
        order()[2:],
        [
            *("--as", "desk", "--do", "orders:cancel", "--account", "demo"),
            *("--symbol", "BTCTRY", "--side", "BUY", "--type", "LIMIT"),
        ],
    ],
    ids=range(9),
)
def test_a_question_that_makes_no_sense_is_not_answered(file: Path, asked: list[str]) -> None:
    code, lines = explained(file, *asked)
    assert (code, lines) == (2, [])


def test_a_bad_policy_file_explains_nothing_but_its_faults(file: Path) -> None:
    file.write_text("version: 2\naccounts: []\nprincipals: []\n")
    done = CliRunner().invoke(app, ["policy", "explain", str(file), *PLACE])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"{file}:\nline 1: 'version' must be 1\n"
