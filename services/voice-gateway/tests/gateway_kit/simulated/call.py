"""A call of which bytes decide everything: a core, and a simple world that does what the core orders.

The world's parties speak, transcribe, think, read aloud and play as their like do, in virtual time: late, broken,
silent or mistaken now and then, as the bytes want it. Between their facts come senseless ones, unless the call is to be
plausible.
"""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from gateway_kit.phone_call import RATE_HZ, at, new_core, rendered
from gateway_kit.simulated.backends import Model, Voice
from gateway_kit.simulated.caller import Caller
from gateway_kit.simulated.choices import Choices
from gateway_kit.simulated.noise import senseless
from gateway_kit.simulated.player import ClientPlayer
from gateway_kit.simulated.recogniser import Recogniser
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.domain.instant import NS_PER_MS, Instant
from voice_gateway.domain.player import Player
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Core, Phase, State

MOST_STEPS = 250
"""A call that is longer is cut off: it costs more than it shows."""
CAUGHT_UP_MS = 500
"""How long after its pre-roll a client's audio is known to come in real time."""
SILENCE_MS = 70_000
"""How long the line stays open when nothing more happens: longer than any deadline of the policies below."""
_POLICIES: dict[str, tuple[int, ...]] = {
    "unfinished_hold_ms": (1_200, 0, 3_000),
    "vad_end_ms": (900, 400),
    "final_grace_ms": (500, 0, 100),
    "max_turn_ms": (60_000, 1_500, 3_000),
    "min_words": (2, 1, 3),
    "protected_opening_ms": (0, 0, 0, 800),
    "playback_settle_ms": (250, 0),
    "no_input_ms": (0, 0, 0, 4_000),
    "speculation": (True, True, True, False),
    "max_speculations": (3, 1),
    "auto_reply": (True, True, True, True, True, True, False),
    "interrupts": (True, True, True, True, True, True, False),
    "detect_turns": (True, True, True, True, True, True, False),
}
_PLAYERS = (*[Player.PAUSES] * 3, *[Player.FLUSHES] * 2, *[Player.PLAYS_OUT] * 2, Player.NEVER_HELD)


class Step(NamedTuple):
    """What happened, and what the core made of it."""

    now: Instant
    fact: inputs.Input | None
    """None: a deadline came."""
    effects: tuple[effects.Effect, ...]
    state: State
    deadline: Instant | None
    """The next one."""
    turn: TurnId
    """The turn being spoken, or the next one."""
    text: str
    """What is known of its words."""
    is_held: bool
    """Whether the turn waits because it reads unfinished."""
    heard: tuple[ReplyId, int] | None
    """How many samples of the reply in flight have been heard, as the core has it."""
    is_expecting: bool
    """Whether a sound was noticed of which no words came yet."""
    may_go_on: bool
    """Whether the turn that is being answered is reopened if its user speaks on."""
    received_samples: int
    """How much input the client had sent."""
    sent_samples: int
    """How many samples of the latest reply have left."""
    played_samples: int
    """How many samples of the latest reply the client has played."""
    is_taken: bool
    """Whether the fact was about something in flight."""
    guess: str
    """The sentence that is synthesised as it looks ended; "": there is none."""
    has_sound_of_guess: bool
    """Whether anything has come of it."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is agreed when the call begins."""

    policy: TurnPolicy
    player: Player
    is_pushed: bool
    """Whether the client sends its input faster than real time."""
    pre_roll_ms: int
    """Audio of before the connection, sent at once when it is there."""
    drift_ppm: int
    """How much faster the client's clock runs than ours."""
    noise: int
    """One in so many facts is followed by a senseless one; 0: none is."""

    def core(self) -> Core:
        """A core for this line."""
        return new_core(self.policy, player=self.player)


