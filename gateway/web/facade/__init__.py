"""The exchange's own protocol, REST and WebSocket, spoken to its existing clients.

    client ── REST /v3/api/… ──> rest ─> requests, callers ─> endpoints ─> services
           ── WebSocket /v3 ───> sockets ─> stream_protocol ─> frames <─ services

This package and `gateway.exchange` are the two that know the exchange's names: that one as its
client, this one as a server of the same document.
"""
