"""Who signed a request ("Security", "Binding User Data Streams"). Pure; time is handed in."""

import hmac
from collections.abc import Iterable

from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.config import Account
from gateway.sandbox.parameters import Parameters

DEFAULT_WINDOW_MS = 10_000


class Authenticator:
    """Knows every account's keys and checks what was signed with them."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._keys = {
            key.api_key: (account.account_id, key.api_secret.encode())
            for account in accounts
            for key in account.keys
        }

    def request_account(self, api_key: str | None, parameters: Parameters, now: int) -> str:
        """Return the id of the account that signed a request.

        The window is one-sided: a timestamp ahead of ``now`` passes. Raises Refusal 20000 (no
        key), 20001 (unknown key or wrong signature), 20003, 20004, 20005 (no signature), 90001.
        """
        if not api_key:
            raise Refusal(Code.AUTHORIZATION_REQUIRED)
        if not parameters.values.get("timestamp"):
            raise Refusal(Code.TIMESTAMP_MISSING)
        if parameters.signature is None:
            raise Refusal(Code.MISSING_PARAMETERS)
        account_id = self._signer(api_key, parameters.signed_text, parameters.signature)
        _check_window(parameters, now)
        return account_id

    def stream_account(self, api_key: str, signature: str) -> str:
        """Return the id of the account whose key signed itself. Raises Refusal 20001."""
        return self._signer(api_key, api_key, signature)

    def _signer(self, api_key: str, text: str, signature: str) -> str:
        if api_key not in self._keys:
            raise Refusal(Code.INVALID_KEY_OR_SECRET)
        account_id, secret = self._keys[api_key]
        expected = hmac.digest(secret, text.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise Refusal(Code.INVALID_KEY_OR_SECRET)
        return account_id


def _check_window(parameters: Parameters, now: int) -> None:
    timestamp = parameters.integer("timestamp")
    window = parameters.integer("windowSize")
    if timestamp is None or window == 0:
        raise Refusal(Code.INVALID_REQUEST)
    if now - timestamp > (window or DEFAULT_WINDOW_MS):
        raise Refusal(Code.TIMESTAMP_EXPIRED)
