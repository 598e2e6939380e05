"""A customer list as a company would hand it in: mostly sound, with a known number of bad rows.

Needs openpyxl and nothing of the platform, so that what the platform finds can be compared with what was put in.

    made = make_customer_spreadsheet(rows=5000, bad_rows=37, seed=7)
    made.write_xlsx(path)            # or made.xlsx() / made.csv("gb18030") as bytes
    made.errors                      # [ExpectedError(row_number=113, column="电话", value="1380013800", reason=...)]
"""

import csv
import io
import random
from dataclasses import dataclass
from pathlib import Path

import openpyxl

HEADER = (
    *("客户编号", "客户名称", "客户类型", "统一社会信用代码", "省份", "城市", "详细地址", "行业", "客户等级"),
    *("联系人", "联系人电话", "电话", "邮箱", "网址", "来源", "备注"),
)
NUMBER, NAME, KIND, CREDIT_CODE, REGION, CITY, ADDRESS, INDUSTRY, TIER = range(9)
CONTACT, CONTACT_PHONE, PHONE, EMAIL, WEBSITE, SOURCE, REMARKS = range(9, 16)

_PLACES = (
    *(("广东省", "深圳市", "4403", "0755"), ("广东", "广州市", "4401", "020"), ("广东省", "东莞市", "4419", "0769")),
    *(("上海市", "上海市", "3101", "021"), ("北京", "北京市", "1101", "010"), ("浙江省", "杭州市", "3301", "0571")),
    *(("江苏", "苏州市", "3205", "0512"), ("江苏省", "南京市", "3201", "025"), ("重庆市", "重庆市", "5001", "023")),
    *(("四川", "成都市", "5101", "028"), ("湖北省", "武汉市", "4201", "027"), ("陕西省", "西安市", "6101", "029")),
    *(("湖南", "长沙市", "4301", "0731"), ("福建省", "厦门市", "3502", "0592"), ("山东省", "青岛市", "3702", "0532")),
    *(
        ("天津", "天津市", "1201", "022"),
        ("广西壮族自治区", "南宁市", "4501", "0771"),
        ("新疆", "乌鲁木齐市", "6501", "0991"),
    ),
    *(("内蒙古", "呼和浩特市", "1501", "0471"), ("黑龙江省", "哈尔滨市", "2301", "0451")),
)
_BRANDS_FIRST = "华宏金中恒天嘉永瑞新博鼎东海国同明安卓长乐兴福康健美佳诚智慧云星光远正大丰利达"
_BRANDS_SECOND = "信达源科通翼禾盛丰创远泰方纳泰德泰越城享旺康健美佳诚能联腾飞翔宇辉润泽凯顺和"
_TRADES = (
    *(
        ("电力设备", "能源"),
        ("电力工程", "能源"),
        ("新能源", "能源"),
        ("电子", "电子"),
        ("半导体", "电子"),
        ("机械", "制造"),
    ),
    *(
        ("精密制造", "制造"),
        ("塑胶制品", "制造"),
        ("物流", "物流"),
        ("供应链管理", "物流"),
        ("食品", "食品"),
        ("商贸", "零售"),
    ),
    *(
        ("百货", "零售"),
        ("房地产开发", "地产"),
        ("物业管理", "地产"),
        ("信息技术", "软件"),
        ("网络科技", "软件"),
        ("医疗器械", "医疗"),
    ),
    *(
        ("生物医药", "医疗"),
        ("酒店管理", "酒店"),
        ("餐饮管理", "餐饮"),
        ("建筑工程", "建筑"),
        ("环保科技", "环保"),
        ("化工", "化工"),
    ),
)
_FORMS = ("有限公司", "有限公司", "有限公司", "有限公司", "股份有限公司", "有限责任公司", "集团有限公司")
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余于杜叶程苏魏吕丁任沈"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建国文辉力梅鑫宇欣怡子涵浩然梓轩雨晨思远"
_FOREIGN = (
    *(
        ("Müller Anlagenbau GmbH", "德国", "Stuttgart", "+49 711 {:07d}"),
        ("Nordic Power AB", "Sweden", "Stockholm", "+46 8 50{:06d}"),
    ),
    *(
        ("Pacific Energy Systems Inc.", "United States", "Oakland", "+1 510 555 {:04d}"),
        ("Tanaka Electric", "日本", "Osaka", "+81 6 6{:03d} 1234"),
    ),
    *(
        ("Lion City Trading Pte Ltd", "SG", "Singapore", "+65 6{:07d}"),
        ("Harbour Lights Ltd", "香港", "Hong Kong", "+852 2{:07d}"),
    ),
)
_ROADS = ("科技", "人民", "建设", "中山", "解放", "创新", "高新", "滨河", "深南", "文化")
_TIERS = ("重点客户", "重要客户", "普通客户", "普通客户", "普通客户", "小客户")
_SOURCES = ("展会", "转介绍", "官网", "电话", "招投标", "trade fair")
_MOBILE_STARTS = ("130", "135", "138", "139", "150", "158", "177", "186", "188", "199")
_CODE_CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@dataclass(frozen=True, slots=True)
class ExpectedError:
    """One wrong cell: the row as a spreadsheet program numbers it (the header is 1), the column, its value."""

    row_number: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class MadeSpreadsheet:
    """Rows of texts below `header`, and what is wrong with them, by row; every bad row has one error."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    errors: tuple[ExpectedError, ...]

    def csv(self, encoding: str = "utf-8-sig", delimiter: str = ",") -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=delimiter)
        writer.writerows((self.header, *self.rows))
        return text.getvalue().encode(encoding)

    def xlsx(self) -> bytes:
        """As people's files are: Chinese mobile numbers of the column 联系人电话 are numbers, not texts."""
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet("客户名单")
        sheet.append(self.header)
        for row in self.rows:
            cells: list[str | int | None] = [cell or None for cell in row]
            if row[CONTACT_PHONE].isdigit():
                cells[CONTACT_PHONE] = int(row[CONTACT_PHONE])
            sheet.append(cells)
        file = io.BytesIO()
        book.save(file)
        return file.getvalue()

    def write_xlsx(self, path: Path) -> Path:
        path.write_bytes(self.xlsx())
        return path

    def write_csv(self, path: Path, encoding: str = "utf-8-sig") -> Path:
        path.write_bytes(self.csv(encoding))
        return path


