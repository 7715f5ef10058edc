"""What the policy file's words mean, told a second time: this knows nothing of the gateway's code.

docs/policy.md in its own words: what no grant names is denied, a deny wins, an account that no
grant names is unknown, and everything includes each account.
"""

from typing import Any

from tests.functional.authorization_fields import Ask
from tests.functional.authorization_people import ACCOUNTS, Person, Rule

MAY_BE_EVERYWHERE = {"audit:read", "operate"}
"""Without an account, a grant of these is for everything."""


def expected(person: Person | None, ask: Ask) -> str:
    """The outcome of what somebody asks: OK, or the code of the error. None: there is no token."""
    if person is None or not person.proves_itself:
        return "UNAUTHENTICATED"
    entry = person.entry()
    hidden = ask.account is not None and ask.account not in named_accounts(entry)
    if ask.action is None or ask.action.startswith(("account:", "orders:")):
        return "UNKNOWN_ACCOUNT" if hidden else _verdict(entry, ask)
    if _verdict(entry, ask) == "FORBIDDEN":
        return "UNKNOWN_ACCOUNT" if hidden and ask.action == "audit:read" else "FORBIDDEN"
    missing = ask.action == "operate" and ask.account not in (None, *ACCOUNTS)
    return "UNKNOWN_ACCOUNT" if missing else "OK"


def missing_action(person: Person, ask: Ask) -> str:
    """The action for want of which somebody is denied."""
    assert ask.action is not None, "it takes none"
    if ask.also is None or not allows(person.entry(), ask.action, ask.account, ask.order):
        return ask.action
    return ask.also


def named_accounts(entry: dict[str, Any]) -> list[str]:
    """The accounts that somebody may know of."""
    named = {grant.get("account") for grant in entry["grants"]}
    return [account for account in ACCOUNTS if account in named]


def allows(
    entry: dict[str, Any],
    action: str,
    account: str | None,
    order: dict[str, str] | None = None,
) -> bool:
    """Whether the rules of somebody allow an action: on an account, or on no account or all."""
    if any(_forbids(deny, action, account, order) for deny in entry["denies"]):
        return False
    return any(_grants(grant, action, account, order) for grant in entry["grants"])


def _verdict(entry: dict[str, Any], ask: Ask) -> str:
    if ask.action is None:
        return "OK"
    places = (None, *ACCOUNTS) if ask.anywhere else (ask.account,)
    allowed = any(allows(entry, ask.action, place, ask.order) for place in places)
    allowed = allowed and (ask.also is None or allows(entry, ask.also, ask.account))
    return "OK" if allowed else "FORBIDDEN"


def _forbids(rule: Rule, action: str, account: str | None, order: dict[str, str] | None) -> bool:
    everywhere = "account" not in rule or account is None
    concerned = everywhere or rule["account"] == account
    return concerned and action in rule["actions"] and _is_about(rule, action, order)


def _grants(rule: Rule, action: str, account: str | None, order: dict[str, str] | None) -> bool:
    everywhere = "account" not in rule and action in MAY_BE_EVERYWHERE
    concerned = everywhere or rule.get("account") == account
    return concerned and action in rule["actions"] and _is_about(rule, action, order)


def _is_about(rule: Rule, action: str, order: dict[str, str] | None) -> bool:
    if action != "orders:place" or order is None:
        return True
    return all(
        order[term] in rule.get(choice, [order[term]])
        for term, choice in (("symbol", "symbols"), ("side", "sides"), ("type", "order_types"))
    )
