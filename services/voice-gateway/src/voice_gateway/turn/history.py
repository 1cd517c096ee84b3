"""The conversation as it was: what the user said and heard, and what tools were asked and answered, item by item."""

from collections.abc import Iterable, Sequence
from itertools import starmap

from voice_gateway.domain.chat import ToolCall
from voice_gateway.domain.ids import ItemId, ReplyId, TurnId
from voice_gateway.domain.items import AssistantItem, Item, ToolCallItem, ToolOutputItem, UserItem
from voice_gateway.turn.effects import Forget, Orders, Remember
from voice_gateway.turn.shortening import Measure, shortened, with_short_output

KEPT_BYTES = 256 * 1_024
"""Most bytes (UTF-8) of a session's items: about four hours of talk, and 250 MB of a pod with a thousand sessions."""
ITEM_BYTES = 128
"""What an item counts besides its texts: about what its fields take in memory. It bounds the number of items to 2,000,
of which messages for a large model are made in under 5 ms (measured 2026-11-29)."""


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _texts(item: Item) -> Sequence[str]:
    match item:
        case UserItem():
            return (item.text,)
        case AssistantItem():
            return (item.said,) if item.said == item.heard else (item.said, item.heard)
        case ToolCallItem():
            return (item.call_id, item.name, item.arguments_json)
    return (item.output,)


_BYTES = Measure(_utf8_bytes, ITEM_BYTES, _texts)


class History:
    """Items in the order in which they happened; at most KEPT_BYTES of them, shortened as `shortening.py` says.

    What is left out for want of room was not taken back, and nobody is told: a store may keep it.
    """

    def __init__(self, orders: Orders) -> None:
        """Nothing has been said."""
        self._orders = orders
        self._items: list[Item] = []
        self._bytes = 0
        self._told: list[Remember | Forget] = []
        self.last = ItemId(0)
        """The latest item; 0 before the first."""
        self.version = 0
        """Grows with every change."""

    @property
    def items(self) -> tuple[Item, ...]:
        """The conversation."""
        return tuple(self._items)

    def copy(self) -> "History":
        """The same conversation, which may go on in another way."""
        copy = History(Orders())
        copy.resume(self._items, self.last)
        return copy

    def resume(self, items: Iterable[Item], last: ItemId) -> None:
        """Go on from earlier items, the latest of which had the number `last`; nobody is told of them again."""
        self._items, self.last = list(items), last
        self._bytes = sum(map(_BYTES.size, self._items))

    def items_with(self, turn: TurnId, text: str) -> tuple[Item, ...]:
        """What `items` would be if the user had said `text`."""
        return (*self._items, UserItem(ItemId(self.last + 1), turn, text))

    def said(self, turn: TurnId, text: str) -> None:
        """The user said `text`."""
        self._add(UserItem(self._next(), turn, text))

    def unsaid(self) -> None:
        """Take back the last item, which the user said: it is part of a longer turn that is still being said."""
        item = self._items.pop()
        self._bytes -= _BYTES.size(item)
        self.version += 1
        self._told.append(Forget(item.id))

    def heard(self, reply: ReplyId, said: str, heard: str, *, is_interrupted: bool) -> None:
        """The user heard `heard` of a reply of which `said` was told; if nothing was heard, nothing is kept."""
        if heard:
            self._add(AssistantItem(self._next(), reply, said, heard, is_interrupted))

    def called(self, outcomes: Iterable[tuple[ToolCall, str]]) -> None:
        """The tools of one round were called, and this is what came of each."""
        calls, outputs = zip(*outcomes, strict=True)
        items = [ToolCallItem(self._next(), call.id, call.name, call.arguments_json) for call in calls]
        answers = zip((item.id for item in items), outputs, strict=True)
        self._add(*items, *starmap(self._output, answers))

    def tell(self) -> None:
        """Tell what has changed since this was told last, in order."""
        self._orders.add(*self._told)
        self._told = []

    def _next(self) -> ItemId:
        self.last = ItemId(self.last + 1)
        return self.last

    def _output(self, call: ItemId, output: str) -> ToolOutputItem:
        return ToolOutputItem(self._next(), call, output)

    def _add(self, *items: Item) -> None:
        self.version += 1
        self._told += map(Remember, items)
        kept = [with_short_output(item, KEPT_BYTES, _BYTES) for item in items]
        self._items += kept
        self._bytes += sum(map(_BYTES.size, kept))
        while self._bytes > KEPT_BYTES and (end := self._oldest_turn()):
            self._bytes -= sum(map(_BYTES.size, self._items[:end]))
            del self._items[:end]
        if self._bytes > KEPT_BYTES:
            self._items = shortened(self._items, KEPT_BYTES, _BYTES)
            self._bytes = sum(map(_BYTES.size, self._items))

    def _oldest_turn(self) -> int:
        """How many items the oldest turn has; 0: it is the newest, too."""
        following = (index for index, item in enumerate(self._items) if index and isinstance(item, UserItem))
        return next(following, 0)
