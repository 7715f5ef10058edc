"""Spans of time, in milliseconds."""

DAY_MS = 86_400_000
