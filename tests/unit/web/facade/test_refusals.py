import json
from pathlib import Path

import pytest

from gateway.exchange import ERROR_CODES
from gateway.web.facade.refusals import refusal_of

SAMPLE = Path(__file__).parents[3] / "payloads/rest/error.json"


@pytest.mark.parametrize("code", sorted(set(ERROR_CODES) - {"20001"}))
def test_a_code_is_worded_as_the_documents_table_has_it(code: str) -> None:
    assert str(refusal_of(code)) == f"{code} {ERROR_CODES[code].meaning}"


def test_a_code_that_the_document_shows_a_reply_of_is_worded_as_there() -> None:
    sample = json.loads(SAMPLE.read_text())
    assert refusal_of(f"{sample['code']}").msg == sample["msg"]
