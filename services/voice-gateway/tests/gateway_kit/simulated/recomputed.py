"""What the core keeps step by step, computed anew from the record of a call in the plainest way there is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from gateway_kit.phone_call import PERSONA, RATE_HZ
from gateway_kit.simulated.call import Call, Step
from voice_gateway.domain import events
from voice_gateway.domain.chat import ChatMessage, Role
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import ReplyId, StreamId, TurnId
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.player import Player
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Phase
from voice_gateway.turn.projection import UNSAID
from voice_gateway.turn.reply.ledger import SpokenSentence, heard_text
from voice_gateway.turn.tables import FLOORS, Floor, Listening, ReplyState
from voice_gateway.turn.text.sentences import SentenceSplitter
from voice_gateway.turn.text.speakable import Speakable


@dataclass
class _Machines:
    """The three machines by what was told and ordered, without their tables."""

    final: int = 0
    turn: int = 0
    reply: ReplyId | None = None
    """The one in flight."""
    is_played: bool = False
    """Audio of it was ordered to be sent; a speculative one has none."""
    is_audible: bool = False
    is_sent: bool = False
    is_contested: bool = False
    is_held_back: bool = False
    """It was held before it was heard. Should its first sound have left at that moment, onsets change nothing more."""
    is_flushed: bool = False
    """The client drops what it has when the reply is held: it is sent again."""
    stands_at: int | None = None
    """Where playout to such a client waits, for more audio or after a hold: it cannot have ended behind that."""
    is_speaking: bool = False
    settling: ReplyId | None = None
    """One that was stopped, and of which it is not known yet how far it was heard."""
    has_keys: bool = False
    """Keys were pressed while it was prepared: their turn has the number of the one that it was prepared for."""
    live: dict[StreamId, bool] = field(default_factory=dict)
    """Streams, and whether they were half-closed."""

    def take(self, fact: inputs.Input | None) -> None:
        match fact:
            case inputs.PlayoutStarted(reply) if self._is_told(reply) and not self.is_sent:
                self.is_audible, self.stands_at = True, None
            case inputs.PlayoutStarved(reply, at_samples) if self._is_told(reply) and self._is_sending():
                self.stands_at = at_samples if self.is_flushed else None
            case inputs.DigitsPressed():
                self.has_keys = True
            case inputs.PlayoutCompleted(reply, total) if self._is_told(reply) and self.is_audible:
                may_end = self.stands_at is None or total <= self.stands_at or not self._is_sending()
                self.is_sent = self.is_sent or may_end
            case inputs.RecognitionFailed(stream) | inputs.RecognitionEnded(stream):
                self.live.pop(stream, None)

    def perform(self, effect: effects.Effect) -> None:  # noqa: C901  one case for each effect that matters
        match effect:
            case effects.StartReply(reply) | effects.BeginReply(reply):
                turn = effect.turn if isinstance(effect, effects.StartReply) else None
                self.reply, self.turn, self.has_keys = reply, turn or 0, False
                self.is_played = self.is_audible = self.is_sent = False
                self.stands_at = None
            case effects.Play():
                self.is_played = True
            case effects.CancelReply(reply) | effects.Emit(events.ReplyFinished(reply)) if reply == self.reply:
                self.reply, self.is_audible = None, False
                self.is_contested = self.is_held_back = False
            case effects.Emit(events.ReplyInterrupted(reply)):
                self.settling = reply
            case effects.Emit(events.ReplyFinished(reply)) if reply == self.settling:
                self.settling = None
            case effects.PausePlay():
                self.is_contested, self.is_held_back = self.is_audible, not self.is_audible
            case effects.ResumePlay(_, from_samples):
                if self.is_flushed and self.is_audible:
                    self.is_sent, self.stands_at = False, from_samples
                self.is_contested = self.is_held_back = False
            case effects.Emit(events.Transcript(turn, _, is_final)) if is_final:
                self.final = turn
            case effects.Emit(events.SpeechStarted() | events.SpeechEnded() as event):
                self.is_speaking = isinstance(event, events.SpeechStarted)
            case effects.OpenRecognition(stream) | effects.FinishRecognition(stream):
                self.live[stream] = isinstance(effect, effects.FinishRecognition)
            case effects.CancelRecognition(stream):
                self.live.pop(stream, None)

    def floor(self) -> tuple[Floor, ...]:
        if self.is_audible and self.is_held_back:
            return Floor.AGENT, Floor.CONTESTED
        if self.is_audible:
            return (Floor.CONTESTED if self.is_contested else Floor.AGENT,)
        return (Floor.USER if self.is_speaking else Floor.NOBODY,)

    def speech(self) -> tuple[ReplyState, ...]:
        if self.reply is None:
            return (ReplyState.NONE if self.settling is None else ReplyState.SETTLING,)
        if self.turn > self.final:
            return (ReplyState.PREPARING,)
        if self.is_contested or self.is_held_back:
            return (ReplyState.HELD if self.is_audible else ReplyState.WITHHELD,)
        if self.is_sent:
            return (ReplyState.DRAINING,)
        if self.is_audible:
            return (ReplyState.SPEAKING,)
        return (ReplyState.WAITING, ReplyState.PREPARING) if self.has_keys else (ReplyState.WAITING,)

    def listening(self) -> Listening:
        if not self.live:
            return Listening.CLOSED
        return Listening.FINALISING if any(self.live.values()) else Listening.OPEN

    def _is_sending(self) -> bool:
        return self.is_audible and not (self.is_sent or self.is_contested or self.is_held_back)

    def _is_told(self, reply: ReplyId) -> bool:
        return reply == self.reply and self.is_played


def machines_are_what_was_told_and_ordered(call: Call) -> None:
    """Floor, reply and listening are the same when they are computed from facts and effects alone."""
    machines = _Machines(is_flushed=call.line.player is Player.FLUSHES)
    for step in call.steps:
        if step.state.phase is Phase.ENDED:
            return
        machines.take(step.fact)
        for effect in step.effects:
            machines.perform(effect)
        assert step.state.reply in machines.speech()
        assert step.state.listening is machines.listening()
        assert step.state.floor in machines.floor()
        assert step.state.floor in FLOORS[step.state.reply]


def sentences_are_those_of_the_whole_text(call: Call) -> None:
    """What is told of a completed reply is what the model wrote, split as if it had come in one piece."""
    written: dict[ReplyId, str] = {}
    told: dict[ReplyId, list[str]] = {}
    for step in call.steps:
        if isinstance(step.fact, inputs.ReplyDelta):
            written[step.fact.reply] = written.get(step.fact.reply, "") + step.fact.text
        for effect in step.effects:
            match effect:
                case effects.Emit(events.ReplyText(reply, _, kind, _, text)) if kind is events.ReplyKind.ANSWER:
                    told.setdefault(reply, []).append(text)
                case effects.Emit(events.ReplyFinished(reply, _, _, events.ReplyOutcome.COMPLETED)) if reply in written:
                    splitter = SentenceSplitter()
                    assert told.get(reply, []) == [*splitter.feed(written[reply]), *splitter.finish()]


def a_turn_ends_in_time(call: Call) -> None:  # noqa: C901  one condition for each exception
    """From its first words on a turn lasts at most `max_turn_ms` + `vad_end_ms` + `final_grace_ms`.

    Whoever orders its end by then (`commit`) has its final waited for, for `final_grace_ms`. Then it is committed, or
    nothing is left of it, since its words were not the user's, or none; what another stream has heard of the next turn
    by then begins that one. A turn that began in a backlog is not spoken to anybody now, and so has no such limit; nor
    has what was said before the half-close, whose final is waited for as long as its stream answers.
    """
    policy = call.line.policy
    longest_ms = policy.max_turn_ms + policy.vad_end_ms + policy.final_grace_ms
    since: Step | None = None
    before, is_backlog, is_pushed, caught_up_at, ordered_until = "", False, False, -1, Instant(0)
    for step in call.steps:
        match step.fact:
            case inputs.BacklogBegan():
                is_backlog = True
            case inputs.CaughtUp(at_samples):
                is_backlog, caught_up_at = False, at_samples
            case inputs.CommitRequested():
                ordered_until = after_ms(step.now, policy.final_grace_ms)
            case inputs.TranscriptRevised(end_samples=end) | inputs.SegmentFinal(end_samples=end):
                is_pushed = is_pushed or end <= caught_up_at
        is_pushed = (is_backlog or is_pushed) and bool(step.text)
        if since is not None:
            until = max(after_ms(since.now, longest_ms), ordered_until)
            assert step.now <= until, f"turn {since.turn} goes on: {since.text!r}"
        if is_pushed or not step.text or step.state.phase in (Phase.FINISHING, Phase.ENDED):
            since = None
        elif since is None or since.turn != step.turn or before.endswith(f" {step.text}"):
            since = step
        before = step.text


def heard_only_grows_and_was_sent(call: Call) -> None:
    """What was heard of a reply is never more than was sent, and goes back only when the client tells its position."""
    before: tuple[ReplyId, int] | None = None
    for step in call.steps:
        if step.heard is not None:
            assert 0 <= step.heard[1] <= step.sent_samples
            if before is not None and before[0] == step.heard[0]:
                assert step.heard[1] >= before[1] or isinstance(step.fact, inputs.PlaybackReported)
        before = step.heard


def a_flushed_client_hears_without_a_gap(call: Call) -> None:
    """Of a player that is flushed no more counts as heard than was, so that what is sent again leaves nothing out; and
    it hears again no more than its buffer, which the clock assumes a little longer than it is.
    """
    is_truthful = call.player.reports != "too much"
    if call.line.player is not Player.FLUSHES or not is_truthful:
        return
    for step in call.steps:
        if step.heard is not None:
            assert step.heard[1] <= step.played_samples
    for played_ms, from_ms in call.player.resumed:
        assert played_ms - call.line.policy.client_buffer_ms <= from_ms <= played_ms


class _Ledger:
    """What was told, spoken and heard of each reply."""

    def __init__(self) -> None:
        self.sentences: dict[ReplyId, list[SpokenSentence]] = {}
        self._lengths: dict[tuple[ReplyId, int], inputs.SpeechCompleted | inputs.SpeechFailed] = {}
        self._takes: dict[tuple[ReplyId, int], int] = {}
        """Of what is synthesised, or was."""
        self._spoken: dict[tuple[ReplyId, int], str] = {}
        self._aloud: dict[ReplyId, Speakable] = {}
        self._cancelled: set[ReplyId] = set()
        """What comes of these is too late to count."""
        self._is_skipped = False
        """Whether synthesis had no sound for the next sentence that is told."""

    def take(self, fact: inputs.Input | None) -> None:
        if not isinstance(fact, inputs.SpeechCompleted | inputs.SpeechFailed) or fact.reply in self._cancelled:
            return
        if fact.take == self._takes.get((fact.reply, fact.sentence)):
            self._lengths.setdefault((fact.reply, fact.sentence), fact)

    def perform(self, effect: effects.Effect) -> None:
        match effect:
            case effects.CancelReply(reply):
                self._cancelled.add(reply)
            case effects.Synthesize(reply, sentence, text, take):
                self._spoken[reply, sentence], self._takes[reply, sentence] = text, take
            case effects.DropSpeech(reply, sentence):
                self._lengths.pop((reply, sentence), None)
                del self._takes[reply, sentence]
            case effects.Emit(events.ReplyText(reply, _, _, _, text)):
                ends = self._aloud.setdefault(reply, Speakable()).of(text).word_ends
                shown = SpokenSentence(text, "", 0, word_ends=ends, is_skipped=self._is_skipped)
                self.sentences.setdefault(reply, []).append(shown)
                self._is_skipped = False
            case effects.Emit(events.Notice(Reason.SENTENCE_SKIPPED)):
                self._is_skipped = True
            case effects.Play(reply, sentence):
                told = self.sentences[reply]
                told[sentence - 1] = replace(told[sentence - 1], spoken=self._spoken[reply, sentence], samples=None)

    def heard(self, reply: ReplyId, samples: int) -> str:
        """The words of the model's text that end within so many samples."""
        sentences = list(self.sentences.get(reply, []))
        for place, sentence in enumerate(sentences):
            known = self._lengths.get((reply, place + 1))
            if sentence.spoken and known is not None:
                words = known.words if isinstance(known, inputs.SpeechCompleted) else ()
                sentences[place] = replace(sentence, samples=known.samples, words=words)
        return heard_text(sentences, samples, RATE_HZ)

    def whole(self, reply: ReplyId) -> str:
        """All that was heard, once all of it was; where nothing sounded, what was shown is all there is."""
        told = self.sentences.get(reply, [])
        sounds = any(sentence.spoken for sentence in told)
        return "".join(sentence.text for sentence in told if not (sounds and sentence.is_skipped)).strip()


