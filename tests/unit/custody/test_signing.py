"""The vectors of the exchange's document, headings 'Security' and 'Binding User Data Streams'.

The document's third signature, 790e8e78…, belongs to no text that could be found: it is an error
of the document, and no test.
"""

import json

from gateway.custody.credential import Credential
from gateway.custody.signing import login_frame, sign

KEY = "Y0AhbfGmVA8FG7kPN6a9PB7UOpwnlvKG4bI5Jc57awpKv4uKN9UX114EPRTcKuhX"
CREDENTIAL = Credential(KEY, "7v5TnUBX92lgKWlODJbRn3FIoriHNihB3PHFi591Do5ip9DLrCvx0bn9dHZKFZRS")
OF_TIMESTAMP = "c9445c8f619a64524d58378dbc40d9bfa5148de895cd8c7df8ae769630c5b67c"
OF_KEY = "d36256b4002dc7d604e739651ef8506e0fbdc9c03dffe17124f32e0c8e63ff02"


def test_the_timestamp_vector_of_the_document_reproduces() -> None:
    signed = sign(CREDENTIAL, "timestamp=1578398112000")
    assert signed.text == f"timestamp=1578398112000&signature={OF_TIMESTAMP}"
    assert signed.header == ("X-APNK-APIKEY", KEY)


def test_no_parameters_leave_the_signature_alone() -> None:
    assert sign(CREDENTIAL, "").text.startswith("signature=")


def test_what_is_signed_is_repeated_byte_for_byte() -> None:
    odd = "b=%2F+ü&a=1&a=1&c"
    text, _, signature = sign(CREDENTIAL, odd).text.rpartition("&signature=")
    assert text == odd
    assert len(bytes.fromhex(signature)) == 32


def test_the_user_stream_vector_of_the_document_reproduces() -> None:
    assert json.loads(login_frame(CREDENTIAL)) == {
        "method": "USER_STREAMS",
        "signature": OF_KEY,
        "apiKey": KEY,
    }


def test_signed_text_does_not_show_itself() -> None:
    assert repr(sign(CREDENTIAL, "timestamp=1578398112000")) == "SignedText()"
