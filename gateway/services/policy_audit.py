"""What the audit log says of policies."""

from gateway.access.policy import Policy
from gateway.domain.audit import GATEWAY, AuditEvent, AuditKind


def policy_taken_over(role: str, policy: Policy) -> AuditEvent:
    """A policy that holds from now on in its `role`: in-force or try-out."""
    detail = {"revision": policy.revision}
    return AuditEvent(
        kind=AuditKind.POLICY, principal=GATEWAY, action=role, outcome="OK", detail=detail
    )


def policy_refused(role: str) -> AuditEvent:
    """A file that is no good policy; the one before stays.

    What is wrong with it the log says: the words may quote the file.
    """
    return AuditEvent(kind=AuditKind.POLICY, principal=GATEWAY, action=role, outcome="REFUSED")
