"""What decides how the servers of `dev` are started."""

import pytest

from gateway.cli.dev.programs import BadControl, wants_control


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"SANDBOX_CONTROL": ""}, False),
        ({"SANDBOX_CONTROL": "0"}, False),
        ({"SANDBOX_CONTROL": "1"}, True),
    ],
    ids=["unset", "empty", "no", "yes"],
)
def test_the_sandbox_can_be_steered_only_if_the_shell_says_so(
    environ: dict[str, str], *, wanted: bool
) -> None:
    assert wants_control(environ) is wanted


def test_what_is_neither_yes_nor_no_is_refused_with_what_it_takes() -> None:
    with pytest.raises(BadControl, match="SANDBOX_CONTROL: expected 1"):
        wants_control({"SANDBOX_CONTROL": "please"})
