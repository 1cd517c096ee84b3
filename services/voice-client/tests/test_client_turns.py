"""When a turn counts as answered, and when audio counts as played: decided on samples, without waiting."""

import pytest
from scripted_gateway import OUTPUT_RATE_HZ, Peer, serving, started, tone
from voice_client.device import Playout, VirtualDevice
from voice_client.session import Session, start_message
from voice_client.timeline import Said
from voice_client.turns import LATE_WORDS_SAMPLES, NO_TURN_SAMPLES, TurnBook
from voicegateway.v1 import client_pb2, server_pb2

SAID = Said(0, tone(1000, 16_000), 16_000)


def final(turn_id: str, text: str = "hello") -> server_pb2.Transcript:
    return server_pb2.Transcript(turn_id=turn_id, text=text, is_final=True)


def finished(
    reply_id: str,
    turn_id: str,
    kind: "server_pb2.ReplyKind.ValueType" = server_pb2.REPLY_KIND_ANSWER,
    outcome: "server_pb2.ReplyOutcome.ValueType" = server_pb2.REPLY_OUTCOME_COMPLETED,
    *,
    goes_on: bool = False,
) -> server_pb2.ReplyFinished:
    return server_pb2.ReplyFinished(reply_id=reply_id, turn_id=turn_id, kind=kind, outcome=outcome, goes_on=goes_on)


def test_client_turn_is_open_until_final_and_reply_are_there() -> None:
    """Neither a transcript alone nor a reply that still runs is an answer, and later words reopen the turn."""
    book = TurnBook()
    book.begin(SAID)
    book.apply(final("t"), 16_000)
    assert not book.is_answered(16_000)
    book.apply(server_pb2.ReplyText(reply_id="r", turn_id="t", text="Yes."), 16_000)
    assert not book.is_answered(16_000)
    book.apply(finished("r", "t"), 16_000)
    assert book.is_answered(16_000)
    book.apply(server_pb2.Transcript(turn_id="t2", text="and"), 16_000)
    assert not book.is_answered(16_000)


def test_client_turn_accepts_an_early_final_after_a_while() -> None:
    """A recording that ends in a noise after the last word does not hang: after silence the early answer counts."""
    book = TurnBook()
    book.begin(SAID)
    book.apply(final("t"), 15_000)
    book.apply(finished("r", "t"), 15_500)
    assert not book.is_answered(16_000)
    assert book.is_answered(16_000 + LATE_WORDS_SAMPLES)


def test_client_turn_is_not_answered_by_a_filler() -> None:
    """What is said while a tool runs is no answer."""
    book = TurnBook()
    book.begin(None)
    book.apply(final("t"), 0)
    book.apply(finished("r", "t", server_pb2.REPLY_KIND_FILLER), 0)
    assert not book.is_answered(0)
    book.apply(finished("r2", "t"), 0)
    assert book.is_answered(0)


def test_client_turn_is_not_answered_by_a_call_of_a_tool() -> None:
    """A reply that only calls a tool, or says "Let me see" before it does, is no answer; what is made of it is."""
    book = TurnBook()
    book.begin(None)
    book.apply(final("t"), 0)
    book.apply(finished("r1", "t", goes_on=True), 0)
    assert not book.is_answered(0)
    book.apply(server_pb2.ReplyText(reply_id="r2", turn_id="t", text="Let me see."), 0)
    book.apply(finished("r2", "t", goes_on=True), 0)
    assert not book.is_answered(0)
    book.apply(finished("r3", "t"), 0)
    assert book.is_answered(0)


def test_client_turn_that_we_stop_in_mid_tool_waits_for_nothing() -> None:
    """Who interrupts while a tool runs has ended the turn."""
    book = TurnBook()
    book.begin(None)
    book.apply(final("t"), 0)
    book.apply(finished("r1", "t", goes_on=True), 0)
    book.cut()
    assert book.is_answered(0)


@pytest.mark.parametrize("words", [(), ("mm-hm",)])
def test_client_turn_whose_words_are_none_is_passed_over(words: tuple[str, ...]) -> None:
    """Speech that the server heard out and made no turn of is over when no words can come any more."""
    book = TurnBook()
    book.begin(SAID)
    book.apply(server_pb2.SpeechStarted(), 2_000)
    for text in words:
        book.apply(server_pb2.Transcript(turn_id="t", text=text), 9_000)
    late = 16_000 + NO_TURN_SAMPLES
    assert not book.is_passed_over(late)
    book.apply(server_pb2.SpeechEnded(), 17_000)
    assert not book.is_passed_over(17_000)
    assert book.is_passed_over(late)
    assert not book.is_passed_over(late, NO_TURN_SAMPLES + 1)
    assert book.is_passed_over(late + 1, NO_TURN_SAMPLES + 1)
    assert not book.is_answered(late)


