"""A model that thinks, through the whole gateway over real sockets."""

import grpc
from gateway_kit.whole_gateway import APOLOGY, world
from voicegateway.v1 import client_pb2
from voicegateway_testkit import ConverseClient

SECRET = "secret"  # noqa: S105  the word of the thoughts
THINKING = f"<think>\nThe {SECRET} clock says noon, so I say noon.\n</think>\n\nIt is noon."
ONLY_THINKING = f"<think>Hm, the {SECRET} clock"


async def test_a_thought_is_neither_spoken_nor_shown_nor_remembered() -> None:
    """The user hears and sees the answer alone, and so does the model in the next turn; a thought alone is none."""
    async with world(replies=(THINKING, ONLY_THINKING)) as around:
        async with ConverseClient(around.address) as client:
            await client.start(client_pb2.Start())
            for text in ("What time is it?", "And now?"):
                client.send_text(text)
                await client.wait_for("reply_finished", timeout_s=20)
            await client.half_close()
            assert (await client.wait_end(20)).code is grpc.StatusCode.OK
        assert around.tts.texts == ["It is noon.", APOLOGY]
        assert [entry.kind for entry in client.log.entries if SECRET in str(entry.response)] == []
        remembered = [(message["role"], message["content"]) for message in around.llm.requests[1].messages[1:]]
        assert remembered == [("user", "What time is it?"), ("assistant", "It is noon."), ("user", "And now?")]
        await around.wait_quiet()
