"""The GraphQL types of what an account holds, and of what there is to hold."""

from decimal import Decimal
from typing import Annotated

import strawberry

from gateway.domain import account as domain
from gateway.schema.described import described
from gateway.schema.market_types import Gap


@strawberry.type(description="One asset of an account.")
class Balance:
    """One asset of an account."""

    asset: str = described("The asset.")
    total: Decimal = described(
        "All of it. In a subscription it moves by what the other two move; where the exchange "
        "tells these far apart, it may be wrong between the two events."
    )
    available: Decimal = described("What is free.")
    held: Decimal = described("What open orders reserve.")
    precision: int | None = described("The asset's decimals, if the exchange tells.")

    @classmethod
    def of(cls, balance: domain.Balance) -> "Balance":
        """Show a balance."""
        return cls(
            asset=balance.asset,
            total=balance.total,
            available=balance.available,
            held=balance.held,
            precision=balance.precision,
        )


BalanceEvent = Annotated[
    Balance | Gap,
    strawberry.union(
        "BalanceEvent", description="One asset as the account now holds it, or a gap."
    ),
]


@strawberry.type(description="An asset that the exchange knows.")
class Currency:
    """An asset."""

    id: strawberry.ID = described("The exchange's id of the asset.")
    asset: str = described("The asset.")
    name: str = described("Its name, for people.")

    @classmethod
    def of(cls, currency: domain.Currency) -> "Currency":
        """Show an asset."""
        return cls(id=strawberry.ID(currency.id), asset=currency.asset, name=currency.name)
