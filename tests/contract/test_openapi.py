"""What the facade publishes is what the exchange's document has, and what it answers."""

from gateway.web.facade.endpoints import ENDPOINTS
from gateway.web.facade.openapi import document
from gateway.web.facade.published import ENDPOINTS as PUBLISHED
from tests.contract.exchange_document import SECTIONS


def test_every_endpoint_that_answers_is_published_for_what_it_does() -> None:
    published = {(one.method, one.path): one.access for one in PUBLISHED}
    assert len(published) == len(PUBLISHED)
    assert published == {route: endpoint.access for route, endpoint in ENDPOINTS.items()}


def test_every_endpoint_has_the_heading_and_the_codes_of_the_document() -> None:
    facts = [
        (subject.rstrip("'"), heading.title, heading.codes)
        for headings in SECTIONS.values()
        for heading in headings
        for subject in heading.subjects
        if subject.startswith(("GET v3", "POST v3"))
    ]
    told = [(f"{one.method} {one.path[1:]}", one.heading, one.codes) for one in PUBLISHED]
    assert sorted(told) == sorted(facts)


def test_the_description_for_machines_has_them_all() -> None:
    described = [
        (method.upper(), path)
        for path, methods in document()["paths"].items()
        for method in methods
    ]
    assert sorted(described) == sorted(ENDPOINTS)
