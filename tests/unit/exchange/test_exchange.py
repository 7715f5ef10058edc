import gateway.exchange


def test_the_public_surface_is_this_and_no_more() -> None:
    assert gateway.exchange.__all__ == [
        "BACKING_OFF",
        "CODES_FOR_THE_OPERATOR",
        "CODES_TO_RECONCILE",
        "ERROR_CODES",
        "KEY_REFUSED_CODES",
        "ORDER_NOT_OPEN",
        "ExchangeClient",
        "ExchangeClock",
        "ExchangeCode",
        "Feed",
        "FeedCounters",
        "FeedTiming",
        "PreparedRequest",
        "Retry",
        "Timeouts",
        "Transport",
        "is_order_id",
        "log_retry",
        "open_transport",
    ]
    assert all(hasattr(gateway.exchange, name) for name in gateway.exchange.__all__)
