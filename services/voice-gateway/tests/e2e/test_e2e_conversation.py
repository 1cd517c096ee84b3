"""The whole gateway between a client and its backends, on real sockets."""

import asyncio
import re

import grpc
import pytest
from gateway_kit.whole_gateway import APOLOGY, NOWHERE, World, world
from voice_gateway.session import patience
from voicegateway.v1 import client_pb2, error_pb2, policy_pb2, server_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2
from voicegateway_testkit import (
    CallEndedError,
    CallStatus,
    ConverseClient,
    FakeAsr,
    LegacyClient,
    Utterance,
    silence,
    utterance_pcm,
)
from voicegateway_testkit.clients.legacy import tell
from voicegateway_testkit.faults import (
    CloseBeforeAnswer,
    DieAfterSamples,
    DieAfterTokens,
    DieAfterWords,
    Hang,
    HttpFailure,
    LlmFault,
)

QUESTION = utterance_pcm(speech_ms=900, silence_ms=700)
ORDER = [
    "started",
    "speech_started",
    "speech_ended",
    "reply_text",
    "reply_audio",
    "turn_report",
    "reply_finished",
    "ended",
]


def finals(client: ConverseClient) -> list[str]:
    """The final transcripts that have come."""
    told = [entry.response.transcript for entry in client.log.all("transcript")]
    return [transcript.text for transcript in told if transcript.is_final]


def notices(client: ConverseClient) -> list[str]:
    """The reasons of all notices."""
    return [error_pb2.ErrorReason.Name(entry.response.notice.reason) for entry in client.log.all("notice")]


async def asked(client: ConverseClient) -> server_pb2.ReplyFinished:
    """Ask a spoken question and wait until it is answered."""
    await client.push(QUESTION)
    return (await client.wait_for("reply_finished", timeout_s=20)).response.reply_finished


async def test_a_spoken_conversation() -> None:
    """Speech in, speech out: the order of the contract, the words, the model's memory, and status OK at the end."""
    async with world("what is a pod", "and a node", replies=("A pod runs. It is small.", "A node.")) as around:
        async with ConverseClient(around.address) as client:
            started = await client.start()
            assert started.policy.HasField("min_speech_ms")
            assert (await asked(client)).outcome == server_pb2.REPLY_OUTCOME_COMPLETED
            assert (await asked(client)).outcome == server_pb2.REPLY_OUTCOME_COMPLETED
            await client.half_close()
            assert (await client.wait_end()).code is grpc.StatusCode.OK
        kinds = client.log.kinds
        assert [kind for index, kind in enumerate(kinds) if kind in ORDER and kind not in kinds[:index]] == ORDER
        assert finals(client) == ["what is a pod", "and a node"]
        assert around.tts.texts == ["A pod runs.", "It is small.", "A node."]
        messages = [message["content"] for message in around.llm.requests[-1].messages[1:]]
        assert messages == ["what is a pod", "A pod runs. It is small.", "and a node"]
        await around.wait_quiet()


