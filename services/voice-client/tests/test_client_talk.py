"""Conversations over a real socket with a scripted server."""

import asyncio
import itertools

import grpc
import pytest
from scripted_gateway import OUTPUT_RATE_HZ, Peer, serving, started, tone
from voice_client.device import INPUT_RATE_HZ
from voice_client.errors import ContractError, NoReplyError, ServerError, UnreachableError
from voice_client.link import MAX_PENDING_BYTES
from voice_client.session import start_message
from voice_client.talk import Conversation, leave
from voicegateway.v1 import audio_pb2, server_pb2

SPEECH = tone(120, INPUT_RATE_HZ)


async def answer_speech(peer: Peer) -> None:
    """Answer two spoken turns: the end of a turn is 60 ms of silence after sound."""
    await peer.until(lambda: bool(peer.of("start")))
    await peer.send(started())
    for turn in ("s-1-t1", "s-1-t2"):
        await peer.burst()
        await peer.send(server_pb2.Transcript(turn_id=turn, text="he"))
        await peer.answer(turn, "hello", f"Answer to {turn}. ", tone(150))
    await peer.until(lambda: peer.has_half_closed)
    await peer.end(server_pb2.END_REASON_CLIENT_HALF_CLOSED)


def _has_spoken(pcm: bytes) -> bool:
    return any(pcm) and not any(pcm[-1920:])


async def test_client_conversation_of_two_spoken_turns() -> None:
    """Speech goes out as contiguous real-time audio, each turn comes back whole, and both sides share a time axis."""
    async with serving(answer_speech) as (gateway, target):
        begin = asyncio.get_running_loop().time()
        async with Conversation(target, start_message(language="en-US")) as conversation:
            turns = []
            for _ in range(2):
                await conversation.say_pcm(SPEECH)
                turns.append(await conversation.turn_done())
            spent_ms = (asyncio.get_running_loop().time() - begin) * 1000
            await conversation.finish()
        assert [turn.user_text for turn in turns] == ["hello", "hello"]
        assert [turn.reply_text for turn in turns] == ["Answer to s-1-t1.", "Answer to s-1-t2."]
        assert [report.total_ms for turn in turns for report in turn.reports] == [550, 550]
        assert spent_ms >= 2 * (120 + 60 + 150)
        for turn in turns:
            assert turn.latency_ms is not None
            assert 60 <= turn.latency_ms < 3000
            assert conversation.timeline.reply_pcm(turn.replies[0].reply_id) == tone(150)
        (peer,) = gateway.peers
        assert peer.of("start")[0].start.language_code == "en-US"
        assert conversation.timeline.user_track().tobytes() in peer.heard_pcm()


async def test_client_reports_playback_while_playing_and_at_the_end() -> None:
    """The server learns while a reply plays how far it is, never more than could have been heard, and its end once."""
    arrivals: list[float] = []

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: bool(peer.of("text")))
        await peer.send(server_pb2.Transcript(turn_id="t", text="hi", is_final=True))
        arrivals.append(asyncio.get_running_loop().time())
        reply = await peer.begin_reply("t", "Long.", tone(500))
        for count in itertools.count():
            await peer.more_than("playback", count)
            arrivals.append(asyncio.get_running_loop().time())
            if peer.has_final(reply):
                break
        await peer.finish_reply(reply, "t")
        await peer.until(lambda: peer.has_half_closed)

    async with serving(script) as (gateway, target):
        async with Conversation(target, has_microphone=False) as conversation:
            conversation.say_text("hi")
            await conversation.turn_done()
            await conversation.finish()
        reports = gateway.peers[0].playbacks("s-1-r1")
    positions = [report.played_samples for report in reports]
    assert positions == sorted(positions)
    assert len(reports) >= 2
    assert [report.is_final for report in reports] == [False] * (len(reports) - 1) + [True]
    assert positions[-1] == OUTPUT_RATE_HZ // 2
    # Played at real speed: at the moment of arrival no more than the time since the audio left, less nothing.
    for position, arrival in zip(positions, arrivals[1:], strict=False):
        assert position / OUTPUT_RATE_HZ <= arrival - arrivals[0] + 0.005


