"""The user's side: what is being said, by its sound and by its words, until it is a committed turn."""

from collections.abc import Sequence
from dataclasses import replace

from voice_gateway.domain.events import SpeculationTrigger
from voice_gateway.domain.ids import StreamId, TurnId
from voice_gateway.domain.instant import NS_PER_MS, Instant, after_ms, earliest
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import Orders
from voice_gateway.turn.tables import Floor, FloorEvent, Machine
from voice_gateway.turn.text.unfinished import reads_unfinished
from voice_gateway.turn.user.input_clock import InputClock
from voice_gateway.turn.user.listening import Recognition, Replay
from voice_gateway.turn.user.shown import Shown
from voice_gateway.turn.user.turn_so_far import MAX_TURN_CHARS, CommittedTurn, Decision, TurnSoFar
from voice_gateway.turn.user.utterance import Utterance

END_SLACK_MS = 100
"""A final that ends up to this long before its stream covers all of it: recognisers count in chunks of up to 80 ms."""
ONSET_LAG_MS = 160
"""An onset is known up to this long after `vad_onset_ms`: soft first consonants, the voice model's chunks, and the way
to us. A hold without this extra time cuts off a user who resumes in time (measured 2026-11-21: 64 ms too few)."""
SURE = 1.0
"""The stability that a recogniser gives an interim transcript when it suspects the end of the utterance."""


