"""The kit's clients against a scripted server."""

import asyncio

import grpc
import pytest
import voice_workflow_pb2 as workflow_pb2
from kit_peer import RATE_HZ, ScriptedCall, scripted_server
from voicegateway.v1 import audio_pb2, client_pb2, server_pb2
from voicegateway_testkit import CallEndedError, ConverseClient, LegacyClient, PlayerSettings, speech, utterance_pcm
from voicegateway_testkit.clients.playout import PlayoutError
from voicegateway_testkit.pcm import to_pcm

FRAME_MS = 20
FRAME_BYTES = RATE_HZ * FRAME_MS // 1000 * 2
REPLY = to_pcm(speech(1000))


def reply_audio(start_ms: int, length_ms: int, *, is_last: bool = False) -> server_pb2.ReplyAudio:
    """Gives a piece of REPLY."""
    start, length = start_ms * RATE_HZ // 1000, length_ms * RATE_HZ // 1000
    data = REPLY[start * 2 : (start + length) * 2]
    return server_pb2.ReplyAudio(reply_id="r", sentence_id=1, offset_samples=start, data=data, is_last=is_last)


async def test_everything_is_logged_and_waited_for_once() -> None:
    """Each wait gives the next message of its kind, in order, with its arrival instant; the end is a status."""

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        for text in ("one", "one two"):
            await call.write(transcript=server_pb2.Transcript(turn_id="t", text=text))
        await call.write(transcript=server_pb2.Transcript(turn_id="t", text="One two.", is_final=True))
        await call.take("end")
        await call.write(ended=server_pb2.Ended(reason=server_pb2.END_REASON_CLIENT_ENDED))

    async with scripted_server(script) as (address, _), ConverseClient(address) as client:
        assert (await client.start()).session_id == "s"
        first = await client.wait_for("transcript")
        final = await client.wait_for("transcript", lambda response: response.transcript.is_final)
        client.end()
        status = await client.wait_end()
        assert first.response.transcript.text == "one"
        assert final.response.transcript.text == "One two."
        assert final.at_ns >= first.at_ns
        assert client.log.kinds == ["started", "transcript", "transcript", "transcript", "ended"]
        assert status.code is grpc.StatusCode.OK
        with pytest.raises(CallEndedError, match="OK"):
            await client.wait_for("transcript")


