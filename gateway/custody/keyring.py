"""The keys that this process holds: for each account one for each purpose."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.custody import signing
from gateway.custody.credential import Key
from gateway.custody.whitelist import NotSignable, required_purpose
from gateway.domain.errors import UnknownAccount
from gateway.domain.key_errors import KeyStopped, NoKey
from gateway.domain.signing import (
    KeyId,
    KeySlot,
    LoginFrame,
    Purpose,
    Sign,
    SignedText,
    SigningRequest,
)


@dataclass(frozen=True, slots=True)
class SlotStatus:
    """A slot that holds a key: which version, and the exchange's code that `stopped` it if any."""

    slot: KeySlot
    version: str
    stopped: str | None


class Keyring:
    """Hands out signers; the secrets themselves stay here. To be used by one event loop.

    Reading takes the account's read key, or its trade key where it has no read key. Trading and
    withdrawing take the key of that purpose and no other. A key that the exchange refuses is
    stopped: it signs nothing until it is resumed or replaced.
    """

    def __init__(self, keys: Mapping[KeySlot, Key]) -> None:
        self._keys = dict(keys)
        self._stopped: dict[KeySlot, str] = {}

    def __repr__(self) -> str:
        return f"Keyring(accounts={self.accounts})"

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts that have a key, sorted."""
        return tuple(sorted({slot.account for slot in self._keys}))

    @property
    def readable(self) -> tuple[str, ...]:
        """Those of them that have a key that reads, by which they can be followed."""
        return tuple(each for each in self.accounts if self.reading_key(each) is not None)

    def slots(self) -> tuple[SlotStatus, ...]:
        """The slots that hold a key, by account and purpose."""
        return tuple(
            SlotStatus(slot, self._keys[slot].version, self._stopped.get(slot))
            for slot in sorted(self._keys, key=str)
        )

    def signer(self, account: str) -> Sign:
        """Return what signs requests of `account`; raise `UnknownAccount` if it has no key.

        It looks for the key at each call: the next call uses the key that has been switched to.
        """
        self._require(account)

        def sign(request: SigningRequest) -> SignedText:
            slot, key = self._usable(account, required_purpose(request))
            return signing.sign(KeyId(slot, key.version), key.credential, request)

        return sign

    def login_frame(self, account: str) -> LoginFrame:
        """Return what binds a stream to `account`, by the key that reads it, looked for each time.

        Raise `UnknownAccount` if it has no key.
        """
        self._require(account)

        def frame() -> str:
            _, key = self._usable(account, Purpose.READ)
            return signing.login_frame(key.credential)

        return frame

    def reading_key(self, account: str) -> KeyId | None:
        """Say which key reads `account` and binds its stream, stopped or not; None without one."""
        try:
            slot = self._slot(account, Purpose.READ)
        except (NoKey, UnknownAccount):
            return None
        return KeyId(slot, self._keys[slot].version)

    def candidate(self, slot: KeySlot, key: Key | None = None) -> Sign:
        """Return what signs by a key on trial: one not in force, or the slot's own, though stopped.

        It signs what the slot is for, and reads. Raise `NoKey` when there is none on trial.
        """
        tried = key or self._keys.get(slot)
        if tried is None:
            raise NoKey(slot.account, slot.purpose)

        def sign(request: SigningRequest) -> SignedText:
            if required_purpose(request) not in (Purpose.READ, slot.purpose):
                raise NotSignable(request.endpoint)
            return signing.sign(KeyId(slot, tried.version), tried.credential, request)

        return sign

    def replace(self, slot: KeySlot, key: Key) -> None:
        """Have `key` in `slot` from the next call on; what stopped the one before is forgotten."""
        self._keys[slot] = key
        self._stopped.pop(slot, None)

    def remove(self, slot: KeySlot) -> None:
        """Hold no key in `slot` any more."""
        self._keys.pop(slot, None)
        self._stopped.pop(slot, None)

    def stop(self, key: KeyId, code: str) -> bool:
        """Use `key` no more, as the exchange refused it with `code`; say if that is a change.

        A key that is not in force is not stopped: a late answer must not stop the key after it.
        """
        if not self._in_force(key) or key.slot in self._stopped:
            return False
        self._stopped[key.slot] = code
        return True

    def resume(self, key: KeyId) -> bool:
        """Use `key` again; say if that is a change."""
        return self._in_force(key) and self._stopped.pop(key.slot, None) is not None

    def secrets(self) -> frozenset[str]:
        """Everything that must never be printed, in the clear: for the redaction layer only."""
        return frozenset().union(*(signing.secrets(key.credential) for key in self._keys.values()))

    def _in_force(self, key: KeyId) -> bool:
        held = self._keys.get(key.slot)
        return held is not None and held.version == key.version

    def _usable(self, account: str, purpose: Purpose) -> tuple[KeySlot, Key]:
        slot = self._slot(account, purpose)
        if (code := self._stopped.get(slot)) is not None:
            raise KeyStopped(account, slot.purpose, code)
        return slot, self._keys[slot]

    def _slot(self, account: str, purpose: Purpose) -> KeySlot:
        self._require(account)
        slot = KeySlot(account, purpose)
        if slot not in self._keys and purpose is Purpose.READ:
            slot = KeySlot(account, Purpose.TRADE)
        if slot not in self._keys:
            raise NoKey(account, purpose)
        return slot

    def _require(self, account: str) -> None:
        if not any(slot.account == account for slot in self._keys):
            raise UnknownAccount(account)