class User:
    """Gathers what one user says. Positions are samples of the input clock."""

    def __init__(
        self,
        policy: TurnPolicy,
        floor: Machine[Floor, FloorEvent],
        input_rate_hz: int,
        orders: Orders,
        backend_patience_ms: int = 0,
    ) -> None:
        self.recognition = Recognition(orders, backend_patience_ms)
        self.utterance = Utterance(floor, input_rate_hz, orders)
        self.turn = TurnId(1)
        """The turn being spoken, or the next one."""
        self.so_far = TurnSoFar()
        self.shown = Shown(orders)
        self._policy = policy
        self._rate_hz = input_rate_hz
        self.clock = InputClock(input_rate_hz)
        self._known_samples = 0
        """The farthest position that any fact has told of."""
        self._ends_at = 0
        """Where the turn ends whose end was decided last."""
        self._is_end_live = True
        """Whether the end of the turn was live when it was decided."""

    @property
    def may_become_turn(self) -> bool:
        """Whether something has been said, or may have been, that is not committed."""
        return bool(self.so_far.text) or self.utterance.may_become_turn or self.recognition.owes_a_final

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is being said, and no words of what was said are awaited."""
        return self.is_still and not self.recognition.owes_a_final

    @property
    def is_still(self) -> bool:
        """The same, without words of a recogniser that is away: nobody knows whether they ever come."""
        if self.so_far.text or self.utterance.is_speaking or self.utterance.quiet_by is not None:
            return False
        return self.recognition.is_away or not self.recognition.owes_a_final

    def resume(self, turn: TurnId) -> None:
        """Count on from there: the next turn has this number."""
        self.turn = turn

    def reconfigure(self, policy: TurnPolicy) -> None:
        """Gather by another policy from now on."""
        self._policy = policy

    def input_ended(self, now: Instant) -> None:
        """The client says nothing more."""
        is_all_known = self._known_samples <= self.recognition.confirmed_samples and not self.utterance.is_speaking
        self.recognition.input_ended(now, is_all_known=is_all_known)

    def instant_of(self, samples: int) -> Instant:
        """When live input at this position was spoken, at the latest."""
        return self.clock.instant_of(samples)

    def is_past(self, at_samples: int) -> bool:
        """Whether an onset at this position is told so late that its words are transcribed for good already."""
        lag_ms = self._policy.vad_onset_ms + ONSET_LAG_MS
        return at_samples + lag_ms * self._rate_hz // 1_000 < self.recognition.confirmed_samples

    def keep_quiet_time(self, now: Instant) -> None:
        """A sound whose words have not come in time had no words, unless a stream failed: then words come late."""
        self.utterance.keep_quiet_time(now, is_heard=not self.recognition.has_failed)

    def sound_began(self, at_samples: int, *, is_asked: bool) -> None:
        """Speech began, by the sound: what was said before is not the end."""
        self._known_samples = max(self._known_samples, at_samples)
        self.so_far.hold_until = self.so_far.silent_by = None
        self._withdraw_end()
        self.utterance.sound_began(at_samples, is_asked=is_asked)

    def sound_ended(self, at_samples: int, now: Instant) -> None:
        """Speech ended, by the sound, `pause_ms` ago."""
        self._known_samples = max(self._known_samples, at_samples)
        if self.utterance.sound_ended(at_samples, now):
            pause_ms = self._policy.pause_ms
            self.so_far.spoke = Instant(now - pause_ms * NS_PER_MS)
            self._await_final(self._policy.vad_end_ms - pause_ms, now)
            if self.so_far.is_confirmed and not self.is_in_order:
                self.await_older(now)

    def revised(self, fact: inputs.TranscriptRevised, text: str, now: Instant) -> None:
        """Words came that may still change; `text` is the user's part of them."""
        self._known_samples = max(self._known_samples, fact.end_samples)
        if fact.stream not in self.recognition.finalising:
            self._withdraw_end()
        so_far = self.so_far
        so_far.end_samples = max(so_far.end_samples, fact.end_samples)
        so_far.revise(fact.stream, text, fact.end_samples)
        so_far.hold_until = None
        if so_far.longest_by is None:
            so_far.longest_by = after_ms(now, self._policy.max_turn_ms)
        if fact.stability >= SURE:
            so_far.suspicion = SpeculationTrigger.STABILITY
        if self.utterance.is_silent:
            self._await_final(self._policy.vad_end_ms, now)
        elif self.utterance.is_sounding:
            so_far.spoke = now
        else:
            self._take_words_for_sound(now)
        self.shown.words(self.turn, so_far.text, fact.stability)

    def confirmed(self, fact: inputs.SegmentFinal, text: str, spoke: Instant, now: Instant) -> None:
        """Words came for good; `text` is the user's part of them."""
        self._known_samples = max(self._known_samples, fact.end_samples)
        if not self.so_far.text and fact.stream == self.recognition.fed:
            self.so_far.end = None  # nothing was said before the end that was decided
        self.so_far.end_samples = max(self.so_far.end_samples, fact.end_samples)
        self.so_far.confirm(fact.stream, text, fact.end_samples, fact.words)
        self.so_far.spoke, self.so_far.transcribed = spoke, now
        if self.so_far.longest_by is None:
            self.so_far.longest_by = after_ms(now, self._policy.max_turn_ms)

    def disregard(self, stream: StreamId) -> None:
        """The last result of this stream had no words of the user's turn: what was shown of it is taken back."""
        self.so_far.forget(stream)
        if not self.so_far.text:
            end = self.so_far.end
            self.so_far = self.so_far.next_turn()
            if end is not None and end.is_ordered and self.recognition.owes_a_final:
                self.so_far.end = end
        self.shown.correct(self.turn, self.so_far.text)

    def hear_again(self, replay: Replay) -> None:
        """Streams broke, and their audio is heard again: what was shown of newer ones is taken back until then."""
        self.so_far.replay(replay)
        self.shown.correct(self.turn, self.so_far.text)

    def spoke(self, end_samples: int, now: Instant) -> Instant:
        """When speech that ended at `end_samples` was over; `now` if it was not live, since nobody knows then."""
        return min(now, self.instant_of(end_samples)) if self.clock.is_live(end_samples) else now

    def hold_unless_complete(self, *, goes_on: bool, now: Instant) -> bool:
        """Hold the turn for a while if it reads unfinished; says whether it is complete and all its words are known."""
        so_far = self.so_far
        if not so_far.is_confirmed:
            return False
        if goes_on or not self._policy.detect_turns:
            return len(so_far.text) >= MAX_TURN_CHARS
        policy = self._policy
        is_held = reads_unfinished(so_far.text) and len(so_far.text) < MAX_TURN_CHARS
        hold_ms = policy.unfinished_hold_ms + policy.vad_onset_ms + ONSET_LAG_MS if is_held else 0
        until = after_ms(so_far.spoke, hold_ms)
        if until > now:
            so_far.hold(until)
        return until <= now

    @property
    def may_end_at_final(self) -> bool:
        """Whether all words of the turn are transcribed for good, and that may end it."""
        return self.so_far.is_confirmed and self._policy.detect_turns

    def is_last_before_end(self, fact: inputs.SegmentFinal) -> bool:
        """Whether this final is the last word on a turn whose end was ordered."""
        end = self.so_far.end
        slack = END_SLACK_MS * self._rate_hz // 1_000
        is_ordered = end is not None and end.is_ordered
        return is_ordered and self.recognition.is_finalised_by(fact.stream, fact.covered_samples + slack)

    @property
    def is_ending(self) -> bool:
        """Whether the end of the turn was decided and its final is awaited, for `final_grace_ms` if it is live."""
        is_awaited = self.recognition.has_grace or not self._is_end_live
        return self.so_far.end is not None and is_awaited

    def decide_end(self, end: Decision, at_samples: int, now: Instant) -> None:
        """The turn ends here: force its final."""
        so_far = self.so_far
        so_far.end, so_far.hold_until, so_far.silent_by = end, None, None
        self._ends_at, self._is_end_live = at_samples, self.clock.is_live(at_samples)
        if end.is_ordered:
            so_far.longest_by = None
        if self._is_end_live:
            self.recognition.force(at_samples, self._policy.final_grace_ms, now)
        else:
            self.recognition.commit(at_samples, now)

    @property
    def is_in_order(self) -> bool:
        """Whether no older stream owes words that come before those of the turn."""
        finalising = self.recognition.finalising
        return not finalising or self.so_far.first <= finalising[0]

    def await_older(self, now: Instant) -> None:
        """Final words wait for those of an older stream, but no longer than words without a final."""
        if self.so_far.silent_by is None:
            self.so_far.silent_by = max(now, after_ms(self.so_far.spoke, self._policy.vad_end_ms))

    def forgo_finals(self) -> None:
        """Finals that were forced are late: the last interim transcripts of their streams stand for them."""
        if self.so_far.end is None:
            self.let_interims_stand(self.recognition.finalising)
        self.recognition.forgo()

    def let_interims_stand(self, streams: Sequence[StreamId]) -> None:
        """No final comes of these streams: their last interim transcripts stand for it, and end their utterance."""
        end_samples = self.so_far.let_interims_stand(streams)
        if end_samples and self.so_far.is_confirmed:
            self.utterance.finalised(end_samples)
        elif not (self.so_far.text or self.recognition.owes_a_final):
            self.utterance.words_lapsed(self.recognition.confirmed_samples)

    def decide_overdue_end(self, now: Instant) -> None:
        """Decide the end of a turn that lasts too long, or that no final has ended in time."""
        so_far = self.so_far
        if so_far.longest_by is not None and now >= so_far.longest_by:
            if so_far.end is not None and not so_far.end.is_ordered and self.is_ending:
                so_far.end, so_far.longest_by = replace(so_far.end, is_ordered=True), None
                so_far.silent_by = None  # its final is forced already: the wait for it gets no longer
            else:
                self.decide_end(Decision(now, "max_turn_ms", is_ordered=True), self._known_samples, now)
        elif so_far.silent_by is not None and now >= so_far.silent_by:
            if self.is_ending or not self._policy.detect_turns:
                so_far.silent_by = None
            else:
                end = so_far.ordered_end(self._ends_at) or Decision(now, "vad_end_ms")
                self.decide_end(end, self._known_samples, now)

    def deadline(self) -> Instant | None:
        """When something becomes due."""
        return earliest(self.recognition.deadline(), self.so_far.deadline())

    def commit(
        self, now: Instant, *, is_live: bool, last: StreamId | None = None, cut_by: str = ""
    ) -> CommittedTurn | None:
        """Commit the turn; None when nothing was said. `cut_by` is the setting that ended the wait for its words.

        `last` is the stream with which it ends if its end was decided; None: the last that was half-closed.
        """
        so_far = self.so_far
        self.so_far = self._rest(last, now) if so_far.end else so_far.next_turn()
        if not so_far.text:
            return None
        if not so_far.is_confirmed:
            forgone_samples = max(so_far.last_samples, self.recognition.confirmed_samples)
            for end_samples in (so_far.last_samples, forgone_samples):  # no final will end either
                self.utterance.finalised(end_samples)
        return so_far.committed(self.next_turn(), self._policy.stop_history_ms, now, is_live=is_live, cut_by=cut_by)

    def _rest(self, last: StreamId | None, now: Instant) -> TurnSoFar:
        """What belongs to the next turn already; its limits begin now, in case nothing more comes.

        Words that came after an ordered end have had limits since.
        """
        so_far = self.so_far
        has_limit = so_far.end is not None and so_far.end.is_ordered and so_far.longest_by is not None
        rest = so_far.split(self.recognition.last_half_closed if last is None else last)
        rest.spoke, rest.end_samples = so_far.spoke, so_far.end_samples
        if rest.text:
            rest.longest_by = so_far.longest_by if has_limit else after_ms(now, self._policy.max_turn_ms)
            if not self.utterance.is_sounding:
                rest.silent_by = so_far.silent_by or after_ms(now, self._policy.vad_end_ms)
        return rest

    def next_turn(self) -> TurnId:
        """The running turn is over. Returns its number."""
        self.shown.forget()
        turn, self.turn = self.turn, TurnId(self.turn + 1)
        return turn

    def _await_final(self, wait_ms: int, now: Instant) -> None:
        so_far = self.so_far
        if not so_far.text:
            return
        if so_far.is_steady and so_far.suspicion is None:
            so_far.suspicion = SpeculationTrigger.PAUSE
        if so_far.silent_by is None and not so_far.is_confirmed:
            so_far.silent_by = after_ms(now, max(0, wait_ms))

    def _take_words_for_sound(self, now: Instant) -> None:
        """Words whose sound nobody noticed: while they change, somebody speaks. A recogniser may also repeat itself."""
        so_far = self.so_far
        if so_far.is_steady and so_far.silent_by is not None:
            return
        so_far.spoke = now
        if self.clock.is_live(self._known_samples):
            so_far.silent_by = after_ms(now, self._policy.vad_end_ms)

    def _withdraw_end(self) -> None:
        """Somebody speaks on: the end was decided too early, unless it was ordered."""
        if self.so_far.end is not None and not self.so_far.end.is_ordered:
            self.so_far.end = None
