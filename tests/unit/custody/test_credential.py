import copy
import json
import logging
import pickle
from collections.abc import Callable
from dataclasses import is_dataclass

import pytest

from gateway.custody.credential import Credential, fingerprinted
from gateway.custody.signing import login_signature

CREDENTIAL = Credential("the-key", "the-secret")


@pytest.mark.parametrize(
    "show",
    [
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param("{}".format, id="format"),
        pytest.param("{:>40}".format, id="format with a width"),
        pytest.param(lambda credential: f"{credential!a}", id="ascii"),
        pytest.param(lambda credential: "%s" % credential, id="percent"),  # noqa: UP031
        pytest.param(lambda credential: str([{"held": credential}]), id="in a container"),
    ],
)
def test_no_way_of_printing_shows_a_credential(show: Callable[[Credential], str]) -> None:
    assert "the-" not in show(CREDENTIAL)


@pytest.mark.parametrize(
    "duplicate",
    [
        pytest.param(pickle.dumps, id="pickle"),
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        pytest.param(json.dumps, id="json"),
    ],
)
def test_a_credential_is_not_pickled_copied_or_written_as_json(
    duplicate: Callable[[Credential], object],
) -> None:
    with pytest.raises(TypeError) as refusal:
        duplicate(CREDENTIAL)
    assert "the-" not in str(refusal.value)


def test_a_credential_has_no_dictionary_that_a_serializer_could_find() -> None:
    assert not hasattr(CREDENTIAL, "__dict__")
    assert not is_dataclass(CREDENTIAL)


def test_a_log_line_about_a_credential_hides_it(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("holding %s", CREDENTIAL)
    assert "the-" not in caplog.text


def test_a_version_tells_credentials_apart_and_nothing_of_them() -> None:
    version = fingerprinted(CREDENTIAL).version
    others = [Credential("the-key", "the-other"), Credential("the-other", "the-secret")]
    assert len({version, *(fingerprinted(other).version for other in others)}) == 3
    assert fingerprinted(Credential("the-key", "the-secret")).version == version
    assert len(version) == 8
    assert not login_signature(CREDENTIAL).startswith(version)


def test_a_key_shows_its_version_alone() -> None:
    assert repr(fingerprinted(CREDENTIAL)).endswith("credential=Credential(hidden))")
