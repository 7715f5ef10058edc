"""The GraphQL types of the audit log, and the field that shows it."""

from collections.abc import Callable
from functools import cache

import strawberry

from gateway.access.policy import Action
from gateway.domain.audit import AuditEntry as DomainEntry
from gateway.domain.audit import AuditKind, AuditPage
from gateway.schema.context import Info
from gateway.schema.described import described
from gateway.schema.market_types import within
from gateway.schema.placement_pages import PageBounds
from gateway.schema.requires import RequiresDirective
from gateway.schema.scalars import Timestamp

MAX_AUDIT_ENTRIES = 200

strawberry.enum(
    AuditKind,
    description=(
        "What an entry tells of. READ, ORDER and CANCEL: signed calls to the exchange, and of an "
        "order also how its outcome was found; WOULD_DENY: what only the candidate policy denies; "
        "LOST: entries that found no room; ANCHOR: how far the chains were."
    ),
)


@strawberry.type(description="One more word of an entry.")
class AuditDetail:
    """A detail by its name."""

    name: str = described("What it is.")
    value: str = described("Never a secret.")


@strawberry.type(description="Who did what to which account, by which rule, and what came of it.")
class AuditEntry:
    """One entry of the audit log."""

    writer: str = described("The process that wrote it; each has a chain of its own.")
    sequence: int = described("Its place in that chain, from 1.")
    time: Timestamp = described("When it happened, by the writer's clock.")
    kind: AuditKind = described("What it tells of.")
    principal: str = described("Who; 'gateway' for what the gateway does by itself.")
    account: strawberry.ID | None = described("The account that it concerns.")
    action: str = described("The exchange's endpoint for a signed call, else what was asked for.")
    rule: str | None = described("The grant or deny of the policy that decided.")
    outcome: str = described("OK, a code, a placement's state, or SENDING before it goes out.")
    trace_id: str | None = described("Finds the request in the log.")
    detail: list[AuditDetail] = described("A few words more.")
    digest: str = described("SHA-256 of the entry and of the digest before it, in hex.")

    @classmethod
    def of(cls, entry: DomainEntry) -> "AuditEntry":
        """Show an entry."""
        event = entry.event
        return cls(
            writer=entry.writer,
            sequence=entry.sequence,
            time=Timestamp(entry.time),
            kind=event.kind,
            principal=event.principal,
            account=None if event.account is None else strawberry.ID(event.account),
            action=event.action,
            rule=event.rule,
            outcome=event.outcome,
            trace_id=event.trace_id,
            detail=[AuditDetail(name=name, value=value) for name, value in event.detail.items()],
            digest=entry.digest,
        )


@strawberry.type(description="An entry, and the place where it stands.")
class AuditEdge:
    """An entry and its cursor."""

    node: AuditEntry = described("The entry.")
    cursor: str = described("Give it as `after` to go on behind this entry.")


@strawberry.type(description="A page of the audit log, the newest entries first.")
class AuditConnection:
    """A page of entries."""

    edges: list[AuditEdge] = described("The entries.")
    page_info: PageBounds = described("Where the page lies.")

    @classmethod
    def of(cls, page: AuditPage, after: str | None) -> "AuditConnection":
        """Show the page that begins behind the cursor `after`."""
        return cls(
            edges=[
                AuditEdge(node=AuditEntry.of(entry), cursor=cursor)
                for cursor, entry in page.entries
            ],
            page_info=PageBounds(
                has_next_page=page.has_next,
                has_previous_page=after is not None,
                start_cursor=page.entries[0][0] if page.entries else None,
                end_cursor=page.end,
            ),
        )


@strawberry.type
class AuditQuery:
    """The audit log, for those who may read it."""

    @strawberry.field(
        description=(
            "What was done and denied, the newest first, as far as Redis keeps it. A grant of one "
            "account shows the entries of that account alone. first: 1 to 200."
        ),
        directives=[RequiresDirective(action=Action.AUDIT_READ.value)],
    )
    async def audit_log(
        self,
        info: Info,
        first: int | None = 50,
        after: str | None = None,
        account: strawberry.ID | None = None,
        principal: strawberry.ID | None = None,
        kind: AuditKind | None = None,
    ) -> AuditConnection:
        """List entries."""
        readable = _readable(info, account)

        def wanted(entry: DomainEntry) -> bool:
            event = entry.event
            return (
                (account is None or event.account == account)
                and (principal is None or event.principal == principal)
                and (kind is None or event.kind is kind)
                and readable(event.account)
            )

        page = await info.context.services.audit.page(
            first=within("first", first, MAX_AUDIT_ENTRIES), after=after, wanted=wanted
        )
        return AuditConnection.of(page, after)


def _readable(info: Info, account: str | None) -> Callable[[str | None], bool]:
    """Tells of which accounts the caller may read entries; raises when of none asked for.

    Who may read everything need not be granted anything else on an account to ask for its entries.
    """
    policy, principal = info.context.services.policy(), info.context.principal

    @cache
    def readable(of: str | None) -> bool:
        return policy.decide(principal.id, Action.AUDIT_READ, of).allowed

    of_some = account is None and any(map(readable, policy.accounts))
    if not of_some and not readable(account):
        info.context.require((Action.AUDIT_READ, account))
    return readable
