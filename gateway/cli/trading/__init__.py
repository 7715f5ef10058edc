"""`narkasa-gateway trading`: switches and suspensions of a running gateway."""
