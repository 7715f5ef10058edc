"""Asks the policy in force, and the candidate that is being tried out beside it."""

from collections.abc import Callable, Collection
from dataclasses import replace

import structlog

from gateway.access.policy import Action, Decision, OrderTerms, Policy
from gateway.access.principal import Caller, Principal
from gateway.domain.audit import AuditEvent, AuditKind
from gateway.domain.errors import Forbidden, UnknownAccount
from gateway.metrics import Metrics
from gateway.services.audit import AuditTrail
from gateway.tracing import Spans

_log = structlog.get_logger(__name__)


class Authority:
    """Decides who may do what; `accounts` gives those that there is a key for.

    What `candidate`, a policy that is being tried out, would deny is put on record, and allowed.
    """

    def __init__(
        self,
        *,
        policy: Callable[[], Policy],
        candidate: Callable[[], Policy | None],
        accounts: Callable[[], Collection[str]],
        audit: AuditTrail,
        metrics: Metrics,
        spans: Spans,
    ) -> None:
        self._policy = policy
        self._candidate = candidate
        self._accounts = accounts
        self._audit = audit
        self._metrics = metrics
        self._spans = spans

    def visible(self, principal: Principal) -> tuple[str, ...]:
        """The accounts that the principal may know of."""
        held = self._accounts()
        named = self._policy().visible_accounts(principal.id)
        return tuple(account for account in named if account in held)

    def require(
        self,
        caller: Caller,
        action: Action,
        account: str | None = None,
        terms: OrderTerms | None = None,
    ) -> Decision:
        """Return the decision that allows it.

        Raises `UnknownAccount` when the caller may not know of the account, else `Forbidden`.
        """
        with self._spans.step("policy decide", action=action.value):
            decision = self._decide(caller, action, account, terms)
        self._try_candidate(caller, action, account, terms)
        return decision

    def _decide(
        self, caller: Caller, action: Action, account: str | None, terms: OrderTerms | None
    ) -> Decision:
        if account is not None and account not in self.visible(caller.principal):
            self._metrics.denials.labels(action.value, UnknownAccount.code).inc()
            raise UnknownAccount(account)
        decision = self._policy().decide(caller.id, action, account, terms)
        if not decision.allowed:
            self._metrics.denials.labels(action.value, Forbidden.code).inc()
            raise Forbidden(action, decision.rule)
        return decision

    def _try_candidate(
        self, caller: Caller, action: Action, account: str | None, terms: OrderTerms | None
    ) -> None:
        candidate = self._candidate()
        if candidate is None:
            return
        decision = candidate.decide(caller.id, action, account, terms)
        if decision.allowed:
            return
        self._metrics.would_deny.labels(action.value).inc()
        event = AuditEvent(
            kind=AuditKind.WOULD_DENY,
            principal=caller.id,
            account=account,
            action=action.value,
            rule=decision.rule,
            outcome="ALLOWED",
            trace_id=caller.trace_id,
            detail={"reason": decision.reason, "policy": candidate.revision},
        )
        key = (caller.id, action, account, decision.rule)
        self._audit.note_often(key, event, replace(event, trace_id=None))
