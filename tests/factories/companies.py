"""Companies that were written down several times, and others that only look so: what finding duplicates is judged by.

Two vocabularies have no brand, city, street or provider in common. Rules are tuned on `TUNING` and judged on `UNSEEN`,
a third of whose trades no list of the product has.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from crm_customer.records.accounts.credit_code import ALPHABET, check_character
from crm_customer.records.duplicate_rules.facts import Facts
from crm_customer.records.search.pinyin import readings_of

FORMS = ("有限公司", "有限公司", "有限公司", "有限责任公司", "股份有限公司")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What names and addresses are made of; trades with their English, cities with the province's code."""

    characters: str
    trades: dict[str, str]
    cities: dict[str, str]
    streets: tuple[str, ...]
    free_mail: tuple[str, ...]
    area: str


TUNING = Vocabulary(
    characters="华信东方天泰恒安宏达兴盛金鼎瑞丰永利中联鑫源嘉和美佳康顺德隆昌明辉立凯博创新亚太平洋远景",
    trades={
        "电力": "Electric Power",
        "电子": "Electronics",
        "科技": "Technology",
        "贸易": "Trading",
        "机械": "Machinery",
        "设备": "Equipment",
        "建筑": "Construction",
        "物流": "Logistics",
        "食品": "Food",
        "化工": "Chemical",
        "软件": "Software",
        "纺织": "Textile",
    },
    cities={"深圳": "CN-GD", "广州": "CN-GD", "上海": "CN-SH", "杭州": "CN-ZJ", "成都": "CN-SC", "武汉": "CN-HB"},
    streets=("科技园路", "中山大道", "人民路", "解放街", "建设路", "工业北路"),
    free_mail=("qq.com", "163.com"),
    area="755",
)
UNSEEN = Vocabulary(
    characters="锦程浩海振邦启航卓越诚毅正元百川银河星际睿智领先捷运迈腾飞跃云峰岭南北斗晨曦朗润景逸舟帆蓝鲸",
    trades={
        "能源": "Energy",
        "汽车": "Automotive",
        "医疗": "Medical",
        "广告": "Advertising",
        "家具": "Furniture",
        "环保": "Environmental Protection",
        "塑料": "Plastics",
        "农业": "Agriculture",
        # In no list.
        "轴承": "Bearings",
        "泵阀": "Valves",
        "乐器": "Musical Instruments",
        "眼镜": "Optical",
    },
    cities={"南京": "CN-JS", "青岛": "CN-SD", "厦门": "CN-FJ", "西安": "CN-SN", "长沙": "CN-HN", "沈阳": "CN-LN"},
    streets=("滨江东路", "朝阳大街", "和平里", "长江西路", "珠江路", "望湖路"),
    free_mail=("126.com", "sina.com"),
    area="25",
)


@dataclass(frozen=True, slots=True)
class Company:
    """A company as it is: what its records are written from."""

    city: str
    region_code: str
    brand: str
    trades: tuple[str, ...]
    form: str
    credit_code: str
    phone: str
    email: str
    street: str

    @property
    def name(self) -> str:
        return f"{self.city}市{self.brand}{''.join(self.trades)}{self.form}"

    @property
    def domain(self) -> str:
        return self.email.partition("@")[2]


@dataclass(frozen=True, slots=True)
class Written:
    """A record: of which company, and how it was written; `kind` of the first one is `original`."""

    company: int
    kind: str
    facts: Facts


