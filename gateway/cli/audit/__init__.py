"""The commands of `audit`: show, export and verify the audit log."""
