"""The only place that knows Redis: the market cache and the order journal."""
