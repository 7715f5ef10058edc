"""Where a gateway's keys come from in tests: a sealed file with its shell, a mounted folder."""

from dataclasses import dataclass
from pathlib import Path

from gateway.sandbox import KeyPair
from tests.functional.shell import Ended, run

DONE, REFUSED, MISUSE = 0, 1, 2
"""What `narkasa-gateway keys` ends with."""


class Terminal:
    """A shell whose environment names a sealed file, its key-encryption keys and an exchange."""

    def __init__(self, folder: Path, exchange_url: str) -> None:
        self.settings = {
            "NGW_KEYS_FILE": str(folder / "keys.json"),
            "NGW_KEY_ENCRYPTION_KEY_FILE": str(folder / "kek"),
        }
        self.exchange_url = exchange_url
        self.printed = ""
        self.ended: list[Ended] = []
        assert self.keys("init") == DONE

    def keys(self, *arguments: str, given: KeyPair | None = None) -> int:
        """Run a command; `given` is a key pair on standard input. What it prints is kept."""
        given_text = "" if given is None else f"{given.api_key}\n{given.api_secret}\n"
        source = () if given is None else ("--secret-file", "-")
        settings = {"NGW_EXCHANGE_REST_URL": self.exchange_url, **self.settings}
        self.ended.append(run("keys", *arguments, *source, env=settings, given=given_text))
        self.printed = self.ended[-1].printed
        assert "canary" not in self.printed
        assert "Traceback" not in self.printed
        return self.ended[-1].status

    def states(self) -> list[str]:
        """The versions and states of the trade keys, as `list` shows them."""
        assert self.keys("list") == DONE
        rows = [line.split() for line in self.printed.splitlines()]
        return [f"{row[2]} {row[3]}" for row in rows if row[:2] == ["demo", "trade"]]


@dataclass
class Mount:
    """A folder of mounted secrets, whose content is swapped at once, as Kubernetes does it."""

    folder: Path

    def hold(self, keys: KeyPair, *purposes: str) -> None:
        """Have this pair as the only account's, to read and trade unless purposes are named."""
        version = self.folder / ".".join(("", keys.api_key, *purposes))
        for place in [version / purpose for purpose in purposes] or [version]:
            place.mkdir(parents=True, exist_ok=True)
            for name, value in (("api-key", keys.api_key), ("api-secret", keys.api_secret)):
                (place / name).write_text(value)
                (place / name).chmod(0o600)
        link = self.folder / ".link"
        link.symlink_to(version.name)
        link.replace(self.folder / "demo")
