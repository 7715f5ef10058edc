"""Messages of the exchange with one value of them replaced by anything at all."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

NUMBERS = ["-1", "0", "1E+400", "1E-400", "9" * 40, "0.1", '"NaN"', '"-Infinity"', '"1e3"']
ANYTHING = st.one_of(
    st.sampled_from(NUMBERS),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
        max_leaves=4,
    ).map(json.dumps),
)


def places(value: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401 - JSON
    """Give the way to every value inside `value`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, one in inner:
        yield (*path, name)
        if isinstance(one, dict | list):
            yield from places(one, *path, name)


def put(message: Any, path: tuple[str | int, ...], text: str) -> str:  # noqa: ANN401 - JSON
    """Write the message with `text` at the end of `path`."""
    changed = copy.deepcopy(message)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = "@here@"
    return json.dumps(changed).replace('"@here@"', text)


@st.composite
def spoiled(draw: st.DrawFn, text: str) -> str:
    """A message that was `text` before one of its values became another."""
    message = json.loads(text)
    return put(message, draw(st.sampled_from(list(places(message)))), draw(ANYTHING))


def spoiled_by(text: str, *values: str) -> Iterator[str]:
    """Every message that `text` becomes by one of `values` in one place."""
    message = json.loads(text)
    return (put(message, path, value) for path in places(message) for value in values)
