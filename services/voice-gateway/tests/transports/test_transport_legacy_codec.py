"""The older contract in and out, without a socket."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transports.transport_fakes import AGREEMENT, audio, said_in, text
from voice_gateway.domain import events
from voice_gateway.domain.audio import AudioFormat, Encoding
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.domain.player import Player
from voice_gateway.session.ports import SessionRequest
from voice_gateway.transports import client_input
from voice_gateway.transports.grpc_legacy.codec import MAX_HELD_TURNS, Codec
from voice_workflow_pb2 import ClientMessage, EventType, ServerMessage, VoiceConfig


def config(**fields: Any) -> bytes:
    """A config on the wire."""
    return ClientMessage(config=VoiceConfig(**fields)).SerializeToString()


def opened() -> Codec:
    """A codec whose session is open."""
    codec = Codec()
    codec.start(config())
    codec.opened(AGREEMENT)
    return codec


def read(messages: Iterable[bytes]) -> list[str]:
    """Messages as a client would tell them."""
    told = []
    for raw in messages:
        message = ServerMessage.FromString(raw)
        match message.WhichOneof("content"):
            case "transcript_chunk":
                told.append("heard: " + message.transcript_chunk)
            case "llm_response_chunk":
                told.append("says: " + message.llm_response_chunk)
            case "audio_chunk":
                told.append(f"audio: {len(message.audio_chunk)}")
            case _:
                told.append(" ".join([EventType.Name(message.event.type), message.event.message]).strip())
    return told


def tell(codec: Codec, *said: events.Event | events.ReplyAudio) -> list[str]:
    """What the client is told of all that, in order."""
    told: list[str] = []
    for each in said:
        raws = codec.encode_audio(each) if isinstance(each, events.ReplyAudio) else codec.encode_event(each)
        told += read(raws)
    return told


def interim(turn: int, words: str) -> events.Transcript:
    """A transcript that may change."""
    return events.Transcript(TurnId(turn), words, is_final=False)


def final(turn: int, words: str) -> events.Transcript:
    """A transcript that stays."""
    return events.Transcript(TurnId(turn), words, is_final=True)


def finished(
    reply: int, outcome: events.ReplyOutcome = events.ReplyOutcome.COMPLETED, turn: int | None = None
) -> events.ReplyFinished:
    """The end of a reply."""
    of_turn = TurnId(reply if turn is None else turn)
    return events.ReplyFinished(ReplyId(reply), of_turn, events.ReplyKind.ANSWER, outcome, 0)


def interrupted(reply: int) -> events.ReplyInterrupted:
    """The flush of a reply."""
    return events.ReplyInterrupted(ReplyId(reply), events.InterruptCause.USER_SPEECH)


def heard(reply: int) -> events.ReplyHeard:
    """How much of it was heard."""
    return events.ReplyHeard(ReplyId(reply), 1, "", is_estimate=True)


ENDED = events.Ended(events.EndCause.CLIENT_HALF_CLOSED)


# --- in ---


def test_config_without_wishes() -> None:
    """An empty config is a whole one: 16 kHz, the server's language."""
    codec = Codec()
    assert codec.start(config()).request == SessionRequest(
        transport="grpc_legacy",
        policy={"min_words": 3, "no_input_ms": 0, "auto_reply": True, "detect_turns": True},
        player=Player.NEVER_HELD,
        input_rate_hz=16_000,
        output_rate_hz=16_000,
    )
    assert codec.audio_in == AudioFormat(Encoding.LINEAR_PCM, 16_000)


def test_config_with_every_wish() -> None:
    """Each field reaches the session; the client's own name for the call is a label of its log lines."""
    codec = Codec()
    request = codec.start(config(language_code="de-DE", session_id="load-7", sample_rate=8_000)).request
    assert request == SessionRequest(
        transport="grpc_legacy",
        policy={"min_words": 3, "no_input_ms": 0, "auto_reply": True, "detect_turns": True},
        player=Player.NEVER_HELD,
        input_rate_hz=8_000,
        output_rate_hz=8_000,
        language_code="de-DE",
        client_label="load-7",
    )
    assert codec.audio_in.rate_hz == 8_000


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, Reason.START_REQUIRED),
        (b"", Reason.MESSAGE_EMPTY),
        (ClientMessage(audio_chunk=b"\0\0").SerializeToString(), Reason.START_REQUIRED),
        (ClientMessage(text_input="hi").SerializeToString(), Reason.START_REQUIRED),
        (config(sample_rate=12_345), Reason.AUDIO_FORMAT_UNSUPPORTED),
        (config(sample_rate=-1), Reason.AUDIO_FORMAT_UNSUPPORTED),
        (b"\x0a\x04\x12\x02\xff\xfe", Reason.TEXT_INVALID),
        (bytes(1_400_000), Reason.MESSAGE_TOO_LARGE),
    ],
)
def test_nothing_goes_before_a_valid_config(message: bytes | None, reason: Reason) -> None:
    """Whatever comes first and is no valid config ends the call."""
    with pytest.raises(ClientError) as caught:
        Codec().start(message)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (config(), Reason.START_REPEATED),
        (b"", Reason.MESSAGE_EMPTY),
        (ClientMessage(audio_chunk=b"\0\0\0").SerializeToString(), Reason.AUDIO_MISALIGNED),
        (ClientMessage(audio_chunk=bytes(1_048_578)).SerializeToString(), Reason.MESSAGE_TOO_LARGE),
        (ClientMessage(text_input=" ").SerializeToString(), Reason.TEXT_INVALID),
        (ClientMessage(text_input="a\x01").SerializeToString(), Reason.TEXT_INVALID),
    ],
)
def test_messages_that_are_refused(message: bytes, reason: Reason) -> None:
    """Each breach of the contract has its own reason."""
    with pytest.raises(ClientError) as caught:
        said_in(opened(), message)
    assert caught.value.reason is reason


