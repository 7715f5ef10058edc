"""Who signed a request, and whether they may ("Security", "Binding User Data Streams").

Pure; time is handed in. What is refused first: see `Authenticator.request_account`. A stranger
learns nothing of a key's addresses, permissions or account before the signature is right.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.config import Account, KeyPair, Network
from gateway.sandbox.parameters import Parameters
from gateway.sandbox.permissions import Permission

DEFAULT_WINDOW_MS = 10_000


@dataclass(frozen=True, slots=True)
class _Signer:
    account: Account
    key: KeyPair


class Authenticator:
    """Knows every account's keys and checks what was signed with them."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._signers = {
            key.api_key: _Signer(account, key) for account in accounts for key in account.keys
        }

    def request_account(
        self,
        api_key: str | None,
        parameters: Parameters,
        now: int,
        *,
        client: str,
        permission: Permission,
    ) -> str:
        """Return the id of the account that signed a request, sent from the address ``client``.

        Refused, in this order: no key (20000), no timestamp (20003), no signature (20005), an
        unknown key or a wrong signature (20001), an address that is not the key's (20002), a
        timestamp or window that is no whole number (90001), a timestamp older than the window
        (20004; one ahead of ``now`` passes), an action beyond the key (20011), an account that
        is not registered (10010).
        """
        if not api_key:
            raise Refusal(Code.AUTHORIZATION_REQUIRED)
        if not parameters.values.get("timestamp"):
            raise Refusal(Code.TIMESTAMP_MISSING)
        if parameters.signature is None:
            raise Refusal(Code.MISSING_PARAMETERS)
        signer = self._signer(api_key, parameters.signed_text, parameters.signature)
        _check_address(signer.key.addresses, client)
        _check_window(parameters, now)
        return _permitted(signer, permission)

    def stream_account(self, api_key: str, signature: str, client: str) -> str:
        """Return the id of the account whose key signed itself, from the address ``client``.

        Raises Refusal 20001, 20002, 20011 for a key that may not read, and 10010, in this order.
        """
        signer = self._signer(api_key, api_key, signature)
        _check_address(signer.key.addresses, client)
        return _permitted(signer, Permission.READ)

    def _signer(self, api_key: str, text: str, signature: str) -> _Signer:
        signer = self._signers.get(api_key)
        if signer is None:
            raise Refusal(Code.INVALID_KEY_OR_SECRET)
        expected = hmac.digest(signer.key.api_secret.encode(), text.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise Refusal(Code.INVALID_KEY_OR_SECRET)
        return signer


def _check_address(networks: Sequence[Network], client: str) -> None:
    if not networks:
        return
    try:
        address = ip_address(client)
    except ValueError:
        raise Refusal(Code.UNAUTHORIZED_ADDRESS) from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        # This is how a listener of both kinds shows an IPv4 peer.
        address = address.ipv4_mapped
    if not any(address in network for network in networks):
        raise Refusal(Code.UNAUTHORIZED_ADDRESS)


def _check_window(parameters: Parameters, now: int) -> None:
    timestamp = parameters.integer("timestamp")
    window = parameters.integer("windowSize")
    if timestamp is None or window == 0:
        raise Refusal(Code.INVALID_REQUEST)
    if now - timestamp > (window or DEFAULT_WINDOW_MS):
        raise Refusal(Code.TIMESTAMP_EXPIRED)


def _permitted(signer: _Signer, permission: Permission) -> str:
    if permission not in signer.key.permissions:
        raise Refusal(Code.NOT_PERMITTED)
    if not signer.account.registered:
        raise Refusal(Code.ACCOUNT_NOT_REGISTERED)
    return signer.account.account_id
