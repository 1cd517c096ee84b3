"""Asks each backend once, the way that calls will, and says in words what would fail."""

from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

from voice_gateway import config
from voice_gateway.backends.http_tools.client import HttpTools
from voice_gateway.backends.openai_chat.chunks import Oddity
from voice_gateway.backends.openai_chat.client import OpenAiChat
from voice_gateway.backends.openai_chat.endpoint import RequestRefusedError
from voice_gateway.backends.openai_chat.failures import ChatStreamError
from voice_gateway.backends.openai_chat.oddity_log import has_noted
from voice_gateway.backends.riva.asr import RivaRecognizer
from voice_gateway.backends.riva.tts import RivaSynthesizer
from voice_gateway.domain.backend_status import BackendStatus
from voice_gateway.domain.chat import ChatMessage, Role, ToolCall
from voice_gateway.domain.errors import BackendError, ClientError
from voice_gateway.domain.ids import SessionId
from voice_gateway.session.negotiation import match_language
from voice_gateway.session.ports import ANY_LANGUAGE

QUESTION = "Please answer with the one word: yes."
"""Asked with the prompt and the tools of a call."""
_HINTS = {
    "max_tokens": "set LLM_MAX_TOKENS_FIELD=max_completion_tokens, or LLM_MAX_TOKENS=off",
    "max_completion_tokens": "set LLM_MAX_TOKENS_FIELD=max_tokens, or LLM_MAX_TOKENS=off",
    "temperature": "set LLM_TEMPERATURE=off",
    "tools": "the model takes no tools: leave out TOOLS_FILE",
    "model": "set LLM_MODEL to one that the server lists",
}
_STATUS_HINTS = {
    401: "see LLM_API_KEY",
    403: "see LLM_API_KEY",
    404: "see LLM_SERVICE_URL and LLM_MODEL",
    429: "the server is full, or limits its rate",
}
_OURS = frozenset({400, 422})
"""With these a server finds fault with the request itself."""
_UNNAMED = "LLM_SYSTEM_PROMPT, LLM_TEMPERATURE and LLM_MAX_TOKENS can each be left out by `off`"
_SERVERS = "see the server's own log"
_THINKS = "the model may have thought for all of LLM_MAX_TOKENS"
_LEAKS = "LLM: the model ends a thought that it did not begin, and thoughts would be spoken; set LLM_THOUGHTS=opened"

_NO_CALLS = "LLM: the model writes tool calls into its text, and none is made; set the server's tool parser"


class Findings:
    """What was found, a line for each."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.has_failure = False

    def good(self, line: str) -> None:
        """Note what works."""
        self.lines.append(line)

    def bad(self, line: str) -> None:
        """Note what would fail."""
        self.lines.append(f"{line} (!)")
        self.has_failure = True


async def probe(settings: config.Settings) -> Findings:
    """Ask recognition and synthesis for what they serve, and the language model for a short reply."""
    findings = Findings()
    await _probe_recognition(settings, findings)
    await _probe_synthesis(settings, findings)
    await _probe_model(settings, findings)
    return findings


async def _probe_recognition(settings: config.Settings, findings: Findings) -> None:
    recognizer = RivaRecognizer(settings.asr)
    try:
        await recognizer.pool.probe()
        _tell_addresses("ASR", recognizer.pool.status(), findings)
        if recognizer.pool.is_healthy:
            codes = recognizer.languages()
            hears_all = ANY_LANGUAGE in {each.casefold() for each in codes}
            _tell_language("ASR", settings.session.language_code, codes, findings, serves_all=hears_all)
    finally:
        await recognizer.pool.close()


async def _probe_synthesis(settings: config.Settings, findings: Findings) -> None:
    synthesizer = RivaSynthesizer(settings.tts)
    code, voice = settings.session.language_code, settings.session.voice
    try:
        await synthesizer.pool.probe()
        _tell_addresses("TTS", synthesizer.pool.status(), findings)
        voices = synthesizer.voices()
        named = _tell_language("TTS", code, voices, findings) if synthesizer.pool.is_healthy else None
        if voice and named and voice not in voices[named]:
            findings.good(f"TTS: has no voice {voice} in {named}, and will choose among {_listed(voices[named])}")
    finally:
        await synthesizer.pool.close()


async def _probe_model(settings: config.Settings, findings: Findings) -> None:
    model, tools = OpenAiChat(settings.llm), HttpTools(settings.tools)
    prompt = settings.session.persona.system_prompt
    messages = [ChatMessage(Role.SYSTEM, prompt)] if prompt else []
    try:
        await model.pool.probe()
        _tell_addresses("LLM", model.pool.status(), findings)
        if not model.pool.is_healthy:
            return
        asked = [*messages, ChatMessage(Role.USER, QUESTION)]
        text, calls = await _heard(model.reply(SessionId("probe"), asked, tools.tools()))
        findings.good(f"LLM: writes {len(text)} characters and calls {calls} tools")
        if has_noted(Oddity.END_OF_THOUGHT):
            findings.bad(_LEAKS)
        if has_noted(Oddity.CALL_IN_TEXT):
            findings.bad(_NO_CALLS)
    except BackendError as error:
        findings.bad(f"LLM: {error.message}; {_hint(error.__cause__)}")
    finally:
        await tools.close()
        await model.pool.close()


async def _heard(pieces: AsyncIterator[str | ToolCall]) -> tuple[str, int]:
    texts: list[str] = []
    calls = 0
    async for piece in pieces:
        if isinstance(piece, str):
            texts.append(piece)
        else:
            calls += 1
    return "".join(texts), calls


def _hint(cause: BaseException | None) -> str:
    if isinstance(cause, RequestRefusedError) and cause.parameter:
        return _HINTS.get(cause.parameter, "see LLM_EXTRA_BODY")
    if isinstance(cause, RequestRefusedError):
        return _UNNAMED if cause.status_code in _OURS else _STATUS_HINTS.get(cause.status_code, _SERVERS)
    return _THINKS if isinstance(cause, ChatStreamError) else _SERVERS


def _tell_addresses(name: str, status: BackendStatus, findings: Findings) -> None:
    for address in status.addresses:
        if address.cause:
            findings.bad(f"{name} {address.address} ({address.name}): {address.cause}")
        else:
            findings.good(f"{name} {address.address} ({address.name}): answers")
    for unresolved in status.unresolved:
        findings.bad(f"{name} {unresolved.name}: {unresolved.cause}")


def _tell_language(
    name: str, code: str, served: Iterable[str], findings: Findings, *, serves_all: bool = False
) -> str | None:
    """The language that a call gets, as the server calls it; None: none that is listed."""
    codes = sorted(served)
    found = None
    with suppress(ClientError):
        found = match_language(code, dict.fromkeys(codes, ()))
    if found or serves_all:
        findings.good(f"{name}: serves {_listed(codes)}")
    else:
        findings.bad(f"{name}: does not serve ASR_LANGUAGE {code}, but {_listed(codes)}")
    return found


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
