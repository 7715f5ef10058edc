"""The vectors of the exchange's document, headings 'Security' and 'Binding User Data Streams'.

The document's third signature, 790e8e78…, belongs to no text that could be found: it is an error
of the document, and no test.
"""

import hmac
import json
from dataclasses import replace
from decimal import Decimal

from gateway.custody.credential import Credential
from gateway.custody.signing import login_frame, secrets, sign, signature
from gateway.domain.signing import KeyId, SigningRequest
from tests.unit.custody.examples import slot

KEY = "Y0AhbfGmVA8FG7kPN6a9PB7UOpwnlvKG4bI5Jc57awpKv4uKN9UX114EPRTcKuhX"
CREDENTIAL = Credential(KEY, "7v5TnUBX92lgKWlODJbRn3FIoriHNihB3PHFi591Do5ip9DLrCvx0bn9dHZKFZRS")
OF_TIMESTAMP = "c9445c8f619a64524d58378dbc40d9bfa5148de895cd8c7df8ae769630c5b67c"
OF_KEY = "d36256b4002dc7d604e739651ef8506e0fbdc9c03dffe17124f32e0c8e63ff02"
KEY_ID = KeyId(slot("demo/trade"), "7")
AT = SigningRequest("balance/wallet", (("timestamp", 1578398112000),))
WITHDRAWAL = SigningRequest(
    "balance/create-withdraw",
    (("amount", Decimal("1E-7")), ("node", "XRP Ledger"), ("address", "a:b+c"), ("timestamp", 1)),
)


def test_the_timestamp_vector_of_the_document_reproduces() -> None:
    signed = sign(KEY_ID, CREDENTIAL, AT)
    assert signed.text == f"timestamp=1578398112000&signature={OF_TIMESTAMP}"
    assert signed.header == ("X-APNK-APIKEY", KEY)
    assert signed.key == KEY_ID


def test_parameters_are_written_in_their_order_and_decimals_in_plain_notation() -> None:
    text, _, given = sign(KEY_ID, CREDENTIAL, WITHDRAWAL).text.rpartition("&signature=")
    assert text == "amount=0.0000001&node=XRP%20Ledger&address=a:b%2Bc&timestamp=1"
    assert given == signature(CREDENTIAL, text)


def test_what_a_body_will_carry_is_signed_as_a_form_writes_it() -> None:
    asked = replace(WITHDRAWAL, form="json")
    text, _, given = sign(KEY_ID, CREDENTIAL, asked).text.rpartition("&signature=")
    assert text == "amount=0.0000001&node=XRP+Ledger&address=a%3Ab%2Bc&timestamp=1"
    assert given == signature(CREDENTIAL, text)


def test_a_signature_is_that_of_the_exact_text() -> None:
    odd = "b=%2F+ü&a=1&a=1&c"
    expected = hmac.new(CREDENTIAL.api_secret.encode(), odd.encode(), "sha256").hexdigest()
    assert signature(CREDENTIAL, odd) == expected


def test_the_user_stream_vector_of_the_document_reproduces() -> None:
    assert json.loads(login_frame(CREDENTIAL)) == {
        "method": "USER_STREAMS",
        "signature": OF_KEY,
        "apiKey": KEY,
    }


def test_the_secrets_of_a_credential_are_both_halves_and_what_logs_a_stream_in() -> None:
    assert secrets(CREDENTIAL) == {KEY, CREDENTIAL.api_secret, OF_KEY}


def test_signed_text_shows_which_key_signed_and_nothing_else() -> None:
    shown = repr(sign(KEY_ID, CREDENTIAL, AT))
    assert "demo" in shown
    assert KEY not in shown
    assert OF_TIMESTAMP not in shown
