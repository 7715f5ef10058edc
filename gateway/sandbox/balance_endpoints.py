"""The endpoints of balances and transfers ("Signed Balance Endpoints")."""

from gateway.sandbox import replies, transfer_replies
from gateway.sandbox.assets import Asset
from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.endpoints import PATH_PREFIX, Endpoints, SignedEndpoint, Venue
from gateway.sandbox.parameters import Parameters
from gateway.sandbox.permissions import Permission
from gateway.sandbox.replies import Body, success
from gateway.sandbox.treasury import WithdrawalOrder

HISTORY_ROWS = 5
_LONGEST_TEXT = 256


def _wallet(venue: Venue, account_id: str, _parameters: Parameters) -> Body:
    balances = venue.engine.ledger.balances(account_id)
    return success(wallet=replies.wallet(balances, venue.treasury.assets))


def _authentication_test(_venue: Venue, _account_id: str, _parameters: Parameters) -> Body:
    return success()


def _currencies(venue: Venue, _account_id: str, _parameters: Parameters) -> Body:
    assets = venue.treasury.assets.values()
    return success(currencies=[transfer_replies.currency(asset) for asset in assets])


def _deposit_options(venue: Venue, account_id: str, parameters: Parameters) -> Body:
    asset = _asset(venue, parameters)
    venue.treasury.check_deposit(account_id, asset)
    return success(currency=transfer_replies.deposit_options(asset, account_id))


def _withdrawal_options(venue: Venue, account_id: str, parameters: Parameters) -> Body:
    asset = _asset(venue, parameters)
    if not asset.withdraw.enabled:
        raise Refusal(Code.WITHDRAW_DISABLED)
    account = venue.treasury.accounts[account_id]
    return success(currency=transfer_replies.withdrawal_options(asset, account))


def _create_withdrawal(venue: Venue, account_id: str, parameters: Parameters) -> Body:
    asset = _asset(venue, parameters)
    quantity = parameters.money("amount", Code.INVALID_QUANTITY)
    if quantity % asset.step:
        raise Refusal(Code.INVALID_QUANTITY)
    address = _line(parameters, "address")
    if address is None:
        raise Refusal(Code.ADDRESS_EMPTY)
    order = WithdrawalOrder(
        asset=asset,
        quantity=quantity,
        channel=parameters.text("node"),
        address=address,
        tag=_line(parameters, "secondParameter"),
    )
    venue.treasury.withdraw(account_id, order, venue.clock())
    return success()


def _deposits(venue: Venue, account_id: str, _parameters: Parameters) -> Body:
    history = venue.treasury.transfers.deposits(account_id)[:HISTORY_ROWS]
    return success(history=transfer_replies.deposits(history))


def _withdrawals(venue: Venue, account_id: str, _parameters: Parameters) -> Body:
    history = venue.treasury.transfers.withdrawals(account_id)[:HISTORY_ROWS]
    return success(history=transfer_replies.withdrawals(history))


def _asset(venue: Venue, parameters: Parameters) -> Asset:
    """The asset that is asked for. Raises Refusal 20005, 20006, 10037."""
    return venue.treasury.asset(parameters.symbol())


def _line(parameters: Parameters, name: str) -> str | None:
    """An optional text; empty is none. Raises Refusal 90001 when it is no line of fair length."""
    text = parameters.values.get(name)
    if not text:
        return None
    if len(text) > _LONGEST_TEXT or not text.isprintable():
        raise Refusal(Code.INVALID_REQUEST)
    return text


_READ, _WITHDRAW = Permission.READ, Permission.WITHDRAW

BALANCE_ENDPOINTS: Endpoints = {
    ("GET", PATH_PREFIX + "balance/wallet"): SignedEndpoint(_wallet, _READ),
    ("POST", PATH_PREFIX + "balance/wallet"): SignedEndpoint(_authentication_test, _READ),
    ("GET", PATH_PREFIX + "balance/currencies"): SignedEndpoint(_currencies, _READ),
    ("POST", PATH_PREFIX + "balance/withdraw"): SignedEndpoint(_withdrawal_options, _READ),
    ("POST", PATH_PREFIX + "balance/create-withdraw"): SignedEndpoint(
        _create_withdrawal, _WITHDRAW
    ),
    ("GET", PATH_PREFIX + "balance/withdraw-history"): SignedEndpoint(_withdrawals, _READ),
    ("POST", PATH_PREFIX + "balance/deposit"): SignedEndpoint(_deposit_options, _READ),
    ("GET", PATH_PREFIX + "balance/deposit-history"): SignedEndpoint(_deposits, _READ),
}