def make_customer_spreadsheet(*, rows: int = 5000, bad_rows: int = 37, seed: int = 1) -> MadeSpreadsheet:
    """The same for the same arguments. `bad_rows` rows of `rows` have one wrong cell each, the kinds taking turns.

    ValueError when there are not enough rows: a bad row needs a sound one before it.
    """
    if not 0 <= bad_rows < max(rows, 1):
        msg = f"{bad_rows} of {rows} rows cannot be bad"
        raise ValueError(msg)
    source = random.Random(seed)
    made = [_customer(source, number) for number in range(1, rows + 1)]
    chosen = sorted(source.sample(range(1, rows), bad_rows))
    errors = []
    for turn, index in enumerate(chosen):
        column, reason = _spoil(source, made, index, turn, frozenset(chosen))
        errors.append(ExpectedError(index + 2, HEADER[column], made[index][column], reason))
    return MadeSpreadsheet(HEADER, tuple(map(tuple, made)), tuple(errors))


def credit_code(source: random.Random, area: str) -> str:
    """A code of an enterprise (91) whose check character is that of GB 32100-2015."""
    body = f"91{area}{source.randrange(100):02d}MA" + "".join(source.choices(_CODE_CHARACTERS, k=7))
    total = sum(_CODE_CHARACTERS.index(character) * 3**place for place, character in enumerate(body))
    return body + _CODE_CHARACTERS[-total % 31]


def _customer(source: random.Random, number: int) -> list[str]:
    draw = source.random()
    row = [""] * len(HEADER)
    row[NUMBER] = f"C{number:06d}"
    row[TIER] = source.choice(_TIERS)
    row[SOURCE] = source.choice(_SOURCES)
    row[REMARKS] = source.choice(("", "", "", "年底前续约", "@华信 需要回访", "-- 见合同 --", "喜欢微信联系"))
    if draw < 0.04:
        _foreign(source, row, number)
    elif draw < 0.14:
        _person(source, row)
    else:
        _company(source, row, number)
    return row


