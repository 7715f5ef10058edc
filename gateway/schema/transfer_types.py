"""The GraphQL types of deposits and withdrawals, and of how an asset may be paid in and out."""

from decimal import Decimal

import strawberry

from gateway.domain import account as domain
from gateway.schema.described import described
from gateway.schema.scalars import Timestamp


@strawberry.type(description="A way to pay an asset in.")
class DepositChannel:
    """A way to pay an asset in."""

    name: str = described("The channel, such as a network or a bank.")
    address: str | None = described("The account's own address there, if it has one.")
    enabled: bool = described("False while the exchange takes nothing over it.")

    @classmethod
    def of(cls, channel: domain.DepositChannel) -> "DepositChannel":
        """Show a channel."""
        return cls(name=channel.name, address=channel.address, enabled=channel.enabled)


@strawberry.type(description="How an asset may be paid in.")
class DepositOptions:
    """How an asset may be paid in."""

    asset: str = described("The asset.")
    name: str = described("Its name, for people.")
    enabled: bool = described("False while the exchange takes none of it.")
    minimum: Decimal = described("The least that may be paid in, in the asset.")
    precision: int | None = described("The asset's decimals, if the exchange tells.")
    channels: list[DepositChannel] = described("The ways to pay it in.")

    @classmethod
    def of(cls, options: domain.DepositOptions) -> "DepositOptions":
        """Show the options."""
        return cls(
            asset=options.asset,
            name=options.name,
            enabled=options.enabled,
            minimum=options.minimum,
            precision=options.precision,
            channels=[DepositChannel.of(channel) for channel in options.channels],
        )


@strawberry.type(description="An address that the account holder registered at the exchange.")
class WithdrawalAddress:
    """An address to pay out to."""

    id: strawberry.ID = described("The exchange's id of the address.")
    name: str = described("What the account holder calls it.")
    address: str = described("The address.")

    @classmethod
    def of(cls, address: domain.WithdrawalAddress) -> "WithdrawalAddress":
        """Show an address."""
        return cls(id=strawberry.ID(address.id), name=address.name, address=address.address)


@strawberry.type(description="A way to pay an asset out.")
class WithdrawalChannel:
    """A way to pay an asset out."""

    name: str = described("The channel, such as a network or a bank.")
    enabled: bool = described("False while the exchange pays nothing over it.")
    fee: Decimal = described("What the exchange keeps of each withdrawal, in the asset.")
    addresses: list[WithdrawalAddress] = described("The addresses registered for it.")

    @classmethod
    def of(cls, channel: domain.WithdrawalChannel) -> "WithdrawalChannel":
        """Show a channel."""
        return cls(
            name=channel.name,
            enabled=channel.enabled,
            fee=channel.fee,
            addresses=[WithdrawalAddress.of(address) for address in channel.addresses],
        )


@strawberry.type(description="How an asset may be paid out.")
class WithdrawalOptions:
    """How an asset may be paid out."""

    asset: str = described("The asset.")
    name: str = described("Its name, for people.")
    enabled: bool = described("False while the exchange pays none of it.")
    minimum: Decimal = described("The least that may be paid out, in the asset.")
    precision: int | None = described("The asset's decimals, if the exchange tells.")
    channels: list[WithdrawalChannel] = described("The ways to pay it out.")

    @classmethod
    def of(cls, options: domain.WithdrawalOptions) -> "WithdrawalOptions":
        """Show the options."""
        return cls(
            asset=options.asset,
            name=options.name,
            enabled=options.enabled,
            minimum=options.minimum,
            precision=options.precision,
            channels=[WithdrawalChannel.of(channel) for channel in options.channels],
        )


_DEPOSIT_STATES = (
    "PENDING, VALIDATING, RESUMING, COMPLETED; UNKNOWN for a number that is not documented."
)
_WITHDRAWAL_STATES = (
    "PENDING, VALIDATING, RESUMING, COMPLETED, REJECTED, CANCELLED; UNKNOWN for a number that is "
    "not documented."
)


_INFORMATION = "What the exchange says of it in words; its document does not explain them."


@strawberry.type(description="Something paid in.")
class Deposit:
    """A deposit."""

    id: strawberry.ID = described("The exchange's id.")
    asset: str = described("The asset.")
    quantity: Decimal = described("How much of it.")
    time: Timestamp = described("When the exchange recorded it.")
    state: str = described(_DEPOSIT_STATES)
    state_code: int = described("The exchange's number behind state.")
    confirmations: int | None = described("How often the network has confirmed it.")
    required_confirmations: int | None = described("How often it must have.")
    txid: str | None = described("The network's id of the transaction, once there is one.")
    explorer: str | None = described("Where the transaction can be seen.")
    information: str | None = described(_INFORMATION)

    @classmethod
    def of(cls, deposit: domain.Deposit) -> "Deposit":
        """Show a deposit."""
        return cls(
            id=strawberry.ID(deposit.id),
            asset=deposit.asset,
            quantity=deposit.quantity,
            time=Timestamp(deposit.time),
            state=deposit.state.value,
            state_code=deposit.state_code,
            confirmations=deposit.confirmations,
            required_confirmations=deposit.required_confirmations,
            txid=deposit.txid,
            explorer=deposit.explorer,
            information=deposit.information,
        )


@strawberry.type(description="Something paid out.")
class Withdrawal:
    """A withdrawal."""

    id: strawberry.ID = described("The exchange's id.")
    asset: str = described("The asset.")
    quantity: Decimal = described("How much of it.")
    time: Timestamp = described("When the exchange recorded it.")
    state: str = described(_WITHDRAWAL_STATES)
    state_code: int = described("The exchange's number behind state.")
    txid: str | None = described("The network's id of the transaction, once there is one.")
    explorer: str | None = described("Where the transaction can be seen.")
    information: str | None = described(_INFORMATION)

    @classmethod
    def of(cls, withdrawal: domain.Withdrawal) -> "Withdrawal":
        """Show a withdrawal."""
        return cls(
            id=strawberry.ID(withdrawal.id),
            asset=withdrawal.asset,
            quantity=withdrawal.quantity,
            time=Timestamp(withdrawal.time),
            state=withdrawal.state.value,
            state_code=withdrawal.state_code,
            txid=withdrawal.txid,
            explorer=withdrawal.explorer,
            information=withdrawal.information,
        )
