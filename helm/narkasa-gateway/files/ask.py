"""Asks the gateway for GraphQL and whether anything is wrong; fails if not all is well."""  # noqa: INP001

import json
import os
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException

Answer = dict[str, object]


def ask(address: str, headers: dict[str, str], body: Answer | None = None) -> Answer:
    """What an address answers, with any status; raises OSError, HTTPException and ValueError."""
    request = urllib.request.Request(  # noqa: S310  # the chart gives the address
        address,
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json", **headers},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=10) as reply:
            return dict(json.load(reply))
    except urllib.error.HTTPError as refusal:
        return dict(json.load(refusal))


def is_graphql(given: Answer, token: str | None) -> bool:
    """Whether the token opened the door or, without one, the gateway asked for it."""
    if token:
        return given.get("data") == {"__typename": "Query"}
    return "UNAUTHENTICATED" in json.dumps(given.get("errors"))


def look(url: str, token: str | None) -> tuple[bool, str]:
    """Ask for the smallest query and for /readyz: whether all is well, and what came."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        given = ask(f"{url}/graphql", headers, {"query": "{ __typename }"})
        state = ask(f"{url}/readyz", {})
    except (OSError, HTTPException, ValueError) as failure:
        return False, f"no answer: {failure}\n"
    well = is_graphql(given, token) and state.get("status") == "ready"
    return well, f"/graphql {json.dumps(given)}\n/readyz {json.dumps(state)}\n"


def main(url: str, token: str | None, patience_s: float) -> int:
    """Ask until all is well or the patience is over, and print what came last."""
    deadline = time.monotonic() + patience_s
    well, told = look(url, token)
    while not well and time.monotonic() < deadline:
        time.sleep(2)
        well, told = look(url, token)
    sys.stdout.write(told)
    return 0 if well else 1


if __name__ == "__main__":
    token, patience_s = os.environ.get("GATEWAY_TOKEN"), float(os.environ["PATIENCE_S"])
    sys.exit(main(os.environ["GATEWAY_URL"], token, patience_s))
