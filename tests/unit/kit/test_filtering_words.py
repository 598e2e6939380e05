"""Words in filters, against oracles that count days, weeks, months, quarters and years on the calendar."""

import operator
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from crm_kit.errors import InvalidArgument
from crm_kit.filtering.evaluation import evaluate
from crm_kit.filtering.parsing import MAX_TERMS, parse_filter
from crm_kit.filtering.schema import FilterField, FilterSchema, team_field, user_field
from crm_kit.filtering.sql import filter_values
from crm_kit.filtering.tree import Field, FieldType, Party, shape
from crm_kit.filtering.words import FilterContext, value_of
from hypothesis import example, given
from hypothesis import strategies as st

SCHEMA = FilterSchema(
    {
        "name": FilterField(FieldType.TEXT),
        "create_time": FilterField(FieldType.INSTANT),
        "due_date": FilterField(FieldType.DATE),
        "account_id": FilterField(FieldType.UUID),
        "owner_id": user_field(None),
        "team_id": team_field(None),
        "watcher_ids": user_field(None, type=FieldType.UUID_LIST),
    }
)
ME, SHE, MINE, BELOW, OTHER = (UUID(int=number) for number in range(1, 6))
NOW = datetime(2026, 5, 14, 9, 30, tzinfo=UTC)
CONTEXT = FilterContext(NOW, "UTC", ME, (MINE, BELOW))

# Midnight comes twice in Havana and is skipped in Beirut, Santiago and Asuncion; the others have odd offsets.
ZONES = st.sampled_from(
    [
        "UTC",
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/New_York",
        "America/Havana",
        "America/Santiago",
        "America/Asuncion",
        "Asia/Beirut",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Pacific/Pago_Pago",
    ]
)
INSTANTS = st.timedeltas(timedelta(0), timedelta(days=20 * 365)).map(datetime(2015, 1, 1, tzinfo=UTC).__add__)

# What each unit counts: the number of its period, which grows by one from each period to the next.
NUMBERS: dict[str, Callable[[date], int]] = {
    "day": date.toordinal,
    "week": lambda day: (day.toordinal() - 1) // 7,
    "month": lambda day: 12 * day.year + day.month,
    "quarter": lambda day: 4 * day.year + (day.month - 1) // 3,
    "year": lambda day: day.year,
}
WORDS = {
    "yesterday": ("day", -1),
    "today": ("day", 0),
    "tomorrow": ("day", 1),
    **{
        f"{which}_{unit}": (unit, later)
        for unit in ("week", "month", "quarter", "year")
        for which, later in (("last", -1), ("this", 0), ("next", 1))
    },
}
COMPARED: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@st.composite
def instants_near(draw: st.DrawFn, now: datetime, zone: str) -> datetime:
    """An instant within two years, often the first or last of a day."""
    if draw(st.booleans()):
        return now + timedelta(minutes=draw(st.integers(-(10**6), 10**6)))
    day = now.astimezone(ZoneInfo(zone)).date() + timedelta(days=draw(st.integers(-800, 800)))
    first = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    return first + timedelta(microseconds=draw(st.integers(-1, 1)))


def takes(text: str, context: FilterContext | None = CONTEXT, **record: object) -> bool:
    return evaluate(parse_filter(text, SCHEMA), record, context)


def distance(unit: str, day: date, today: date) -> int:
    """How many periods later than today's the day's is."""
    return NUMBERS[unit](day) - NUMBERS[unit](today)


# --- periods


@pytest.mark.parametrize("word", WORDS)
@given(data=st.data(), now=INSTANTS, zone=ZONES)
def test_a_period_of_instants_is_that_of_the_readers_calendar(
    word: str, data: st.DataObject, now: datetime, zone: str
) -> None:
    instant = data.draw(instants_near(now, zone))
    unit, later = WORDS[word]
    day, today = (each.astimezone(ZoneInfo(zone)).date() for each in (instant, now))
    for sign, compared in COMPARED.items():
        found = takes(f"create_time {sign} {word}", FilterContext(now, zone), create_time=instant)
        assert found == compared(distance(unit, day, today), later), sign


