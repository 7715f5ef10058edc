"""The edges: GraphQL over HTTP and WebSocket, health, metrics."""
