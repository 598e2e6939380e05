"""Mandarin readings of Chinese characters without tones, and the syllables that typed letters may stand for."""

from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files

# Readings that names have besides the usual one, where no phrase decides.
_OTHER_READINGS_TABLE = (
    "s in map; 重 zhong chong; 长 chang zhang; 行 xing hang; 乐 le yue; 朝 chao zhao; "
    "调 tiao diao; 都 du dou; 会 hui kuai; 厦 xia sha; 传 chuan zhuan; 藏 cang zang; 石 shi dan; "
    "盛 sheng cheng; 曾 zeng ceng; 单 dan shan; 解 jie xie; 仇 chou qiu; 区 qu ou; 查 cha zha; "
    "朴 pu piao; 翟 zhai di; 尉 wei yu; 覃 qin tan; 折 zhe she; 盖 gai ge; 缪 miao mou; 冼 xian xi; "
    "番 fan pan; 柏 bai bo; 贾 jia gu; 员 yuan yun; 召 zhao shao; 种 zhong chong; 便 bian pian; "
    "率 lv shuai; 宿 su xiu; 六 liu lu; 泊 bo po; 堡 bao pu"
)
_OTHER_READINGS = {
    character: tuple(readings) for character, *readings in (entry.split() for entry in _OTHER_READINGS_TABLE.split(";"))
}
# Typed with u as often as with v.
_UMLAUTS = ("lv", "nv")
_MAX_VARIANTS = 3
_LONGEST_SYLLABLE = 6


@cache
def _first_readings() -> dict[str, str]:
    text = files(__package__).joinpath("readings.txt").read_text(encoding="utf-8")
    pairs = (line.split(" ", 1) for line in text.splitlines())
    return {character: syllable for syllable, characters in pairs for character in characters}


@cache
def _phrases() -> dict[str, tuple[str, ...]]:
    text = files(__package__).joinpath("phrases.txt").read_text(encoding="utf-8")
    return {phrase: tuple(rest) for phrase, *rest in (line.split(" ") for line in text.splitlines())}


@cache
def _phrase_lengths() -> dict[str, tuple[int, ...]]:
    """How long the phrases are that begin with a character, the longest first."""
    lengths: dict[str, set[int]] = {}
    for phrase in _phrases():
        lengths.setdefault(phrase[0], set()).add(len(phrase))
    return {character: tuple(sorted(several, reverse=True)) for character, several in lengths.items()}


@cache
def _with_other_readings() -> frozenset[str]:
    """The characters that names may read in more than the usual way."""
    umlauts = {character for character, syllable in _first_readings().items() if syllable[:2] in _UMLAUTS}
    return frozenset(_OTHER_READINGS.keys() | umlauts)


@cache
def syllables() -> frozenset[str]:
    """All syllables that a reading may have; `v` stands for ü, and `lue`, `nue` are known besides `lve`, `nve`."""
    return frozenset(_first_readings().values()) | {"lue", "nue"}


@cache
def _beginnings() -> frozenset[str]:
    return frozenset(syllable[:length] for syllable in syllables() for length in range(1, len(syllable) + 1))


@cache
def _unfinished() -> frozenset[str]:
    return _beginnings() - syllables()


@lru_cache(maxsize=4096)
def runs(squashed: str) -> tuple[str, ...]:
    """The maximal runs of characters that have a Mandarin reading."""
    readings = _first_readings()
    if squashed and readings.keys() >= set(squashed):
        return (squashed,)
    found = [""]
    for character in squashed:
        if character in readings:
            found[-1] += character
        elif found[-1]:
            found.append("")
    return tuple(run for run in found if run)


@lru_cache(maxsize=4096)
def readings_of(run: str) -> tuple[tuple[str, ...], ...]:
    """The likely readings of a run, most likely first, at most three: one syllable per character each.

    Phrases decide first (重庆 is chongqing); then characters with two readings in names are also read the other way.
    """
    usual, decided = _usual_reading(run)
    variants = [tuple(usual)]
    if _with_other_readings().isdisjoint(run):
        return tuple(variants)
    for position, character in enumerate(run):
        if position not in decided:
            others = _others(character, usual[position])
            variants.extend((*usual[:position], other, *usual[position + 1 :]) for other in others)
    return tuple(variants[:_MAX_VARIANTS])


def _usual_reading(run: str) -> tuple[list[str], set[int]]:
    phrases, lengths = _phrases(), _phrase_lengths()
    usual = list(map(_first_readings().__getitem__, run))
    decided: set[int] = set()
    end = 0
    for start, character in enumerate(run):
        if character not in lengths or start < end:
            continue
        for length in lengths[character]:
            if syllables := phrases.get(run[start : start + length]):
                # At the end of a run there may be less of it than the phrase is long.
                end = start + len(syllables)
                usual[start:end] = syllables
                decided.update(range(start, end))
                break
    return usual, decided


def _others(character: str, usual: str) -> Sequence[str]:
    if usual[:2] in _UMLAUTS:
        return (usual.replace("v", "u"),)
    return [reading for reading in _OTHER_READINGS.get(character, ()) if reading != usual]


def certain_boundaries(letters: str) -> tuple[int, ...]:
    """Positions where a syllable starts however the letters are cut into syllables; 0 is the first.

    The last syllable may be unfinished. Empty when they cannot be cut at all: then they are not pinyin.
    `huaxin` -> (0, 3); `xian` -> (0,), since it is both xian and xi-an.
    """
    size = len(letters)
    forward = [1] + [0] * size
    for end in range(1, size + 1):
        starts = range(max(0, end - _LONGEST_SYLLABLE), end)
        forward[end] = sum(forward[start] for start in starts if letters[start:end] in syllables())
    backward = [0] * size + [1]
    for start in range(size - 1, -1, -1):
        unfinished = letters[start:] in _unfinished()
        ends = range(start + 1, min(size, start + _LONGEST_SYLLABLE) + 1)
        finished = sum(backward[end] for end in ends if letters[start:end] in syllables())
        backward[start] = unfinished + finished
    total = backward[0]
    return tuple(at for at in range(size) if total and forward[at] * backward[at] == total)


def could_be_initials(letters: str) -> bool:
    """Whether each letter can start a syllable."""
    return all(letter in _beginnings() for letter in letters)