def _company(source: random.Random, row: list[str], number: int) -> None:
    region, city, area, code = source.choice(_PLACES)
    brand = source.choice(_BRANDS_FIRST) + source.choice(_BRANDS_SECOND)
    trade, industry = source.choice(_TRADES)
    row[NAME] = f"{city if source.random() < 0.7 else city.removesuffix('市')}{brand}{trade}{source.choice(_FORMS)}"
    row[KIND] = source.choice(("企业", "企业", "公司"))
    row[CREDIT_CODE] = credit_code(source, area) if source.random() < 0.9 else ""
    row[REGION], row[CITY], row[INDUSTRY] = region, city, industry
    row[ADDRESS] = f"{city}{source.choice(_ROADS)}路{source.randrange(1, 900)}号"
    row[CONTACT] = _name(source)
    row[CONTACT_PHONE] = _mobile(source)
    # No 8 in front: 800 is free of charge everywhere, and no number of a city.
    office = f"{source.randrange(2, 8)}{source.randrange(10**7):07d}" if len(code) == 3 or code in _EIGHT_DIGITS else ""
    office = office or f"{source.randrange(2, 8)}{source.randrange(10**6):06d}"
    row[PHONE] = source.choice(("{}-{}", "({}) {}", "{} {}", "（{}）{}")).format(code, office)
    row[EMAIL] = f"info{number}@corp{source.randrange(900)}.com.cn" if source.random() < 0.8 else ""
    row[WEBSITE] = f"www.corp{number}.com.cn" if source.random() < 0.4 else ""


# Area codes of four digits whose numbers have eight, like those of three.
_EIGHT_DIGITS = frozenset(["0755", "0769", "0571", "0512", "0731", "0532", "0451"])


def _person(source: random.Random, row: list[str]) -> None:
    row[NAME], row[KIND] = _name(source), "个人"
    row[REGION], row[CITY] = source.choice(_PLACES)[:2]
    mobile = _mobile(source)
    row[PHONE] = source.choice((mobile, f"+86 {mobile}", f"{mobile[:3]} {mobile[3:7]} {mobile[7:]}"))
    row[EMAIL] = f"{mobile}@139.com" if source.random() < 0.3 else ""


def _foreign(source: random.Random, row: list[str], number: int) -> None:
    name, region, city, pattern = source.choice(_FOREIGN)
    row[NAME], row[KIND] = f"{name} {number}", "organization"
    row[REGION], row[CITY] = region, city
    row[EMAIL] = f"contact{number}@example.com"
    row[WEBSITE] = "https://www.example.com"
    row[CONTACT] = source.choice(("Anna Schmidt", "John Smith", "Yuki Tanaka", "Erik Lund"))
    digits = int("2" + "345678"[: _width(pattern) - 1])
    row[PHONE] = pattern.format(digits)


def _width(pattern: str) -> int:
    return int(pattern.partition("{:0")[2][0])


def _name(source: random.Random) -> str:
    return source.choice(_SURNAMES) + "".join(source.sample(_GIVEN, source.choice((1, 2, 2))))


def _mobile(source: random.Random) -> str:
    return f"{source.choice(_MOBILE_STARTS)}{source.randrange(10**8):08d}"


def _spoil(source: random.Random, made: list[list[str]], index: int, turn: int, bad: frozenset[int]) -> tuple[int, str]:
    """Makes one cell of a row wrong; its column and the reason that an import must give."""
    row = made[index]
    kind = turn % 7
    if kind == 0:
        row[PHONE] = source.choice(("1380013800", "12345", "见名片", "+86 138001380001"))
        return PHONE, "PHONE_INVALID"
    if kind == 1:
        code = credit_code(source, "4403")
        row[CREDIT_CODE] = code[:-1] + source.choice(_CODE_CHARACTERS.replace(code[-1], ""))
        return CREDIT_CODE, "CREDIT_CODE_INVALID"
    if kind == 2:
        row[NAME] = ""
        return NAME, "NAME_MISSING"
    if kind == 3:
        row[REGION] = source.choice(("南方大区", "Atlantis", "CN-ZZ", "华东"))
        return REGION, "REGION_UNKNOWN"
    if kind == 4:
        row[EMAIL] = source.choice(("info@", "sales.corp.com", "a@b@c.cn", "wang@公司.cn"))
        return EMAIL, "EMAIL_INVALID"
    if kind == 5:
        row[NAME] = "深圳市" + "华信" * 120 + "有限公司"
        return NAME, "TOO_LONG"
    earlier = max(other for other in range(index) if other not in bad)
    row[NUMBER] = made[earlier][NUMBER]
    return NUMBER, "EXTERNAL_ID_DUPLICATE"
