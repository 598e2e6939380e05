"""Exports, mail and people share the room for a tenant's files."""

from crm_kit.exports.model import room_of_exports
from crm_service_desk.inbound_messages.filing import FileBounds
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(10, 1 << 50))
def test_exports_never_keep_out_what_customers_send_nor_that_what_people_attach(room: int) -> None:
    by_mail = FileBounds.of(max_bytes=room, max_tenant_bytes=room).max_tenant_bytes
    assert room_of_exports(room) < by_mail < room
