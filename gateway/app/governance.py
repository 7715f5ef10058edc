"""What watches over every use: the audit log, switches, rates, identities, the policy."""

import os
import socket
import sys
import time
from dataclasses import dataclass
from functools import partial

from gateway.access.identities import Identities
from gateway.access.jwks import IssuerKeys
from gateway.app.given import Given, wall_ms
from gateway.app.stores import Stores
from gateway.services.audit import AuditTrail, new_writer
from gateway.services.authority import Authority
from gateway.services.back_off import BackOff
from gateway.services.policy_audit import policy_taken_over
from gateway.services.rates import Rates, StandingRates
from gateway.services.trading_switch import TradingSwitch
from gateway.services.virtual_keys import VirtualKeys
from gateway.store.audit_file import audit_file


@dataclass(frozen=True, slots=True)
class Governance:
    """What every use of the gateway passes, whatever it is for.

    `replica` is a name that no other process has or had: its writer's in the audit log.
    """

    replica: str
    audit: AuditTrail
    switch: TradingSwitch
    rates: Rates
    back_off: BackOff
    issuer_keys: IssuerKeys
    identities: Identities
    virtual_keys: VirtualKeys
    authority: Authority


def build_governance(given: Given, stores: Stores) -> Governance:
    """Build it; its loops are run by the app."""
    settings, policy = given.settings, given.policy
    replica = new_writer(socket.gethostname(), wall_ms(), os.urandom)
    audit = _audit(given, stores, replica)
    audit.note(policy_taken_over("in-force", policy()))
    switch = TradingSwitch(store=stores.switches, policy=policy, audit=audit, wall_ms=wall_ms)
    issuer_keys = IssuerKeys(
        policy,
        refresh_s=settings.jwks_refresh_s,
        keep_s=settings.jwks_keep_s,
        clock=time.monotonic,
    )
    return Governance(
        replica=replica,
        audit=audit,
        switch=switch,
        rates=Rates(
            policy,
            stores.rates,
            standing=StandingRates(
                principal=settings.principal_rate,
                anonymous=settings.anonymous_rate,
                account=settings.account_rate,
                market=settings.market_rate,
                cancel_share_percent=settings.cancel_share_percent,
            ),
            wall_ms=wall_ms,
            monotonic=time.monotonic,
        ),
        back_off=BackOff(stores.back_off, time.monotonic),
        issuer_keys=issuer_keys,
        identities=Identities(policy, issuer_keys, switch.suspended, wall_ms),
        virtual_keys=VirtualKeys(
            stores.virtual_keys,
            given.open_virtual,
            policy,
            switch.suspended,
            partial(given.redact.learn, of="virtual keys"),
            settings.switch_poll_s,
        ),
        authority=Authority(
            policy=policy,
            candidate=given.candidate,
            accounts=lambda: given.keyring.accounts,
            audit=audit,
            metrics=given.metrics,
            spans=given.spans,
        ),
    )


def _audit(given: Given, stores: Stores, writer: str) -> AuditTrail:
    settings = given.settings
    return AuditTrail(
        stream=stores.audit,
        file=audit_file(settings.audit_file, sys.stdout),
        writer=writer,
        wall_ms=wall_ms,
        on_lost=given.metrics.audit_lost.inc,
        spool_limit=settings.audit_spool,
        anchor_s=settings.audit_anchor_s,
    )
