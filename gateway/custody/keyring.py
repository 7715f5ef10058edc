"""The credentials that this process holds, one for each exchange account."""

from collections.abc import Mapping

from gateway.custody.credential import Credential
from gateway.custody.signing import login_frame, login_signature, sign
from gateway.domain.errors import UnknownAccount
from gateway.domain.signing import LoginFrame, Sign, SignedText


class Keyring:
    """Hands out signers; the secrets themselves stay here."""

    def __init__(self, credentials: Mapping[str, Credential]) -> None:
        self._credentials = dict(credentials)

    def __repr__(self) -> str:
        return f"Keyring(accounts={self.accounts})"

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts that have a credential, sorted."""
        return tuple(sorted(self._credentials))

    def signer(self, account: str) -> Sign:
        """Return what signs requests of `account`; raise `UnknownAccount` if there is no key."""
        credential = self._credential(account)

        def signer(parameters: str) -> SignedText:
            return sign(credential, parameters)

        return signer

    def login_frame(self, account: str) -> LoginFrame:
        """Return what binds a stream to `account`; raise `UnknownAccount` if there is no key."""
        credential = self._credential(account)

        def frame() -> str:
            return login_frame(credential)

        return frame

    def secrets(self) -> frozenset[str]:
        """Everything that must never be printed, in the clear: for the redaction layer only."""
        return frozenset(
            text
            for credential in self._credentials.values()
            for text in (credential.api_key, credential.api_secret, login_signature(credential))
        )

    def _credential(self, account: str) -> Credential:
        try:
            return self._credentials[account]
        except KeyError:
            raise UnknownAccount(account) from None
