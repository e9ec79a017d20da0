"""The drawings in gateway/README.md, made from the imports. ``python -m tests.house`` draws them; a test says when they are old."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import grimp

from gateway.settings import ROOT as REPO

README = REPO / "gateway" / "README.md"
#: Which packages are drawn, by the names under which the README marks the place.
DRAWN = {"house": "gateway", "exchange": "gateway.exchange"}

Arrows = Mapping[str, frozenset[str]]


def arrows(package: str) -> Arrows:
    """For each room of ``package`` those from which any of its modules imports. A module beside the rooms is one, too."""
    graph = grimp.build_graph("gateway", cache_dir=None)
    rooms = {room.rpartition(".")[2]: {room} | graph.find_descendants(room) for room in graph.find_children(package)}
    used = {room: set().union(*map(graph.find_modules_directly_imported_by, modules)) for room, modules in rooms.items()}
    return {
        room: frozenset(other for other, modules in rooms.items() if other != room and used[room] & modules)
        for room in sorted(rooms)
    }


def below(room: str, drawn: Arrows) -> frozenset[str]:
    """Every room to which a way of arrows leads. Ends because there is no circle: ``make lint`` sees to that."""
    return drawn[room].union(*(below(other, drawn) for other in drawn[room]))


def needed(drawn: Arrows) -> Iterator[tuple[str, str]]:
    """The arrows that no way of other arrows replaces."""
    for room, others in drawn.items():
        for other in sorted(others):
            if not any(other in below(between, drawn) for between in others - {other}):
                yield room, other


def drawing(package: str) -> str:
    """Markdown: a Mermaid drawing of every room and every arrow that is needed."""
    drawn = arrows(package)
    lines = [f"    {room} --> {other}" for room, other in needed(drawn)]
    alone = [f"    {room}" for room in drawn if not drawn[room] and not any(room in others for others in drawn.values())]
    return "\n".join(["```mermaid", "flowchart TD", *lines, *alone, "```", ""])


def renewed(text: str) -> str:
    """``text`` of the README with its drawings as they must be now."""
    for name, package in DRAWN.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = text.split(begin)
        text = before + begin + drawing(package) + end + rest.split(end)[1]
    return text


if __name__ == "__main__":
    README.write_text(renewed(README.read_text("utf-8")), "utf-8")
