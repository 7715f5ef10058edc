"""A policy file with everything in it, and what is wrong with one changed."""

import pytest

from gateway.access.faults import BadPolicy
from gateway.access.policy import Policy
from gateway.access.policy_text import parse_policy

FULL = """\
version: 1
accounts:
  - demo
  - {id: vault, rate: 300/min}
issuers:
  - {id: sso, issuer: "https://login.example.com", audience: gateway, algorithms: [ES256, EdDSA]}
  - id: cluster
    issuer: kubernetes/serviceaccount
    audience: gateway
    algorithms: [RS256]
    jwks_url: https://kubernetes.default.svc/openid/v1/jwks
    ca_file: /ca.crt
    token_file: /token
principals:
  - id: desk
    kind: app
    rate: 600/min
    identities:
      - {issuer: cluster, subject: "system:serviceaccount:trading:desk"}
      - {issuer: sso, subject: desk, issued_after: 2026-01-01T00:00:00Z}
    grants:
      - id: desk-trade
        account: demo
        actions: [orders:place, orders:cancel]
        symbols: [BTCTRY, ETHTRY]
        sides: [BUY]
        order_types: [LIMIT, MARKET]
        limits:
          order_notional: {TRY: "100000.50", USDT: 2000}
          day_notional: {TRY: "1000000"}
          open_orders: 20
          rate: 10/s
          collar_percent: 2.5
      - {id: desk-audit, actions: [audit:read, market:read]}
      - {id: desk-operate, account: vault, actions: [operate]}
    denies:
      - {id: never-sell, actions: [orders:place], sides: [SELL]}
      - {id: not-the-vault, account: vault, actions: [orders:cancel, audit:read]}
"""


def parse(text: str) -> Policy:
    return parse_policy(text.encode("utf-8", "surrogatepass"), lambda: 0)


def faults(text: str) -> list[tuple[int, str]]:
    with pytest.raises(BadPolicy) as raised:
        parse(text)
    return [(fault.line, fault.problem) for fault in raised.value.faults]


def changed(old: str, new: str) -> str:
    assert FULL.count(old) == 1
    return FULL.replace(old, new)
