"""Settings of the language model, and the tools that the gateway calls for it."""

from dataclasses import replace

from voice_gateway.backends.http_tools.codec import ToolsFileError, parse_tools
from voice_gateway.backends.http_tools.settings import HttpTool
from voice_gateway.backends.openai_chat.parameters import MAX_EXTRA_CHARS, parse_extra_body
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.config.reader import Reader, Section
from voice_gateway.domain.chat import CONTEXT_TOKENS, NO_TOOLS
from voice_gateway.setting_kinds import Setting, decimal, file, integer, key, or_off, sentence, text, web_address, word

_DEFAULT_LLM_URL = "http://localhost:8061/v1"
_LLM = OpenAiChatSettings(_DEFAULT_LLM_URL)


SPOKEN_REPLIES = (
    "You are a voice assistant. Your answer is read aloud, so write plain spoken sentences: no lists, headings, "
    "code, links or emoji. Keep it to one to three short sentences unless asked for more. "
    "If you did not understand, ask one short question."
)

LLM_SERVICE_URL = web_address("LLM_SERVICE_URL", _DEFAULT_LLM_URL, "base of an OpenAI-compatible API")
LLM_MODEL = text("LLM_MODEL", "", "model that is asked for", default_note="the first that is listed")
LLM_TEMPERATURE = or_off(decimal("LLM_TEMPERATURE", 0.7, (0, 2), "how freely the model writes"))
LLM_MAX_TOKENS = or_off(
    integer("LLM_MAX_TOKENS", 512, (1, 32_768), "count", "longest reply, in the model's tokens, thoughts included")
)
LLM_MAX_TOKENS_FIELD = word(
    "LLM_MAX_TOKENS_FIELD",
    _LLM.max_tokens_field,
    ("max_tokens", "max_completion_tokens"),
    "name under which `LLM_MAX_TOKENS` is sent",
)
LLM_CONTEXT_TOKENS = integer(
    "LLM_CONTEXT_TOKENS",
    _LLM.context_tokens,
    (0, 10_000_000),
    "count",
    "what the model takes, prompt and reply together, in its tokens; 0: what the API lists as `max_model_len`, else "
    f"{CONTEXT_TOKENS}",
)
LLM_EXTRA_BODY = Setting(
    "LLM_EXTRA_BODY",
    _LLM.extra_body_json,
    parse_extra_body,
    "further fields of each request to the API; no secret, as it is shown",
    allowed=f"JSON object, at most {MAX_EXTRA_CHARS} characters",
)
LLM_THOUGHTS = word(
    "LLM_THOUGHTS",
    "marked",
    ("marked", "opened"),
    "how thoughts begin: with a mark, or `opened` by the chat template, so that only their end is marked",
)
LLM_API_KEY = key("LLM_API_KEY", "key of the API")
LLM_FIRST_TOKEN_DEADLINE_MS = integer(
    "LLM_FIRST_TOKEN_DEADLINE_MS",
    _LLM.first_token_deadline_ms,
    (100, 120_000),
    "ms",
    "longest wait for the first token",
)
LLM_TOTAL_DEADLINE_MS = integer(
    "LLM_TOTAL_DEADLINE_MS", _LLM.total_deadline_ms, (1_000, 600_000), "ms", "longest time a reply may take to write"
)


LLM_SYSTEM_PROMPT = replace(
    sentence("LLM_SYSTEM_PROMPT", SPOKEN_REPLIES, "instructions of sessions that bring none"), default_note="see below"
)
LLM_APOLOGY = text(
    "LLM_APOLOGY", "Sorry, I cannot answer right now. Please ask me again.", "what is said when no answer could be had"
)
LLM_FILLER = sentence("LLM_FILLER", "One moment, please.", "what is said while a tool takes long")
TOOLS_FILE = file("TOOLS_FILE", "JSON list of the tools that the gateway calls over HTTP")
TOOL_TIMEOUT_MS = integer(
    "TOOL_TIMEOUT_MS", NO_TOOLS.timeout_ms, (100, 120_000), "ms", "tools that have not returned by then have failed"
)

SECTIONS = (
    Section(
        "Language model",
        (
            LLM_SERVICE_URL,
            LLM_MODEL,
            LLM_API_KEY,
            LLM_SYSTEM_PROMPT,
            LLM_TEMPERATURE,
            LLM_MAX_TOKENS,
            LLM_MAX_TOKENS_FIELD,
            LLM_CONTEXT_TOKENS,
            LLM_EXTRA_BODY,
            LLM_THOUGHTS,
            LLM_APOLOGY,
            LLM_FILLER,
            LLM_FIRST_TOKEN_DEADLINE_MS,
            LLM_TOTAL_DEADLINE_MS,
        ),
    ),
    Section("Tools", (TOOLS_FILE, TOOL_TIMEOUT_MS)),
)


def read_llm(reader: Reader) -> OpenAiChatSettings:
    return OpenAiChatSettings(
        base_url=reader.read(LLM_SERVICE_URL),
        model=reader.read(LLM_MODEL),
        api_key=reader.read(LLM_API_KEY),
        temperature=reader.read(LLM_TEMPERATURE),
        max_tokens=reader.read(LLM_MAX_TOKENS),
        max_tokens_field=reader.read(LLM_MAX_TOKENS_FIELD),
        context_tokens=reader.read(LLM_CONTEXT_TOKENS),
        extra_body_json=reader.read(LLM_EXTRA_BODY),
        begins_in_thought=reader.read(LLM_THOUGHTS) == "opened",
        first_token_deadline_ms=reader.read(LLM_FIRST_TOKEN_DEADLINE_MS),
        total_deadline_ms=reader.read(LLM_TOTAL_DEADLINE_MS),
    )


def read_tools(reader: Reader) -> tuple[HttpTool, ...]:
    path = reader.read(TOOLS_FILE)
    if path is None:
        return ()
    try:
        return parse_tools(path.read_text(encoding="utf-8"))
    except (ToolsFileError, UnicodeDecodeError) as error:
        told = "must be UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        reader.mistakes.append(f"{TOOLS_FILE.name} {told}: {path}")
        return ()