async def test_client_interrupt_stops_the_player_and_tells_the_position() -> None:
    """`interrupt` flushes here at once and reports the final position; what still comes is not played."""

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: bool(peer.of("text")))
        await peer.send(server_pb2.Transcript(turn_id="t", text="hi", is_final=True))
        reply = await peer.begin_reply("t", "Long.", tone(2000), is_last=False)
        await peer.until(lambda: bool(peer.of("interrupt")) and peer.has_final(reply))
        await peer.send(server_pb2.ReplyAudio(reply_id=reply, offset_samples=2 * OUTPUT_RATE_HZ, data=tone(500)))
        reason = server_pb2.INTERRUPT_REASON_CLIENT
        await peer.send(server_pb2.ReplyInterrupted(reply_id=reply, reason=reason))
        heard = peer.playbacks(reply)[-1].played_samples
        await peer.send(server_pb2.ReplyHeard(reply_id=reply, heard_samples=heard, heard_text="Lo"))
        await peer.finish_reply(reply, "t", server_pb2.REPLY_OUTCOME_INTERRUPTED)
        await peer.until(lambda: peer.has_half_closed)

    async with serving(script) as (gateway, target):
        async with Conversation(target, has_microphone=False) as conversation:
            conversation.say_text("hi")
            async for event in conversation.events():
                if isinstance(event, server_pb2.ReplyAudio):
                    break
            peer = gateway.peers[0]
            await peer.until(lambda: any(one.played_samples > 2400 for one in peer.playbacks("s-1-r1")))
            conversation.interrupt()
            turn = await conversation.turn_done()
            await conversation.finish()
        (final,) = [one for one in gateway.peers[0].playbacks("s-1-r1") if one.is_final]
    played = conversation.timeline.reply_pcm("s-1-r1")
    assert len(played) // 2 == final.played_samples
    assert 2400 < final.played_samples < 2 * OUTPUT_RATE_HZ
    assert turn.replies[0].heard_text == "Lo"


async def test_client_holds_and_resumes_at_the_servers_word() -> None:
    """`reply_paused` holds the player, `reply_resumed` goes on where told, and nothing is lost or doubled between."""

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: bool(peer.of("text")))
        await peer.send(server_pb2.Transcript(turn_id="t", text="hi", is_final=True))
        reply = await peer.begin_reply("t", "Long.", tone(400))
        await peer.until(lambda: bool(peer.playbacks(reply)))
        await peer.send(server_pb2.ReplyPaused(reply_id=reply))
        await peer.until(lambda: peer.has_final(reply))
        heard = peer.playbacks(reply)[-1].played_samples
        assert 0 < heard < OUTPUT_RATE_HZ * 400 // 1000
        await peer.send(server_pb2.ReplyResumed(reply_id=reply, offset_samples=heard))
        await peer.until(lambda: sum(one.is_final for one in peer.playbacks(reply)) == 2)
        await peer.finish_reply(reply, "t")
        await peer.until(lambda: peer.has_half_closed)

    async with serving(script) as (_, target), Conversation(target, has_microphone=False) as conversation:
        conversation.say_text("hi")
        await conversation.turn_done()
        await conversation.finish()
    assert conversation.timeline.reply_pcm("s-1-r1") == tone(400)
    assert conversation.timeline.agent_track().size * 2 > len(tone(400))


async def test_client_fast_sends_at_once_and_keeps_the_order_on_the_time_axis() -> None:
    """`fast` does not wait for the clock; the recording still has the answer after the question."""
    three_seconds = tone(3000, INPUT_RATE_HZ)

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.burst()
        assert peer.heard_pcm().startswith(three_seconds[:1000])
        await peer.answer("t", "long", "Yes.", tone(50))
        await peer.until(lambda: peer.has_half_closed)

    async with serving(script) as (_, target), Conversation(target) as conversation:
        begin = asyncio.get_running_loop().time()
        await conversation.say_pcm(three_seconds, fast=True)
        turn = await conversation.turn_done()
        assert asyncio.get_running_loop().time() - begin < 3
        await conversation.finish()
    assert turn.latency_ms is not None
    assert turn.latency_ms > 0


async def test_client_waits_for_the_answer_to_the_last_words() -> None:
    """A recording with a pause may be two turns: the answer to the first, cut short, does not count."""

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: any(peer.heard_pcm()))
        await peer.send(server_pb2.Transcript(turn_id="t1", text="first", is_final=True))
        reply = await peer.begin_reply("t1", "Early.", tone(20))
        await peer.until(lambda: peer.has_final(reply))
        await peer.finish_reply(reply, "t1")
        await peer.until(lambda: _has_spoken(peer.heard_pcm()[len(SPEECH) + 9600 :]))
        await peer.send(server_pb2.Transcript(turn_id="t2", text="sec"))
        await peer.finish_reply("s-1-r9", "t2", server_pb2.REPLY_OUTCOME_INTERRUPTED)  # prepared early and dropped
        await peer.answer("t2", "second", "Late.", tone(20))
        await peer.until(lambda: peer.has_half_closed)

    async with serving(script) as (_, target), Conversation(target) as conversation:
        await conversation.say_pcm(SPEECH + bytes(9600) + SPEECH)
        turn = await conversation.turn_done()
        await conversation.finish()
    assert turn.user_text == "first second"
    assert turn.reply_text == "Early.Late."