class _Past:
    """The conversation as the model should read it."""

    def __init__(self) -> None:
        self._said: list[tuple[TurnId, str]] = []
        """Final turns that no reply has come to yet."""
        self._lines: list[tuple[Role, str, int]] = []

    def committed(self, turn: TurnId, text: str) -> None:
        self._said.append((turn, text))

    def answered(self, turn: int) -> None:
        """All turns up to this one are said."""
        self._lines += [(Role.USER, text, said) for said, text in self._said if said <= turn]
        self._said = [(said, text) for said, text in self._said if said > turn]

    def heard(self, turn: int, text: str) -> None:
        """This was heard in answer to that turn; 0: to none."""
        self.answered(turn)
        if text:
            self._lines.append((Role.ASSISTANT, text, turn))

    def reopened(self, turn: TurnId) -> None:
        """This turn goes on, as part of the next one."""
        self.answered(turn)
        self._lines = [line for line in self._lines if line[0] is Role.ASSISTANT or line[2] != turn]

    def messages(self) -> tuple[ChatMessage, ...]:
        joined = [ChatMessage(Role.SYSTEM, PERSONA.system_prompt)]
        if self._lines and self._lines[0][0] is Role.ASSISTANT:
            joined.append(ChatMessage(Role.USER, UNSAID))
        for role, text, _ in self._lines:
            if joined[-1].role is role:
                text = f"{joined.pop().text}\n{text}"  # noqa: PLW2901  the joined line is the line
            joined.append(ChatMessage(role, text))
        return tuple(joined)


