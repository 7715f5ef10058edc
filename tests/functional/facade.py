"""Clients of the facade: the key pairs that the gateway issues to them."""

import base64
from typing import Any

from gateway.sandbox import KeyPair
from tests.functional.service import Member, Service
from tests.functional.shell import Ended, run

ENCRYPTION_KEY = f"kek {base64.b64encode(b'that opens virtual keys in tests').decode()}"
WITH_VIRTUAL_KEYS = {
    "NGW_KEY_ENCRYPTION_KEY": ENCRYPTION_KEY,
    "NGW_PRINCIPAL_RATE": "10000/s",
}
"""Settings of a gateway that has virtual keys, and lets their holders work."""


class Anonymous(Member):
    """Whoever sends neither signature nor token."""

    def entry(self) -> dict[str, Any]:
        """The policy file's entry, without a token."""
        return {name: value for name, value in super().entry().items() if name != "tokens"}


def vkeys(service: Service, *words: str) -> Ended:
    """Run `narkasa-gateway vkeys` where a gateway keeps its virtual keys."""
    return run(
        "vkeys",
        *words,
        env={
            "NGW_STATE_REDIS_URL": service.valkey.url,
            "NGW_KEY_ENCRYPTION_KEY": ENCRYPTION_KEY,
            "NGW_POLICY_FILE": str(service.log.parent / "policy.yaml"),
        },
    )


def issue(service: Service, principal: str, account: str = "demo") -> KeyPair:
    """Have a pair issued that acts as `principal` on `account`."""
    ended = vkeys(service, "issue", "--principal", principal, "--account", account)
    assert ended.status == 0, ended.printed
    shown = dict(line.split("=") for line in ended.printed.splitlines() if "=" in line)
    return KeyPair(shown["VIRTUAL_API_KEY"], shown["VIRTUAL_API_SECRET"])
