"""Which letters beyond ASCII a language writes, and between which others.

They were counted in the words of free dictionaries with all their endings: what is beside a letter in fewer than four
of a thousand places is left out. `_` is the beginning or the end of a word, `Plzeň` ends with an `e.ň._`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

EDGE = "_"
"""What stands before a word and behind it."""


@dataclass(frozen=True, slots=True)
class Letter:
    """Its `rank` is 1 for the most frequent one of the language; none of the neighbours: any."""

    rank: int
    before: frozenset[str]
    after: frozenset[str]


def _of(places: str) -> dict[str, Letter]:
    """Letters by rank, `before.letter.after` each."""
    split = (place.split(".") for place in places.split())
    return {
        letter: Letter(rank, frozenset(before), frozenset(after))
        for rank, (before, letter, after) in enumerate(split, start=1)
    }


def _alone(letters: str) -> dict[str, Letter]:
    """Letters of an alphabet of its own, by rank: all that is beside them is of it, too."""
    return {letter: Letter(rank, frozenset(), frozenset()) for rank, letter in enumerate(letters, start=1)}


_DICTIONARIES = {
    "cs": (
        "bcdijlmnpstvzčřšž.í._bcdhjklmnprstvzčřšž bcdfghijklmnprstvzčňřšž.á._bcdhklmnprstvzčřšž "
        "hklmnrtv.ý._bcklmnprstvzř _adeijklnopruvyzáíýě.š._aeiklmnoprtuváíčťů "
        "_abdeijklmnoprtuvyzáíúčěřšž.č._aceiklmnostuáíčů dfhiklmnprtv.é._hkmnrtvzř bdmnptv.ě._cdhjklmnprstvzčřšž "
        "_abdehikoptuvyzáéíýě.ř._aeikostuáíčů bcdfghijklmnprstvyzčňřš.ů._djlmnrstvzž "
        "_adeilmnoruyzáíěů.ž._abcdehiklmnorsuváíčďň abcdefhijklmoprstuvyzáíčěšůž.ň._achkmostuášů "
        "_adehijnoprsuvyáíčěš.ť._ahikmostuáúů _abcdfghijklmnoprstuvyzčšť.ú.bcdfhjklmnprstvzčňřšž "
        "_abdefghijklmnoprstvzč.ó._bcdefgjklmnoprtvwzčšů _abeinoruzáéěůž.ď._akmnotuáöů "
        "_bdfghjklmnprstvwyzď.ö.bcdfghklmnprstzš _bdfghjklmnrstwy.ü.bcdfghlmnrstč "
        "bdfghklmnrstvyz.ő.bcfghklmnoprstwz bdfghjklmprtvwä.ä.cdefgklmnoprstuäů"
    ),
    "da": (
        "_bdefghjklmnprstv.æ.bdefgklmnprstv _bdefghijklmnprstv.ø._bdefgjklmnrstv "
        "_bdefghklmnprstv.å._bdefghklmnprstv _bcdfghiklmnprstuv.é._bdefgklnrstuv bdghjklmnrstwy.ü._bcdhklnrstz "
        "_bghjklmors.ö._bdfhkmnprstzß _fghjlmnv.á.cglnrsvx ejkrt.ó._abgnrswð"
    ),
    "de": (
        "_bdfghjklmnprstwz.ä.bcdfghiklmnprstuß _bdfghjklmnprstwz.ü.bcdfghlmnprstß "
        "_bdfghiklmnprstvwz.ö.bcdfghklmnprstvß aeiouäöü.ß._abefghiklnrstuvwz bfghlmnrstu.é._ceops"
    ),
    "es": (
        "_bcdefghijlmnprstuvyzñ.á._bcfilmnrst _abcdefghlmnoprstuv.í._abcdefglmnoprstv "
        "_bcdefghijlmnprstuvyñ.é._cdfgilmnprst _bcdefghijlmnprstvxyzñ.ó._bcdfglmnprstv _aeiou.ñ.aeiouáéíó "
        "_abcdfghijlmnprstyz.ú._abcdefgijlmnoprstzñ gl.ü.eiléí"
    ),
    "fr": (
        "_abcdfghilmnoprstuv.é._abcdefghijlmnopqrstv abcdfghilmnoprstuvy.è.bcdglmnqrstv "
        "_bcdefhilmnprstuvyçé.â.bcilmnst aeou.ï._acdeklmnoqrstuvzè aeinprsué.ç.aouâû _acdfghlmnoprstuv.î.clmnt "
        "_bdfghlmnoprtuv.ê.clmnpqtv bdeflmnopqrstç.û._clmnprt abcdehijlmnprtv.ô._dilmnst "
        "_bcdfhimnoprstx.œ.cdhiklnrstu aou.ë._lnrst _jlt.à._ _clmnrtv.æ._cginqrsuv"
    ),
    "hr": (
        "_aeijlmnopruvš.č._aeijklnouv _adeiknopruv.š._aceiklmnoptuvćč _aeikmopruš.ć._aeiknou "
        "_adeinoru.ž.abdeijlmnoruvđ _aeinoruž.đ.aeiou"
    ),
    "hu": (
        "_bcdfghijklmnprstvyzáé.é._bdghiklmnprstvzé _bdefghijklmnprstvyz.á._bcdgijklmnprstvzé "
        "_bdghklmnprstvyz.í.jmnrstvz _abdeghijklmnprstvyzó.ó._abcdefghijklmnprstvzéóő "
        "_bcdfghjklmnprstvyz.ö.bcdgklmnprstvz _abdfghiklmnprstvyzóő.ő._abcdefghijklmnrstvzéóő "
        "_abdfghijklmnprstyző.ú._bcdfghijklnprstvz _abdfghijklmnprstvyzé.ü.cdghklmnrstvz "
        "_bdfghjklmnprstvyz.ű._bdefghijklnrstvzé"
    ),
    "is": (
        "aefgioruyáæíóöúý.ð._abdefghijklmnrsuv _bdfghjklmnprstþ.ó._abdfghiklmnprstuváðþ "
        "_abdfghjklmnprstuvóþ.á._abdfghiklmnprstvæðþ _bdfghjklmnprstvþ.ö.fgklmnprstxð "
        "_bdfghklmnrstváþ.æ._dfgijklmnprstvð _abdfgklmnprstv.í._abdfghklmnprstuvðþ "
        "_abdfghjklmnprstþ.ú._abdefgiklmnprstuvð _adfgiklmnrstuyáíðó.þ.aeijoruvyáæéíóöúý "
        "_bdfhklmnprstþ.ý._abdfgijklmnprstváð _fhlmnprstvþ.é._bdfgklnrstð"
    ),
    "it": ("rt.à._ cdfgilmnprstuvz.ò._ _cdfghilmnrstv.é._el bdhlmnprstuv.ì._a _bchilmnopruv.è._ abdgilmst.ù._"),
    "lt": (
        "_bdgjklmnprstvšž.ė._bdgjklmnprstšž _aegiklmopruyėū.š.adeiklmnoprtuvyčė _abegiklnoprsuyėšū.č.eikė "
        "_abdegilmnortuyąėęįū.ž.abdegiklmnopstuvyąėū dgijklmnrstv.ų._js _bdgijklmnprstvšž.ą._jlmsvšž "
        "_abdgijklmnprstzšž.ū.bdgklmnprstvzčšž _bdgjklmnprstvšž.į._dgjklmnprstvšž bdgjklmnprstvzšž.ę._sšž"
    ),
    "lv": (
        "_bdfgijklmnprstvzļņš.ā._bcdfjklmnprstvzšž _bcdfgjlmnprstvzģķņ.ē._cdgjklmnprstvzķš "
        "_bcdfjlmnprstvzčģķš.ī._bcdgjklmnprstvzļņš _aegiklmnoprtuzāēīņū.š._adeiklmnoprstuvāēīķļņū "
        "_adeikoprtuzāēīļšž.ņ._adegikmnoprsuvzāēģķš _bcdfgjklmnprstzčķļšž.ū.bcdgjklmnprstvzķļšž "
        "_aeiloprtuzāēīļņšū.ķ._aeiosuvēīū _abegikoptuzāēīļšūž.ļ._abdegiklmnoprstuvāēģīķļņšū "
        "_adegilnoprtuzāēīū.ž._aeiklmnoprsuvzāēģīļņū _aeilnopruzāēīļņž.ģ.aeiouēī _aeiklnoprstuzāī.č.aegimnosuzāēīū"
    ),
    "nl": (
        "aeio.ë._defgilmnrstvxz aeou.ï._acdelmnrstz _bcdfghijlmnoprstuvwyéí.é._abcdefgklmnopqrstvwzé "
        "bcgilmprstuz.è.cdlmnrst _fhlmorv.ö._bcdefhlnprst _bdeghrstu.ü.bcghlmnprs _cdehmrtvó.ó.cgimnprtó "
        "aenor.ç._au"
    ),
    "pl": (
        "bcdijklmnrstwzłż.ą._bcdgkpstzćłż _abdeghikmoprstuwyzóąę.ł._abcdegkmnopstuwyzóąę "
        "_adeijlouwyzę.ś._cklmnprwć bcdghijklmnprstwzłż.ę._bcdgklpstzćłśż bcdghijklmnprstwzłż.ó.bcdjklrstwzłż "
        "_abdeijlnoruyzóąęł.ż._abcdeiklmnosuyóąę aeioruy.ń._cks _aeioryąęś.ć._cdfkmpsw "
        "_abdeiloruyóąęł.ź._bcdglmnrwż"
    ),
    "pt": (
        "_bcdefghijlmnoprstuvzç.á._cflmrstv _abcdefglmnorstuvz.í._abcdefglmnprstvz _cdghilmrstvç.ã._os "
        "aeilnoruú.ç.aouáãõ _bcdfghilmnoprstuvxz.é._bcdfgilmnprstuv _bcdefgilmnprstvx.ó._bcdfgilmnprstvx "
        "_bcdghilmnoprstuvxz.ê._mnrsux _abcdefghijlmnprst.ú.bcdfglmnprstvzç cdeghijlmnprstvxç.õ.e "
        "_bcdefgilmnprstuvz.â.mn bcdfgilmnprstvx.ô._bdflmnprstv"
    ),
    "ro": (
        "bcdfghlmnprstvzşţ.ă._bcdgijlmnprstuvzşţ _aceilmnopruâă.ţ._aeiouâă _aceinopruâă.ş._acefilmnoptuâă "
        "bcdfghjlmnprstvzşţ.â.cgilmnrstzşţ _e.î.mn"
    ),
    "sk": (
        "_adeijnortuvyáíúť.š._aeikmnopstuíľť bdghijklmnprstuvz.á._bcdhjklmnprstvzčľňšž "
        "bcdijklmnprstvzčšž.í._cdjkmnprstvzčšž _abdehijklmnopruvyáíôúý.č._aeiklmnorstuíú "
        "bdhklmnrstvz.ý._bchklmnprstvzčš _bcdfghjklmnprstvzčľš.ú._bcdfhklmnprstvzčľňšťž "
        "_aeiorsuäúš.ť._adjkmnopstuš _abdefhijkopstuyzáíúčš.ľ._abkmnosuúň "
        "_adeijlmnoruyzáíôúýĺŕ.ž._abcdeiklmnorstuvíúďň cdfghiklmnprstvzš.é._cdfhlmnortvz "
        "_abcdehijklmoprstuvyzáíôúýčľŕšž.ň._amotu bdefghijklmnprstvz.ó.bdgjklmnprtz mpv.ä.cdkstzčť "
        "_bdghklmnprstvľš.ô.cdklmnprstvzčľňšž _aeijnoruvzáíúž.ď._akmotuá bcdfhkmpstv.ŕ._bcdhkmtzčňšž "
        "abdhkmpstvá.ĺ._bcdhknoptzčňž"
    ),
    "sl": (
        "_abdeijlmnortuvš.č._aeijklnoru _adeijlmnopruv.š._aeiklmnoptuč _adeilnoruvz.ž._abegijklmnoruvč aei.ć._aeiu "
        "bdmnz.ü.clnrs"
    ),
    "sv": (
        "_bdfghijklmnprstv.ä.bcdfgklmnprstvx _bdfghjklmnprst.ö._bcdefgjklmnprstv "
        "_bdefghklmnoprstv.å._abdefghklmnprstv bcdfhjklmnprstv.é._abdefghklmnoprstuv _bdfglmnrtz.ü.bcgnrs"
    ),
    "tr": (
        "_bcdfgklmnprstyzçğş.ı._cdklmnprstvyzğş _aeioruüı.ş._aeiklmstuçüı aeiouöüı.ğ.adeilmruüı "
        "_bcdghklmnprstvyzçğş.ü._bcdefklmnprstvyzçğş _aefhiklnoprstuöüış.ç._aeiklmorstuöüı "
        "_bdgknrstyçş.ö.bdklmnprstvyzçğş _.İ.hklmnprstz"
    ),
    "et": (
        "_fhjklmnprstvä.ä.bdeghiklmnprstuvä _hjklmnprstvõ.õ.bdeghijklmnprstuvõ "
        "_bdfghklmnprstvü.ü.abdefghklmnoprstvü _fhjklmnprstvö.ö.abdeghiklmnprstvö _aeilnortuš.š.abeiklmoruvš "
        "_adeilnorü.ž._aegiou"
    ),
    "ca": (
        "_bcdefgijlmnprstuvxyzç.à._bcfglmnpqrstuv _abcdefghlmnprstuvxyzü.í._acdefglmnpqrstv "
        "_bcdefgilmnoprstvxz.ò.bcdfglmnprstx _abcdfghilmnoprstuvxü.è._cdfgilmnprstux bcdfgilmnprstuvxyz.é._inrs "
        "bcdefgijlmnprstuvxyç.ó._nrs aeiou.ï._abcdefglmnrstux aeilnopru.ç._amouàòó aegiq.ü.cegilrtèéí "
        "_bcdfgijlmnprstx.ú._bcdfgijlmnprstv"
    ),
    # Counted in no dictionary: vowels between any consonants, and loan words.
    "fi": (
        "_aehijklmnprstvyäöd.ä._aehijklmnprstvyäöd _aehijklmnprstvyäöd.ö._hijklmnprstvyäö "
        "_nt.š._aeiou _dn.ž._aeiou _bcdfghjklmnprst.å._bcdfghjklmnprst"
    ),
}

LANGUAGES: Mapping[str, Mapping[str, Letter]] = {
    **{language: _of(places) for language, places in _DICTIONARIES.items()},
    "ru": _alone("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"),
    "uk": _alone("оанивіертсклмдупязьбгчхйжїшюцщєфґ"),
    "el": _alone("αοιετσνηυρπκμλςωγδχθφβξζψάέήίόύώϊϋΐΰ"),
}
"""ISO 639-1 to the letters beyond ASCII of the language, in lower case."""
