"""The spans of tools, by OpenTelemetry's conventions for generative AI ("Execute tool span")."""

from typing import NamedTuple

from opentelemetry.trace import Span, StatusCode

from voice_gateway.domain.ids import CallId, TurnId
from voice_gateway.domain.limits import MAX_SPAN_TEXT_CHARS
from voice_gateway.session.tracing import names
from voice_gateway.session.tracing.pen import Attributes, Pen


class _Call(NamedTuple):
    span: Span
    turn: TurnId | None


class ToolSpans:
    """Those of one session that are open, of tools of the server and of the client."""

    def __init__(self, pen: Pen, *, has_text: bool) -> None:
        self._pen = pen
        self._has_text = has_text
        self._open: dict[CallId, _Call] = {}

    def begin(self, call: CallId, turn: TurnId | None, parent: Span, name: str, arguments_json: str) -> None:
        """A tool is called for this turn."""
        told: Attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.type": "function",
            names.CALL_ID: call,
        }
        if self._has_text:
            told = {**told, "gen_ai.tool.call.arguments": arguments_json[:MAX_SPAN_TEXT_CHARS]}
        self._open[call] = _Call(self._pen.begin(f"execute_tool {name}", parent, told), turn)

    def of(self, call: CallId) -> Span | None:
        """The span of a call that runs."""
        return self._open[call].span if call in self._open else None

    def turn_of(self, call: CallId) -> TurnId | None:
        """The turn that a call which runs is for."""
        return self._open[call].turn if call in self._open else None

    def returned(self, call: CallId, output: str, *, is_error: bool) -> None:
        """A tool has done its work, or failed."""
        span = self.of(call)
        if span is None:
            return
        if self._has_text:
            span.set_attribute("gen_ai.tool.call.result", output[:MAX_SPAN_TEXT_CHARS])
        if is_error:
            span.set_attribute("error.type", "tool_error")
            span.set_status(StatusCode.ERROR)
        self.end(call)

    def end(self, call: CallId) -> None:
        """Nobody waits for it any more."""
        if call in self._open:
            self._pen.end(self._open.pop(call).span)

    def turn_ended(self, turn: TurnId | None) -> bool:
        """Nobody waits any more for those that were called for this turn; whether there were any."""
        left = [call for call, each in self._open.items() if each.turn == turn]
        for call in left:
            self.end(call)
        return bool(left)

    def leave(self) -> None:
        """Nobody waits for any of them any more."""
        for call in tuple(self._open):
            self.end(call)
