import json

import pytest

from gateway.custody.environment import read_text
from gateway.custody.sources import FaultyCredentials
from tests.unit.custody.examples import slot

PAIR = {"api_key": "the-key", "api_secret": "the-secret"}


def test_a_text_names_accounts_and_purposes() -> None:
    found = read_text(json.dumps({"demo": {"read": PAIR, "withdraw": PAIR}}))
    assert found.keys.keys() == {slot("demo/read"), slot("demo/withdraw")}
    assert found.keys[slot("demo/read")].credential.api_key == "the-key"


def test_a_pair_whose_purpose_is_not_said_reads_and_trades() -> None:
    found = read_text(json.dumps({"demo": PAIR}))
    assert found.keys.keys() == {slot("demo/read"), slot("demo/trade")}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("the-secret", id="no JSON"),
        pytest.param('["the-secret"]', id="no object"),
        pytest.param("[" * 100_000, id="too deep"),
        pytest.param('{"demo": "the-secret"}', id="no pair"),
        pytest.param('{"demo": {}}', id="nothing"),
        pytest.param('{"demo": {"api_key": "the-key"}}', id="half a pair"),
        pytest.param('{"demo": {"api_key": "the-key", "api_secret": 5}}', id="a number"),
        pytest.param('{"demo": {"api_key": "the-key", "api_secret": "the- x"}}', id="a space"),
        pytest.param(json.dumps({"demo": PAIR | {"note": "the-note"}}), id="one name too many"),
        pytest.param(json.dumps({"demo": {"trades": PAIR}}), id="no purpose"),
        pytest.param(json.dumps({"demo": {"trade": "the-key"}}), id="no pair for a purpose"),
        pytest.param(json.dumps({"demo": {"read": PAIR} | PAIR}), id="a pair beside a purpose"),
        pytest.param(json.dumps({".demo": PAIR}), id="an account with a leading dot"),
        pytest.param(json.dumps({"a/b": {"read": PAIR}}), id="an account with a slash"),
    ],
)
def test_a_text_of_another_form_is_a_fault_that_names_the_setting(text: str) -> None:
    with pytest.raises(FaultyCredentials) as refusal:
        read_text(text)
    (fault,) = refusal.value.faults
    assert fault.startswith("NGW_CREDENTIALS")
    assert "the-" not in fault
