"""What answers the endpoints that read an account, and the one that would pay out of it.

Headings "Get User Active Orders", "Get User Trades" and "Signed Balance Endpoints".
"""

from gateway.access.policy import Action
from gateway.domain.errors import Forbidden
from gateway.schema.context import permit
from gateway.services.order_audit import deny
from gateway.web.facade import replies, transfer_replies
from gateway.web.facade.answers import Answer, success
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.requests import FacadeCall

_NO_APPROVALS = "withdrawals-need-approval"


async def open_orders(parts: FacadeParts, call: FacadeCall) -> Answer:
    """Answer 'Get User Active Orders' with those that the caller may see."""
    account = _readable(parts, call)
    return success(
        replies.open_orders(await parts.services.accounts.open_orders(call.caller, account))
    )


async def user_trades(parts: FacadeParts, call: FacadeCall) -> Answer:
    """Answer 'Get User Trades'."""
    account = _readable(parts, call)
    return success(replies.user_trades(await parts.services.accounts.fills(call.caller, account)))


async def wallet(parts: FacadeParts, call: FacadeCall) -> Answer:
    """Answer 'Get User Wallet'."""
    account = _readable(parts, call)
    return success(
        transfer_replies.wallet(await parts.services.accounts.balances(call.caller, account))
    )


async def authentication_test(parts: FacadeParts, call: FacadeCall) -> Answer:
    """Answer 'API Authentication Test': the signature is right, and may read the account."""
    _readable(parts, call)
    return success({})


async def currencies(parts: FacadeParts, call: FacadeCall) -> Answer:
    """Answer 'Get All Currencies'."""
    account = _readable(parts, call)
    known = await parts.services.accounts.currencies(call.caller, account)
    return success(transfer_replies.currencies(known))


async def deposit_options(parts: FacadeParts, call: FacadeCall) -> Answer:
    """Answer 'Get Deposit Addresses'."""
    account = _readable(parts, call)
    asset = call.parameters.symbol()
    options = await parts.services.accounts.deposit_options(call.caller, account, asset)
    return success(transfer_replies.deposit_options(options))


async def withdrawal_options(parts: FacadeParts, call: FacadeCall) -> Answer:
    """Answer 'Get Withdraw Addresses'."""
    account = _readable(parts, call)
    asset = call.parameters.symbol()
    options = await parts.services.accounts.withdrawal_options(call.caller, account, asset)
    return success(transfer_replies.withdrawal_options(options))


async def deposits(parts: FacadeParts, call: FacadeCall) -> Answer:
    """Answer 'Get Last 5 Deposit'."""
    account = _readable(parts, call)
    history = await parts.services.accounts.deposits(call.caller, account)
    return success(transfer_replies.deposits(history))


async def withdrawals(parts: FacadeParts, call: FacadeCall) -> Answer:
    """Answer 'Get Last 5 Withdraw'."""
    account = _readable(parts, call)
    history = await parts.services.accounts.withdrawals(call.caller, account)
    return success(transfer_replies.withdrawals(history))


async def create_withdrawal(parts: FacadeParts, call: FacadeCall) -> Answer:
    """Refuse 'Create Withdraw', which waits for approvals; raises `Forbidden`, on record."""
    action = Action.WITHDRAWALS_REQUEST
    permit(parts.services, call.caller, (action, call.account))
    refused = Forbidden(action, _NO_APPROVALS)
    deny(parts.services.audit, call.caller, action, call.account, refused)
    raise refused


def _readable(parts: FacadeParts, call: FacadeCall) -> str:
    """The caller's account, if it may read it; raises `Forbidden` and `UnknownAccount`."""
    permit(parts.services, call.caller, (Action.ACCOUNT_READ, call.account))
    return call.account