async def test_a_refusal_has_its_reason() -> None:
    """A status carries its code, the ErrorInfo's reason and its metadata."""

    async def script(call: ScriptedCall) -> None:
        await call.fail(grpc.StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE")

    async with scripted_server(script) as (address, _), ConverseClient(address) as client:
        with pytest.raises(CallEndedError) as caught:
            await client.start()
        assert caught.value.status.code is grpc.StatusCode.UNAVAILABLE
        assert caught.value.status.reason == "BACKEND_UNAVAILABLE"
        assert caught.value.status.metadata == {"backend": "asr"}


async def test_the_true_status_is_found_while_writing() -> None:
    """A call that ends under a client that keeps writing has the server's status and all of its messages."""

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        await call.take("audio")
        for _ in range(20):
            await call.write(notice=server_pb2.Notice(message="soon"))
        await call.fail(grpc.StatusCode.UNAVAILABLE, "DRAIN_DEADLINE")

    async with scripted_server(script) as (address, _):
        for _ in range(10):
            async with ConverseClient(address) as client:
                await client.start()
                await client.push(utterance_pcm(2000, 0))
                status = await client.wait_end()
                assert (status.code, status.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAIN_DEADLINE")
                assert len(client.log.all("notice")) == 20


async def test_pushed_audio_arrives_whole_in_its_clock() -> None:
    """Frames are contiguous, in order, of the frame's length, and the half-close follows them."""
    pcm, got, offsets = utterance_pcm(200, 50), bytearray(), list[int]()

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        while (message := await call.received.get()) is not None:
            offsets.append(message.audio.offset_samples)
            got.extend(message.audio.data)

    async with scripted_server(script) as (address, _), ConverseClient(address) as client:
        await client.start()
        await client.push(pcm)
        await client.half_close()
        await client.wait_end()
    assert bytes(got) == pcm
    assert offsets == list(range(0, 4000, 320))


async def test_pushing_keeps_its_speed() -> None:
    """Audio at four times real time takes a quarter of its length, less one frame."""

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        await call.take("end")

    async with scripted_server(script) as (address, _), ConverseClient(address) as client:
        await client.start()
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        await client.push(utterance_pcm(400, 0), speed=4)
        assert loop.time() - start_s >= 0.095
        client.end()
        await client.wait_end()


async def test_the_microphone_is_always_on() -> None:
    """Frames leave at their instants, silence but for what is said, which is found at the place told."""
    frames: list[client_pb2.AudioInput] = []
    word = to_pcm(speech(60))

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        while (message := await call.received.get()) is not None:
            frames.append(message.audio)

    async with scripted_server(script) as (address, _), ConverseClient(address) as client:
        await client.start()
        microphone = client.turn_microphone_on()
        first = await client.say(word)
        second = await client.say(word)
        await client.half_close()
        await client.wait_end()
    pcm = b"".join(frame.data for frame in frames)
    assert [frame.offset_samples for frame in frames] == [320 * number for number in range(len(frames))]
    assert {len(frame.data) for frame in frames} == {FRAME_BYTES}
    assert pcm[first.start_samples * 2 : first.end_samples * 2] == word
    assert pcm[second.start_samples * 2 : second.end_samples * 2] == word
    assert second.start_ns - first.start_ns == (second.start_samples - first.start_samples) * 62500
    assert microphone.frames == len(frames)


async def test_a_muted_client_stops_mid_word() -> None:
    """Hushing forgets what was to be said and lets `say` return; turned off, no frame leaves."""
    audio = bytearray()

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        while (message := await call.received.get()).WhichOneof("payload") == "audio":
            audio.extend(message.audio.data)
            if len(audio) % (3 * FRAME_BYTES) == 0:
                await call.write(notice=server_pb2.Notice(message="three more"))

    word = utterance_pcm(5000, 0)
    async with scripted_server(script) as (address, _), ConverseClient(address) as client:
        await client.start()
        microphone = client.turn_microphone_on()
        saying = asyncio.create_task(client.say(word))
        await client.wait_for("notice")
        microphone.hush()
        await saying
        for _ in range(2):
            await client.wait_for("notice")
        await client.turn_microphone_off()
        client.end()
        await client.wait_end()
    assert not microphone.is_on
    assert microphone.frames == len(audio) // FRAME_BYTES >= 9
    assert not any(audio[-FRAME_BYTES:])


async def test_other_encodings_have_their_sample_size() -> None:
    """G.711 frames have one byte a sample, and its silence is not zero."""

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        audio = await call.take("audio")
        await call.write(notice=server_pb2.Notice(message=f"{len(audio.data)} {audio.data[:1].hex()}"))
        await call.take("end")

    wish = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_MULAW, sample_rate_hz=8000)
    async with scripted_server(script) as (address, _), ConverseClient(address) as client:
        await client.start(client_pb2.Start(audio_in=wish))
        client.turn_microphone_on()
        assert (await client.wait_for("notice")).response.notice.message == "160 ff"
        client.end()


@pytest.mark.parametrize("network_ms", [(0, 0), (20, 40)])
async def test_the_player_tells_what_it_played(network_ms: tuple[int, int]) -> None:
    """After an interruption the final report is the player's truth, network delay and jitter buffer counted in."""
    final: list[client_pb2.Playback] = []

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        await call.write(reply_audio=reply_audio(0, 1000))
        while (report := await call.take("playback")).played_samples < 200 * 16:
            assert not report.is_final
        await call.write(reply_interrupted=server_pb2.ReplyInterrupted(reply_id="r"))
        while not (report := await call.take("playback")).is_final:
            pass
        final.append(report)

    settings = PlayerSettings(jitter_ms=60, network_ms=network_ms, report_every_ms=50)
    async with scripted_server(script) as (address, _), ConverseClient(address, player=settings) as client:
        await client.start()
        await client.wait_end()
        player = client.player
        assert player is not None
        assert final[0].played_samples == player.played_samples("r") == player.model.runs[-1].end_samples
        assert player.played_audio() == REPLY[: final[0].played_samples * 2]
        audio_ns = client.log.all("reply_audio")[0].at_ns
        flush_ns = client.log.all("reply_interrupted")[0].at_ns
        begun_ms = (player.model.runs[0].start_ns - audio_ns) / 1e6
        heard_ms = final[0].played_samples / 16
        slack_ms = network_ms[1] - network_ms[0] + (200 if network_ms[1] else 5)  # timers of a busy machine are late
        assert 60 + network_ms[0] <= begun_ms < 60 + network_ms[1] + 200
        assert heard_ms == pytest.approx((flush_ns - audio_ns) / 1e6 - 60, abs=slack_ms)


async def test_pause_and_resumption_on_the_wire() -> None:
    """A paused player reports once, finally; resumed it goes on, and ends with a final report of the whole reply."""
    finals: list[int] = []

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        await call.write(reply_audio=reply_audio(0, 300, is_last=True))
        while (await call.take("playback")).played_samples < 100 * 16:
            pass
        await call.write(reply_paused=server_pb2.ReplyPaused(reply_id="r"))
        while len(finals) < 2:
            report = await call.take("playback")
            if report.is_final:
                finals.append(report.played_samples)
                if len(finals) == 1:
                    resumed = server_pb2.ReplyResumed(reply_id="r", offset_samples=report.played_samples)
                    await call.write(reply_resumed=resumed)

    settings = PlayerSettings(jitter_ms=20, report_every_ms=20)
    async with scripted_server(script) as (address, _), ConverseClient(address, player=settings) as client:
        await client.start()
        await client.wait_end()
        assert client.player is not None
        assert client.player.played_audio() == REPLY[: 300 * 32]
        assert finals[1] == 300 * 16
        assert 100 * 16 <= finals[0] < 300 * 16


async def test_a_broken_contract_reaches_the_test() -> None:
    """A gap in a reply's audio is raised when the client is left."""

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        await call.write(reply_audio=reply_audio(0, 20))
        await call.write(reply_audio=reply_audio(60, 20))

    async with scripted_server(script) as (address, _):
        client = ConverseClient(address)
        await client.__aenter__()
        await client.start()
        await client.wait_end()
        with pytest.raises(PlayoutError, match="goes from 320 to 960"):
            await client.__aexit__(None, None, None)


async def test_a_client_that_reports_nothing() -> None:
    """Without a player no playback is reported."""

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        await call.write(reply_audio=reply_audio(0, 20, is_last=True))
        message = await call.received.get()
        await call.write(notice=server_pb2.Notice(message=message.WhichOneof("payload")))

    async with scripted_server(script) as (address, _), ConverseClient(address, player=None) as client:
        await client.start()
        await client.wait_for("reply_audio")
        client.send_text("hello")
        assert (await client.wait_for("notice")).response.notice.message == "text"


async def test_a_client_that_does_not_read() -> None:
    """While reading is stopped at most the message under way arrives; afterwards everything does."""
    written = asyncio.Event()

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        await call.take("commit")
        for _ in range(5):
            await call.write(notice=server_pb2.Notice(message="n"))
        written.set()
        await call.take("interrupt")

    async with scripted_server(script) as (address, _), ConverseClient(address) as client:
        await client.start()
        client.call.stop_reading()
        client.commit()
        async with asyncio.timeout(5):
            await written.wait()
        assert len(client.log.all("notice")) <= 1
        client.call.go_on_reading()
        for _ in range(5):
            await client.wait_for("notice")
        client.interrupt()
        await client.wait_end()


async def test_a_client_that_vanishes() -> None:
    """Leaving an open call cancels it on the server."""
    cancelled = asyncio.Event()

    async def script(call: ScriptedCall) -> None:
        try:
            await call.open_session()  # its write may still be under way when the client leaves
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with scripted_server(script) as (address, calls):
        async with ConverseClient(address) as client:
            await client.start()
        assert client.log.status is not None
        assert client.log.status.code is grpc.StatusCode.CANCELLED
        async with asyncio.timeout(5):
            await cancelled.wait()
        assert len(calls) == 1


async def test_the_older_contract() -> None:
    """The raw client configures, pushes audio faster than real time, half-closes and tells the story that came back."""
    pcm, got = utterance_pcm(300, 100), bytearray()

    async def script(call: ScriptedCall) -> None:
        config = (await call.received.get()).config
        listening = workflow_pb2.ServerEvent(type=workflow_pb2.LISTENING, message=config.session_id)
        await call.context.write(workflow_pb2.ServerMessage(event=listening))
        while (message := await call.received.get()) is not None:
            got.extend(message.audio_chunk)
        await call.context.write(workflow_pb2.ServerMessage(transcript_chunk="hello..."))
        await call.context.write(workflow_pb2.ServerMessage(transcript_chunk="Hello."))
        await call.context.write(workflow_pb2.ServerMessage(llm_response_chunk="Good day."))
        for _ in range(3):
            await call.context.write(workflow_pb2.ServerMessage(audio_chunk=bytes(640)))
        end = workflow_pb2.ServerEvent(type=workflow_pb2.END_OF_TURN)
        await call.context.write(workflow_pb2.ServerMessage(event=end))

    async with scripted_server(script) as (address, _), LegacyClient(address) as client:
        client.configure(session_id="mine")
        await client.push(pcm, speed=12.8)
        await client.half_close()
        story = await client.collect()
        assert story == [
            "event LISTENING mine",
            "transcript hello...",
            "transcript Hello.",
            "reply Good day.",
            "audio 960",
            "event END_OF_TURN",
        ]
        assert (await client.wait_end()).code is grpc.StatusCode.OK
    assert bytes(got) == pcm
