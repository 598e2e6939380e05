"""Contacts and companies of one name: when rows are about one, and when about two."""

from typing import TYPE_CHECKING

import pytest
from crm.customer.v1 import contacts_pb2
from crm.customer.v1 import imports_pb2 as pb

from tests.service.customer.imports.calls import Run, all_accounts, counts, errors_of
from tests.service.running import User

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub

HEADER = ["客户编号", "公司名称", "联系人", "职务", "联系人电话", "联系人邮箱"]
Known = list[tuple[str, str, list[str], list[str]]]


async def known_contacts(contacts: "ContactServiceAsyncStub", user: User) -> Known:
    """Name, title, phone numbers and e-mail addresses of all."""
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(page_size=200), metadata=user.metadata)
    known = [(each.display_name, each.job_title, [*each.phone_numbers], [*each.emails]) for each in page.contacts]
    return sorted(known)


@pytest.mark.parametrize("several_files", [False, True], ids=["one_file", "one_file_each"])
async def test_two_people_of_one_name_stay_two(
    contacts: "ContactServiceAsyncStub", user: User, run: Run, several_files: bool
) -> None:
    rows = [
        ["C1", "甲乙", "张伟", "经理", "13800138000", "zw1@jia.example"],
        ["C1", "甲乙", "张伟", "会计", "13900139000", "zw2@jia.example"],
        ["C1", "甲乙", "张伟", "总监", "", "ZW2@jia.example"],
    ]
    for some in [[each] for each in rows] if several_files else [rows]:
        assert counts(await run([HEADER, *some], mode=pb.Import.MODE_UPSERT))[3] == 0
    assert await known_contacts(contacts, user) == [
        ("张伟", "总监", ["+8613900139000"], ["zw2@jia.example"]),
        ("张伟", "经理", ["+8613800138000"], ["zw1@jia.example"]),
    ]


async def test_a_row_that_may_be_about_either_of_two_people_says_so(
    contacts: "ContactServiceAsyncStub", imports: "ImportServiceAsyncStub", user: User, run: Run
) -> None:
    rows = [
        ["C1", "甲乙", "张伟", "经理", "13800138000", ""],
        ["C1", "甲乙", "张伟", "会计", "13900139000", ""],
    ]
    await run([HEADER, *rows])
    before = await known_contacts(contacts, user)
    unclear = [["C1", "甲乙", "张伟", "总监", "", ""], ["C1", "甲乙", "张伟", "", "", ""]]
    job = await run([HEADER, *unclear], mode=pb.Import.MODE_UPSERT)
    (error,) = await errors_of(imports, user, job.id)
    assert (error.row_number, error.column, error.value) == (2, "联系人", "张伟")
    assert (error.reason, error.metadata["rule"]) == ("REFERENCE_NOT_FOUND", "namesakes")
    assert await known_contacts(contacts, user) == before


async def test_one_person_is_one_however_their_name_is_typed(
    contacts: "ContactServiceAsyncStub", user: User, run: Run
) -> None:
    rows = [
        ["", "Star", "Anna Schmidt", "", "", "anna@star.example"],
        ["", "Star", "ANNA SCHMIDT", "CEO", "", "Anna@star.example"],
        ["", "Star", "Anna  Schmidt", "", "13800138000", ""],
    ]
    assert counts(await run([HEADER, *rows])) == (1, 2, 0, 0)
    ((name, title, numbers, addresses),) = await known_contacts(contacts, user)
    assert (name, title, numbers) == ("Anna Schmidt", "CEO", ["+8613800138000"])
    assert {each.lower() for each in addresses} == {"anna@star.example"}


async def test_companies_that_look_alike_keep_their_names_and_websites(
    accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    rows = [
        ["Company", "Contact", "Website"],
        ["Star", "Al Bo", "star-hotel.example"],
        ["Star", "Cy Do", "star-shipping.example"],
        ["STAR", "Ed Fo", "www.star-hotel.example"],
        ["A+B GmbH", "Gus Ho", ""],
        ["A-B GmbH", "Ida Jo", ""],
    ]
    assert counts(await run(rows)) == (4, 1, 0, 0)
    found = [(each.display_name, each.website.rpartition("star-")[2]) for each in await all_accounts(accounts, user)]
    expected = [("A+B GmbH", ""), ("A-B GmbH", ""), ("Star", "hotel.example"), ("Star", "shipping.example")]
    assert sorted(found) == expected
