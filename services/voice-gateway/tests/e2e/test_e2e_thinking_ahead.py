"""Replies that are prepared early, fragments that are held, turns that no final ends: the whole gateway on sockets."""

from gateway_kit.whole_gateway import World, world
from voicegateway.v1 import client_pb2, policy_pb2, server_pb2
from voicegateway_testkit import ConverseClient, utterance_pcm
from voicegateway_testkit.faults import NeverFinalise

FRAGMENT = utterance_pcm(speech_ms=700, silence_ms=600)
"""The pause is longer than the `stop_history_ms` in force: the recogniser ends its segment in it."""
QUESTION = utterance_pcm(speech_ms=900, silence_ms=700)
EARLY = {"TURN_SPECULATION": "true"}


async def answered(around: World, *pcm: bytes, policy: policy_pb2.TurnPolicy | None = None) -> ConverseClient:
    """A call in which this was said, in real time, and the answer to it was heard."""
    async with ConverseClient(around.address) as client:
        await client.start(client_pb2.Start(policy=policy))
        for piece in pcm:
            await client.push(piece, speed=1)
        await client.wait_for("reply_finished", timeout_s=20)
    return client


def said(client: ConverseClient) -> list[str]:
    """The final transcripts."""
    return [
        entry.response.transcript.text for entry in client.log.all("transcript") if entry.response.transcript.is_final
    ]


def report(client: ConverseClient) -> server_pb2.TurnReport:
    """The one turn report."""
    (entry,) = client.log.all("turn_report")
    return entry.response.turn_report


async def test_a_reply_is_prepared_while_the_end_is_being_confirmed() -> None:
    """One request to the model, made before the final came, and the report says that it won."""
    async with world("what is a pod", replies=("A pod runs. It is small.",), settings=EARLY) as around:
        client = await answered(around, QUESTION)
        told = report(client)
        assert told.is_speculative
        assert [each.outcome for each in told.speculations] == [server_pb2.SPECULATION_OUTCOME_WON]
        assert len(around.llm.requests) == 1
        assert around.tts.texts == ["A pod runs.", "It is small."]


async def test_nothing_is_prepared_when_the_client_wants_none() -> None:
    """With `speculation` off the model is asked once, for the committed turn."""
    async with world("what is a pod", settings=EARLY) as around:
        client = await answered(around, QUESTION, policy=policy_pb2.TurnPolicy(speculation=False))
        assert not report(client).speculations
        assert len(around.llm.requests) == 1


async def test_what_was_prepared_for_half_a_question_is_dropped() -> None:
    """A pause, then more words: the first request is given up, only the whole question is answered and remembered."""
    pieces = (utterance_pcm(speech_ms=700, silence_ms=340), QUESTION)
    async with world(
        "what is a pod | in this cluster", replies=("A pod runs.", "Here it runs."), settings=EARLY
    ) as around:
        client = await answered(around, *pieces)
        outcomes = [each.outcome for each in report(client).speculations]
        assert said(client) == ["what is a pod in this cluster"]
        assert outcomes[0] == server_pb2.SPECULATION_OUTCOME_LOST_MORE_WORDS
        assert around.llm.requests[-1].messages[-1]["content"] == "what is a pod in this cluster"
        assert [message["role"] for message in around.llm.requests[-1].messages] == ["system", "user"]


async def test_a_fragment_is_held_and_answered_with_what_follows() -> None:
    """Two segments of the recogniser, one turn, one answer to both."""
    settings = {"TURN_UNFINISHED_HOLD_MS": "10000"}  # longer than a busy machine may stand still
    async with world("i would like to fly to", "the city of paris", settings=settings) as around:
        client = await answered(around, FRAGMENT, QUESTION)
        assert said(client) == ["i would like to fly to the city of paris"]
        assert len(client.log.all("reply_finished")) == 1


async def test_a_recogniser_that_never_finalises_loses_nothing() -> None:
    """The final is forced, and when none comes the last interim transcript is answered."""
    async with world("what is a pod", settings={"TURN_VAD_END_MS": "600", "TURN_FINAL_GRACE_MS": "200"}) as around:
        around.asr.faults.always(NeverFinalise())
        client = await answered(around, QUESTION)
        assert said(client) == ["what is a pod"]
