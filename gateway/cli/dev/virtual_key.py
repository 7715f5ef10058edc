"""The pair in the exchange's own protocol that `dev` issues for its app and account."""

import secrets
import time

from gateway.cli.dev.workspace import ACCOUNT, APP, Workspace
from gateway.cli.vkeys.issuing import Issued, open_issuer
from gateway.custody.encryption_keys import read_encryption_keys
from gateway.domain.errors import AuditUnavailable
from gateway.store.redis import StoreUnavailable

_TIMEOUT_S = 5.0


class NotIssued(Exception):
    """Redis took no virtual key, although it answered before."""

    def __str__(self) -> str:
        """Say so."""
        return "no virtual key could be issued: the Redis server does not take one"


async def issue(workspace: Workspace, state_redis: str) -> Issued:
    """Issue it in the Redis at `state_redis`, as 'vkeys issue' would; raise `NotIssued`."""
    keys = read_encryption_keys(workspace.kek_file)
    try:
        async with open_issuer(
            state_redis,
            timeout_s=_TIMEOUT_S,
            wall_ms=lambda: time.time_ns() // 1_000_000,
            random_bytes=secrets.token_bytes,
        ) as issuer:
            return await issuer.issue(APP, ACCOUNT, keys)
    except (StoreUnavailable, AuditUnavailable):
        raise NotIssued from None