@pytest.mark.parametrize("word", WORDS)
@given(days=st.integers(-800, 800), now=INSTANTS, zone=ZONES)
def test_a_period_of_dates_is_that_of_the_readers_calendar(word: str, days: int, now: datetime, zone: str) -> None:
    unit, later = WORDS[word]
    today = now.astimezone(ZoneInfo(zone)).date()
    day = today + timedelta(days=days)
    for sign, compared in COMPARED.items():
        found = takes(f"due_date {sign} {word}", FilterContext(now, zone), due_date=day)
        assert found == compared(distance(unit, day, today), later), sign


@given(st.lists(st.sampled_from(sorted(WORDS)), min_size=1, max_size=4), st.integers(-100, 100), INSTANTS)
def test_in_takes_what_any_of_its_periods_holds(words: list[str], days: int, now: datetime) -> None:
    day = now.date() + timedelta(days=days)
    held = any(distance(WORDS[word][0], day, now.date()) == WORDS[word][1] for word in words)
    context = FilterContext(now, "UTC")
    assert takes(f"due_date IN ({', '.join(words)})", context, due_date=day) == held
    assert takes(f"due_date IN ({', '.join(words)}, {day})", context, due_date=day)
    assert takes(f"NOT due_date IN ({', '.join(words)})", context, due_date=day) != held


def test_no_date_is_in_no_period_and_so_outside_of_each() -> None:
    for text in ("due_date = today", "due_date < today", "due_date >= today", "due_date IN (today, tomorrow)"):
        assert not takes(text, due_date=None)
        assert takes(f"NOT {text}", due_date=None)
    assert takes("due_date != today", due_date=None)


def test_the_day_a_clock_is_changed_has_23_or_25_hours() -> None:
    for changed, hours in ((date(2026, 3, 8), 23), (date(2026, 11, 1), 25)):
        noon = datetime.combine(changed, time(12), ZoneInfo("America/New_York"))
        values = filter_values(parse_filter("create_time = today", SCHEMA), FilterContext(noon, "America/New_York"))
        assert values["f_1"] - values["f_0"] == timedelta(hours=hours)


def test_a_week_begins_on_monday_and_the_quarter_before_january_is_in_the_year_before() -> None:
    sunday = FilterContext(datetime(2026, 1, 4, 12, tzinfo=UTC), "UTC")
    week = filter_values(parse_filter("due_date = this_week", SCHEMA), sunday)
    assert week == {"f_0": date(2025, 12, 29), "f_1": date(2026, 1, 5)}
    quarter = filter_values(parse_filter("due_date = last_quarter", SCHEMA), sunday)
    assert quarter == {"f_0": date(2025, 10, 1), "f_1": date(2026, 1, 1)}


def test_today_begins_earlier_in_the_east() -> None:
    evening = datetime(2026, 5, 14, 17, tzinfo=UTC)
    assert takes("due_date = today", FilterContext(evening, "UTC"), due_date=date(2026, 5, 14))
    assert takes("due_date = today", FilterContext(evening), due_date=date(2026, 5, 15))


# --- now


@given(INSTANTS, ZONES, st.sampled_from("+-"), st.integers(0, 9999), st.sampled_from("mh"))
def test_minutes_and_hours_pass_as_they_do(now: datetime, zone: str, sign: str, amount: int, unit: str) -> None:
    text = f"create_time >= now{sign}{amount}{unit}"
    length = timedelta(**{{"m": "minutes", "h": "hours"}[unit]: amount})
    wanted = now + length if sign == "+" else now - length
    assert takes(text, FilterContext(now, zone), create_time=wanted)
    assert not takes(text, FilterContext(now, zone), create_time=wanted - timedelta(microseconds=1))