@given(st.lists(st.integers(0, 50), max_size=10))
def test_audio_is_one_unbroken_stream(sizes: list[int]) -> None:
    """This wire has no clock: every chunk follows the last one, an empty one included."""
    codec, at = opened(), 0
    for size in sizes:
        said = said_in(codec, ClientMessage(audio_chunk=bytes(2 * size)).SerializeToString())
        assert said == client_input.Audio(bytes(2 * size), at)
        at += size


def test_typed_text_reaches_the_session() -> None:
    """Text input is a turn like any other."""
    assert said_in(opened(), ClientMessage(text_input="Hi.").SerializeToString()) == client_input.TextTyped("Hi.")


# --- out ---


def test_greeting() -> None:
    """The server listens as soon as it has the config."""
    assert read(Codec().opened(AGREEMENT)) == ["LISTENING Ready"]


def test_one_turn() -> None:
    """The order that deployed clients expect, sentence by sentence."""
    told = tell(
        opened(),
        events.SpeechStarted(1),
        interim(1, "what"),
        interim(1, "what time"),
        events.SpeechEnded(2),
        final(1, "What time is it?"),
        text(1, 1, "It is noon. "),
        audio(1, 1, bytes(4)),
        audio(1, 1, bytes(6)),
        text(1, 2, "Lunch!"),
        audio(1, 2, bytes(8)),
        events.TurnReport(TurnId(1), ReplyId(1), 1, ()),
        audio(1, 2, b"", is_last=True),
        finished(1),
        ENDED,
    )
    assert told == [
        "heard: what...",
        "heard: what time...",
        "heard: What time is it?",
        "PROCESSING",
        "says: It is noon. ",
        "SPEAKING",
        "audio: 4",
        "audio: 6",
        "says: Lunch!",
        "SPEAKING",
        "audio: 8",
        "LISTENING",
        "END_OF_TURN",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [("Well...", "Well."), ("Well.... ", "Well."), ("...", "."), ("Well.", "Well."), ("Wait..", "Wait.."), ("", "")],
)
def test_final_never_looks_like_an_interim(words: str, told: str) -> None:
    """Old clients take a text that ends in three dots for one that will change."""
    assert tell(opened(), final(1, words)) == ["heard: " + told, "PROCESSING"]


def test_queued_turns_are_told_one_after_another() -> None:
    """Turns heard while a reply is under way wait for its end: audio pushed ahead gives a conversation in order."""
    told = tell(
        opened(),
        final(1, "One."),
        final(2, "Two."),
        interim(3, "thr"),
        final(3, "Three."),
        text(1),
        audio(1),
        finished(1),
        text(2),
        finished(2),
        text(3),
        finished(3),
        ENDED,
    )
    assert told == [
        "heard: One.",
        "PROCESSING",
        "says: Hello.",
        "SPEAKING",
        "audio: 2",
        "LISTENING",
        "heard: Two.",
        "PROCESSING",
        "says: Hello.",
        "LISTENING",
        "heard: Three.",
        "PROCESSING",
        "says: Hello.",
        "LISTENING",
        "END_OF_TURN",
    ]


def test_an_interim_behind_a_held_final_is_told_with_that() -> None:
    """The session says each interim once: one that had to wait is not lost, unless it was taken back or made final."""
    told = tell(opened(), final(1, "One."), final(2, "Two."), interim(3, "th"), interim(3, "thr"), finished(1))
    assert told == ["heard: One.", "PROCESSING", "LISTENING", "heard: Two.", "PROCESSING", "heard: thr..."]
    told = tell(opened(), final(1, "One."), final(2, "Two."), interim(3, "uh"), interim(3, ""), finished(1))
    assert told == ["heard: One.", "PROCESSING", "LISTENING", "heard: Two.", "PROCESSING"]


def test_interruption() -> None:
    """The interrupted reply stops, the client hears that the server listens, and the new turn begins, once each."""
    told = tell(
        opened(),
        final(1, "One."),
        text(1),
        audio(1),
        interim(2, "stop"),
        final(2, "Stop."),
        interrupted(1),
        heard(1),
        finished(1, events.ReplyOutcome.INTERRUPTED),
        text(2),
        finished(2),
    )
    assert told == [
        "heard: One.",
        "PROCESSING",
        "says: Hello.",
        "SPEAKING",
        "audio: 2",
        "heard: stop...",
        "LISTENING",
        "heard: Stop.",
        "PROCESSING",
        "says: Hello.",
        "LISTENING",
    ]


