"""Key pairs that the gateway issues to clients of the exchange's own protocol."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VirtualKey:
    """A pair that acts as `principal` on `account`, as logs and the audit log may show it.

    `id` tells it from all others and says nothing of the pair; `created` in ms.
    """

    id: str
    principal: str
    account: str
    created: int
