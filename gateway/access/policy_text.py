"""The policy file's format, version 1.

version: 1
accounts: [demo]
principals:
  - id: demo-app
    kind: app                       # app | person
    tokens:
      - {sha256: <64 hex digits>, expires: 2027-01-31T00:00:00Z}   # expires is optional
    grants:
      - {id: demo-market, actions: [market:read]}
      - {id: demo-trade, account: demo, actions: [account:read, orders:place]}
"""

import re
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import TypeVar

import yaml

from gateway.access.faults import FaultList
from gateway.access.policy import (
    AccountRule,
    Action,
    Grant,
    Member,
    Policy,
    Principal,
    PrincipalKind,
    TokenRecord,
)
from gateway.access.yaml_reader import YamlReader, compose, line_of

E = TypeVar("E", bound=StrEnum)

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_INTEGER = "tag:yaml.org,2002:int"


def parse_policy(content: bytes, wall_ms: Callable[[], int]) -> Policy:
    """Read a policy file; raise `BadPolicy` with every fault that it has.

    No fault shows a value from where a token's hash belongs: it may be the token.
    """
    root = compose(content)
    faults = FaultList()
    accounts, members = _PolicyReader(faults).document(root)
    faults.check()
    return Policy(
        revision=sha256(content).hexdigest()[:16],
        accounts=tuple(AccountRule(account) for account in accounts),
        members=members,
        wall_ms=wall_ms,
    )


class _PolicyReader:
    def __init__(self, faults: FaultList) -> None:
        self._faults = faults
        self._yaml = YamlReader(faults)
        self._seen: dict[tuple[str, str], yaml.Node] = {}
        self._accounts: tuple[str, ...] = ()

    def document(self, node: yaml.Node) -> tuple[tuple[str, ...], tuple[Member, ...]]:
        parts = self._yaml.mapping(node, required=("version", "accounts", "principals"))
        if "version" in parts:
            self._version(parts["version"])
        accounts = [self._id("account", n) for n in self._yaml.items(parts.get("accounts"))]
        self._accounts = tuple(account for account in accounts if account is not None)
        principals = self._yaml.items(parts.get("principals"))
        members = [self._member(principal) for principal in principals]
        return self._accounts, tuple(member for member in members if member is not None)

    def _version(self, node: yaml.Node) -> None:
        if node.tag != _INTEGER or node.value != "1":
            self._faults.add(line_of(node), "'version' must be 1")

    def _member(self, node: yaml.Node) -> Member | None:
        parts = self._yaml.mapping(node, required=("id", "kind"), optional=("tokens", "grants"))
        identity = self._id("principal", parts.get("id"))
        kind = self._word(PrincipalKind, "kind", parts.get("kind"))
        tokens = [self._token(token) for token in self._yaml.items(parts.get("tokens"))]
        grants = [self._grant(grant) for grant in self._yaml.items(parts.get("grants"))]
        if identity is None or kind is None:
            return None
        return Member(
            Principal(identity, kind),
            tuple(token for token in tokens if token is not None),
            tuple(grant for grant in grants if grant is not None),
        )

    def _token(self, node: yaml.Node) -> TokenRecord | None:
        parts = self._yaml.mapping(node, required=("sha256",), optional=("expires",))
        digest = self._digest(parts.get("sha256"))
        expires = self._time(parts.get("expires"))
        return None if digest is None else TokenRecord(digest, expires)

    def _grant(self, node: yaml.Node) -> Grant | None:
        parts = self._yaml.mapping(node, required=("id", "actions"), optional=("account",))
        identity = self._id("grant", parts.get("id"))
        actions = self._actions(parts.get("actions"))
        account = self._declared(parts.get("account"))
        for action in sorted(actions):
            if action.needs_account and "account" not in parts:
                self._faults.add(line_of(node), f"'{action}' needs an 'account'")
            if not action.takes_account and "account" in parts:
                self._faults.add(line_of(node), f"'{action}' is not of an account: grant it apart")
        return None if identity is None else Grant(identity, actions, account)

    def _actions(self, node: yaml.Node | None) -> frozenset[Action]:
        items = self._yaml.items(node)
        if isinstance(node, yaml.SequenceNode) and not items:
            self._faults.add(line_of(node), "'actions' is empty")
        actions = (self._word(Action, "action", item) for item in items)
        return frozenset(action for action in actions if action is not None)

    def _declared(self, node: yaml.Node | None) -> str | None:
        account = self._yaml.text(node)
        if node is not None and account is not None and account not in self._accounts:
            self._faults.add(line_of(node), f"account {account[:64]!r} is not under 'accounts'")
        return account

    def _id(self, what: str, node: yaml.Node | None) -> str | None:
        identity = self._yaml.text(node)
        if node is None or identity is None:
            return None
        if not _ID.fullmatch(identity):
            self._faults.add(line_of(node), f"{what} id: expected 1 to 64 of A-Z a-z 0-9 . _ -")
        self._once(f"{what} id", identity, node, shown=f"{what} {identity[:64]!r}")
        return identity

    def _digest(self, node: yaml.Node | None) -> str | None:
        # Digits alone would be a number to YAML: any scalar is taken as it is written.
        if node is None:
            return None
        if not isinstance(node, yaml.ScalarNode) or not _SHA256.fullmatch(node.value):
            self._faults.add(line_of(node), "'sha256' must be 64 hex digits in lower case")
            return None
        self._once("sha256", node.value, node, shown="this token")
        return str(node.value)

    def _once(self, what: str, value: str, node: yaml.Node, *, shown: str) -> None:
        first = self._seen.setdefault((what, value), node)
        if first is not node:
            self._faults.add(line_of(node), f"{shown} stands on line {line_of(first)} already")

    def _time(self, node: yaml.Node | None) -> int | None:
        if node is None:
            return None
        try:
            time = datetime.fromisoformat(node.value)
        except (TypeError, ValueError):
            time = None
        if time is None or time.tzinfo is None:
            self._faults.add(line_of(node), "expected a time such as 2027-01-31T00:00:00Z")
            return None
        return int(time.timestamp() * 1000)

    def _word(self, words: type[E], what: str, node: yaml.Node | None) -> E | None:
        text = self._yaml.text(node)
        if node is None or text is None:
            return None
        try:
            return words(text)
        except ValueError:
            known = ", ".join(words)
            self._faults.add(line_of(node), f"unknown {what} {text[:32]!r}; known are: {known}")
            return None
