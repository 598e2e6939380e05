"""The programs that `make bench` compares ours with do the same work, so that the comparison says something."""

from tests.load.bench import FEW_ROWS, same_answers
from tests.load.filling import fill_accounts
from tests.load.stage import stage


async def test_the_bare_and_the_naive_program_answer_what_ours_answers() -> None:
    async with stage() as built:
        await built.make_compared_database()
        ours = await built.ours("ours", "customer", broker=False)
        bare, naive = await built.compared("bare"), await built.compared("naive")
        for subject in (ours, bare):
            await fill_accounts(subject.database_url, FEW_ROWS, owner_id=subject.user_id, tenant_id=subject.tenant_id)
        await same_answers(ours, bare, naive)
