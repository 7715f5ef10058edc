"""The exchange's signatures (headings 'Security' and 'Binding User Data Streams')."""

import hmac
import json

from gateway.custody.credential import Credential
from gateway.domain.signing import SignedText

_KEY_HEADER = "X-APNK-APIKEY"


def sign(credential: Credential, parameters: str) -> SignedText:
    """Append the signature of exactly `parameters`, the text of the request's parameters."""
    signature = f"signature={_digest(credential, parameters)}"
    return SignedText(
        text=f"{parameters}&{signature}" if parameters else signature,
        header=(_KEY_HEADER, credential.api_key),
    )


def login_signature(credential: Credential) -> str:
    """Sign the API key alone: no time goes in, so whoever has this and the key has the stream."""
    return _digest(credential, credential.api_key)


def login_frame(credential: Credential) -> str:
    """Give the `USER_STREAMS` frame that binds a WebSocket to the account."""
    return json.dumps(
        {
            "method": "USER_STREAMS",
            "signature": login_signature(credential),
            "apiKey": credential.api_key,
        }
    )


def _digest(credential: Credential, text: str) -> str:
    return hmac.digest(credential.api_secret.encode(), text.encode(), "sha256").hex()
