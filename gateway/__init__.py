"""A gateway between a team's apps and the Narkasa exchange: key custody, market data, orders."""
