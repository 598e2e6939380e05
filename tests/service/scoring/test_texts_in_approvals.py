"""What is asked for by way of an approval is read as the verb itself reads it."""

from uuid import UUID

import pytest
from crm.scoring.v1 import credit_pb2 as pb
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub

from tests.service.approving import Desk
from tests.service.running import Running, User
from tests.service.scoring.approved_limits import People, asked
from tests.service.scoring.credit import read

# `u` and a combining diaeresis, which look like `ü`.
DECOMPOSED = "Mu\u0308ller asks for more"


@pytest.mark.usefixtures("policy")
async def test_texts_are_composed_on_the_way_through_an_approval(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    request: pb.SetCreditLimitRequest = asked(account_id, 5000)
    request.reason = DECOMPOSED
    approval = await desk.submit(people.rep, request, DECOMPOSED)
    assert approval.request["reason"].string_value == approval.comment == "M\u00fcller asks for more"
    await desk.approve(people.boss, approval)
    assert (await read(CreditServiceStub(scoring.channel), user, account_id)).reason == "M\u00fcller asks for more"
