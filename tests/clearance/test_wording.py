"""Every code there is has a sentence in every language, with the same facts, and no fact can make a sentence fail."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clearance import wording
from gateway.clearance.wording import Language, WordingHole, refusal, sentence, word
from gateway.core.arrangement import Direction, MeasureScope, Mode, Role
from gateway.core.declared import Slip
from gateway.core.errors import Code
from gateway.core.home import Tier
from gateway.core.model import Standing
from gateway.core.question import Reason, Verdict, Warn

NOTES = ("direction-not-told", "acceptance-unreadable", "acceptance-needed", "stands-for", "manifest-only", "no-aeo-party")
CODES = [*Verdict, *Reason, *Warn, *NOTES]
EN, ZH = (wording._locales[language] for language in (Language.EN, Language.ZH))


def holes(text: str) -> Iterator[WordingHole]:
    for choice in wording.parse(text):
        for piece in (*choice.pieces, choice.otherwise):
            yield from (part for part in piece if isinstance(part, WordingHole))


@pytest.mark.parametrize("language", Language)
def test_every_code_has_a_sentence(language: Language) -> None:
    for code in CODES:
        assert sentence(code, {}, language) != code
    for refused in Code:
        assert all(refusal(refused, language))
    for token in (*Direction, *Mode, *Role, *MeasureScope, *Standing, *Tier, *Slip):
        assert token in wording._words[language]


def test_no_sentence_is_left_over_and_no_code_means_two_things() -> None:
    said = [code for section in wording._SENTENCES for code in EN[section]]
    assert len(said) == len(set(said))
    assert set(said) == {*CODES, *EN["form"]}
    assert ZH["refusal"].keys() == {code.wire for code in Code}


@pytest.mark.parametrize("section", [*wording._SENTENCES, "word"])
def test_both_languages_say_the_same(section: str) -> None:
    assert EN[section].keys() == ZH[section].keys()
    for code, text in EN[section].items():
        assert sorted(holes(text)) == sorted(holes(ZH[section][code])), code


def test_every_fact_is_explained_and_every_form_known() -> None:
    used = {hole for section in wording._SENTENCES for text in EN[section].values() for hole in holes(text)}
    assert {hole.fact for hole in used} == EN["facts"].keys()
    assert {hole.form for hole in used} == {None, "word", "when", "span"}


def test_chinese_is_chinese() -> None:
    texts = [text for section in (*wording._SENTENCES, "word") for text in ZH[section].values() if section != "form"]
    texts += [text for said in ZH["refusal"].values() for text in said.values()]
    for text in texts:
        assert re.search("[\u4e00-\u9fff]", text), text
        assert not re.search("[\u4e00-\u9fff][,;:!?]", text), text  # punctuation of the other script


@pytest.mark.parametrize(
    ("code", "facts", "english", "chinese"),
    [
        (
            "suspended",
            {"from": "2026-03-01T16:00:00+00:00", "level": "STP-Plus"},
            "The partner has suspended the authorisation (STP-Plus) since 2026-03-02 00:00 China time.",
            "互认方已自北京时间2026-03-02 00:00起暂停该企业的AEO资格（STP-Plus）。",
        ),
        (
            "expired",
            {"expires": "2026-03-01"},
            "The authorisation is expired; its last day was 2026-03-01.",
            "AEO资格已过有效期，有效期至2026-03-01。",
        ),
        (
            "mode-not-covered",
            {"asked": "", "covered": "air, land"},
            "The mode of transport is not named; the arrangement covers air, land only.",
            "未申报运输方式；仅适用于航空、陆路运输。",
        ),
        (
            "mode-not-covered",
            {"asked": "other", "covered": "land"},
            "The mode of transport (other) is not covered; the arrangement covers land only.",
            "互认安排不适用于该运输方式（其他）；仅适用于陆路运输。",
        ),
        (
            "no-arrangement",
            {"code": "TW12345678"},
            "No mutual recognition arrangement covers the code TW12345678.",
            "没有适用于该编码（TW12345678）的AEO互认安排。",
        ),
        (
            "no-arrangement",
            {"code": "TW12345678", "note": "cross-strait-pilot"},
            "No mutual recognition arrangement covers the code TW12345678. "
            "The cross-Strait pilot (2016/49) is not handled here; its own instructions apply.",
            "没有适用于该编码（TW12345678）的AEO互认安排。两岸海关AEO互认试点（2016年第49号公告）不在本系统处理，按其专门规定办理。",
        ),
        (
            "no-arrangement",
            {"code": "CN9900000001", "own": "yes"},
            "No mutual recognition arrangement covers the code CN9900000001: "
            "it is a Chinese enterprise's code (AEOCN or CN and ten digits).",
            "没有适用于该编码（CN9900000001）的AEO互认安排：该编码为中国企业的编码（AEOCN或者CN加十位数字）。",
        ),
        (
            "no-overseas-party",
            {},
            "No code of an overseas party is declared: the field is empty or says NO.",
            "未申报境外收发货人编码（未填写或者填报“NO”）。",
        ),
        (
            "terms-unknown",
            {"term": "prevailing", "note": "not shown"},
            "It is not known to us whose measures prevail in a conflict, so nothing is granted.",
            "目前不明：管理措施相抵触时以何者为准；不适用便利措施。",
        ),
        (
            "delisted",
            {"from": "2026-05-31T16:00:00+00:00", "level": "STP-Plus"},
            "The partner no longer lists the authorisation (STP-Plus) since 2026-06-01 00:00 China time.",
            "互认方的名单自北京时间2026-06-01 00:00起不再列有该企业的AEO资格（STP-Plus）。",
        ),
        (
            "role-not-covered",
            {"asked": "other", "covered": "overseas-consignor"},
            "Benefits do not attach to this party (other), only to the overseas consignor.",
            "该当事方（其他）不享受互认便利措施，便利措施仅适用于境外发货人。",
        ),
        (
            "domestic-party-prevails",
            {"party": "4400000001", "tier": "discredited"},
            "Where measures conflict, a domestic party's prevail: 4400000001 is a Discredited enterprise.",
            "管理措施相抵触的，按照信用等级较低企业适用的管理措施实施管理：4400000001为失信企业。",
        ),
        (
            "domestic-party-prevails",
            {"party": "4400000001", "measures": "suspended"},
            "Where measures conflict, a domestic party's prevail: those of 4400000001 are suspended.",
            "管理措施相抵触的，按照信用等级较低企业适用的管理措施实施管理：4400000001的管理措施处于暂停状态。",
        ),
        ("domestic-party-prevails", {}, "Not applied, for reasons on our side.", "因我方原因不适用。"),
        ("domestic-party-prevails", {"party": "4400000001"}, "Not applied, for reasons on our side.", "因我方原因不适用。"),
        (
            "data-too-old",
            {"as_of": "2026-01-01T00:00:00+00:00", "limit": "3024000"},
            "The partner's last complete list is of 2026-01-01 08:00 China time; data older than 35 days decides nothing.",
            "互认方最近一份完整名单的时点为北京时间2026-01-01 08:00；超过35天的数据不作为依据。",
        ),
        (
            "data-too-old",
            {"of": "domestic", "as_of": "2026-05-16T03:59:59+00:00", "limit": "2592000"},
            "What credit management last stated of the domestic parties is of 2026-05-16 11:59 China time; "
            "data older than 30 days decides nothing.",
            "信用管理部门关于境内企业的数据截止时间为北京时间2026-05-16 11:59；超过30天的数据不作为依据。",
        ),
        (
            "data-too-old",
            {"of": "domestic", "limit": "2592000"},
            "Credit management has not yet stated anything of the domestic parties; data older than 30 days decides nothing.",
            "信用管理部门尚未提供境内企业的数据；超过30天的数据不作为依据。",
        ),
        (
            "party-unknown",
            {"party": "91310000000000009X"},
            "Credit management names every enterprise, and 91310000000000009X is none of them: "
            "the domestic party was perhaps mistyped.",
            "信用管理部门的数据覆盖全部企业，其中没有91310000000000009X：境内企业编码可能填报有误。",
        ),
        (
            "party-code-passed-on",
            {"party": "4400000001"},
            "The customs code 4400000001 passed on: who had it on the day asked about was judged.",
            "海关编码4400000001已变更持有企业：按所查询日期的持有企业判断。",
        ),
        (
            "alias-used",
            {"alias": "CNSHE123SHA", "code": "SG123456789012"},
            "CNSHE123SHA is not the AEO code; the code to declare is SG123456789012.",
            "CNSHE123SHA不是AEO编码；应当申报的编码为SG123456789012。",
        ),
        (
            "code-folded",
            {"declared": "ＣＮ4400-000001", "read": "4400000001", "slips": "full-width, hyphens, country"},
            "ＣＮ4400-000001 was read as 4400000001 (full-width characters, hyphens, the country before the number).",
            "所申报的ＣＮ4400-000001按4400000001处理（全角字符、连字符、编码前的国别字样）。",
        ),
        ("data-too-old", {}, "The partner has not yet sent a complete list.", "互认方尚未发送过完整名单。"),
        ("data-old", {"age": "100000"}, "The partner's data is old: 27 hours.", "互认方的数据未及时更新：已有27小时。"),
        ("code-folded", {"declared": "sg1"}, "sg1 was read as ….", "所申报的sg1按…处理。"),
        ("data-old", {"age": "long"}, "The partner's data is old: long.", "互认方的数据未及时更新：已有long。"),
        (
            "suspended",
            {"from": "soon"},
            "The partner has suspended the authorisation since soon.",
            "互认方已自soon起暂停该企业的AEO资格。",
        ),
        (
            "codes-disagree",
            {"declared": "", "manifest": "SG1"},
            "The declaration gives no code, the manifest SG1.",
            "报关单未申报编码，舱单申报的编码为SG1。",
        ),
        (
            "not-in-force",
            {"known": "unknown"},
            "The arrangement does not count as in force on this day: no source says that it is.",
            "该日互认安排不视为已经实施：没有来源表明已经实施。",
        ),
        ("nobody-knows", {}, "nobody-knows", "nobody-knows"),
    ],
)
def test_how_it_reads(code: str, facts: dict[str, str], english: str, chinese: str) -> None:
    assert sentence(code, facts, Language.EN) == english
    assert sentence(code, facts, Language.ZH) == chinese


def test_words_and_refusals() -> None:
    assert word("overseas-consignee", Language.ZH) == "境外收货人"
    assert word("AEOS", Language.EN) == "AEOS"
    assert refusal(Code.BUSY, Language.EN) == (Code.BUSY.row.title, Code.BUSY.row.remedy)
    assert refusal(Code.BUSY, Language.ZH)[0] == "网关目前无法接收该报文。"


@given(
    st.sampled_from(CODES), st.dictionaries(st.sampled_from(sorted(EN["facts"])), st.text(max_size=12)), st.sampled_from(Language)
)
def test_no_fact_makes_a_sentence_fail(code: str, facts: dict[str, str], language: Language) -> None:
    assert sentence(code, facts, language)
