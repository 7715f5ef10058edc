"""`narkasa-gateway dev`: a Redis server, the sandbox exchange and the gateway, on one machine."""
