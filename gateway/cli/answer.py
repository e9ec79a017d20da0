"""An answer as a customs officer reads it: what is decided, for each direction what follows or why not, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from rich import box
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table

from gateway.clearance.answer import unrecognised
from gateway.clearance.as_known import AsKnown
from gateway.clearance.wording import Language, sentence, span, when, word
from gateway.cli.common import console, escape
from gateway.core.question import Answer, Decision, Granted, Verdict, Why

_COLOURS = {Verdict.ELIGIBLE: "green", Verdict.NOT_ELIGIBLE: "red", Verdict.UNDETERMINED: "yellow"}
#: More of what was declared is not repeated above the answer; the reason names what is wrong with it.
_TITLE = 40

#: What stands around an answer; its sentences come from the wording of reasons and measures.
_LABELS = {
    Language.EN: {
        "eligible": "eligible",
        "not-eligible": "not eligible",
        "undetermined": "undetermined",
        "and": " and ",
        "colon": ": ",
        "comma": ", ",
        "nothing": "Eligible, but no measure applies at present.",
        "note": "Please note",
        "evidence": "Rests on",
        "message": "message",
        "received": "received",
        "age": "The partner's data is of {when}, {span} old.",
        "then": "As it was known at {when}.",
        "again": "Ask again from {when}.",
        "clearance": "clearance code",
        "unset": "Clearance's own codes for these measures are not set here.",
        "near": "Known codes one slip away; nothing is granted by them",
        "day": "on",
    },
    Language.ZH: {
        "eligible": "可以适用",
        "not-eligible": "不适用",
        "undetermined": "无法判断",
        "and": "和",
        "colon": "：",
        "comma": "，",
        "nothing": "可以适用，但目前没有可适用的便利措施。",
        "note": "请注意",
        "evidence": "依据",
        "message": "报文",
        "received": "收到时间",
        "age": "互认方的数据截至{when}，距今{span}。",
        "then": "按{when}时所知的情况答复。",
        "again": "可于{when}起重新查询。",
        "clearance": "通关代码",
        "unset": "本系统尚未设置这些措施的通关代码。",
        "near": "仅差一处的已知编码，不因此给予任何便利",
        "day": "日期",
    },
}


def suggestions(answer: Answer, then: AsKnown) -> list[str]:
    """Near misses, where nobody is known by the code as it was read."""
    text = unrecognised(answer)
    return then.near(text) if text else []


def show(answer: Answer, then: AsKnown, language: Language) -> None:
    """Prints it."""
    labels = _LABELS[language]
    verdict = f"[bold {_COLOURS[answer.verdict]}]{sentence(answer.verdict, {}, language)}[/]"
    console.print(Panel(verdict, title=_title(answer, then, language), title_align="left", box=box.ROUNDED, expand=False))
    for directions, decision in _together(answer.directions):
        _direction(directions, decision, then, language)
    _listed(labels["near"], suggestions(answer, then))
    _listed(labels["note"], (sentence(caution.code, caution.facts, language) for caution in answer.warnings))
    _listed(labels["evidence"], _evidence(answer, language))
    if answer.data_as_of and answer.data_age is not None:
        _dim(labels["age"].format(when=when(answer.data_as_of, language), span=span(answer.data_age, language)))
    if answer.known_at:
        _dim(labels["then"].format(when=when(answer.known_at, language)))
    if answer.ask_again:
        _dim(labels["again"].format(when=when(answer.ask_again, language)))


def _title(answer: Answer, then: AsKnown, language: Language) -> str:
    declared = answer.code or answer.declared or "-"
    shown = declared if len(declared) <= _TITLE else f"{declared[:_TITLE]}…"
    arrangement = then.arrangement_for(answer.code) if answer.code else None
    economy = getattr(arrangement.economy, language) if arrangement else ""
    return escape("   ".join(filter(None, (shown, economy, f"{_LABELS[language]['day']} {answer.on}"))))


def _together(decisions: Iterable[Decision]) -> Iterator[tuple[list[str], Decision]]:
    """Directions that are answered alike are answered together."""

    def alike(one: Decision) -> object:
        return one.verdict, [granted.measure for granted in one.measures], [(why.code, why.facts) for why in one.reasons]

    for _, group in groupby(decisions, alike):
        same = list(group)
        yield [one.direction for one in same], same[0]


def _direction(directions: list[str], decision: Decision, then: AsKnown, language: Language) -> None:
    labels = _LABELS[language]
    named = labels["and"].join(word(direction, language) for direction in directions)
    verdict = f"[{_COLOURS[decision.verdict]}]{labels[decision.verdict]}[/]"
    console.print(f"[bold]{named}{labels['colon']}[/]{verdict}", highlight=False)
    for why in decision.reasons:
        _reason(why, language)
    if decision.measures:
        _measures(decision.measures, then, language)
    elif decision.verdict is Verdict.ELIGIBLE:
        _indented(labels["nothing"])


def _measures(granted: tuple[Granted, ...], then: AsKnown, language: Language) -> None:
    labels = _LABELS[language]
    table = Table.grid(padding=(0, 2))
    for one in granted:
        words = then.law.measures.get(one.measure)
        said = getattr(words.name, language) if words else ""
        code = f"{labels['clearance']} {escape(one.clearance_code)}" if one.clearance_code else ""
        table.add_row(f"  [green]{one.measure}[/]", escape(said), f"[dim]{word(one.scope, language)}[/]", code)
    console.print(table)
    if not any(one.clearance_code for one in granted):
        _indented(f"[dim]{labels['unset']}[/]")


def _reason(why: Why, language: Language) -> None:
    _indented(escape(sentence(why.code, why.facts, language)))
    if why.source:
        message = why.source.removeprefix("message ")
        cited = why.source if message == why.source else f"{_LABELS[language]['message']} {message}"
        _indented(f"[dim]{escape(cited)}[/]", 4)


def _evidence(answer: Answer, language: Language) -> Iterator[str]:
    labels = _LABELS[language]
    for used in answer.evidence:
        yield f"{word(used.says, language)}{labels['colon']}{labels['message']} {used.message_id}"
        yield f"  {labels['received']} {when(used.received, language)}{labels['comma']}sha256 {used.digest[:16]}…"


def _listed(label: str, lines: Iterable[str]) -> None:
    shown = list(lines)
    if shown:
        console.print(f"[bold]{label}[/]")
    for line in shown:
        _indented(escape(line))


def _indented(markup: str, by: int = 2) -> None:
    console.print(Padding(markup, (0, 0, 0, by), expand=False), highlight=False)


def _dim(text: str) -> None:
    console.print(f"[dim]{escape(text)}[/]", highlight=False)
