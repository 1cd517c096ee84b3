"""When a turn ends, what counts as an interruption, how far ahead audio is sent: values, not code."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from voice_gateway.domain.errors import ClientError, Reason


def _ms(default: int, low: int, high: int, doc: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "unit": "ms", "doc": doc})


def _count(default: int, low: int, high: int, doc: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "unit": "count", "doc": doc})


def _flag(doc: str) -> Any:
    return field(default=True, metadata={"low": 0, "high": 1, "unit": "", "doc": doc})


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    """The turn policy; the proto message of the same name has the same fields, defaults and ranges."""

    vad_onset_ms: int = _ms(96, 32, 1_000, "speech needed before an onset is believed")
    stop_history_eou_ms: int = _ms(240, 40, 5_000, "silence before the end of an utterance is suspected")
    stop_history_ms: int = _ms(480, 80, 10_000, "silence that ends a segment")
    pause_ms: int = _ms(160, 32, 5_000, "silence after which speech counts as ended")
    unfinished_hold_ms: int = _ms(1_200, 0, 10_000, "time to go on for a user who pauses in an unfinished phrase")
    vad_end_ms: int = _ms(900, 200, 20_000, "silence that ends a turn even if the recogniser stays silent")
    final_grace_ms: int = _ms(500, 0, 10_000, "wait for a forced final before the last interim is taken")
    max_turn_ms: int = _ms(60_000, 1_000, 600_000, "longest turn")
    input_stall_ms: int = _ms(500, 100, 60_000, "a client that sends no audio for this time counts as silent")
    min_speech_ms: int = _ms(400, 0, 5_000, "speech needed to take the floor from the agent")
    min_words: int = _count(2, 0, 20, "words needed to take the floor from the agent")
    backchannel_ms: int = _ms(600, 0, 5_000, "words that only acknowledge, said in less than this, are a backchannel")
    contested_timeout_ms: int = _ms(1_500, 200, 20_000, "a paused reply resumes after this time without a verdict")
    protected_opening_ms: int = _ms(0, 0, 60_000, "speech does not interrupt the first part of a reply")
    lead_ms: int = _ms(200, 40, 5_000, "reply audio is sent at most this far ahead of real time")
    client_buffer_ms: int = _ms(100, 0, 5_000, "assumed buffer of a client that never reports playback")
    playback_settle_ms: int = _ms(250, 0, 5_000, "wait for the last playback report after an interruption")
    stall_ms: int = _ms(5_000, 500, 120_000, "a reporting client whose playback stands still for this time is stalled")
    no_input_ms: int = _ms(0, 0, 600_000, "silence after which the agent prompts again; 0 is never")
    speculation: bool = _flag("prepare the reply before the turn is certain")
    max_speculations: int = _count(3, 0, 10, "at most this many replies are prepared early in one turn")
    auto_reply: bool = _flag("answer each turn; if not, the client asks for each reply")
    interrupts: bool = _flag("speech over a reply may stop it; if not, the speech is a turn that waits")
    detect_turns: bool = _flag("silence and final transcripts end a turn; if not, the client ends it")

    @property
    def prepares(self) -> bool:
        """Whether a reply may be prepared early: the server itself ends turns and answers them."""
        return self.speculation and self.auto_reply and self.detect_turns

    @property
    def prompt_after_ms(self) -> int:
        """Silence after which the agent prompts again; 0 is never. Without `auto_reply` the agent never prompts."""
        return self.no_input_ms if self.auto_reply else 0

    def __post_init__(self) -> None:
        """Raise ClientError / POLICY_OUT_OF_RANGE for a value out of range or a pair that contradicts itself."""
        for spec in fields(self):
            value, low, high = getattr(self, spec.name), spec.metadata["low"], spec.metadata["high"]
            if not low <= value <= high:
                raise ClientError(Reason.POLICY_OUT_OF_RANGE, f"{spec.name} is {value}; it must be {low} to {high}")
        if self.stop_history_eou_ms >= self.stop_history_ms:
            raise ClientError(
                Reason.POLICY_OUT_OF_RANGE,
                f"stop_history_eou_ms {self.stop_history_eou_ms} must be below stop_history_ms {self.stop_history_ms}",
            )

    def changed(self, overrides: Mapping[str, Any]) -> "TurnPolicy":
        """A policy with `overrides` (field name to value) applied; raises like the constructor."""
        return replace(self, **overrides)

    def departures(self) -> dict[str, int]:
        """The fields that are not the contract's defaults, by name."""
        return {spec.name: value for spec in fields(self) if (value := getattr(self, spec.name)) != spec.default}