def test_client_turn_is_not_passed_over_while_something_may_come() -> None:
    """A server that heard nothing, typed words, a reply that still runs and a turn that was made are waited for."""
    late = 16_000 + NO_TURN_SAMPLES
    unheard, typed, running, made = (TurnBook() for _ in range(4))
    unheard.begin(SAID)
    typed.begin(None)
    for book in (running, made):
        book.begin(SAID)
        book.apply(server_pb2.SpeechStarted(), 2_000)
        book.apply(server_pb2.SpeechEnded(), 17_000)
    running.apply(server_pb2.ReplyText(reply_id="r", turn_id="earlier", text="Long."), 2_000)
    made.apply(final("t"), 17_500)
    assert not any(book.is_passed_over(late) for book in (unheard, typed, running, made))


def test_client_turn_knows_the_replies_to_its_last_words() -> None:
    """Of a recording with two turns, and a prompt that nobody asked for, only the reply to the last words counts."""
    book = TurnBook()
    book.begin(SAID)
    assert book.answer_ids() == frozenset()
    for turn, reply in (("t1", "r1"), ("", "prompt"), ("t2", "r2")):
        if turn:
            book.apply(final(turn), 16_000)
        book.apply(server_pb2.ReplyText(reply_id=reply, turn_id=turn, text="Yes."), 16_000)
    assert book.answer_ids() == {"r2"}


def test_client_turn_dropped_reply_counts_only_if_we_dropped_it() -> None:
    """A reply cancelled before its first word is followed by another, unless our own interrupt cancelled it."""
    book = TurnBook()
    book.begin(None)
    book.apply(final("t"), 0)
    book.apply(finished("r", "t", outcome=server_pb2.REPLY_OUTCOME_INTERRUPTED), 0)
    assert not book.is_answered(0)
    book.cut()
    assert book.is_answered(0)


def test_client_turn_keeps_reports_and_late_words_with_their_turn() -> None:
    """Reports and the heard text of an earlier turn are filed there, although the next has begun."""
    book = TurnBook()
    first = book.begin(None)
    book.apply(final("t1"), 0)
    book.apply(server_pb2.ReplyText(reply_id="r1", turn_id="t1", text="Long."), 0)
    second = book.begin(None)
    book.apply(server_pb2.TurnReport(turn_id="t1", reply_id="r1", total_ms=5), 0)
    book.apply(server_pb2.ReplyHeard(reply_id="r1", heard_text="Lo"), 0)
    book.apply(server_pb2.Notice(turn_id="t1"), 0)
    assert (len(first.reports), first.replies[0].heard_text, len(first.notices)) == (1, "Lo", 1)
    assert not second.replies
    assert not second.reports


def test_client_playout_ends_a_reply_without_a_last_mark() -> None:
    """A reply that fails has no last audio; when the server calls it finished its position is final."""
    playout = Playout(OUTPUT_RATE_HZ)
    playout.apply(server_pb2.ReplyAudio(reply_id="r", data=tone(10)))
    playout.pull(480)
    playout.apply(finished("r", "t", outcome=server_pb2.REPLY_OUTCOME_FAILED))
    assert [report.is_final for report in playout.reports(480)] == [True]
    assert playout.is_idle


async def test_client_reply_is_played_from_its_arrival_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two ticks the player is brought up to now before audio is put in, so that latency is not flattered."""
    monkeypatch.setattr("voice_client.session.TICK_S", 60)
    now_ns = [0]
    device = VirtualDevice(has_microphone=False, clock_ns=lambda: now_ns[0])

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: bool(peer.of("text")))
        await peer.begin_reply("t", "Yes.", tone(10))
        await peer.until(lambda: peer.has_half_closed)

    async with serving(script) as (_, target), Session(target, start_message(), device) as session:
        events = session.events()
        assert isinstance(await anext(events), server_pb2.Started)
        now_ns[0] = 1_000_000_000
        session.say_text("hi")
        while not isinstance(await anext(events), server_pb2.ReplyAudio):
            pass
        now_ns[0] = 2_000_000_000
        device.sync()
        session.half_close()
    assert device.timeline.played[0].clock_samples == OUTPUT_RATE_HZ


def test_client_start_asks_for_what_the_player_can_play() -> None:
    """The opening names linear PCM at 16 kHz in and leaves out what is the server's choice."""
    start = start_message(voice="Aria")
    assert start.audio_in.sample_rate_hz == 16_000
    assert not start.HasField("system_prompt")
    assert start == client_pb2.Start(audio_in=start.audio_in, audio_out=start.audio_out, voice="Aria")
