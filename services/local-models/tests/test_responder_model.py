"""The responder as a chat model: tokens, limits, usage, and a conversation through the real client."""

from local_models.openai_http.chat import ChatRequest, Finished, FinishReason, Message, Role, TextDelta
from local_models.responder.model import MODEL_ID, Responder
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from openai_support import openai_client

CONVERSATION = [
    (
        "It was the best of times, it was the worst of times.",
        "Those are the opening words of A Tale of Two Cities, by Charles Dickens. The two cities are London and Paris.",
    ),
    ("Who wrote it?", "Charles Dickens wrote A Tale of Two Cities. It was published in eighteen fifty nine."),
    ("Hello, my name is Alice.", "Nice to meet you, Alice. I will remember your name while we talk."),
    ("What is my name?", "Your name is Alice."),
    ("What is twelve times seven?", "Twelve times seven is eighty four."),
    (
        "Repeat after me: the quick brown fox jumps over the lazy dog.",
        "The quick brown fox jumps over the lazy dog.",
    ),
    (
        "What is a pod in Kubernetes?",
        (
            "A pod is the smallest thing that Kubernetes runs."
            " It holds one or more containers that share a network address."
        ),
    ),
    (
        "Who are you?",
        (
            "I am a small local responder, not a language model."
            " I answer from a short list of facts and a few simple skills."
        ),
    ),
    ("Thank you, goodbye.", "You are welcome. Goodbye, Alice."),
]


def _request(text: str, max_tokens: int | None = None, stop: tuple[str, ...] = ()) -> ChatRequest:
    return ChatRequest(MODEL_ID, (Message(Role.USER, text),), max_tokens=max_tokens, stop=stop)


async def test_the_demo_conversation_makes_sense() -> None:
    """Held through the real client, streaming, with the history the client sends each time."""
    messages: list[ChatCompletionMessageParam] = [{"role": "system", "content": "Be brief."}]
    async with openai_client(Responder()) as client:
        for said, expected in CONVERSATION:
            messages.append({"role": "user", "content": said})
            stream = await client.chat.completions.create(model=MODEL_ID, messages=messages, stream=True)
            reply = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
            assert reply == expected
            messages.append({"role": "assistant", "content": reply})


async def test_a_tool_is_called_and_its_result_spoken_through_the_client() -> None:
    """The whole round of the protocol: offer, call, result, answer."""
    tool: ChatCompletionToolParam = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Tell the weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Paris?"}]
    async with openai_client(Responder()) as client:
        first = await client.chat.completions.create(model=MODEL_ID, messages=messages, tools=[tool])
        calls = first.choices[0].message.tool_calls
        assert calls is not None
        assert calls[0].type == "function"
        assert calls[0].function.arguments == '{"city": "Paris"}'
        call_param = {"id": calls[0].id, "type": calls[0].type, "function": calls[0].function.model_dump()}
        messages.append({"role": "assistant", "tool_calls": [call_param]})  # type: ignore[list-item]  # a dumped model
        messages.append({"role": "tool", "tool_call_id": calls[0].id, "content": '{"weather": "sunny"}'})
        second = await client.chat.completions.create(model=MODEL_ID, messages=messages, tools=[tool])
    assert second.choices[0].message.content == "The weather is sunny."


async def test_the_token_limit_cuts_and_says_so() -> None:
    """`max_tokens` counts words, and the reason tells the client that more was to come."""
    pieces = [piece async for piece in Responder().reply(_request("Who are you?", max_tokens=3))]
    assert pieces == [
        TextDelta("I"),
        TextDelta(" am"),
        TextDelta(" a"),
        Finished(FinishReason.LENGTH, prompt_tokens=3, completion_tokens=3),
    ]


async def test_a_reply_of_exactly_the_limit_is_whole() -> None:
    """A full stop reached with the last allowed token is no cut."""
    pieces = [piece async for piece in Responder().reply(_request("Thanks!", max_tokens=3))]
    assert pieces[-1] == Finished(FinishReason.STOP, prompt_tokens=1, completion_tokens=3)


async def test_a_stop_sequence_ends_the_reply_before_it() -> None:
    """The text up to the sequence, reason stop."""
    pieces = [piece async for piece in Responder().reply(_request("count to five slowly", stop=(" Three",)))]
    assert "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)) == "One. Two."
    assert isinstance(pieces[-1], Finished)
    assert pieces[-1].reason is FinishReason.STOP


async def test_warm_up_and_description_say_what_it_is() -> None:
    """The table at start must not let anybody take it for a language model."""
    responder = Responder()
    await responder.warm_up()
    (row,) = responder.describe()
    assert (row.service, row.model) == ("LLM", MODEL_ID)
    assert "not a language model" in row.source
