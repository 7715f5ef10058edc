"""What the facade publishes is what the exchange's document has, and what it answers."""

from gateway.web.facade.endpoints import ENDPOINTS
from gateway.web.facade.openapi import document
from gateway.web.facade.published import PUBLISHED
from tests.contract.exchange_document import SECTIONS


def test_every_endpoint_that_answers_is_published_and_no_other() -> None:
    assert PUBLISHED.keys() == ENDPOINTS.keys()


def test_every_endpoint_has_the_heading_and_the_codes_of_the_document() -> None:
    facts = [
        (subject.rstrip("'"), heading.title, heading.codes)
        for headings in SECTIONS.values()
        for heading in headings
        for subject in heading.subjects
        if subject.startswith(("GET v3", "POST v3"))
    ]
    told = [
        (f"{method} {path[1:]}", published.heading, published.codes)
        for (method, path), published in PUBLISHED.items()
    ]
    assert sorted(told) == sorted(facts)


def test_the_description_for_machines_has_them_all() -> None:
    described = [
        (method.upper(), path)
        for path, methods in document()["paths"].items()
        for method in methods
    ]
    assert sorted(described) == sorted(ENDPOINTS)