def history_is_what_was_said_and_heard(call: Call) -> None:  # noqa: C901  one case for each effect that matters
    """The model reads what users said and what was heard of each reply, by the samples that were told with it.

    A turn that goes on before anything of its reply was heard is read once, as part of the turn it became. What tells
    of an outage was said by no model, and is not read. Replies by request are left out: they may
    answer a turn twice, or none.
    """
    if not call.line.policy.auto_reply:
        return
    past, ledger, final = _Past(), _Ledger(), 0
    unread, said, asked_by, is_shortened = set[ReplyId](), dict[int, _Said](), dict[ReplyId, int](), False
    for place, step in enumerate(call.steps):
        ledger.take(step.fact)
        for effect in step.effects:
            ledger.perform(effect)
            match effect:
                case effects.Emit(events.Transcript(turn, text, is_final)) if is_final:
                    past.committed(turn, text)
                    final, said[turn] = turn, _Said(text, place)
                case effects.Emit(events.ReplyText(reply, turn=None, kind=events.ReplyKind.APOLOGY)):
                    unread.add(reply)
                case effects.StartReply(reply, asked, messages) if asked is not None:
                    asked_by[reply] = asked
                    past.answered(asked)
                    compare = _compare_ends if is_shortened else _compare
                    compare(messages, past.messages(), is_prepared=asked > final)
                case effects.AskAgain():
                    is_shortened = True
                case effects.Emit(events.ReplyHeard(reply, samples, text)):
                    is_whole = text == ledger.heard(reply, samples)
                    assert is_whole or (
                        not text and _goes_on(call.steps[: place + 1], said.get(asked_by.get(reply, 0)))
                    )
                case effects.Emit(events.ReplyFinished(reply, answered, _, events.ReplyOutcome.INTERRUPTED)):
                    cause = _cause(call.steps[: place + 1], reply)
                    if reply not in unread:
                        past.heard(answered or 0, _heard(step, reply))
                    is_by_words = cause is events.InterruptCause.USER_SPEECH
                    is_open = call.steps[place - 1].may_go_on
                    is_joined = not _heard(step, reply) and _goes_on(call.steps[: place + 1], said.get(answered or 0))
                    if answered is not None and is_open and is_by_words and is_joined:
                        past.reopened(answered)
                case effects.Emit(events.ReplyFinished(reply, answered)) if reply not in unread:
                    past.heard(answered or 0, ledger.whole(reply))