@cache
def traditional() -> dict[int, str]:
    """A traditional character of each simplified one that has another."""
    text = files("crm_customer.records.search").joinpath("simplified.txt").read_text(encoding="utf-8")
    lines = (line.split(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {ord(simplified): written[0] for simplified, written in lines}


@cache
def homophones() -> dict[str, str]:
    """Common characters of each reading."""
    found: dict[str, str] = {}
    for code in range(0x4E00, 0x9FA6):
        character = chr(code)
        try:
            character.encode("gb2312")
        except UnicodeEncodeError:
            continue
        reading = readings_of(character)[0][0]
        found[reading] = found.get(reading, "") + character
    return found


class Writer:
    """Writes companies down, again and again, with the faults that people make."""

    def __init__(self, vocabulary: Vocabulary, seed: int) -> None:
        self.words = vocabulary
        self.random = random.Random(seed)
        self.faults: dict[str, Callable[[Company], Facts]] = {
            "typing error": self.mistyped,
            "abbreviation": self.abbreviated,
            "other suffix": self.other_suffix,
            "pinyin": self.pinyin,
            "swapped fields": self.swapped,
            "traditional": self.traditional,
        }
        self.look_alikes: dict[str, Callable[[Company], Facts]] = {
            "branch": self.branch,
            "other city": self.other_city,
            "other number": self.other_number,
            "group": self.group,
            "sister": self.sister,
            "same agency": self.same_agency,
        }

    def records(self, companies: int) -> Iterator[Written]:
        """So many companies; two in five were written again, a third of them has a look-alike."""
        kinds, likes = sorted(self.faults), sorted(self.look_alikes)
        number = companies
        for at in range(companies):
            company = self.company()
            yield Written(at, "original", self.facts(company, keeps=0.7, code=0.6))
            if self.random.random() < 0.4:
                kind = kinds[at % len(kinds)]
                yield Written(at, kind, self.faults[kind](company))
            elif self.random.random() < 0.55:
                kind = likes[at % len(likes)]
                number += 1
                yield Written(number, kind, self.look_alikes[kind](company))

    def company(self) -> Company:
        draw = self.random
        city = draw.choice(sorted(self.words.cities))
        brand = "".join(draw.sample(self.words.characters, draw.choice((2, 2, 2, 3, 3, 4))))
        trades = tuple(draw.sample(sorted(self.words.trades), draw.choice((1, 2))))
        own = "".join(readings_of(brand)[0])
        domain = f"{own}{draw.randrange(100)}.example" if draw.random() < 0.6 else draw.choice(self.words.free_mail)
        return Company(
            city=city,
            region_code=self.words.cities[city],
            brand=brand,
            trades=trades,
            form=draw.choice(FORMS),
            credit_code=self.code(),
            phone=self.phone(),
            email=f"{draw.choice(('info', 'sales', own))}{draw.randrange(1000)}@{domain}",
            street=f"{draw.choice(self.words.streets)}{draw.randrange(1, 999)}号",
        )

    def code(self) -> str:
        body = f"9144{''.join(self.random.choice(ALPHABET) for _ in range(13))}"
        return body + check_character(body)

    def phone(self) -> str:
        if self.random.random() < 0.5:
            return f"+86{self.words.area}8{self.random.randrange(1000000, 9999999)}"
        return f"+8613{self.random.randrange(100000000, 999999999)}"

    def facts(self, company: Company, name: str = "", *, keeps: float = 0.55, code: float = 0.3) -> Facts:
        """A record of a company under a name; each thing that is known of it stands there by chance."""
        draw = self.random
        phone = company.phone if draw.random() > 0.12 or keeps > 0.6 else self.phone()
        return Facts(
            is_person=False,
            names=(name or company.name,),
            credit_code=company.credit_code if draw.random() < code else None,
            phone_numbers=(phone,) if draw.random() < keeps else (),
            emails=(company.email,) if draw.random() < keeps else (),
            region_code=company.region_code if draw.random() < keeps else None,
            cities=(company.city,) if draw.random() < keeps else (),
            lines=(company.street,) if draw.random() < keeps else (),
        )

    # --- written again ---

    def mistyped(self, company: Company) -> Facts:
        core = f"{company.brand}{''.join(company.trades)}"
        at, draw = self.random.randrange(len(core)), self.random.random()
        if draw < 0.55:
            others = homophones()[readings_of(core[at])[0][0]].replace(core[at], "") or self.words.characters
            core = core[:at] + self.random.choice(others) + core[at + 1 :]
        elif draw < 0.75:
            core = core[:at] + self.random.choice(self.words.characters) + core[at + 1 :]
        elif draw < 0.9 and at:
            core = core[: at - 1] + core[at] + core[at - 1] + core[at + 1 :]
        else:
            core = core[:at] + core[at + 1 :]
        return self.facts(company, f"{company.city}{core}{company.form}")

    def abbreviated(self, company: Company) -> Facts:
        shorter = company.brand + "".join(company.trades[: self.random.choice((0, 1, len(company.trades)))])
        return self.facts(company, self.random.choice(("", company.city)) + shorter, keeps=0.65)

    def other_suffix(self, company: Company) -> Facts:
        form = self.random.choice([each for each in (*set(FORMS), "公司", "") if each != company.form])
        name = f"{company.brand}{''.join(company.trades)}"
        city = self.random.choice((f"({company.city})", "", company.city))
        return self.facts(company, f"{name}{city}{form}" if city.startswith("(") else f"{city}{name}{form}")

    def pinyin(self, company: Company) -> Facts:
        read = "".join(readings_of(company.brand)[0]).capitalize()
        city = "".join(readings_of(company.city)[0]).capitalize()
        if self.random.random() < 0.5:
            trades = " ".join(self.words.trades[each] for each in company.trades)
            return self.facts(company, f"{city} {read} {trades} Co., Ltd.")
        trades = " ".join("".join(readings_of(each)[0]).capitalize() for each in company.trades)
        return self.facts(company, f"{read} {trades} Youxian Gongsi")

    def swapped(self, company: Company) -> Facts:
        """The short name where the name should be, the name in another field, the site for the mail."""
        written = self.facts(company)
        short = company.brand + self.random.choice(("", company.trades[0]))
        site = "" if company.domain in self.words.free_mail else f"https://www.{company.domain}/"
        return replace(written, names=(short, company.name), emails=(), website=site or None)

    def traditional(self, company: Company) -> Facts:
        return self.facts(company, company.name.translate(traditional()))

    # --- others that look alike ---

    def branch(self, company: Company) -> Facts:
        city = self.random.choice([each for each in sorted(self.words.cities) if each != company.city])
        written = self.facts(replace(company, phone=self.phone()), f"{company.name}{city}分公司", code=0)
        return replace(written, cities=(city,), region_code=self.words.cities[city], lines=())

    def other_city(self, company: Company) -> Facts:
        city = self.random.choice([each for each in sorted(self.words.cities) if each != company.city])
        other = replace(self.company(), city=city, region_code=self.words.cities[city])
        return self.facts(replace(other, brand=company.brand, trades=company.trades, form=company.form))

    def other_number(self, company: Company) -> Facts:
        """Also of the one that it is like: a second works of the same owner, at the same switchboard now and then."""
        other = self.company() if self.random.random() < 0.6 else company
        number = self.random.choice(("第二", "第三", "2号", "三厂"))
        name = f"{company.city}{company.brand}{number}{''.join(company.trades)}{company.form}"
        return self.facts(replace(other, city=company.city, region_code=company.region_code), name, code=0)

    def group(self, company: Company) -> Facts:
        other = replace(self.company(), email=company.email, city=company.city, region_code=company.region_code)
        return self.facts(other, f"{company.city}{company.brand}{''.join(company.trades)}集团有限公司")

    def sister(self, company: Company) -> Facts:
        left = [each for each in sorted(self.words.trades) if each not in company.trades]
        name = f"{company.city}{company.brand}{self.random.choice(left)}{company.form}"
        other = replace(company, credit_code=self.code(), email=f"hr{self.random.randrange(99)}@{company.domain}")
        return self.facts(other if self.random.random() < 0.5 else replace(other, phone=self.phone()), name)

    def same_agency(self, company: Company) -> Facts:
        other = self.company()
        return self.facts(replace(other, phone=company.phone, street=company.street))


def true_pairs(records: Sequence[Written]) -> set[tuple[int, int]]:
    """Pairs of records of one company, by their places."""
    of: dict[int, list[int]] = {}
    for at, each in enumerate(records):
        of.setdefault(each.company, []).append(at)
    return {(one, other) for places in of.values() for one in places for other in places if one < other}
