"""What the person at the terminal sees of `load`: a progress bar while it runs, lines, and tables at the end."""

import contextlib
from collections.abc import Callable, Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as RichTable
from rich.text import Text

from voice_client.load.report.tables import Table
from voice_client.load.run import Progress as RunProgress
from voice_client.screen import printable


class Screen:
    """Results go to one console, what happens meanwhile to the other."""

    def __init__(self, results: Console, meanwhile: Console) -> None:
        self._results = results
        self._meanwhile = meanwhile

    @contextlib.contextmanager
    def progress(self, calls: int) -> Iterator[Callable[[RunProgress], None]]:
        """A bar as long as the run; on what is no terminal, one line."""
        if not self._meanwhile.is_terminal:
            self.say(f"{calls} {'call' if calls == 1 else 'calls'} ...")
            yield lambda _: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(compact=True))
        with Progress(*columns, console=self._meanwhile, transient=True) as bar:
            task = bar.add_task(f"{calls} calls: connecting", total=None)

            def tell(now: RunProgress) -> None:
                failed = f", [red]{now.failed} failed[/]" if now.failed else ""
                waiting = now.turns - now.answered
                what = f"{now.calls_up} of {calls} calls{failed}: {now.answered} turns answered, {waiting} waiting"
                bar.update(task, total=now.total_s, completed=now.elapsed_s, description=what)

            yield tell

    def show(self, tables: Iterable[Table]) -> None:
        """Print tables; what somebody should look at is red."""
        for table in tables:
            shown = RichTable(
                title=Text(printable(table.title)),
                title_justify="left",
                title_style="bold",
                box=None,
                pad_edge=False,
                show_header=any(table.headings),
            )
            for number, heading in enumerate(table.headings):
                is_number = 0 < number < len(table.headings) - 1
                shown.add_column(heading, justify="right" if is_number else "left", header_style="dim")
            for number, row in enumerate(table.rows):
                cells = (Text(printable(cell)) for cell in row)
                shown.add_row(*cells, style="red" if number in table.bad_rows else None)
            self._results.print(shown)
            self._results.print()

    def say(self, what: str) -> None:
        """One line of what happens."""
        self._meanwhile.print(Text(printable(what)), soft_wrap=True)

    def fail(self, what: str) -> None:
        """One line that must not be missed."""
        self._meanwhile.print(Text(printable(what), style="bold red"), soft_wrap=True)