@dataclass(frozen=True, slots=True)
class _Said:
    """A turn that was committed."""

    text: str
    place: int
    """In the steps of the call."""


def _goes_on(steps: Sequence[Step], said: _Said | None) -> bool:
    """Whether a turn begins with what was said in an earlier one, and has more than what was told just now.

    Not if it only begins with the same words: with a final that came after the earlier turn, and has them itself.
    """
    if said is None:
        return False
    step = steps[-1]
    told = (effect.event for effect in step.effects if isinstance(effect, effects.Emit))
    texts = (step.text, *(event.text for event in told if isinstance(event, events.Transcript)))
    newest, begun = getattr(step.fact, "text", "").strip(), f"{said.text} "
    finals = (each.fact.text for each in steps[said.place :] if isinstance(each.fact, inputs.SegmentFinal))
    alike = tuple(final for final in finals if final.startswith(begun))
    return any(text.startswith(begun) and text != newest and not text.startswith(alike) for text in texts)


def _compare(told: tuple[ChatMessage, ...], expected: tuple[ChatMessage, ...], *, is_prepared: bool) -> None:
    if not is_prepared:
        assert told == expected
        return
    assert told[-1].role is Role.USER
    *before, last = expected
    if last.role is Role.USER:
        assert told[:-1] == tuple(before)
        assert told[-1].text.startswith(f"{last.text}\n")
    else:
        assert told[:-1] == expected


