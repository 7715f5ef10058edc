"""What the gateway talks about, free of I/O and of any framework.

Times are integers: milliseconds since the Unix epoch, UTC. Money is `decimal.Decimal`.
"""
