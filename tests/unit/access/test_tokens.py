from base64 import urlsafe_b64decode

from gateway.access.tokens import hash_token, new_token


def test_a_token_is_a_prefix_and_256_random_bits() -> None:
    token = new_token(lambda n: bytes(range(n)))
    assert token.startswith("ngw_")
    assert urlsafe_b64decode(token.removeprefix("ngw_") + "=") == bytes(range(32))


def test_a_hash_is_the_plain_sha256_that_any_tool_makes() -> None:
    # printf ngw_abc | sha256sum
    assert hash_token("ngw_abc") == (
        "f89cae7dd91554cbf9c967d9f312db939b7cd8d893e98ff2b1e12d5b64a33307"
    )


def test_any_text_can_be_hashed() -> None:
    assert len({hash_token(text) for text in ("", "\ud800", "\udfff", "é", "a" * 100_000)}) == 5
