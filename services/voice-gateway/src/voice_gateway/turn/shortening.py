"""Makes a conversation fit a bound, whatever it is counted in: bytes that are kept, or tokens that a model reads.

1. An output of a tool is at most a third of the bound: its beginning stays, and a mark says that it was cut.
2. The oldest turns are left out, each whole: a turn is what a user said and all that followed. The newest stays.
3. If that one is too long alone, its outputs are forgotten, the oldest first;
4. then its oldest replies and rounds of tools are left out, each whole, but for the last one;
5. then the beginnings of what is left are cut, the oldest first, and arguments of calls become an empty object.

What is still too long then is a last round of very many calls.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from voice_gateway.domain.items import AssistantItem, Item, ToolCallItem, ToolOutputItem, UserItem

CUT_MARK = "... (cut here, it was too long)"
FORGOTTEN = "(forgotten, it was too long)"
OUTPUT_SHARE = 3
"""An output is at most the bound divided by this, so that it does not push out the question that it was asked for."""
LEAST_SHARE = 4
"""A text that is cut keeps at least the bound divided by this: the last sentences, which the next may be about."""
NO_ARGUMENTS = "{}"


@dataclass(frozen=True, slots=True)
class Measure:
    """How the size of an item is counted."""

    of_text: Callable[[str], int]
    """Linear in the text, and no less for a longer one."""
    per_item: int
    """What an item counts besides its texts; it bounds the number of items, too."""
    texts: Callable[[Item], Sequence[str]]
    """The texts of an item that count."""

    def size(self, item: Item) -> int:
        """What this item counts."""
        return self.per_item + sum(map(self.of_text, self.texts(item)))


def shortened(items: Sequence[Item], limit: int, measure: Measure) -> list[Item]:
    """The items that fit `limit`, shortened by the rules above; most often all of them, as they are."""
    kept = _newest_turns(items, limit, measure)
    excess = sum(map(measure.size, kept)) - limit
    if excess <= 0:
        return kept
    excess -= _forget_outputs(kept, excess, measure)
    excess -= _leave_out(kept, excess, measure)
    _cut_texts(kept, excess, limit // LEAST_SHARE, measure)
    return kept


def end_within(text: str, room: int, measure: Measure) -> str:
    """The longest end of a text that counts no more than `room`, and at least its last character."""
    return text[len(text) - max(1, _most_chars(text, room, measure, lambda count: text[len(text) - count :])) :]


def _newest_turns(items: Sequence[Item], limit: int, measure: Measure) -> list[Item]:
    """The last turn, and those before it that fit, outputs cut; looks no farther back than that takes."""
    newest_first: list[Item] = []
    size, whole = 0, 0
    for index in range(len(items) - 1, -1, -1):
        item = with_short_output(items[index], limit, measure)
        newest_first.append(item)
        size += measure.size(item)
        if size > limit and whole:
            break
        if isinstance(item, UserItem) or index == 0:
            whole = len(newest_first)
    return newest_first[:whole][::-1]


def with_short_output(item: Item, limit: int, measure: Measure) -> Item:
    """The item; if it is an output that is too long, cut."""
    room = limit // OUTPUT_SHARE
    if not isinstance(item, ToolOutputItem) or measure.of_text(item.output) <= room:
        return item
    left = room - measure.of_text(CUT_MARK)
    count = _most_chars(item.output, left, measure, lambda count: item.output[:count])
    return replace(item, output=item.output[:count] + CUT_MARK)


def _most_chars(text: str, room: int, measure: Measure, part: Callable[[int], str]) -> int:
    """How many characters a part of the text may have that counts no more than `room`."""
    least, most = 0, len(text)
    while least < most:
        count = (least + most + 1) // 2
        least, most = (count, most) if measure.of_text(part(count)) <= room else (least, count - 1)
    return least


def _forget_outputs(items: list[Item], excess: int, measure: Measure) -> int:
    """Forget the oldest outputs; how much that saves."""
    saved = 0
    for index, item in enumerate(items):
        if saved >= excess:
            break
        if isinstance(item, ToolOutputItem):
            forgotten = replace(item, output=FORGOTTEN)
            saves = measure.size(item) - measure.size(forgotten)
            if saves > 0:
                items[index], saved = forgotten, saved + saves
    return saved


def _leave_out(items: list[Item], excess: int, measure: Measure) -> int:
    """Leave out the oldest replies and rounds after the user's words; how much that saves."""
    first = 1 if isinstance(items[0], UserItem) else 0
    starts = [first + index for index, pair in enumerate(pairwise(items[first:]), start=1) if _begins(*pair)]
    saved, end = 0, first
    for start in starts:
        if saved >= excess:
            break
        saved, end = saved + sum(map(measure.size, items[end:start])), start
    del items[first:end]
    return saved


def _begins(before: Item, after: Item) -> bool:
    """Whether a reply or a round begins with `after`."""
    if isinstance(after, ToolCallItem):
        return not isinstance(before, ToolCallItem)
    return isinstance(after, AssistantItem)


def _cut_texts(items: list[Item], excess: int, least: int, measure: Measure) -> None:
    """Cut the beginnings of what users and the assistant said, and what tools were asked."""
    for index, item in enumerate(items):
        if excess <= 0:
            return
        items[index] = shorter = _cut(item, excess, least, measure)
        excess -= measure.size(item) - measure.size(shorter)


def _cut(item: Item, excess: int, least: int, measure: Measure) -> Item:
    def end(text: str) -> str:
        return end_within(text, max(least, measure.of_text(text) - excess), measure)

    match item:
        case UserItem():
            return replace(item, text=end(item.text))
        case AssistantItem():
            return replace(item, said=end(item.said), heard=end(item.heard))
        case ToolCallItem():
            return replace(item, arguments_json=NO_ARGUMENTS)
        case _:
            return item
