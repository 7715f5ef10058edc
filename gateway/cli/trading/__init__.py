"""`narkasa-gateway trading`: switches, suspensions and quarantines of a running gateway."""
