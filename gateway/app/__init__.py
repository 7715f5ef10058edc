"""The composition root: builds every part once, keeps the loops running, drains at the end."""

from gateway.app.serving import serve

__all__ = ["serve"]
