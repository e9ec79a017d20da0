"""A rehearsal for people (HTML), for programs (JSON) and for build servers (JUnit)."""

from __future__ import annotations

from functools import partial

import msgspec
from lxml import etree
from lxml.builder import E

from gateway.core.text import visible
from gateway.onboarding.page import Element, page
from gateway.onboarding.rehearsal.results import Exchanged, Observation, Rehearsal, RehearsalStep

#: For messages and what was found in them, which have lines.
_visible = partial(visible, kept="\n\t")


def as_json(rehearsal: Rehearsal) -> bytes:
    """Everything, with the messages; ``passed`` is said for the whole and for each step."""
    whole = msgspec.to_builtins(rehearsal)
    whole["passed"] = rehearsal.passed
    for data, step in zip(whole["steps"], rehearsal.steps, strict=True):
        data["passed"] = step.passed
    return msgspec.json.format(msgspec.json.encode(whole), indent=2)


def as_junit(rehearsals: list[Rehearsal]) -> bytes:
    """One suite for each partner, one case for each step."""
    suites = [
        E.testsuite(
            *(_case(rehearsal, step) for step in rehearsal.steps),
            name=f"rehearsal of {rehearsal.iso}",
            tests=str(len(rehearsal.steps)),
            failures=str(sum(not step.passed for step in rehearsal.steps)),
            time=f"{sum(step.seconds for step in rehearsal.steps):.3f}",
            timestamp=rehearsal.began.isoformat(timespec="seconds"),
        )
        for rehearsal in rehearsals
    ]
    return etree.tostring(E.testsuites(*suites), encoding="utf-8", xml_declaration=True, pretty_print=True)


def _case(rehearsal: Rehearsal, step: RehearsalStep) -> Element:
    case = E.testcase(classname=f"rehearsal.{rehearsal.iso}", name=step.name, time=f"{step.seconds:.3f}")
    if not step.passed:
        wrong = "\n".join(f"{one.what}: expected {one.expected}, found {one.found}" for one in step.points if not one.ok)
        case.append(E.failure(_visible(wrong) or "nothing was looked at", message=_visible(wrong.split("\n")[0]) or step.says))
    return case


def as_html(rehearsal: Rehearsal) -> bytes:
    """One page: every step with what was expected and found; the messages are there to unfold."""
    failed = [step for step in rehearsal.steps if not step.passed]
    observed = sum(len(step.points) for step in rehearsal.steps)
    verdict = (
        E.p(f"✓ Passed: {len(rehearsal.steps)} steps, {observed} points.", {"class": "verdict good"})
        if rehearsal.passed
        else E.p(f"✗ Not passed: {', '.join(step.name for step in failed) or 'no step was walked'}.", {"class": "verdict bad"})
    )
    head = E.header(
        E.h1(f"Rehearsal with {rehearsal.name} ({rehearsal.iso})"),
        E.p(
            f"{rehearsal.began:%Y-%m-%d %H:%M} UTC, against {rehearsal.against}, in the dialect {rehearsal.dialect}.",
            {"class": "soft"},
        ),
        verdict,
    )
    foot = E.footer(
        E.p("Partner data rehearsed: ", E.code(rehearsal.digest)),
        E.p("Only this very data can be activated on the strength of this rehearsal. Operators and keys in it are made up."),
    )
    return page(f"Rehearsal {rehearsal.iso}", head, *map(_section, rehearsal.steps), foot)


def _section(step: RehearsalStep) -> Element:
    mark, kind = ("✓", "good") if step.passed else ("✗", "bad")
    rows = [_row(one) for one in step.points]
    head = E.thead(E.tr(E.th("looked at"), E.th("expected"), E.th("found")))
    return E.section(
        E.div(E.span(f"{mark} ", {"class": kind}), E.h2(step.name), E.span(f"  {step.seconds:.2f} s", {"class": "soft"})),
        E.p(step.says),
        E.table(head, E.tbody(*rows)),
        *map(_message, step.messages),
    )


def _row(one: Observation) -> Element:
    kind = "good" if one.ok else "bad"
    return E.tr(
        E.td(_visible(one.what)),
        E.td(_visible(one.expected), {"data-head": "expected"}),
        E.td(f"{'✓' if one.ok else '✗'} {_visible(one.found)}", {"class": kind, "data-head": "found"}),
    )


def _message(one: Exchanged) -> Element:
    status = f" (HTTP {one.status})" if one.status else ""
    parts = [E.summary(f"{one.sent_by}: {one.kind or 'message'} {one.id}: {one.answer}{status}"), E.pre(_visible(one.body))]
    if one.answer_body:
        parts += [E.p("answered with", {"class": "soft"}), E.pre(_visible(one.answer_body))]
    return E.details(*parts)