class Call:
    """`play` plays it to its end; `steps` are what happened."""

    def __init__(self, decisions: bytes, *, is_plausible: bool = False) -> None:
        self.choices = Choices(decisions)
        self.line = self._agree(is_plausible=is_plausible)
        self.core = self.line.core()
        self.steps: list[Step] = []
        self.now_ms = 0
        self._jumped_ms = 0
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self.recogniser = Recogniser(self)
        self.player = ClientPlayer(self)
        self._model, self._voice = Model(self), Voice(self)
        self._caller = Caller(self)

    def play(self) -> "Call":
        """Let it happen. A session that has not ended by itself is ended after a long silence, as one nobody uses if it
        is quiet.
        """
        self.tell(inputs.SessionStarted())
        if self.line.is_pushed or self.line.pre_roll_ms:
            self.tell(inputs.BacklogBegan())
        if self.line.pre_roll_ms and not self.line.is_pushed:
            self.in_ms(CAUGHT_UP_MS, lambda: self.tell(inputs.CaughtUp(self.input_samples())))
        self._caller.begin()
        while not self._is_cut and (self._events or self._is_deadline_within(SILENCE_MS)):
            due_ms = self._events[0][0] if self._events else self.now_ms + SILENCE_MS
            if self._is_deadline_within(due_ms - self.now_ms):
                self._keep_deadline()
            else:
                self.now_ms = due_ms
                heappop(self._events)[2]()
        if not self._is_cut:
            self.now_ms += SILENCE_MS
        for last in (inputs.SessionIdled(), inputs.EndRequested()):
            if not self.is_over:
                self._step(last, at(self.now_ms))
        return self

    def said(self) -> str:
        """What the user has said by now, as the model has read it or is to read it next."""
        history = self.core.snapshot(at(self.now_ms))["history"]
        return "\n".join(item[-1] for item in history if item[0] == "user")

    def script(self) -> str:
        """What happened, to be read."""
        lines = [str(self.line)]
        for step in self.steps:
            lines += [f"{step.now / NS_PER_MS:.0f} ms: {step.fact or 'the deadline comes'}"]
            lines += rendered(step.effects)
        return "\n".join(lines)

    def in_ms(self, wait_ms: int, do: Callable[[], None]) -> None:
        """Do something later; now, if it is too late for that."""
        heappush(self._events, (self.now_ms + max(0, wait_ms), next(self._order), do))

    def tell(self, fact: inputs.Input) -> None:
        """Tell the core now, and do what it orders."""
        if len(self.steps) < MOST_STEPS:
            self._step(fact, at(self.now_ms))
            if self.line.noise and self.choices.one_in(self.line.noise):
                self._step(senseless(self.choices, self), at(self.now_ms))

    def input_samples(self) -> int:
        """How much input the client has sent."""
        before = (self.line.pre_roll_ms + self._jumped_ms) * RATE_HZ // 1_000
        return before + self.now_ms * self.speed * RATE_HZ * (1_000_000 + self.line.drift_ppm) // 1_000_000_000

    def jump(self, gap_ms: int) -> None:
        """The client's clock goes on with a gap."""
        self._jumped_ms += gap_ms

    @property
    def speed(self) -> int:
        """How much faster than real time the input comes."""
        return 5 if self.line.is_pushed else 1

    @property
    def is_over(self) -> bool:
        """Whether the session has ended."""
        return self.steps[-1].state.phase is Phase.ENDED

    def _agree(self, *, is_plausible: bool) -> Line:
        choices = self.choices
        noise = 0 if is_plausible else choices.of((0, 10, 3))
        overrides = {name: choices.of(values) for name, values in _POLICIES.items()} if choices.below(2) else {}
        return Line(
            TurnPolicy().changed(overrides),
            player=choices.of(_PLAYERS),
            is_pushed=choices.one_in(16),
            pre_roll_ms=choices.of((0, 0, 0, 0, 500, 2_000, 10_000)),
            drift_ppm=choices.of((0, 0, 200, -200)),
            noise=noise,
        )

    @property
    def _is_cut(self) -> bool:
        return len(self.steps) >= MOST_STEPS or self.is_over

    def _is_deadline_within(self, wait_ms: int) -> bool:
        deadline = self.steps[-1].deadline
        return deadline is not None and deadline <= at(self.now_ms + wait_ms)

    def _keep_deadline(self) -> None:
        now = max(Instant(self.steps[-1].deadline or 0), self.steps[-1].now)
        self.now_ms = max(self.now_ms, -(-now // NS_PER_MS))
        self._step(None, now)

    def _step(self, fact: inputs.Input | None, now: Instant) -> None:
        now = max(now, self.steps[-1].now) if self.steps else now
        core, sent, played = self.core, self.player.sent_samples(), self.player.played_samples()
        is_taken = fact is not None and not core._is_stale(fact)
        done = core.on_deadline(now) if fact is None else core.handle(fact, now)
        so_far, reply = core._user.so_far, core._agent.current.in_flight
        heard = (reply.id, reply.playback.heard(now).samples) if reply is not None else None
        answering = reply.answering if reply is not None else None
        may_go_on = answering is not None and answering.turn.may_go_on
        utterance = core._user.utterance
        expecting = utterance._has_onset or utterance.may_become_turn
        guesses = core._agent.current.reply.wording.guesses if core._agent.current.reply is not None else None
        guess = guesses._guess if guesses is not None else None
        held, turn = so_far.hold_until is not None, core._user.turn
        self.steps.append(
            Step(
                now,
                fact,
                done,
                core.state,
                core.deadline(),
                turn,
                so_far.text,
                held,
                heard,
                expecting,
                may_go_on,
                self.input_samples(),
                sent,
                played,
                is_taken,
                guess.spoken if guess is not None else "",
                guess is not None and (guess.ready or guess.end) is not None,
            )
        )
        for effect in done:
            self._perform(effect)

    def _perform(self, effect: effects.Effect) -> None:
        for party in (self.recogniser, self._model, self._voice, self.player):
            perform = party.performs.get(type(effect))
            if perform is not None:
                perform(effect)
