"""What was said and answered, turn by turn, gathered from the server's events. Pure."""

from dataclasses import dataclass, field

from voicegateway.v1 import server_pb2

from voice_client.link import ServerEvent
from voice_client.timeline import Said

# 3 s at 16 kHz: the longest hold of an unfinished turn by default (1,200 ms) and a slow recogniser after it.
LATE_WORDS_SAMPLES = 48_000
# 5 s at 16 kHz: speech that has made no turn by then, or by when the server's policy waits no longer, was none.
NO_TURN_SAMPLES = 80_000


@dataclass(slots=True)
class Reply:
    """One reply as the server told it; `heard_text` is None unless it was interrupted."""

    reply_id: str
    turn_id: str
    kind: "server_pb2.ReplyKind.ValueType"
    text: str = ""
    heard_text: str | None = None
    outcome: "server_pb2.ReplyOutcome.ValueType" = server_pb2.REPLY_OUTCOME_UNSPECIFIED
    goes_on: bool = False  # tools were called: the answer is another reply

    @property
    def is_finished(self) -> bool:
        return self.outcome != server_pb2.REPLY_OUTCOME_UNSPECIFIED


@dataclass(slots=True)
class Turn:
    """One thing the user said or typed, and all that came back. Grows until `Conversation.turn_done` returns it."""

    said: Said | None
    user_text: str = ""
    replies: list[Reply] = field(default_factory=list)
    reports: list[server_pb2.TurnReport] = field(default_factory=list)
    notices: list[server_pb2.Notice] = field(default_factory=list)
    latency_ms: float | None = None  # on the waveform: end of the user's speech to the first sample of the reply to it
    is_no_turn: bool = False  # the server heard somebody and took it for nothing to answer

    @property
    def reply_text(self) -> str:
        return "".join(reply.text for reply in self.replies).strip()


class TurnBook:
    """Files each event under the user's turn that it belongs to, and knows when the latest one is answered."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._turns_by_id: dict[str, Turn] = {}
        self._replies: dict[str, Reply] = {}
        self._open_turn_id = ""
        self._last_turn_id = ""
        self._has_last_words = False
        self._speech_end_samples = 0
        self._is_cut = False
        self._is_speaking = False
        self._has_spoken = False

    def begin(self, said: Said | None) -> Turn:
        """Open a turn: speech, or None for typed text."""
        self._speech_end_samples = 0 if said is None else said.speech_end_samples
        self._open_turn_id = ""
        self._last_turn_id = ""
        self._has_last_words = False
        self._is_cut = False
        self._has_spoken = self._is_speaking
        self.turns.append(Turn(said))
        return self.turns[-1]

    def is_answered(self, heard_samples: int) -> bool:
        """True when the last words of the latest turn are final, their reply has ended, and no other is running.

        A final that came before the last sound was sent is taken to be about earlier words of the same recording, until
        `LATE_WORDS_SAMPLES` of silence have brought no others: the last sound was then no words.
        """
        is_final = self._has_last_words or heard_samples >= self._speech_end_samples + LATE_WORDS_SAMPLES
        return (
            is_final
            and bool(self._last_turn_id)
            and not self._open_turn_id
            and all(reply.is_finished for reply in self._replies.values())
            and any(self._answers(reply) for reply in self._replies.values())
        )

    def is_passed_over(self, heard_samples: int, patience_samples: int = 0) -> bool:
        """True when the server heard the latest speech out and made no turn of it: a hum, a cough, a backchannel.

        `patience_samples` is how long after speech the server may still make a turn of it.
        """
        said = self.turns[-1].said if self.turns else None
        return (
            said is not None
            and heard_samples
            >= max(said.end_samples, self._speech_end_samples + max(NO_TURN_SAMPLES, patience_samples))
            and self._has_spoken
            and not self._is_speaking
            and not self._last_turn_id
            and all(reply.is_finished for reply in self._replies.values())
        )

    def answer_ids(self) -> frozenset[str]:
        """The replies to the last words of the latest turn."""
        replies = self._replies.values()
        return frozenset(reply.reply_id for reply in replies if self._last_turn_id and self._is_last(reply))

    def cut(self) -> None:
        """Note that the user's side stopped the answer: one without a word then counts as well."""
        self._is_cut = True

    def apply(self, event: ServerEvent, heard_samples: int) -> None:
        """Take an event that came when the server had been sent `heard_samples` of input audio."""
        match event:
            case server_pb2.SpeechStarted() | server_pb2.SpeechEnded():
                self._is_speaking = isinstance(event, server_pb2.SpeechStarted)
                self._has_spoken = self._has_spoken or self._is_speaking
            case server_pb2.Transcript():
                self._transcript(event, heard_samples)
            case server_pb2.ReplyText():
                self._reply(event).text += event.text
            case server_pb2.ReplyHeard(reply_id=reply_id) if reply_id in self._replies:
                self._replies[reply_id].heard_text = event.heard_text
            case server_pb2.ReplyFinished():
                reply = self._reply(event)
                reply.outcome = event.outcome or server_pb2.REPLY_OUTCOME_COMPLETED
                reply.goes_on = event.goes_on
            case _:
                self._file(event)

    def _file(self, event: ServerEvent) -> None:
        match event:
            case server_pb2.TurnReport():
                self._turn(event.turn_id).reports.append(event)
            case server_pb2.Notice():
                self._turn(event.turn_id).notices.append(event)
            case _:
                pass

    def _answers(self, reply: Reply) -> bool:
        """A reply that was dropped before its first word, because the user spoke on, will be followed by another, and
        so will one after which tools are called, unless our own side stopped it.
        """
        is_dropped = reply.outcome == server_pb2.REPLY_OUTCOME_INTERRUPTED and not reply.text and not self._is_cut
        is_filler = reply.kind == server_pb2.REPLY_KIND_FILLER
        is_to_come = reply.goes_on and not self._is_cut
        return self._is_last(reply) and not is_dropped and not is_filler and not is_to_come

    def _is_last(self, reply: Reply) -> bool:
        return reply.turn_id == self._last_turn_id

    def _transcript(self, event: server_pb2.Transcript, heard_samples: int) -> None:
        self._has_spoken = True
        if not event.is_final:
            self._open_turn_id = event.turn_id if event.text else ""
            return
        self._open_turn_id = ""
        turn = self._turns_by_id.setdefault(event.turn_id, self._turn(event.turn_id))
        turn.user_text = f"{turn.user_text} {event.text}".strip()
        self._last_turn_id = event.turn_id
        self._has_last_words = heard_samples >= self._speech_end_samples

    def _reply(self, event: server_pb2.ReplyText | server_pb2.ReplyFinished) -> Reply:
        reply = self._replies.get(event.reply_id)
        if reply is None:
            reply = self._replies[event.reply_id] = Reply(event.reply_id, event.turn_id, event.kind)
            self._turn(event.turn_id).replies.append(reply)
        return reply

    def _turn(self, turn_id: str) -> Turn:
        """The turn of that id; the latest one when the id is new or empty; without any turn, one that nobody began."""
        if not self.turns:
            self.begin(None)
        return self._turns_by_id.get(turn_id, self.turns[-1])
