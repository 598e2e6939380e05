"""Who has read an account, as the contract has it."""

from crm.customer.v1 import accounts_pb2 as pb
from crm_kit.database.connections import Record


def read_to_pb(row: Record) -> pb.AccountRead:
    """An entry of the log."""
    method = pb.AccountRead.Method.Value(f"METHOD_{row['method']}")
    read = pb.AccountRead(id=str(row["id"]), user_id=str(row["user_id"]), method=method)
    read.read_time.FromDatetime(row["read_time"])
    return read