async def test_reply_audio_is_what_was_synthesised() -> None:
    """Every sample of the reply is the synthesised one, at its offset, and the player never ran dry."""
    async with world("go", replies=("One two three. Four five.",)) as around:
        async with ConverseClient(around.address) as client:
            await client.start()
            finished = await asked(client)
        audio = [entry.response.reply_audio for entry in client.log.all("reply_audio")]
        pcm = b"".join(chunk.data for chunk in audio)
        assert [chunk.offset_samples for chunk in audio] == [
            sum(len(before.data) // 2 for before in audio[:index]) for index in range(len(audio))
        ]
        spoken = [sentence.spoken.samples for sentence in around.tts.sentences]
        assert len(pcm) // 2 == sum(spoken) == finished.total_samples
        assert around.tts.locate(pcm[:4_000]) == ("One two three.", 0)
        second = pcm[spoken[0] * 2 :]
        assert around.tts.locate(second[:4_000]) == ("Four five.", 0)


@pytest.mark.parametrize(("setting", "backend"), [("ASR_URI", "asr"), ("TTS_URI", "tts"), ("LLM_SERVICE_URL", "llm")])
async def test_a_backend_is_down_at_start(setting: str, backend: str) -> None:
    """A start that cannot be served is refused UNAVAILABLE / BACKEND_UNAVAILABLE and names the backend."""
    down = f"http://{NOWHERE}/v1" if backend == "llm" else NOWHERE
    async with world(settings={setting: down}) as around:
        refused = await _refusal(around)
        while refused.metadata["backend"] != backend:  # the others have not been asked yet
            refused = await _refusal(around)
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE")


async def _refusal(around: World) -> CallStatus:
    async with ConverseClient(around.address) as client:
        with pytest.raises(CallEndedError) as refused:
            await client.start()
        return refused.value.status


async def test_riva_dies_mid_utterance() -> None:
    """No word is lost: the audio is replayed on a new stream, the client is told, and the turn is answered."""
    async with world("what is a pod") as around:
        around.asr.faults.next(DieAfterWords(2))
        async with ConverseClient(around.address) as client:
            await client.start()
            await asked(client)
            assert notices(client) == ["ERROR_REASON_RECOGNITION_INTERRUPTED"]
            assert finals(client) == ["what is a pod"]
            assert len(around.asr.streams) == 2


async def test_riva_hangs_while_somebody_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that takes all audio and says nothing is replaced by one that hears all of it again, and told of."""
    monkeypatch.setattr(patience, "PATIENCE_MS", 1_000)
    async with world("what is a pod and why is it called so") as around:
        around.asr.faults.next(Hang())
        async with ConverseClient(around.address) as client:
            await client.start()
            client.turn_microphone_on()
            await client.say(utterance_pcm(speech_ms=3_000, silence_ms=700))
            await client.wait_for("reply_finished", timeout_s=20)
            assert notices(client) == ["ERROR_REASON_RECOGNITION_INTERRUPTED"]
            assert finals(client) == ["what is a pod and why is it called so"]
            assert len(around.asr.streams) >= 2


async def test_one_of_two_recognisers_is_gone_in_mid_sentence() -> None:
    """A pod that dies under a call costs no call and no word: the other one hears all of it, and serves new calls."""
    words = "what is a pod and why is it called so"
    async with (
        FakeAsr([Utterance(words)]) as first,
        world(words, "and a node", "hello", first_asr=first) as around,
        ConverseClient(around.address) as client,
    ):
        await client.start()
        await first.wait_until(lambda: first.open_streams == 1)
        client.turn_microphone_on()
        speaking = asyncio.create_task(client.say(utterance_pcm(speech_ms=2_500, silence_ms=700)))
        await first.wait_until(lambda: bool(first.streams[0].sent))
        await first.stop()
        await speaking
        await client.wait_for("reply_finished", timeout_s=20)
        assert notices(client) == ["ERROR_REASON_RECOGNITION_INTERRUPTED"]
        assert finals(client) == [words]
        async with ConverseClient(around.address) as other:
            await other.start()
            assert (await asked(other)).outcome == server_pb2.REPLY_OUTCOME_COMPLETED
            assert notices(other) == []


@pytest.mark.parametrize(
    ("fault", "reason", "texts"),
    [
        (HttpFailure(503), "LLM_FAILED", [APOLOGY]),
        (HttpFailure(401), "LLM_FAILED", [APOLOGY]),
        (CloseBeforeAnswer(), "LLM_FAILED", [APOLOGY]),
        (Hang(), "LLM_TIMEOUT", [APOLOGY]),
        (DieAfterTokens(4), "LLM_FAILED", ["One two.", "Three four", APOLOGY]),
    ],
)
async def test_the_model_fails(fault: LlmFault, reason: str, texts: list[str]) -> None:
    """Refusing, hanging or dying mid-sentence: a notice, an apology that is spoken, and the next turn works."""
    settings = {"LLM_FIRST_TOKEN_DEADLINE_MS": "200"}
    async with world("first", "second", replies=("One two. Three four five. Six.",), settings=settings) as around:
        around.llm.faults.always(fault)
        async with ConverseClient(around.address) as client:
            await client.start()
            finished = await asked(client)
            assert finished.outcome == server_pb2.REPLY_OUTCOME_FAILED
            assert finished.total_samples > 0
            assert notices(client) == [f"ERROR_REASON_{reason}"]
            assert around.tts.texts == texts
            around.llm.faults.heal()
            assert (await asked(client)).outcome == server_pb2.REPLY_OUTCOME_COMPLETED


async def test_synthesis_dies_mid_sentence() -> None:
    """What came is played, the rest is shown, a notice says why, and the next reply is spoken."""
    async with world("first", "second", replies=("One two three. Four five.", "Six.")) as around:
        around.tts.faults.always(DieAfterSamples(4_000))
        async with ConverseClient(around.address) as client:
            await client.start()
            finished = await asked(client)
            assert finished.outcome == server_pb2.REPLY_OUTCOME_FAILED
            assert notices(client) == ["ERROR_REASON_TTS_FAILED"]
            shown = "".join(entry.response.reply_text.text for entry in client.log.all("reply_text"))
            assert shown == "One two three. Four five."
            around.tts.faults.heal()
            assert (await asked(client)).outcome == server_pb2.REPLY_OUTCOME_COMPLETED


async def test_an_interrupt_is_taken_at_once() -> None:
    """After `interrupt` no audio follows, history has only what the player says it played, and the call goes on."""
    long = "One two three four five six seven eight nine ten eleven twelve. " * 3
    async with world("first", "second", replies=(long, "Yes.")) as around, ConverseClient(around.address) as client:
        await client.start()
        await client.push(QUESTION)
        await client.wait_for("reply_audio", lambda response: response.reply_audio.offset_samples > 22_050)
        client.interrupt()
        heard = (await client.wait_for("reply_heard")).response.reply_heard
        interrupted = (await client.wait_for("reply_finished")).response.reply_finished
        assert interrupted.outcome == server_pb2.REPLY_OUTCOME_INTERRUPTED
        sent = len(client.log.all("reply_audio"))
        assert (await asked(client)).outcome == server_pb2.REPLY_OUTCOME_COMPLETED
        replies = {entry.response.reply_audio.reply_id for entry in client.log.all("reply_audio")[sent:]}
        assert heard.reply_id not in replies
        assert not heard.is_estimate
        assert heard.heard_text
        assert long.startswith(heard.heard_text)
        contents = [message["content"] for message in around.llm.requests[-1].messages[1:]]
        assert contents == ["first", heard.heard_text, "second"]


LONG = "One two three four five six seven eight nine ten eleven twelve. " * 3


async def test_barge_in() -> None:
    """Speech over the agent pauses it at the onset; words stop it; what the player played is what the model reads."""
    async with world("first", "no wait a moment please", replies=(LONG, "Yes.")) as around:
        async with ConverseClient(around.address) as client:
            await client.start()
            client.turn_microphone_on()
            await client.say(QUESTION)
            await client.wait_for("reply_audio", lambda response: response.reply_audio.offset_samples > 22_050)
            await client.say(utterance_pcm(speech_ms=1_400, silence_ms=40, seed=2))
            paused = (await client.wait_for("reply_paused")).response.reply_paused
            heard = (await client.wait_for("reply_heard")).response.reply_heard
            assert heard.reply_id == paused.reply_id
            assert not heard.is_estimate
            answered = await client.wait_for(
                "reply_finished", lambda response: response.reply_finished.reply_id != heard.reply_id, timeout_s=10
            )
            assert answered.response.reply_finished.outcome == server_pb2.REPLY_OUTCOME_COMPLETED
        contents = [message["content"] for message in around.llm.requests[-1].messages[1:]]
        assert contents == ["first", heard.heard_text, "no wait a moment please"]


async def test_a_cough_pauses_and_nothing_is_lost() -> None:
    """A sound without words holds the player for a moment; then every sample of the reply is played."""
    reply = "One two three four five six seven eight nine ten. " * 2
    async with world("first", "", replies=(reply,)) as around, ConverseClient(around.address) as client:
        await client.start()
        client.turn_microphone_on()
        await client.say(QUESTION)
        await client.wait_for("reply_audio")
        await client.say(utterance_pcm(speech_ms=250, silence_ms=40, seed=3))
        await client.wait_for("reply_resumed", timeout_s=10)
        finished = (await client.wait_for("reply_finished", timeout_s=20)).response.reply_finished
        assert finished.outcome == server_pb2.REPLY_OUTCOME_COMPLETED
        assert finished.total_samples == sum(sentence.spoken.samples for sentence in around.tts.sentences)
        assert finals(client) == ["first"]


async def test_a_client_whose_player_stands_still() -> None:
    """A client that reported and then stands still while audio is due is ended DEADLINE_EXCEEDED / CLIENT_STALLED."""
    async with world("first", replies=("One two three four five six seven eight nine ten. " * 4,)) as around:
        async with ConverseClient(around.address, player=None) as client:
            await client.start(client_pb2.Start(policy=policy_pb2.TurnPolicy(stall_ms=500)))
            await client.push(QUESTION)
            audio = (await client.wait_for("reply_audio")).response.reply_audio
            report = client_pb2.Playback(reply_id=audio.reply_id, played_samples=100)
            client.send(_playback(report))
            status = await client.wait_end(timeout_s=10)
        assert (status.code, status.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "CLIENT_STALLED")
        await around.wait_quiet()


async def test_a_client_vanishes_mid_reply() -> None:
    """No task, no stream and no backend call is left behind."""
    async with world("first", replies=("One two three four five six seven eight nine ten. " * 20,)) as around:
        client = ConverseClient(around.address)
        async with client:
            await client.start()
            await client.push(QUESTION)
            await client.wait_for("reply_audio")
            assert around.asr.open_streams == 1
            assert _call_tasks()
            await client.vanish()
        await around.wait_quiet()
        await around.gateway._roster.wait_empty()
        async with asyncio.timeout(30):
            while left := _call_tasks():  # the call's own ending comes after its session's
                await asyncio.wait(left)


async def test_bad_audio_in_a_running_call() -> None:
    """An overlap ends the call with its reason, and nothing is left behind."""
    async with world("first") as around:
        async with ConverseClient(around.address) as client:
            await client.start()
            client.send_audio(bytes(640))
            client.send_audio(bytes(640), offset_samples=100)
            status = await client.wait_end()
        assert (status.code, status.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "AUDIO_OVERLAP")
        await around.wait_quiet()


async def test_push_to_talk() -> None:
    """`commit` ends the turn without waiting for silence."""
    async with world("open the door") as around, ConverseClient(around.address) as client:
        await client.start()
        await client.push(utterance_pcm(speech_ms=900, silence_ms=40))
        client.commit()
        await client.wait_for("reply_finished", timeout_s=10)
        assert finals(client) == ["open the door"]


async def test_the_older_contract_at_12_8_times_real_time() -> None:
    """Two utterances pushed far faster than real time, then half-close: both are answered, in the order it promises."""
    async with world("what is a pod", "and a node", replies=("A pod runs.", "A node.")) as around:
        async with LegacyClient(around.address) as client:
            client.configure(language_code="en-US", session_id="load-1", sample_rate_hz=16_000)
            await client.push(QUESTION + QUESTION, speed=12.8)
            await client.half_close()
            assert (await client.wait_end(timeout_s=20)).code is grpc.StatusCode.OK
        interims = [entry for entry in client.log.entries if entry.response.transcript_chunk.endswith("...")]
        story = tell([entry for entry in client.log.entries if entry not in interims])
        audio = [f"audio {sentence.spoken.samples}" for sentence in around.tts.sentences]
        assert story == [
            "event LISTENING Ready",
            "transcript what is a pod",
            "event PROCESSING",
            "reply A pod runs.",
            "event SPEAKING",
            audio[0],
            "event LISTENING",
            "transcript and a node",
            "event PROCESSING",
            "reply A node.",
            "event SPEAKING",
            audio[1],
            "event LISTENING",
            "event END_OF_TURN",
        ]
        assert interims


async def test_the_older_contract_says_trouble_and_goes_on() -> None:
    """A model that fails is an ERROR event with the reason, then LISTENING; a typed turn works afterwards."""
    async with world(replies=("Yes.",)) as around:
        around.llm.faults.next(HttpFailure(401))
        async with LegacyClient(around.address) as client:
            client.configure()
            client.send_text("Hello?")
            await client.log.wait_until(lambda: len(client.log.all("audio_chunk")) > 0)
            await client.push(silence(100).tobytes())
            await client.half_close()
            lines = await client.collect()
        assert "event ERROR LLM_FAILED" in lines
        assert lines[lines.index("event ERROR LLM_FAILED") + 1] == "event LISTENING"
        assert lines[-1] == "event END_OF_TURN"


async def test_fifty_clients_at_once() -> None:
    """Every turn of fifty sessions is answered, and nothing is left behind."""
    async with world(replies=("Yes, of course.",)) as around:
        await asyncio.gather(*(_typed_turn(around) for _ in range(50)))
        await around.wait_quiet()
        assert len(around.llm.requests) == 50


async def _typed_turn(around: World) -> None:
    async with ConverseClient(around.address) as client:
        await client.start(timeout_s=20)
        client.send_text("Are you there?")
        await client.wait_for("reply_finished", timeout_s=20)
        client.end()
        assert (await client.wait_end(timeout_s=20)).code is grpc.StatusCode.OK


def _playback(report: client_pb2.Playback) -> service_pb2.ConverseRequest:
    return service_pb2.ConverseRequest(playback=report)


def _call_tasks() -> list[asyncio.Task[object]]:
    """The running tasks that a call and its session make."""
    ours = re.compile(r"session|call \w+|[0-9a-f]+-(asr|llm|tts)-\d+")
    return [task for task in asyncio.all_tasks() if ours.fullmatch(task.get_name())]
