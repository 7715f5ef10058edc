"""The page, and that it needs nothing but the gateway."""

import re
from html.parser import HTMLParser

import httpx
import pytest
from starlette.applications import Starlette

from gateway.web.facade.docs_page import docs_routes
from gateway.web.facade.openapi import document

pytestmark = pytest.mark.anyio


class Links(HTMLParser):
    """What a page loads, and how much of it is script or style of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        loaded = given.get("src") or given.get("href")
        if loaded:
            self.loaded.append(loaded)
        elif tag in {"script", "style"}:
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]


@pytest.fixture
def client() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Starlette(routes=docs_routes()))
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


async def test_all_that_the_page_loads_comes_from_the_gateway(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    links = Links()
    links.feed(page.text)
    assert len(links.loaded) == 4
    for address in links.loaded:
        assert re.fullmatch(r"/docs/[\w.-]+", address)
        loaded = await client.get(address)
        assert loaded.status_code == httpx.codes.OK
        assert loaded.content
        assert loaded.headers["x-content-type-options"] == "nosniff"


async def test_its_policy_lets_it_load_from_the_gateway_alone_and_run_nothing_inline(
    client: httpx.AsyncClient,
) -> None:
    page = await client.get("/docs")
    links = Links()
    links.feed(page.text)
    assert links.inline == []
    policy = dict(
        directive.strip().split(" ", 1)
        for directive in page.headers["content-security-policy"].split(";")
    )
    assert policy.pop("default-src") == "'none'"
    assert policy.pop("img-src") == "'self' data:"
    assert set(policy.values()) == {"'self'", "'none'"}
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"


async def test_it_is_there_with_a_slash_at_its_end_too(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs/")
    assert (page.status_code, page.text) == (httpx.codes.OK, (await client.get("/docs")).text)


async def test_the_page_shows_the_gateways_own_document(client: httpx.AsyncClient) -> None:
    start = await client.get("/docs/start.js")
    assert 'url: "/openapi.json"' in start.text
    shown = (await client.get("/openapi.json")).json()
    assert shown["paths"].keys() == document()["paths"].keys()


async def test_what_has_not_changed_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/docs/swagger-ui-bundle.js")
    again = await client.get(
        "/docs/swagger-ui-bundle.js", headers={"if-none-match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (httpx.codes.NOT_MODIFIED, b"")
    assert (await client.get("/docs")).headers["etag"] != first.headers["etag"]
