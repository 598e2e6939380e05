"""Accounts and strategies that the tests of search share."""

from crm_customer.records.search.terms import RecordTexts, SearchQuery, index_tokens
from hypothesis import strategies as st

HUAXIN = RecordTexts(
    names=("深圳市华信电力设备有限公司", "华信电力"),
    contact_names=("曾伟", "Anna Müller"),
    phone_numbers=("+8613800138000", "+8675586661234"),
    emails=("zhang.wei@huaxin-power.com.cn",),
    external_ids=("SAP-0010023", "91440300708461136T"),
)
SMITH = RecordTexts(
    names=("Smith & Johansson Electric GmbH", "3M中国"),
    contact_names=("Peter Ångström",),
    phone_numbers=("+4930901820",),
    emails=("info@smith-electric.de",),
    external_ids=("C7",),
)

# Characters of company names, with several that have more than one reading.
HAN = "华信电力深圳市设备有限公司科技股份集团重庆长安银行乐山厦门都江堰调会传石盛曾单区查朴绿女吕东方南北天一"
company_names = st.text(alphabet=HAN, min_size=2, max_size=14)
latin_words = st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=4, max_size=14)
mixed_names = st.text(alphabet=HAN + "ABCxyz019 .-()（）·", min_size=2, max_size=14)


def may_be_found(query: SearchQuery, texts: RecordTexts) -> bool:
    """What the index decides: it is named so, or has all required tokens and one of each set."""
    tokens = index_tokens(texts)
    return query.exact in tokens or (query.required <= tokens and all(tokens & group for group in query.any_of))