def test_interruption_without_a_new_turn() -> None:
    """An interruption is one LISTENING, not two, and a second flush tells nothing."""
    told = tell(
        opened(), final(1, "One."), interrupted(1), finished(1, events.ReplyOutcome.INTERRUPTED), interrupted(1)
    )
    assert told == ["heard: One.", "PROCESSING", "LISTENING"]


def test_turn_that_nobody_answers_holds_nothing_up() -> None:
    """A turn that a later one superseded is told and closed as soon as the later one is answered."""
    told = tell(opened(), final(1, "One."), final(2, "Two."), final(3, "Three."), text(3), finished(3))
    assert told == [
        "heard: One.",
        "PROCESSING",
        "LISTENING",
        "heard: Two.",
        "PROCESSING",
        "LISTENING",
        "heard: Three.",
        "PROCESSING",
        "says: Hello.",
        "LISTENING",
    ]


def test_reply_without_a_word_closes_its_turn() -> None:
    """A reply that failed before its first word still leads back to LISTENING, also for a turn that was held back."""
    told = tell(opened(), final(1, "One."), final(2, "Two."), finished(2, events.ReplyOutcome.FAILED), finished(1))
    assert told == ["heard: One.", "PROCESSING", "LISTENING", "heard: Two.", "PROCESSING", "LISTENING"]


def test_turns_that_wait_are_held_up_to_a_bound() -> None:
    """A recording pushed under a long reply: what is held back does not grow for ever, and no transcript is lost."""
    codec = opened()
    tell(codec, final(1, "Go on."), text(1))
    told = [line for turn in range(2, 1_002) for line in tell(codec, final(turn, f"Turn {turn}."))]
    assert len(codec._order._held) == MAX_HELD_TURNS
    told += tell(codec, ENDED)
    finals = [line for line in told if line.startswith("heard: ")]
    assert finals == [f"heard: Turn {turn}." for turn in range(2, 1_002)]


def test_end_tells_all_that_was_heard() -> None:
    """No turn is lost when the session ends with turns unanswered."""
    told = tell(opened(), final(1, "One."), final(2, "Two."), ENDED)
    assert told == [
        "heard: One.",
        "PROCESSING",
        "LISTENING",
        "heard: Two.",
        "PROCESSING",
        "LISTENING",
        "END_OF_TURN",
    ]


def test_trouble_is_an_error_and_then_listening() -> None:
    """A program reads the reason from the message; the call goes on."""
    assert tell(opened(), events.Notice(Reason.LLM_FAILED, "the language model failed")) == [
        "ERROR LLM_FAILED",
        "LISTENING",
    ]


def test_what_this_wire_has_no_word_for_is_not_told() -> None:
    """Newer events pass old clients by."""
    assert tell(opened(), events.GoingAway(5), heard(1), events.SpeechStarted(1), events.SpeechEnded(2)) == []


TURNS = st.lists(st.sampled_from(["final", "text", "finished", "interrupted", "interim"]), max_size=30)


@given(TURNS)
def test_every_turn_is_told_once_and_in_order(script: list[str]) -> None:
    """However a session's events fall, each final is told exactly once, in order, and is closed before the next."""
    codec, turn, answered, told = opened(), 0, 0, []
    for step in script:
        if step == "final":
            turn += 1
            told += tell(codec, final(turn, f"Turn {turn}."))
        elif step == "interim":
            told += tell(codec, interim(turn + 1, "hm"))
        elif step == "text" and answered < turn:
            answered += 1
            told += tell(codec, text(answered))
        elif step == "finished" and answered:
            told += tell(codec, finished(answered))
        elif step == "interrupted":
            told += tell(codec, interrupted(answered))
    told += tell(codec, ENDED)
    finals = [line for line in told if line.startswith("heard: Turn")]
    assert finals == [f"heard: Turn {number}." for number in range(1, turn + 1)]
    states = [line for line in told if line in {"PROCESSING", "LISTENING", "END_OF_TURN"}]
    assert states == ["PROCESSING", "LISTENING"] * turn + ["END_OF_TURN"]


def test_a_reply_that_calls_tools_does_not_end_its_turn() -> None:
    """LISTENING comes after the answer, not after the model's first words or the filler."""
    codec = opened()
    said = events.Transcript(TurnId(1), "Weather?", is_final=True)
    calling = events.ReplyFinished(
        ReplyId(1), TurnId(1), events.ReplyKind.ANSWER, events.ReplyOutcome.COMPLETED, 0, goes_on=True
    )
    done = events.ReplyFinished(ReplyId(2), TurnId(1), events.ReplyKind.ANSWER, events.ReplyOutcome.COMPLETED, 0)
    assert tell(codec, said, calling, text(2, 1, "Sunny.", turn=1), done) == [
        "heard: Weather?",
        "PROCESSING",
        "says: Sunny.",
        "LISTENING",
    ]
