"""What may be the same, as the contract has it."""

from crm.customer.v1 import duplicates_pb2 as pb

from crm_customer.records.duplicate_rules.matching import Match
from crm_customer.records.duplicates.model import FoundDuplicate


def found_to_pb(found: FoundDuplicate) -> pb.FoundDuplicate:
    """An account that may be the same."""
    return pb.FoundDuplicate(
        account_id=str(found.account_id),
        owner_id=str(found.owner_id) if found.owner_id else "",
        score=found.match.points,
        likely=found.match.is_duplicate,
        evidence=evidence_to_pb(found.match),
    )


def evidence_to_pb(match: Match) -> list[pb.DuplicateEvidence]:
    """Why, what counts most first."""
    reasons = pb.DuplicateEvidence.Reason
    return [
        pb.DuplicateEvidence(reason=reasons.Value(f"REASON_{each.reason}"), points=each.points) for each in match.told
    ]
