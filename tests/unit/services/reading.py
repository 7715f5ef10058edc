"""Signed reads for tests that need nothing else of a replica."""

from gateway.services.signed_reads import SignedReads
from tests.unit.services.examples import sign
from tests.unit.services.governing import StandInAudit, StandInRates


def reads_of_all(audit: StandInAudit | None = None) -> SignedReads:
    """Reads of any account, within whatever rate."""
    return SignedReads(lambda _: sign, StandInRates().rates, (audit or StandInAudit()).trail)
