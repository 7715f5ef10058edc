"""The chart and the gateway's settings know each other: neither has a name that the other lacks."""

import json

import pytest

from gateway.settings import PREFIX, Settings, load_settings
from tests.contract.helm_chart import (
    CASES,
    CHART,
    each_case,
    environment,
    manifests,
    render,
    rendered,
)

NAMES = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
SECRET = {"NGW_CREDENTIALS", "NGW_KEY_ENCRYPTION_KEY"}
"""Files take their place: they are followed without a restart."""
WRITTEN = {
    name for case in CASES for name in environment(manifests(case)) if name.startswith(PREFIX)
}
GIVEN = {"NGW_MAX_QUERY_DEPTH", "NGW_OTLP_ENDPOINT"}
"""What a case has in `settings`."""
STANDARD_OUTPUT = ("NGW_AUDIT_FILE", "NGW_JOURNAL_EXPORT_FILE")


def test_the_schema_of_the_values_takes_the_names_of_settings_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]
    assert schema["properties"].keys() == NAMES
    assert schema["additionalProperties"] is False


def test_the_chart_writes_no_setting_that_the_gateway_does_not_have() -> None:
    assert WRITTEN <= NAMES


def test_each_setting_that_the_chart_does_not_write_can_be_given_by_its_name() -> None:
    others = dict.fromkeys(sorted(NAMES - SECRET - (WRITTEN - GIVEN)), "x")
    assert others
    given: dict[str, object] = {"settings": others, "networkPolicy.enabled": False}
    variables = environment(rendered("minimal", given))
    assert {name: variables[name]["value"] for name in others} == others


@pytest.mark.parametrize("name", sorted(WRITTEN - GIVEN))
def test_a_setting_that_the_chart_writes_cannot_be_given_twice(name: str) -> None:
    run = render("minimal", {"settings": {name: "x"}})
    assert run.returncode != 0
    assert f"settings: {name} is set by a value of its own in this chart" in run.stderr


@each_case
def test_the_environment_makes_a_faultless_configuration(case: str) -> None:
    variables = environment(manifests(case))
    settings = load_settings(
        {name: each.get("value", "redis://of-a-secret") for name, each in variables.items()}
    )
    assert settings.host == "0.0.0.0"  # noqa: S104 - the pod's own network


@each_case
def test_the_audit_log_and_what_the_journal_drops_go_to_standard_output(case: str) -> None:
    """The pod's file system is read-only, and the cluster's log collector ships the rest."""
    variables = environment(manifests(case))
    assert {variables[name]["value"] for name in STANDARD_OUTPUT} == {"-"}


def test_what_is_about_the_gateway_in_the_values_is_what_it_is_told() -> None:
    variables = environment(manifests("production"))
    told = {name: each.get("value") for name, each in variables.items()}
    assert told["NGW_LOG_LEVEL"] == "WARNING"
    assert told["NGW_ALLOWED_ORIGINS"] == "https://desk.example.com,https://watch.example.com"
    assert told["NGW_MAX_QUERY_DEPTH"] == "10"
    variables = environment(manifests("ingress"))
    assert variables["NGW_EXCHANGE_REST_URL"]["value"] == "https://exchange.example.com:8443"
    assert variables["NGW_EXCHANGE_WS_URL"]["value"] == "wss://exchange.example.com/v3"
