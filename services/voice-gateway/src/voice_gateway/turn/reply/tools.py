"""Tools that the model calls: one round of calls at a time, and no call twice.

A round begins when the model has finished with calls, and is over when each has an outcome: what the tool returned, or
why there is nothing. Then the model is asked again, unless somebody has interrupted meanwhile. The history has a round
only as a whole, so that it is valid at any time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from voice_gateway.domain.chat import Tool, Toolbox, ToolCall, ToolPlace
from voice_gateway.domain.events import ToolCalled
from voice_gateway.domain.ids import CallId, TurnId
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.strict_json import is_object
from voice_gateway.turn.effects import CancelTool, Effect, Emit, Orders, RunTool
from voice_gateway.turn.inputs import ToolReturned
from voice_gateway.turn.reply.reply import Reply

FILLER_AFTER_MS = 700
"""Longest silence that is taken for thinking: longer gaps between speakers are heard as trouble (Roberts and Francis,
2013, "Identifying a temporal threshold of tolerance for silent gaps after requests")."""
MAX_ROUNDS = 5
"""Most rounds of one turn; then the model is offered no tools, so that it answers."""
MAX_CALLS = 16
"""Most calls of one round; calls beyond these have failed."""
LONGEST_NAME_CHARS = 64
"""Longest name of a function in the OpenAI protocol, which refuses a history with any other."""
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")

TIMED_OUT = "timed out"
INTERRUPTED = "interrupted"
CLIENT_GONE = "the client takes no calls any more"
TOO_MANY = f"not called: at most {MAX_CALLS} tools are called at once"
NO_OBJECT = "not called: the arguments are no JSON object"


@dataclass(slots=True)
class _Call:
    """One call of a round. It awaits its outcome while it has no output."""

    id: CallId
    call: ToolCall
    """As the history will have it."""
    place: ToolPlace
    output: str | None = None


@dataclass(slots=True)
class _Round:
    caller: Reply
    called: Instant
    calls: list[_Call]
    deadline: Instant
    filler_at: Instant | None
    is_interrupted: bool = False


@dataclass(frozen=True, slots=True)
class RoundOver:
    """A round in which no call is awaited any more."""

    caller: Reply
    called: Instant
    outcomes: tuple[tuple[ToolCall, str], ...]
    is_interrupted: bool
    """Whether the model is not to be asked again."""


class Tools:
    """The calls of one session."""

    def __init__(self, toolbox: Toolbox, orders: Orders, *, has_filler: bool) -> None:
        self._orders = orders
        self._has_filler = has_filler
        self._toolbox = toolbox
        self._round: _Round | None = None
        self._is_client_there = True
        self.last = CallId(0)
        """The latest call; 0 before the first."""
        self.turn: TurnId | None = None
        """The latest turn that has called tools, which cannot be taken back."""

    @property
    def is_idle(self) -> bool:
        """Whether no round is open."""
        return self._round is None

    def resume(self, last: CallId) -> None:
        """Count on from there."""
        self.last = last

    def offer(self, toolbox: Toolbox) -> None:
        """Offer these from now on."""
        self._toolbox = toolbox

    def offered(self, rounds: int, own: tuple[Tool, ...] | None = None) -> tuple[Tool, ...]:
        """What the model may call after `rounds` rounds of the same turn; `own` replaces the client's tools."""
        toolbox = self._toolbox if own is None else self._toolbox.with_client_tools(own)
        return toolbox.tools if rounds < MAX_ROUNDS else ()

    def begin(self, caller: Reply, calls: tuple[ToolCall, ...], now: Instant) -> None:
        """Call what the model called at the end of `caller`; once all have returned, it is to be asked again."""
        self.turn = caller.brief.turn
        tools = {tool.name: tool for tool in caller.brief.tools}
        entries = [self._entry(call, tools) for call in calls]
        filler_at = after_ms(now, FILLER_AFTER_MS) if self._has_filler and not caller.wording.has_written else None
        self._round = _Round(caller, now, entries, after_ms(now, self._toolbox.timeout_ms), filler_at)
        for surplus in self._awaited[MAX_CALLS:]:
            surplus.output = _failure(TOO_MANY)
        self._orders.add(*(_order(call, caller.brief.turn) for call in self._awaited))

    def returned(self, fact: ToolReturned) -> None:
        """Take an outcome; one that nobody awaits is dropped."""
        for call in self._awaited:
            if call.id == fact.call:
                call.output = _failure(fact.output) if fact.is_error else fact.output

    def client_left(self) -> None:
        """The client half-closed: it returns nothing any more."""
        self._is_client_there = False
        for call in self._awaited:
            if call.place is ToolPlace.CLIENT:
                call.output = _failure(CLIENT_GONE)

    def interrupt(self) -> None:
        """Await nothing any more; what comes late is dropped, and the model is not asked again."""
        if self._round is not None:
            self._round.is_interrupted = True
            self._give_up(INTERRUPTED)

    def deadline(self) -> Instant | None:
        """When to call `on_deadline`."""
        waiting = self._round
        if waiting is None or not self._awaited:
            return None
        return waiting.deadline if waiting.filler_at is None else min(waiting.filler_at, waiting.deadline)

    def on_deadline(self, now: Instant) -> None:
        """Give up what takes too long."""
        if self._round is not None and now >= self._round.deadline:
            self._give_up(TIMED_OUT)

    def take_filler(self, now: Instant) -> Reply | None:
        """The reply whose calls take so long that a filler is to be said; once for a round."""
        waiting = self._round
        if waiting is None or not self._awaited or waiting.filler_at is None or now < waiting.filler_at:
            return None
        waiting.filler_at = None
        return waiting.caller

    def close_round(self) -> RoundOver | None:
        """Close the round if it is over, and give it; None: it is not."""
        waiting = self._round
        if waiting is None or self._awaited:
            return None
        self._round = None
        return RoundOver(waiting.caller, waiting.called, _outcomes(waiting), waiting.is_interrupted)

    def outcomes(self) -> tuple[tuple[ToolCall, str], ...]:
        """The outcomes of an open round as if it were interrupted now; empty when none is open."""
        return _outcomes(self._round) if self._round is not None else ()

    @property
    def _awaited(self) -> list[_Call]:
        """Calls without an outcome."""
        return [call for call in self._round.calls if call.output is None] if self._round is not None else []

    def _give_up(self, why: str) -> None:
        for call in self._awaited:
            call.output = _failure(why)
            if call.place is ToolPlace.SERVER:
                self._orders.add(CancelTool(call.id))

    def _entry(self, call: ToolCall, tools: Mapping[str, Tool]) -> _Call:
        """A call; if it cannot be made, it has failed already."""
        self.last = CallId(self.last + 1)
        tool = tools.get(call.name)
        lawful = replace(call, arguments_json=call.arguments_json.strip() or "{}")
        if tool is None:
            name = _NOT_IN_NAMES.sub("_", call.name)[:LONGEST_NAME_CHARS] or "unnamed"
            arguments_json = lawful.arguments_json if is_object(lawful.arguments_json) else "{}"
            there_is = f"there is no tool of this name; there is {', '.join(tools)}"
            unknown = ToolCall(call.id, name, arguments_json)
            return _Call(self.last, unknown, ToolPlace.SERVER, _failure(there_is))
        if not is_object(lawful.arguments_json):
            # some servers parse the arguments in a history, and refuse it whole if they cannot
            return _Call(self.last, replace(call, arguments_json="{}"), tool.runs_at, _failure(NO_OBJECT))
        entry = _Call(self.last, lawful, tool.runs_at)
        if tool.runs_at is ToolPlace.CLIENT and not self._is_client_there:
            entry.output = _failure(CLIENT_GONE)
        return entry


def _order(call: _Call, turn: TurnId | None) -> Effect:
    if call.place is ToolPlace.SERVER:
        return RunTool(call.id, call.call.name, call.call.arguments_json)
    return Emit(ToolCalled(call.id, turn, call.call.name, call.call.arguments_json))


def _outcomes(waiting: _Round) -> tuple[tuple[ToolCall, str], ...]:
    return tuple((call.call, _failure(INTERRUPTED) if call.output is None else call.output) for call in waiting.calls)


def _failure(why: str) -> str:
    """The OpenAI protocol has no mark for errors of tools: the text tells them."""
    return f"Error: {why}"
