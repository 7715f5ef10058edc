"""A stand-in for a gateway, for commands that ask one."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets import Subprotocol
from websockets.sync.server import ServerConnection, serve


@contextmanager
def gateway(answer: Callable[[dict[str, Any]], object]) -> Iterator[dict[str, str]]:
    """A server that gives this answer to what is asked; give the environment that names it."""

    def script(connection: ServerConnection) -> None:
        init = json.loads(connection.recv(timeout=10))
        connection.send(json.dumps({"type": "connection_ack"}))
        asked = json.loads(connection.recv(timeout=10))["payload"]
        data = answer({**asked, "token": init["payload"]["Authorization"]})
        if data is not None:
            connection.send(json.dumps({"type": "next", "id": "1", "payload": {"data": data}}))

    protocols = [Subprotocol("graphql-transport-ws")]
    with serve(script, "127.0.0.1", 0, subprotocols=protocols, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        yield {"GATEWAY_URL": f"http://127.0.0.1:{port}", "OPERATOR_TOKEN": "ops"}
        server.shutdown()
        thread.join()
