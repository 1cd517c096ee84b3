"""The user of a simulated call, and the client in between: speech, sounds, keys and trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway_kit.phone_call import PER_MS, at
from voice_gateway.domain.reply_options import AS_AGREED
from voice_gateway.domain.transcript import Word
from voice_gateway.turn import inputs

if TYPE_CHECKING:
    from gateway_kit.simulated.call import Call

_WORD_MS = 200
_PHRASES = (
    "is there a pod",
    "what is the",
    "close the gate",
    "call me at four two",
    "and",
    "my number is",
    "how big is it for a user",
    "i want to",
)
_ECHO = ("the pod is small it runs", "seven eight nine ten", "eleven twelve then the gate closes", "yes")
_JUMPS_MS = (3_600_000, 5_000, 300)
"""The client's clock is set, or it has sent nothing while its user was silent."""
_MOST_DECISIONS = 7


class Caller:
    """Decides what to do, does it, waits, and decides again."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._decisions = _MOST_DECISIONS
        self._said = 0

    def begin(self) -> None:
        """The user has the line; what was recorded before they had it is sent at once."""
        if self._call.line.pre_roll_ms:
            self._utter(self._call.choices.of(_PHRASES), -self._call.line.pre_roll_ms)
        self._call.in_ms(self._call.choices.ms(0, 1_000), self._decide)

    def _decide(self) -> None:
        choices = self._call.choices
        self._decisions -= 1
        if self._decisions == 0:
            self._hang_up()
            return
        kind = choices.of(("speak", "speak", "speak", "speak", "over", "cough", "echo", "key", "type", "trouble"))
        lasts_ms = getattr(self, f"_{kind}")()
        if not self._call.line.policy.auto_reply and choices.below(2):
            self._call.tell(inputs.ReplyRequested(AS_AGREED))
        self._call.in_ms(lasts_ms + choices.ms(100, 2_500), self._decide)

    def _speak(self) -> int:
        """Segments of a turn, with pauses between them."""
        choices, begins_ms = self._call.choices, 0
        for _ in range(choices.of((1, 1, 2, 3))):
            self._said += 1
            text = choices.of(_PHRASES)
            begins_ms = self._utter(f"{text} {self._name()}" if choices.below(2) else text, begins_ms)
            begins_ms += choices.ms(60, 1_800)
        return begins_ms

    def _over(self) -> int:
        """A word that is a turn by itself, a sign of listening, a word of the agent's, or an interruption."""
        return self._utter(self._call.choices.of(("stop", "mm", "yes", "aisle", "wait wait", "but why is that so")), 0)

    def _echo(self) -> int:
        """The agent's own voice comes back."""
        choices = self._call.choices
        self._said += 1
        more = f" {self._name()} but not now please" if choices.one_in(3) else ""
        return self._utter(choices.of(_ECHO) + more, choices.ms(0, 300))

    def _cough(self) -> int:
        """A sound without words."""
        lasts_ms = self._call.choices.ms(50, 700)
        self._sound(0, lasts_ms, has_voice=self._call.choices.one_in(4))
        return lasts_ms

    def _key(self) -> int:
        """Push-to-talk: the user's turn ends here, often while they speak; or the reply is to stop."""
        choices = self._call.choices
        if choices.below(2):
            self._call.in_ms(choices.ms(0, 500), lambda: self._call.tell(inputs.ClientInterrupted()))
            return 500
        lasts_ms = self._speak()
        early_ms = choices.ms(0, lasts_ms)
        self._call.in_ms(early_ms, lambda: self._call.tell(inputs.CommitRequested(self._call.input_samples())))
        return lasts_ms

    def _type(self) -> int:
        self._said += 1
        self._call.tell(inputs.TextTyped(f"Typed {self._name()}."))
        return 0

    def _trouble(self) -> int:
        kind = self._call.choices.of(("break", "jump", "wait", "leave"))
        if kind == "break":
            self._call.recogniser.fail()
        elif kind == "jump":
            self._call.jump(self._call.choices.of(_JUMPS_MS))
        elif kind == "leave":
            self._hang_up()
        return 0 if kind == "break" else 5_000

    def _hang_up(self) -> None:
        call = self._call
        kind = call.choices.of(("wait", "half-close", "end", "drain"))
        if kind == "half-close":
            call.tell(inputs.InputEnded())
        elif kind == "end":
            call.tell(inputs.EndRequested())
        elif kind == "drain":
            call.tell(inputs.DrainRequested(at(call.now_ms + call.choices.ms(100, 8_000))))

    def _name(self) -> str:
        return f"thing{self._said}"

    def _utter(self, text: str, begins_ms: int) -> int:
        """Say this, in real time from `begins_ms` on; returns when it is said."""
        call, choices = self._call, self._call.choices
        word_ms = _WORD_MS // call.speed
        start = call.input_samples() + begins_ms * call.speed * PER_MS
        step = word_ms * call.speed * PER_MS
        words = text.split()
        call.recogniser.words += [
            Word(word, start + place * step, start + (place + 1) * step) for place, word in enumerate(words)
        ]
        said_ms = begins_ms + len(words) * word_ms
        if choices.below(5):
            self._sound(begins_ms, said_ms, has_voice=True)
        for place in range(1, len(words) + 1):
            if choices.below(3) == 0:
                call.in_ms(begins_ms + place * word_ms + 110, lambda: call.recogniser.revise(is_sure=False))
        if choices.below(2) == 0:
            call.in_ms(said_ms + 110, lambda: call.recogniser.revise(is_sure=False))
        if choices.below(2):
            call.in_ms(said_ms + call.line.policy.stop_history_eou_ms, lambda: call.recogniser.revise(is_sure=True))
        late_ms = choices.of((0, 0, 0, 0, 1_600))
        if choices.below(6) < 5:
            call.in_ms(
                said_ms + call.line.policy.stop_history_ms + choices.ms(0, 120) + late_ms, call.recogniser.finalise
            )
        return said_ms

    def _sound(self, begins_ms: int, ends_ms: int, *, has_voice: bool) -> None:
        """What voice activity detection tells of it."""
        call, policy = self._call, self._call.line.policy
        start = call.input_samples() + begins_ms * call.speed * PER_MS
        end = call.input_samples() + ends_ms * call.speed * PER_MS

        def tell(kind: type[inputs.SpeechStarted | inputs.SpeechEnded], at_samples: int) -> None:
            call.tell(kind(at_samples, max(at_samples, call.input_samples())))

        call.in_ms(begins_ms + policy.vad_onset_ms, lambda: tell(inputs.SpeechStarted, start))
        if has_voice:
            call.in_ms(begins_ms + policy.vad_onset_ms, lambda: call.tell(inputs.VoicingHeard()))
        if not call.choices.one_in(10):
            call.in_ms(ends_ms + policy.pause_ms, lambda: tell(inputs.SpeechEnded, end))
