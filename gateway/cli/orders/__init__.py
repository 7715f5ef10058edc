"""`narkasa-gateway orders`: what has no outcome at a running gateway, and cancelling all."""