async def test_client_gives_up_on_a_silent_server() -> None:
    """A turn that nothing answers is a clear error, not a wait for ever."""

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: peer.has_half_closed)

    async with serving(script) as (_, target), Conversation(target, quiet_limit_s=0.05) as conversation:
        conversation.say_text("hi")
        with pytest.raises(NoReplyError, match=r"0\.05 s"):
            await conversation.turn_done()


async def test_client_says_when_the_server_leaves_a_turn_unanswered() -> None:
    """A server that ends the session before the answer is reported as such."""

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: bool(peer.of("text")))
        await peer.end(server_pb2.END_REASON_DRAINING)

    async with serving(script) as (_, target), Conversation(target, has_microphone=False) as conversation:
        conversation.say_text("hi")
        with pytest.raises(NoReplyError, match="ended the conversation"):
            await conversation.turn_done()


async def test_client_sends_nothing_after_the_servers_goodbye() -> None:
    """A write that meets the end of the call would turn an orderly end into an error."""
    may_end = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.end(server_pb2.END_REASON_DRAINING)
        await may_end.wait()

    async with serving(script) as (_, target), Conversation(target) as conversation:
        async for event in conversation.events():
            if isinstance(event, server_pb2.Ended):
                break
        conversation.session.hear(bytes(MAX_PENDING_BYTES + 2))  # would be refused if it were sent
        may_end.set()
        await conversation.session.wait_over()


async def test_client_raises_the_status_that_ends_a_running_call() -> None:
    """A status in the middle of a turn reaches whoever waits for the answer, with its reason."""

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: bool(peer.of("text")))
        await peer.abort(grpc.StatusCode.UNAVAILABLE, "DRAIN_DEADLINE", "connect again")

    async with serving(script) as (_, target), Conversation(target, has_microphone=False) as conversation:
        conversation.say_text("hi")
        with pytest.raises(ServerError, match="UNAVAILABLE / DRAIN_DEADLINE: connect again"):
            await conversation.turn_done()


async def test_client_says_that_a_running_call_was_lost() -> None:
    """A server that dies in the middle is lost, and not one that might want --tls."""

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: bool(peer.of("text")))
        await peer.context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    async with serving(script) as (_, target), Conversation(target, has_microphone=False) as conversation:
        conversation.say_text("hi")
        with pytest.raises(UnreachableError, match=r"^lost 127\.0\.0\.1:\d+: Socket closed$"):
            await conversation.turn_done()


async def test_client_leaving_says_end_and_nothing_after_it() -> None:
    """`end` is the last message, although the microphone is on and a reply is playing."""

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: bool(peer.of("audio")))
        await peer.begin_reply("t", "Long.", tone(2000))
        await peer.until(lambda: peer.has_half_closed)
        assert peer.requests[-1].WhichOneof("payload") == "end"
        await peer.end(server_pb2.END_REASON_CLIENT_ENDED)

    async with serving(script) as (_, target), Conversation(target) as conversation:
        async for event in conversation.events():
            if isinstance(event, server_pb2.ReplyAudio):
                break
        await leave(conversation.session)


@pytest.mark.parametrize(
    ("first", "match"),
    [
        (server_pb2.ReplyPaused(reply_id="r"), "not with Started"),
        (started(audio_out=audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_MULAW)), "format"),
    ],
)
async def test_client_refuses_a_server_that_begins_wrongly(
    first: server_pb2.ReplyPaused | server_pb2.Started, match: str
) -> None:
    """Neither a wrong first message nor audio in a format that was not asked for is played."""
    async with serving(lambda peer: peer.send(first)) as (_, target):
        with pytest.raises(ContractError, match=match):
            await Conversation(target).__aenter__()


async def test_client_ends_on_audio_that_breaks_the_contract() -> None:
    """Half a sample of reply audio ends the session with a typed error instead of noise."""

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.send(server_pb2.ReplyAudio(reply_id="r", data=b"odd"))
        await peer.until(lambda: peer.has_half_closed)

    async with serving(script) as (_, target), Conversation(target, has_microphone=False) as conversation:
        with pytest.raises(ContractError, match="3 bytes"):
            await conversation.session.wait_over()
