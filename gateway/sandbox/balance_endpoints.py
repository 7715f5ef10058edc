"""The endpoints of balances and transfers ("Signed Balance Endpoints")."""

from gateway.sandbox import replies
from gateway.sandbox.endpoints import PATH_PREFIX, Endpoints, SignedEndpoint, Venue
from gateway.sandbox.parameters import Parameters
from gateway.sandbox.permissions import Permission
from gateway.sandbox.replies import Body, success


def _wallet(venue: Venue, account_id: str, _parameters: Parameters) -> Body:
    return success(wallet=replies.wallet(venue.engine.ledger.balances(account_id)))


def _authentication_test(_venue: Venue, _account_id: str, _parameters: Parameters) -> Body:
    return success()


BALANCE_ENDPOINTS: Endpoints = {
    ("GET", PATH_PREFIX + "balance/wallet"): SignedEndpoint(_wallet, Permission.READ),
    ("POST", PATH_PREFIX + "balance/wallet"): SignedEndpoint(_authentication_test, Permission.READ),
}
