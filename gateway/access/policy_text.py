"""The policy file's format, version 1: docs/policy.md describes it."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from hashlib import sha256
from typing import TypeVar

import yaml

from gateway.access.faults import FaultList, named
from gateway.access.policy import (
    AccountRule,
    Identity,
    Issuer,
    Member,
    Policy,
    Principal,
    PrincipalKind,
    TokenRecord,
)
from gateway.access.policy_rules import RuleReader
from gateway.access.policy_values import ValueReader
from gateway.access.principal import ANONYMOUS
from gateway.access.yaml_reader import YamlReader, compose, line_of
from gateway.domain.audit import GATEWAY, NOBODY

T = TypeVar("T")

_INTEGER = "tag:yaml.org,2002:int"


class Algorithm(StrEnum):
    """The ways of signing a JWT that a policy may name: none by which who verifies could sign."""

    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"
    ES256 = "ES256"
    ES384 = "ES384"
    ES512 = "ES512"
    EDDSA = "EdDSA"


def parse_policy(content: bytes, wall_ms: Callable[[], int]) -> Policy:
    """Read a policy file; raise `BadPolicy` with every fault that it has.

    No fault shows a value from where a token's hash belongs: it may be the token.
    """
    root = compose(content)
    faults = FaultList()
    policy = _PolicyReader(faults).document(root, sha256(content).hexdigest()[:16], wall_ms)
    faults.check()
    return policy


class _PolicyReader:
    def __init__(self, faults: FaultList) -> None:
        self._faults = faults
        self._yaml = YamlReader(faults)
        self._values = ValueReader(faults, self._yaml)
        self._issuer_ids: set[str] = set()

    def document(self, node: yaml.Node, revision: str, wall_ms: Callable[[], int]) -> Policy:
        parts = self._yaml.mapping(
            node, required=("version", "accounts", "principals"), optional=("issuers",)
        )
        if "version" in parts:
            self._version(parts["version"])
        accounts = _found(map(self._account, self._yaml.items(parts.get("accounts"))))
        issuers = _found(map(self._issuer, self._yaml.items(parts.get("issuers"))))
        principals = _PrincipalReader(
            self._faults,
            self._yaml,
            self._values,
            accounts={account.id for account in accounts},
            issuers=self._issuer_ids,
        )
        members = _found(map(principals.member, self._yaml.items(parts.get("principals"))))
        return Policy(
            revision=revision, accounts=accounts, members=members, wall_ms=wall_ms, issuers=issuers
        )

    def _version(self, node: yaml.Node) -> None:
        if node.tag != _INTEGER or node.value != "1":
            self._faults.add(line_of(node), "'version' must be 1")

    def _account(self, node: yaml.Node) -> AccountRule | None:
        if not isinstance(node, yaml.MappingNode):
            identity = self._values.identity("account", node)
            return None if identity is None else AccountRule(identity)
        parts = self._yaml.mapping(node, required=("id",), optional=("rate",))
        identity = self._values.identity("account", parts.get("id"))
        rate = self._values.rate(parts.get("rate"))
        return None if identity is None else AccountRule(identity, rate)

    def _issuer(self, node: yaml.Node) -> Issuer | None:
        required = ("id", "issuer", "audience", "algorithms")
        optional = ("jwks_url", "ca_file", "token_file")
        parts = self._yaml.mapping(node, required=required, optional=optional)
        identity = self._values.identity("issuer", parts.get("id"))
        issuer = self._issuer_name(parts.get("issuer"), discovered="jwks_url" not in parts)
        audience = self._values.plain_text(parts.get("audience"))
        algorithms = self._algorithms(parts.get("algorithms"))
        jwks_url = self._values.address(parts.get("jwks_url"))
        ca_file = self._values.path(parts.get("ca_file"))
        token_file = self._values.path(parts.get("token_file"))
        if identity is None:
            return None
        # Whoever names it is right to, whatever else is wrong with it.
        self._issuer_ids.add(identity)
        if issuer is None or audience is None:
            return None
        return Issuer(identity, issuer, audience, algorithms, jwks_url, ca_file, token_file)

    def _issuer_name(self, node: yaml.Node | None, *, discovered: bool) -> str | None:
        # Only where its keys are looked for below it must it be an address.
        read = self._values.address if discovered else self._values.plain_text
        issuer = read(node)
        if node is not None and issuer is not None:
            # A token names its issuer by this alone.
            self._values.once("issuer name", issuer, node, shown="this issuer")
        return issuer

    def _algorithms(self, node: yaml.Node | None) -> tuple[str, ...]:
        items = self._yaml.some_items(node, "algorithms")
        words = (self._values.word(Algorithm, "algorithm", item) for item in items)
        return tuple(word.value for word in _found(words))


class _PrincipalReader:
    def __init__(
        self,
        faults: FaultList,
        reader: YamlReader,
        values: ValueReader,
        *,
        accounts: set[str],
        issuers: set[str],
    ) -> None:
        self._faults = faults
        self._yaml = reader
        self._values = values
        self._rules = RuleReader(faults, reader, values, accounts)
        self._issuers = issuers

    def member(self, node: yaml.Node) -> Member | None:
        optional = ("rate", "tokens", "identities", "grants", "denies")
        parts = self._yaml.mapping(node, required=("id", "kind"), optional=optional)
        identity = self._values.identity("principal", parts.get("id"), reserved=(GATEWAY, NOBODY))
        kind = self._values.word(PrincipalKind, "kind", parts.get("kind"))
        tokens = self._each(self._token, parts.get("tokens"))
        identities = self._each(self._identity, parts.get("identities"))
        grants = self._each(self._rules.grant, parts.get("grants"))
        denies = self._each(self._rules.deny, parts.get("denies"))
        rate = self._values.rate(parts.get("rate"))
        if identity == ANONYMOUS and (tokens or identities):
            problem = (
                "is whoever shows no key and no token, so it has neither tokens nor identities"
            )
            self._faults.add(line_of(node), f"principal {ANONYMOUS!r} {problem}")
        if identity is None or kind is None:
            return None
        return Member(Principal(identity, kind), tokens, grants, denies, identities, rate)

    def _each(self, read: Callable[[yaml.Node], T | None], node: yaml.Node | None) -> tuple[T, ...]:
        return _found(map(read, self._yaml.items(node)))

    def _token(self, node: yaml.Node) -> TokenRecord | None:
        parts = self._yaml.mapping(node, required=("sha256",), optional=("expires",))
        digest = self._values.digest(parts.get("sha256"))
        expires = self._values.time(parts.get("expires"))
        return None if digest is None else TokenRecord(digest, expires)

    def _identity(self, node: yaml.Node) -> Identity | None:
        parts = self._yaml.mapping(node, required=("issuer", "subject"), optional=("issued_after",))
        issuer = self._declared(parts.get("issuer"))
        subject = self._values.plain_text(parts.get("subject"))
        issued_after = self._values.time(parts.get("issued_after"))
        if issuer is None or subject is None:
            return None
        # A line break stands in no subject, so no two pairs are the same text.
        self._values.once("identity", f"{issuer}\n{subject}", node, shown="this identity")
        return Identity(issuer, subject, issued_after)

    def _declared(self, node: yaml.Node | None) -> str | None:
        issuer = self._yaml.text(node)
        if node is not None and issuer is not None and issuer not in self._issuers:
            self._faults.add(line_of(node), f"{named('issuer', issuer)} is not under 'issuers'")
        return issuer


def _found(values: Iterable[T | None]) -> tuple[T, ...]:
    return tuple(value for value in values if value is not None)
