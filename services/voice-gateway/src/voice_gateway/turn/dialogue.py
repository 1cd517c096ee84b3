"""What the user says and what the agent answers: the two sides joined.

Speech over the agent's voice is a contest; words take back a reply that nobody has heard yet; a committed turn waits
until the agent is free, and while the user may have ended, the reply is prepared.
"""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from voice_gateway.domain.events import InterruptCause, Transcript
from voice_gateway.domain.ids import StreamId, TurnId
from voice_gateway.domain.instant import Instant, earliest
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import inputs
from voice_gateway.turn.answers import Answers
from voice_gateway.turn.contest import Contest, Said, Verdict
from voice_gateway.turn.effects import Emit, Orders
from voice_gateway.turn.history import History
from voice_gateway.turn.reply.agent import Agent
from voice_gateway.turn.text.heard import bounded
from voice_gateway.turn.user.keypad import Keypad
from voice_gateway.turn.user.turn_so_far import CommittedTurn, Decision
from voice_gateway.turn.user.user import User


class Dialogue:
    """Facts about the user, and the turns they make."""

    def __init__(
        self, policy: TurnPolicy, user: User, agent: Agent, contest: Contest, history: History, *, orders: Orders
    ) -> None:
        self._orders = orders
        self._policy = policy
        self._user = user
        self._agent = agent
        self._contest = contest
        self.answers = Answers(user, agent, history)
        self._keypad = Keypad()
        self._is_input_over = False

    @property
    def is_pressing(self) -> bool:
        """Whether keys have been pressed that are no turn yet."""
        return bool(self._keypad.digits)

    @property
    def is_quiet(self) -> bool:
        """Whether no turn is being said, pressed, waiting to be answered, answered or settled."""
        return self.is_still and self._user.is_quiet

    @property
    def is_still(self) -> bool:
        """The same, without what was said to a recogniser that is away."""
        return self._is_answered and self._user.is_still and not self.is_pressing

    @property
    def is_listening(self) -> bool:
        """Whether nobody speaks or presses keys, and nothing that was said is still to be answered."""
        is_silent = not (self._user.so_far.text or self._user.utterance.is_speaking or self.is_pressing)
        return self._is_answered and is_silent

    @property
    def _is_answered(self) -> bool:
        return self._agent.is_free and not self.answers

    def reconfigure(self, policy: TurnPolicy, language_code: str) -> None:
        """Go on by another policy, in another language."""
        self._policy = policy
        self._user.reconfigure(policy)
        self._contest.reconfigure(policy, language_code)

    def unanswered(self) -> Iterator[tuple[TurnId, str]]:
        """What has been said, in which turn, and is in no request to the model."""
        yield from self.answers.unanswered()
        if self._user.so_far.text:
            yield self._user.turn, self._user.so_far.text
        if self.is_pressing:
            yield self._user.turn, self._keypad.digits

    def input_ended(self, now: Instant) -> None:
        """The client half-closed: the last words are on their way."""
        self._end_keys(now)
        self._is_input_over = True
        self._agent.input_ended()
        self._user.input_ended(now)

    def deadline(self) -> Instant | None:
        """When something becomes due."""
        asked = None if self.is_pressing else self.answers.due
        user, agent = self._user.deadline(), self._agent.deadline()
        return earliest(asked, user, agent, self._contest.deadline(), self._keypad.deadline())

    def on_deadline(self, now: Instant) -> None:
        """Do what has become due."""
        self._contest.on_deadline(now)
        self._on_user_deadline(now)
        self._agent.on_deadline(now)
        if self._keypad.is_complete(now):
            self._end_keys(now)

    def go_on(self, now: Instant) -> None:
        """Answer what is complete; prepare the reply to what may be complete. Both wait while keys are pressed."""
        if self._user.recognition.is_over:
            self._commit_spoken(now)
        if self.answers and not self.is_pressing:
            self.answers.go_on(self._policy, now)
        self._contest.hold_for_sound(now)
        self._think_ahead(now)

    def _think_ahead(self, now: Instant) -> None:
        """Prepare the reply to a turn that has probably ended; drop the one to a turn that went on."""
        so_far = self._user.so_far
        is_over = not (so_far.text or self.answers)
        self._agent.speculations.review(so_far.text, is_over=is_over)
        if not (so_far.suspicion and so_far.text and self._policy.prepares):
            return
        if self._is_answered and not (self.is_pressing or self._is_input_over):
            self._agent.speculate(self._user.turn, so_far.text, so_far.suspicion, now)

    def _on_speech_started(self, fact: inputs.SpeechStarted, now: Instant) -> None:
        if self._user.is_past(fact.at_samples):
            return  # the words of pushed audio may come before its sound has been judged
        is_live = self._is_live(fact.at_samples + 1)  # the sound lies after this position
        began = self._user.instant_of(fact.at_samples)
        self._user.sound_began(fact.at_samples, is_asked=is_live and self._agent.has_asked(began, now))
        if is_live and self._policy.interrupts:
            self._contest.onset(began, now)

    def _on_speech_ended(self, fact: inputs.SpeechEnded, now: Instant) -> None:
        self._contest.sound_ended()
        self._user.sound_ended(fact.at_samples, now)
        is_whole = self._user.is_in_order and not self._user.is_ending
        if is_whole and self._user.hold_unless_complete(goes_on=False, now=now):
            self._commit_spoken(now)  # the sound had no words yet; if they come, the turn goes on

    def _on_transcript_revised(self, fact: inputs.TranscriptRevised, now: Instant) -> None:
        self._user.recognition.answered(fact.stream, now)
        text = bounded(fact.text)
        if not text or fact.end_samples <= self._user.recognition.transcribed_samples(fact.stream):
            return  # no words, or only words that are transcribed for good already
        self._user.utterance.words_came(fact.end_samples)
        if self._is_live(fact.end_samples):
            text, _ = self._make_room(text, fact.end_samples, fact.end_samples, now, is_final=False)
        if text:
            self._user.revised(fact, text, now)
        else:
            self._user.disregard(fact.stream)

    def _on_segment_final(self, fact: inputs.SegmentFinal, now: Instant) -> None:
        user, text = self._user, bounded(fact.text)
        words_began = fact.words[0].start_samples if fact.words else fact.end_samples
        user.recognition.answered(fact.stream, now)
        user.recognition.confirmed(fact.stream, fact.covered_samples)
        if text:
            user.utterance.words_came(words_began)
        end_samples = user.utterance.sound_end(fact.end_samples)
        goes_on = user.utterance.goes_on_after(fact.end_samples)
        is_live, verdict = self._is_live(fact.end_samples), Verdict.WAIT
        if text and is_live:
            text, verdict = self._make_room(text, words_began, end_samples, now, is_final=True)
        user.utterance.finalised(fact.end_samples, has_words=bool(fact.text.strip()))
        is_last, is_in_order = user.is_last_before_end(fact), user.recognition.is_oldest(fact.stream)
        is_for_nobody = not text or (verdict is Verdict.GO_ON and self._policy.detect_turns)
        self._orders.add(*self._contest.disregards(bounded(fact.text), text, is_for_nobody=is_for_nobody))
        if is_for_nobody:
            user.disregard(fact.stream)
        else:
            user.confirmed(fact, text, user.spoke(end_samples, now), now)
        if not is_in_order:
            user.await_older(now)
        elif is_last or user.hold_unless_complete(goes_on=goes_on, now=now) or (not is_live and user.may_end_at_final):
            self._commit_spoken(now, last=fact.stream if is_last else None)

    def _make_room(
        self, text: str, words_began: int, end_samples: int, now: Instant, *, is_final: bool
    ) -> tuple[str, Verdict]:
        """The words that are the user's and not the agent's, and the verdict on them.

        If nothing of the reply had been heard when they began, it is taken back, and its turn goes on.
        """
        user, utterance = self._user, self._user.utterance
        began = min(now, user.instant_of(utterance.began(words_began)))
        ended, sound = user.instant_of(end_samples), utterance.sound_of(words_began)
        own = self._contest.users_part(text, began, ended, now, is_final=is_final, sound=sound)
        unheard_ms = 0 if is_final else self._policy.min_speech_ms  # an interim may lack a word that takes less
        sounds_on = utterance.goes_on_after(end_samples, unheard_ms)
        if own is None:
            return "", Verdict.WAIT
        if not own:
            self._contest.disregarded(now, sounds_on=sounds_on)
            return "", Verdict.GO_ON
        if not self._policy.interrupts:
            return own, Verdict.WAIT
        if (reply := self._agent.current.unheard(began)) is not None:
            turn = self._agent.take_back(reply, now, is_waiting=bool(self.answers))
            if turn is not None:
                self._user.so_far.reopen(turn)
            return own, Verdict.YIELD
        speech_ms = utterance.speech_ms(end_samples)
        if speech_ms is not None and own != text:  # the agent's share of the words has the same share of the time
            speech_ms = speech_ms * len(own.split()) // len(text.split())
        said = Said(own, speech_ms, is_final=is_final, has_voice=utterance.has_voice)
        return own, self._contest.verdict(said, now, is_asked=sound.is_asked, sounds_on=sounds_on)

    def _is_live(self, samples: int) -> bool:
        """Whether input at this position may be speech over a reply: it was not pushed, and the input is not over."""
        return self._user.clock.is_live(samples) and not self._is_input_over

    def _on_text_typed(self, fact: inputs.TextTyped, now: Instant) -> None:
        self._end_keys(now)
        self._commit_text(fact.text.strip(), now)

    def _on_digits_pressed(self, fact: inputs.DigitsPressed, now: Instant) -> None:
        """The first key stops a reply in flight, as typed text does."""
        for digits in self._keypad.pressed(fact.digits, now):
            self._commit_text(digits, now)
        if self.is_pressing:
            self._agent.interrupt(InterruptCause.INPUT, now)
            self._user.shown.keys(self._user.turn, self._keypad.digits)

    def _end_keys(self, now: Instant) -> None:
        """The keys that were pressed are complete: they are a turn."""
        if digits := self._keypad.complete():
            self._commit_text(digits, now)

    def _commit_text(self, text: str, now: Instant) -> None:
        if self._user.so_far.is_confirmed:
            self._commit_spoken(now)
        turn = CommittedTurn.typed(self._user.next_turn(), text, now)
        self._orders.add(Emit(Transcript(turn.id, turn.text, is_final=True)))
        self._commit(turn, InterruptCause.INPUT, now)

    def _on_commit_requested(self, fact: inputs.CommitRequested, now: Instant) -> None:
        self._end_keys(now)
        self._user.decide_end(Decision(now, is_ordered=True), fact.received_samples, now)
        self._commit_what_is_known(now)

    def _on_recognition_ended(self, fact: inputs.RecognitionEnded, now: Instant) -> None:
        is_finalised = fact.stream in self._user.recognition.finalising
        self._user.recognition.ended(fact.stream, now)
        self._on_stream_over(now)
        if is_finalised:
            self._user.let_interims_stand((fact.stream,))

    def _on_recognition_failed(self, fact: inputs.RecognitionFailed, now: Instant) -> None:
        self._user.recognition.broke(fact.stream, fact.message, now)
        self._on_stream_over(now)

    def _on_stream_over(self, now: Instant) -> None:
        """What newer streams have transcribed waited for this one: it is committed now, or heard again."""
        user = self._user
        if (broken := user.recognition.take_broken()) is not None:
            user.hear_again(broken)
        is_whole = broken is None and user.so_far.end is None and not user.recognition.owes_a_final
        if is_whole and user.hold_unless_complete(goes_on=user.utterance.is_speaking, now=now):
            self._commit_spoken(now)
        else:
            self._commit_what_is_known(now)

    def _on_client_interrupted(self, _: inputs.ClientInterrupted, now: Instant) -> None:
        self.answers.withdraw()
        self._agent.interrupt(InterruptCause.CLIENT, now)

    def _on_user_deadline(self, now: Instant) -> None:
        user = self._user
        if (unended := user.recognition.take_unended(now)) is not None:
            self._on_recognition_ended(inputs.RecognitionEnded(unended), now)
        user.recognition.on_deadline(now)
        if (broken := user.recognition.take_broken()) is not None:
            user.hear_again(broken)
        user.decide_overdue_end(now)
        if user.recognition.end_grace(now) and user.so_far.text:
            goes_on = user.so_far.end is None
            user.forgo_finals()
            if not goes_on:
                self._commit_spoken(now, cut_by="final_grace_ms")
                return
        self._commit_what_is_known(now)

    def _commit_what_is_known(self, now: Instant) -> None:
        """Commit the turn if its end was decided or it was held, and no more words of it are awaited."""
        user = self._user
        end, hold_until = user.so_far.end, user.so_far.hold_until
        is_awaited = end is None or user.recognition.owes_a_final
        if hold_until is not None and (is_awaited or end is None or not end.is_ordered):
            is_awaited = now < hold_until
        if not is_awaited:
            self._commit_spoken(now)

    def _commit_spoken(self, now: Instant, *, last: StreamId | None = None, cut_by: str = "") -> None:
        is_live = self._is_live(self._user.so_far.end_samples) and self._may_stop_reply(now)
        turn = self._user.commit(now, is_live=is_live, last=last, cut_by=cut_by)
        if turn is not None:
            self._orders.add(Emit(Transcript(turn.id, turn.text, is_final=True, words=turn.words)))
            self._commit(turn, InterruptCause.USER_SPEECH, now)

    def _may_stop_reply(self, now: Instant) -> bool:
        """Whether a turn that was spoken stops a reply in flight, rather than wait for its end."""
        may_stop = self._policy.interrupts and self._policy.detect_turns and not self._agent.is_protected(now)
        return may_stop or self._agent.is_free

    def _commit(self, turn: CommittedTurn, cause: InterruptCause, now: Instant) -> None:
        """The turn is complete. A live one ends the reply in flight and supersedes turns that wait."""
        self._contest.sound_ended()
        self.answers.add(turn, self._policy)
        if turn.is_live:
            self._agent.interrupt(cause, now)

    HANDLERS: ClassVar[dict[type[inputs.SpeakerInput], Callable[["Dialogue", Any, Instant], None]]] = {
        inputs.SpeechStarted: _on_speech_started,
        inputs.SpeechEnded: _on_speech_ended,
        inputs.VoicingHeard: lambda self, *_: self._user.utterance.voiced(),
        inputs.BacklogBegan: lambda self, *_: self._user.clock.backlog_began(),
        inputs.CaughtUp: lambda self, fact, _: self._user.clock.caught_up(fact.at_samples),
        inputs.OwnVoiceHeard: lambda self, *_: self._contest.hears_itself(),
        inputs.TranscriptRevised: _on_transcript_revised,
        inputs.SegmentFinal: _on_segment_final,
        inputs.RecognitionEnded: _on_recognition_ended,
        inputs.RecognitionFailed: _on_recognition_failed,
        inputs.TextTyped: _on_text_typed,
        inputs.DigitsPressed: _on_digits_pressed,
        inputs.CommitRequested: _on_commit_requested,
        inputs.ClientInterrupted: _on_client_interrupted,
        inputs.ReplyRequested: lambda self, fact, now: self.answers.ask(fact, now),
    }
