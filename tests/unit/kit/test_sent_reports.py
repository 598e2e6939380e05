"""To whom a subscription goes next, and mails that every server takes, whatever people have called a report."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

from crm_kit.automation.rules.model import Every, Schedule
from crm_kit.ids import new_id
from crm_kit.reports.mails import Recipient, language_for, mail_of
from crm_kit.reports.model import Question, Report, State, Subscription
from hypothesis import example, given
from hypothesis import strategies as st

NOW = datetime(2027, 3, 1, tzinfo=UTC)
IDS = st.lists(st.uuids(), min_size=1, max_size=8, unique=True)
DAILY = Schedule(Every.DAILY, "08:30")


def report(*subscriptions: Subscription, name: str = "业绩") -> Report:
    return Report(UUID(int=1), "orders", name, Question(), UUID(int=2), NOW, NOW, subscriptions=subscriptions)


@given(IDS, st.data())
def test_each_has_a_turn_once_also_when_somebody_is_taken_out_meanwhile(ids: list[UUID], data: st.DataObject) -> None:
    subscription, had = Subscription(DAILY, tuple(ids)), list[UUID]()
    gone = data.draw(st.sampled_from([*ids, None]))
    after: UUID | None = None
    while (each := subscription.next_recipient(after)) is not None:
        had.append(each)
        after = each
        if each == gone:
            subscription = subscription.without(each)
    assert had == sorted(ids)


@given(st.lists(IDS, max_size=4), st.data())
def test_subscriptions_keep_their_ids_and_no_two_have_the_same(lists: list[list[UUID]], data: st.DataObject) -> None:
    before = report(*(Subscription(DAILY, tuple(ids)) for ids in lists)).with_ids(None, new_id)
    assert len(before.sent) == len(lists)
    known = [each.id for each in before.subscriptions]
    sent_back = data.draw(st.lists(st.sampled_from([*known, None, UUID(int=9)]), max_size=5))
    changed = replace(before, subscriptions=tuple(Subscription(DAILY, (UUID(int=3),), id) for id in sent_back))
    after = changed.with_ids(before, new_id)
    ids = [each.id for each in after.subscriptions]
    assert len(set(ids)) == len(ids)
    assert {id for id in sent_back if id in known} <= set(ids)
    assert UUID(int=9) not in ids
    assert not replace(after, state=State.ARCHIVED).sent


@given(st.text(min_size=1, max_size=200), st.sampled_from(["zh", "en"]), st.binary(max_size=20))
@example("各区域销售业绩" * 28, "zh", b"")
def test_whatever_a_report_is_called_its_mail_can_be_sent(name: str, language: str, content: bytes) -> None:
    to = Recipient("wang@huaxin.example", language_for(language, "DE"))
    mail = mail_of(report(name=name), to, content, day=date(2027, 3, 1)).checked()
    (file,) = mail.attachments
    assert file.file_name.endswith("-2027-03-01.xlsx")
    assert not set(file.file_name) & set('/\\:*?"<>|')
    assert len(file.file_name.encode()) <= 255
    assert file.content == content


def test_who_has_chosen_no_language_reads_that_of_the_country() -> None:
    assert [language_for("", region) for region in ("CN", "TW", "DE")] == ["zh", "zh", "en"]
    assert language_for("en", "CN") == "en"
