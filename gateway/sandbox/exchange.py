"""The exchange behind its endpoints: a request in, a reply out, events left to be published.

Pure but for the clock that it is handed: the HTTP edge only carries bytes to and fro.
"""

from gateway.sandbox import replies
from gateway.sandbox.authentication import Authenticator
from gateway.sandbox.balance_endpoints import BALANCE_ENDPOINTS
from gateway.sandbox.endpoints import Endpoints, PublicEndpoint, Venue
from gateway.sandbox.market_endpoints import MARKET_ENDPOINTS
from gateway.sandbox.markets import Market
from gateway.sandbox.order_endpoints import ORDER_ENDPOINTS
from gateway.sandbox.parameters import RawRequest, read_parameters
from gateway.sandbox.replies import Body

ENDPOINTS: Endpoints = {**MARKET_ENDPOINTS, **ORDER_ENDPOINTS, **BALANCE_ENDPOINTS}


class Exchange:
    """Answers the document's endpoints."""

    def __init__(self, venue: Venue, authenticator: Authenticator) -> None:
        self.engine = venue.engine
        self.authenticator = authenticator
        self._venue = venue

    def answer(self, request: RawRequest, arrived: int) -> Body:
        """Answer a request to a known endpoint that arrived then (epoch ms). Raises Refusal."""
        endpoint = ENDPOINTS[request.method, request.path]
        parameters = read_parameters(request)
        if isinstance(endpoint, PublicEndpoint):
            return endpoint.answer(self._venue, parameters)
        account_id = self.authenticator.request_account(
            request.api_key,
            parameters,
            arrived,
            client=request.client,
            permission=endpoint.permission,
        )
        return endpoint.answer(self._venue, account_id, parameters)

    def ticker_body(self, market: Market) -> Body:
        """One market's statistics."""
        statistics = self.engine.tapes[market.symbol].statistics(self._venue.clock())
        return replies.ticker(market, statistics, self.engine.books[market.symbol])
