"""What stands in a reply or a frame, written and read again without losing a digit."""

from pathlib import Path

from gateway.web.facade.answers import encode
from gateway.web.facade.requests import Body
from tests.unit.sandbox.clients import Json, exact_json

_PAYLOADS = Path(__file__).parents[3] / "payloads"


def sample_text(name: str) -> bytes:
    """The document's sample of this name, such as "rest/24h"."""
    return (_PAYLOADS / f"{name}.json").read_bytes()


def sample(name: str) -> Json:
    return exact_json(sample_text(name))


def written(members: Body) -> Json:
    """The members as who gets the reply reads them."""
    reply = exact_json(encode("00000", members))
    del reply["code"]
    return reply
