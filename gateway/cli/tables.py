"""Rows for a terminal of any width."""

from __future__ import annotations

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table as RichTable


class Table(RichTable):
    """Breaks lines between words; within one only where the columns' longest words have no room beside each other."""

    def __init__(self, *headings: str, title: str | None = None, caption: str | None = None) -> None:
        super().__init__(
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            pad_edge=False,
            show_edge=False,
            title=title,
            caption=caption,
            title_justify="left",
        )
        for heading in headings:
            self.add_column(heading, overflow="fold")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        least, widths = [], []
        for column in self.columns:
            bounds = [Measurement.get(console, options, cell) for cell in (column.header, *column.cells)]
            least.append(max(bound.minimum for bound in bounds))
            widths.append(max(bound.maximum for bound in bounds))
        room = options.max_width - 2 * (len(widths) - 1)
        while sum(widths) > room:
            wide = [at for at, width in enumerate(widths) if width > least[at]] or range(len(widths))
            widths[max(wide, key=widths.__getitem__)] -= 1
        for column, width in zip(self.columns, widths, strict=True):
            column.width = width
        yield from super().__rich_console__(console, options)
