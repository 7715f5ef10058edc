"""Parsing and validating a document each time, beside keeping it."""

import time

from bench.measured import Measured
from gateway.schema import build_schema
from gateway.schema.documents import Documents
from gateway.schema.limits import DocumentLimits

_LIMITS = DocumentLimits(depth=8, aliases=15, fields=1000, tokens=1000, cost=25_000)


def load(document: str, count: int) -> tuple[Measured, Measured]:
    """Find the operation of `document` in a cache, and without one, in turns."""
    schema = build_schema()
    kept, anew = Documents(schema, _LIMITS, 100), Documents(schema, _LIMITS, 0)
    kept.operation(document, None)
    latencies: tuple[list[float], list[float]] = ([], [])
    for _ in range(count):
        for documents, taken in zip((kept, anew), latencies, strict=True):
            began = time.perf_counter()
            documents.operation(document, None)
            taken.append(time.perf_counter() - began)
    with_cache, without = (Measured(taken, sum(taken), sum(taken)) for taken in latencies)
    return with_cache, without
