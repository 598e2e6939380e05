"""Who has read an account, and its group, as the contract has them."""

from crm.customer.v1 import accounts_pb2 as pb
from crm_kit.database.connections import Record

from crm_customer.records.accounts.hierarchy import Group


def read_to_pb(row: Record) -> pb.AccountRead:
    """An entry of the log."""
    method = pb.AccountRead.Method.Value(f"METHOD_{row['method']}")
    read = pb.AccountRead(id=str(row["id"]), user_id=str(row["user_id"]), method=method)
    read.read_time.FromDatetime(row["read_time"])
    return read


def group_to_pb(group: Group) -> pb.AccountGroup:
    """How much there is of a group."""
    return pb.AccountGroup(
        account_count=group.account_count,
        hidden_count=group.hidden_count,
        levels=group.levels,
        truncated=group.truncated,
        above_ids=map(str, group.above_ids),
    )
