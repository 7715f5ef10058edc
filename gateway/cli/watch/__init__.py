"""`narkasa-gateway watch`: follow a subscription of a gateway, a line an event."""
