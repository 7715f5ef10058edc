"""The exchange's signatures (headings 'Security' and 'Binding User Data Streams')."""

import hmac
import json
from decimal import Decimal

from gateway.custody.credential import Credential
from gateway.domain.encoding import encode, encode_form
from gateway.domain.money import plain
from gateway.domain.signing import KeyId, Parameter, SignedText, SigningRequest

_KEY_HEADER = "X-APNK-APIKEY"


def sign(key: KeyId, credential: Credential, request: SigningRequest) -> SignedText:
    """Write the parameters of `request` as its form wants them, with their signature at the end."""
    write = encode if request.form == "query" else encode_form
    text = write([(name, _written(value)) for name, value in request.parameters])
    return SignedText(
        text=f"{text}&signature={signature(credential, text)}",
        header=(_KEY_HEADER, credential.api_key),
        key=key,
    )


def signature(credential: Credential, text: str) -> str:
    """HMAC-SHA256 of exactly `text`, in hex."""
    return hmac.digest(credential.api_secret.encode(), text.encode(), "sha256").hex()


def login_signature(credential: Credential) -> str:
    """Sign the API key alone: no time goes in, so whoever has this and the key has the stream."""
    return signature(credential, credential.api_key)


def login_frame(credential: Credential) -> str:
    """Give the `USER_STREAMS` frame that binds a WebSocket to the account."""
    return json.dumps(
        {
            "method": "USER_STREAMS",
            "signature": login_signature(credential),
            "apiKey": credential.api_key,
        }
    )


def secrets(credential: Credential) -> frozenset[str]:
    """Everything of a credential that must never be printed, in the clear."""
    return frozenset((credential.api_key, credential.api_secret, login_signature(credential)))


def _written(value: Parameter) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)
