"""`narkasa-gateway keys`: the sealed file of the exchange's keys, and what each of them may do."""
