"""`narkasa-gateway policy`: look at a policy file, ask it, and make tokens for one."""
