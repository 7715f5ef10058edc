"""`narkasa-gateway vkeys`: the key pairs that the gateway issues."""
