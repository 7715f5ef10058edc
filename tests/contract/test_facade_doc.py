"""What docs/facade.md gives to be copied, and to be looked up."""

import re
from pathlib import Path
from textwrap import dedent

from gateway.access.policy import Action
from gateway.access.policy_text import parse_policy
from gateway.access.principal import ANONYMOUS
from gateway.web.facade.openapi import document

PAGE = (Path(__file__).parents[2] / "docs" / "facade.md").read_text(encoding="utf-8")
_, _, _CODES = PAGE.partition("## Codes\n")
CODES, _, _ = _CODES.partition("\n## ")
BUYING = document()["paths"]["/v3/api/market/limit-buy"]["post"]["responses"]["200"]


def test_the_policy_that_is_given_for_unsigned_market_data_grants_just_that() -> None:
    (block,) = re.findall(r"^ *```yaml\n(.*?)^ *```$", PAGE, re.DOTALL | re.MULTILINE)
    text = f"version: 1\naccounts: [demo]\n{dedent(block)}"
    policy = parse_policy(text.encode(), lambda: 0)
    (grant,) = policy.grants(ANONYMOUS)
    assert grant.actions == {Action.MARKET_READ}
    assert policy.rate_of(ANONYMOUS) is not None


def test_every_code_that_an_order_may_be_refused_with_is_on_the_page() -> None:
    examples = BUYING["content"]["application/json"]["examples"].values()
    codes = {example["value"]["code"] for example in examples}
    assert {"20000", "20003", "20004", "20005"} < codes
    assert codes <= set(re.findall(r"\b[0-9]{5}\b", CODES))
