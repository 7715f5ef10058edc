"""Keys made up for tests, and places that hold them."""

from pathlib import Path

from gateway.custody.credential import Credential, Key
from gateway.domain.signing import KeySlot, Purpose, SigningRequest

READ, TRADE, WITHDRAW = Purpose
NOW = 1_578_398_112_000
STAMPS = (("timestamp", NOW), ("windowSize", 5000))


def slot(text: str) -> KeySlot:
    """Read a slot, as in "demo/trade"."""
    account, _, purpose = text.partition("/")
    return KeySlot(account, Purpose(purpose))


def key(name: str, version: str = "1") -> Key:
    """Make up a key whose halves begin with "the-", so that a test can look for them."""
    return Key(version, Credential(f"the-key-{name}", f"the-secret-{name}"))


def request(endpoint: str, *parameters: tuple[str, object]) -> SigningRequest:
    """Ask for an endpoint, at a fixed time."""
    return SigningRequest(endpoint, (*parameters, *STAMPS))  # type: ignore[arg-type]  # any at all


def put(place: Path, *, api_key: str = "the-key", api_secret: str = "the-secret") -> None:
    """Write a pair of files into the folder `place`."""
    place.mkdir(parents=True)
    for name, value in (("api-key", api_key), ("api-secret", api_secret)):
        file = place / name
        file.write_text(value, encoding="utf-8")
        file.chmod(0o600)
