"""Keys, silence and changed settings between a client and the backends, on real sockets."""

import grpc
from gateway_kit.whole_gateway import world
from voicegateway.v1 import client_pb2, policy_pb2, server_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2
from voicegateway_testkit import ConverseClient, utterance_pcm

LONG = "One two three four five six seven eight nine ten eleven twelve. " * 3
QUESTION = utterance_pcm(speech_ms=900, silence_ms=700)


def keys(digits: str) -> service_pb2.ConverseRequest:
    """Telephone keys."""
    return service_pb2.ConverseRequest(dtmf=client_pb2.Dtmf(digits=digits))


async def test_keys_interrupt_and_are_answered() -> None:
    """The first key flushes the player; the digits are one turn, and the model reads what was heard before them."""
    async with world(replies=(LONG, "Thank you.")) as around, ConverseClient(around.address) as client:
        await client.start()
        client.send_text("Read it to me.")
        await client.wait_for("reply_audio", lambda response: response.reply_audio.offset_samples > 22_050)
        client.send(keys("4"))
        client.send(keys("2#"))
        told = (await client.wait_for("reply_interrupted")).response.reply_interrupted
        assert told.reason == server_pb2.INTERRUPT_REASON_INPUT
        heard = (await client.wait_for("reply_heard")).response.reply_heard
        await client.wait_for(
            "reply_finished", lambda response: response.reply_finished.reply_id != heard.reply_id, timeout_s=10
        )
        transcripts = [entry.response.transcript for entry in client.log.all("transcript")]
        assert [(each.text, each.is_final) for each in transcripts] == [
            ("Read it to me.", True),
            ("4", False),
            ("42", True),
        ]
        contents = [message["content"] for message in around.llm.requests[1].messages[1:]]
        assert contents == ["Read it to me.", heard.heard_text, "42"]


async def test_nobody_speaks() -> None:
    """Re-prompt and goodbye are heard to their ends, then the call ends well and says why."""
    settings = {"NO_INPUT_REPROMPT": "Hello?", "NO_INPUT_GOODBYE": "Bye."}
    async with world(settings=settings) as around, ConverseClient(around.address) as client:
        started = await client.start(client_pb2.Start(policy=policy_pb2.TurnPolicy(no_input_ms=300)))
        assert started.policy.no_input_ms == 300
        assert (await client.wait_end(timeout_s=20)).code is grpc.StatusCode.OK
        finished = [entry.response.reply_finished for entry in client.log.all("reply_finished")]
        assert [(each.kind, each.turn_id, each.outcome) for each in finished] == [
            (server_pb2.REPLY_KIND_REPROMPT, "", server_pb2.REPLY_OUTCOME_COMPLETED)
        ] * 2
        (ended,) = client.log.all("ended")
        assert ended.response.ended.reason == server_pb2.END_REASON_NO_INPUT
        assert around.tts.texts == ["Hello?", "Bye."]
        assert around.llm.requests == []
        await around.wait_quiet()


async def test_settings_change_between_two_turns() -> None:
    """The second turn is heard by another window, answered under another prompt and spoken by another voice."""
    async with world("first", "second", replies=("Yes.", "No.")) as around, ConverseClient(around.address) as client:
        await client.start()
        client.turn_microphone_on()
        await client.say(QUESTION)
        await client.wait_for("reply_audio", timeout_s=10)
        update = client_pb2.Update(
            voice="Fake.EN-US.Leo", system_prompt="Be long.", policy=policy_pb2.TurnPolicy(stop_history_ms=600)
        )
        client.send(service_pb2.ConverseRequest(update=update))
        await client.wait_for("reply_finished", timeout_s=10)
        await client.say(QUESTION)
        await client.wait_for("reply_finished", timeout_s=10)
        await client.half_close()
        assert (await client.wait_end(timeout_s=20)).code is grpc.StatusCode.OK
        transcripts = [entry.response.transcript for entry in client.log.all("transcript")]
        assert [each.text for each in transcripts if each.is_final] == ["first", "second"]
        assert [sentence.request.voice_name for sentence in around.tts.sentences] == ["", "Fake.EN-US.Leo"]
        assert [request.messages[0]["content"] == "Be long." for request in around.llm.requests] == [False, True]
        windows = [stream.config.config.endpointing_config.stop_history for stream in around.asr.streams]
        assert windows == [480, 600]


async def test_a_voice_that_is_not_there_ends_the_call() -> None:
    """An update is refused with the same status and reason as a start."""
    async with world() as around, ConverseClient(around.address) as client:
        await client.start()
        client.send(service_pb2.ConverseRequest(update=client_pb2.Update(voice="Nobody")))
        status = await client.wait_end()
        assert (status.code, status.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "VOICE_UNSUPPORTED")
        await around.wait_quiet()
