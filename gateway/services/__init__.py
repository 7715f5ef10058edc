"""Use cases: what a caller can ask for, put together from the exchange, the store and access."""
