"""Whatever a policy file holds, reading it ends in a policy or in a refusal."""

from contextlib import suppress

import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.faults import BadPolicy
from gateway.access.policy import Action
from gateway.access.tokens import hash_token
from tests.unit.access.examples import FULL, parse

WORDS = st.sampled_from(
    [
        *("demo", "vault", "desk", "a", "cluster", hash_token("one"), "BTCTRY", "TRY", "10/s"),
        *("BUY", "LIMIT", "MARKET", "RS256", "2027-01-31T00:00:00Z", "https://a.example", "/a"),
        *map(str, Action),
    ]
)
SCALARS = WORDS | st.integers() | st.floats() | st.booleans() | st.none() | st.text(max_size=5)
KEYS = st.sampled_from(
    [
        *("id", "kind", "rate", "tokens", "identities", "grants", "denies", "account", "actions"),
        *("symbols", "sides", "order_types", "limits", "order_notional", "open_orders", "TRY"),
        *("sha256", "expires", "issuer", "subject", "audience", "algorithms", "collar_percent"),
    ]
)
PARTS = st.recursive(
    SCALARS,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(KEYS, part, max_size=5),
    max_leaves=12,
)


@given(accounts=PARTS, issuers=PARTS, principals=PARTS | st.lists(PARTS, max_size=2))
def test_no_document_raises_anything_but_a_refusal(
    accounts: object, issuers: object, principals: object
) -> None:
    document = {
        "version": 1,
        "accounts": accounts,
        "issuers": issuers,
        "principals": principals,
    }
    with suppress(BadPolicy):
        parse(yaml.safe_dump(document))


@given(
    old=st.sampled_from([line for line in FULL.splitlines() if ":" in line]),
    part=PARTS,
)
def test_no_value_put_for_another_raises_anything_but_a_refusal(old: str, part: object) -> None:
    key, _, _ = old.partition(":")
    value = yaml.safe_dump(part, default_flow_style=True, width=10_000).removesuffix("...\n")
    with suppress(BadPolicy):
        parse(FULL.replace(old, f"{key}: {value.strip()}"))
