"""A conversation that outgrows its model, through the whole gateway over real sockets."""

from gateway_kit.whole_gateway import world
from voicegateway.v1 import client_pb2, server_pb2
from voicegateway_testkit import ConverseClient
from voicegateway_testkit.fakes.llm_codec import prompt_tokens

QUESTION = "我想预订明天晚上七点两个人的桌子请问靠窗的位置还有空的吗" * 4
REPLY_TOKENS = 512


async def test_a_model_that_takes_less_than_it_tells_answers_every_turn() -> None:
    """Twenty turns in Chinese and a model of 2,048 tokens that nobody knows of: the gateway thinks of 8,192. Where the
    model refuses, the question is asked again with half in the same turn: all are answered, and none by the apology.
    """
    async with world(replies=("好的。",), context_tokens=2_048) as around:
        async with ConverseClient(around.address) as client:
            await client.start(client_pb2.Start())
            for _ in range(20):
                client.send_text(QUESTION)
                await client.wait_for("reply_finished", timeout_s=20)
            await client.half_close()
            await client.wait_end(20)
        finished = [entry.response.reply_finished for entry in client.log.entries if entry.kind == "reply_finished"]
        assert [each.outcome for each in finished] == [server_pb2.REPLY_OUTCOME_COMPLETED] * 20
        assert [entry for entry in client.log.entries if entry.kind == "notice"] == []
        requests = around.llm.requests
        refused = [each for each in requests if prompt_tokens(each.body) + REPLY_TOKENS > 2_048]
        # the first 10 or so fit; what is learnt then fits, so that hardly any turn is refused after that
        assert 1 <= len(refused) <= 3
        assert len(requests) == 20 + len(refused)
        assert all(each.messages[-1]["content"].endswith(QUESTION) for each in requests)
        await around.wait_quiet()


async def test_a_model_that_tells_what_it_takes_is_never_asked_too_much() -> None:
    """The same with a model that lists its 2,048 tokens, as vLLM and a NIM do: not one question is refused."""
    async with world(replies=("好的。",), context_tokens=2_048, tells_context=True) as around:
        async with ConverseClient(around.address) as client:
            await client.start(client_pb2.Start())
            for _ in range(20):
                client.send_text(QUESTION)
                await client.wait_for("reply_finished", timeout_s=20)
            await client.half_close()
            await client.wait_end(20)
        assert len(around.llm.requests) == 20
        assert all(prompt_tokens(each.body) + REPLY_TOKENS <= 2_048 for each in around.llm.requests)
        await around.wait_quiet()