def _compare_ends(told: tuple[ChatMessage, ...], expected: tuple[ChatMessage, ...], *, is_prepared: bool) -> None:
    """The model has once refused a question for its length: from then on it reads an end of the conversation."""
    assert told[-1].role is Role.USER
    if not is_prepared:
        read, whole = ("\n".join(message.text for message in messages[1:]) for messages in (told, expected))
        assert whole.endswith(read)


def _heard(step: Step, reply: ReplyId) -> str:
    return next(
        effect.event.heard_text
        for effect in step.effects
        if isinstance(effect, effects.Emit)
        and isinstance(effect.event, events.ReplyHeard)
        and effect.event.reply == reply
    )


def _cause(steps: Iterable[Step], reply: ReplyId) -> events.InterruptCause:
    return next(
        effect.event.cause
        for step in steps
        for effect in step.effects
        if isinstance(effect, effects.Emit)
        and isinstance(effect.event, events.ReplyInterrupted)
        and effect.event.reply == reply
    )


OF_ANY_CALL = (machines_are_what_was_told_and_ordered,)
OF_PLAUSIBLE_CALLS = (
    sentences_are_those_of_the_whole_text,
    a_turn_ends_in_time,
    heard_only_grows_and_was_sent,
    a_flushed_client_hears_without_a_gap,
    history_is_what_was_said_and_heard,
)