@given(INSTANTS, ZONES, st.integers(-400, 400), st.sampled_from("dw"))
def test_days_and_weeks_are_the_calendars_at_the_same_time_of_day(
    now: datetime, zone: str, amount: int, unit: str
) -> None:
    context, word = FilterContext(now, zone), f"now{amount:+}{unit}"
    (found,) = filter_values(parse_filter(f"create_time = {word}", SCHEMA), context).values()
    (day,) = filter_values(parse_filter(f"due_date = {word}", SCHEMA), context).values()
    wanted = on_the_clock(now, zone) + timedelta(days=amount if unit == "d" else 7 * amount)
    if exists(wanted, zone):
        assert (on_the_clock(found, zone), day) == (wanted, wanted.date())
    else:
        # The hour that a clock change skips is the one after it; in Apia it once was a day.
        assert wanted < on_the_clock(found, zone) <= wanted + timedelta(days=1)


@given(INSTANTS, ZONES)
@example(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "Europe/Berlin")
def test_no_days_later_is_now_also_in_the_hour_that_comes_twice(now: datetime, zone: str) -> None:
    for word in ("now", "now+0d", "now-0w", "now+0h"):
        assert takes(f"create_time = {word}", FilterContext(now, zone), create_time=now)


def on_the_clock(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def exists(shown: datetime, zone: str) -> bool:
    """Whether a clock of the zone ever shows it."""
    instants = (shown.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
    return any(on_the_clock(instant, zone) == shown for instant in instants)


@given(INSTANTS, ZONES)
def test_now_as_a_date_is_today(now: datetime, zone: str) -> None:
    today = now.astimezone(ZoneInfo(zone)).date()
    assert takes("due_date = now AND due_date = today", FilterContext(now, zone), due_date=today)


def test_a_day_before_the_clock_change_is_at_the_same_time_of_day() -> None:
    noon = datetime(2026, 3, 29, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert takes("create_time = now-1d", FilterContext(noon, "Europe/Berlin"), create_time=noon - timedelta(days=1))
    assert takes("create_time = now-23h", FilterContext(noon, "Europe/Berlin"), create_time=noon - timedelta(days=1))


# --- me and my team


def test_me_is_whoever_asks() -> None:
    assert takes("owner_id = me AND owner_id IN (me) AND NOT owner_id != me", owner_id=ME)
    assert takes("owner_id != me AND NOT owner_id = me", owner_id=SHE)
    assert takes("owner_id != me", owner_id=None)
    assert takes("watcher_ids:me", watcher_ids=[SHE, ME])
    assert not takes("watcher_ids:me", watcher_ids=[SHE])


@pytest.mark.parametrize("text", ["team_id = my_team", "team_id IN (my_team)", "NOT team_id != my_team"])
def test_my_team_is_the_team_of_whoever_asks_and_those_below_it(text: str) -> None:
    assert takes(text, team_id=MINE)
    assert takes(text, team_id=BELOW)
    assert not takes(text, team_id=OTHER)
    assert not takes(text, team_id=None)


@pytest.mark.parametrize("text", ["team_id != my_team", "NOT team_id = my_team", "NOT team_id IN (my_team)"])
def test_another_team_and_none_are_not_my_team(text: str) -> None:
    assert takes(text, team_id=OTHER)
    assert takes(text, team_id=None)
    assert not takes(text, team_id=BELOW)


def test_my_team_stands_beside_other_teams() -> None:
    assert takes(f"team_id IN (my_team, {OTHER})", team_id=OTHER)
    assert takes(f"team_id IN ({OTHER}, my_team)", team_id=BELOW)


def test_nothing_is_my_teams_where_i_have_none() -> None:
    alone = FilterContext(NOW, "UTC", ME)
    assert not takes("team_id = my_team", alone, team_id=OTHER)
    assert takes("team_id != my_team", alone, team_id=OTHER)


# --- what words are, and where


def test_a_word_is_plain_text_in_quotes_and_in_text_fields() -> None:
    assert takes('name IN (me, today) AND name = "today"', name="today")
    for text in ('create_time > "now"', 'due_date = "today"', 'owner_id = "me"'):
        with pytest.raises(InvalidArgument):
            parse_filter(text, SCHEMA)


@pytest.mark.parametrize(
    ("text", "position", "told"),
    [
        ("account_id = me", 14, "account_id is UUID: expected an id such as"),
        ("owner_id = my_team", 12, "or me, found my_team"),
        ("team_id = me", 11, "or my_team, found me"),
        ("create_time > now-7y", 15, "or a word such as now-7d or this_week, found now-7y"),
        ("create_time > now-10000d", 15, "create_time is INSTANT"),
        ("create_time > now-", 15, "create_time is INSTANT"),
        ("create_time > NOW", 15, "create_time is INSTANT"),
        ("due_date = this_day", 12, "or a word such as today or next_month, found this_day"),
        ("due_date:today", 9, "due_date is DATE: expected =, !=, IN"),
    ],
)
def test_a_word_that_means_nothing_there_is_answered_with_what_does(text: str, position: int, told: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        parse_filter(text, SCHEMA)
    assert f"at position {position}: " in raised.value.detail
    assert told in raised.value.detail


def test_each_period_of_an_in_counts_as_a_comparison() -> None:
    periods = ["today"] * (MAX_TERMS - 1)
    assert parse_filter(f"due_date IN ({','.join(periods)})", SCHEMA)
    with pytest.raises(InvalidArgument, match="at most 50 comparisons"):
        parse_filter(f"due_date IN ({','.join([*periods, 'today'])})", SCHEMA)


def test_a_filter_with_words_is_read_once_and_compiled_once() -> None:
    text = "owner_id = me AND create_time >= now-7d"
    assert parse_filter(text, SCHEMA) is parse_filter(text, SCHEMA)
    others = f"owner_id = {SHE} AND create_time >= this_quarter"
    assert shape(parse_filter(text, SCHEMA)) == shape(parse_filter(others, SCHEMA))
    for context in (CONTEXT, FilterContext(NOW + timedelta(days=1), "UTC", SHE)):
        values = filter_values(parse_filter(text, SCHEMA), context)
        assert values == {"f_0": context.me, "f_1": context.now - timedelta(days=7)}


@pytest.mark.parametrize("text", ["owner_id = me", "watcher_ids:me", "team_id = my_team", "create_time < now-1h"])
def test_a_word_without_anybody_who_asks_is_a_mistake_and_not_a_false(text: str) -> None:
    record = {"owner_id": ME, "watcher_ids": [ME], "team_id": MINE, "create_time": NOW}
    with pytest.raises(ValueError, match="say who asks, when and where"):
        takes(text, None, **record)


def test_me_is_nobody_when_a_rule_is_at_work() -> None:
    with pytest.raises(ValueError, match="nobody asks"):
        takes("owner_id = me", FilterContext(NOW), owner_id=ME)
    with pytest.raises(ValueError, match="several"):
        value_of(Field("team_id", FieldType.UUID), Party.MY_TEAM, CONTEXT)


def test_a_telephone_number_without_country_code_is_one_of_the_readers_country() -> None:
    schema = FilterSchema({"phone": FilterField(FieldType.TEXT, phone_number=True)})
    tree = parse_filter('phone = "030 901820" OR phone:"(030) 90 18 20"', schema)
    germany = replace(CONTEXT, region="DE")
    assert evaluate(tree, {"phone": "+4930901820"}, germany)
    assert not evaluate(tree, {"phone": "+4930901820"}, CONTEXT)
    # What is no number, such as a part of one, is looked for as it is.
    assert evaluate(parse_filter("phone:9018", schema), {"phone": "+4930901820"}, germany)
