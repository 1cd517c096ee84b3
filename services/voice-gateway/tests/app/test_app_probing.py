"""`check-config --probe` against fakes on real sockets, and against servers that refuse."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from app.gateway_process import NOWHERE, outcome
from gateway_kit.http_peer import answering
from voice_gateway import config
from voice_gateway.app.probing import Findings, _tell_addresses, probe
from voice_gateway.backends.openai_chat import oddity_log
from voice_gateway.domain.backend_status import BackendStatus, NameStatus
from voicegateway_testkit.fakes.asr import FakeAsr
from voicegateway_testkit.fakes.grpc_fake import ConfigRow
from voicegateway_testkit.fakes.llm import FakeLlm, LlmTiming, Reply, ToolCall
from voicegateway_testkit.fakes.tts import FakeTts

AT_ONCE = LlmTiming(ttft_ms=0, token_ms=0)
KEY = "sk-hunter2"


@asynccontextmanager
async def speech() -> AsyncGenerator[dict[str, str], None]:
    """Settings that reach a recogniser and a synthesiser."""
    async with FakeAsr() as asr, FakeTts() as tts:
        yield {"ASR_URI": asr.address, "TTS_URI": tts.address, "LLM_API_KEY": KEY}


@asynccontextmanager
async def refusing(body: object, status: int) -> AsyncGenerator[str, None]:
    """The URL of a model server that lists a model and refuses every request so."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/v1/models":
            return web.json_response({"data": [{"id": "m"}]})
        return web.json_response(body, status=status)

    async with answering(answer) as url:
        yield url


async def found(**environment: str) -> Findings:
    """What is found with these settings; no secret is in it."""
    findings = await probe(config.load(environment))
    assert KEY not in "\n".join(findings.lines)
    return findings


async def test_backends_that_work_are_told_so() -> None:
    """Each is asked once: the model the way calls will, with the prompt, its limits and the key."""
    async with speech() as settings, FakeLlm(["Yes."], timing=AT_ONCE) as llm:
        findings = await found(**settings, LLM_SERVICE_URL=llm.base_url, LLM_SYSTEM_PROMPT="Be brief.")
        (request,) = llm.requests
    assert not findings.has_failure, findings.lines
    assert [line.split()[0].rstrip(":") for line in findings.lines] == ["ASR", "ASR", "TTS", "TTS", "LLM", "LLM"]
    assert (request.body["stream"], request.body["max_tokens"], request.authorization) == (True, 512, f"Bearer {KEY}")
    assert [message["role"] for message in request.messages] == ["system", "user"]


async def test_backends_that_are_not_there_are_named() -> None:
    """All of them, not only the first, and where they should be."""
    findings = await found(RIVA_URI=NOWHERE, LLM_SERVICE_URL=f"http://{NOWHERE}")
    assert findings.has_failure
    assert [line.split()[0] for line in findings.lines] == ["ASR", "TTS", "LLM"]
    assert all(NOWHERE in line for line in findings.lines)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"error": {"param": "max_tokens"}}, 400, "LLM_MAX_TOKENS_FIELD=max_completion_tokens"),
        ({"error": {"message": "unknown name 'temperature'"}}, 400, "LLM_TEMPERATURE=off"),
        ({"error": {"message": "System role not supported"}}, 400, "LLM_SYSTEM_PROMPT"),
        ({"detail": [{"loc": ["body", "top_k"]}]}, 422, "LLM_EXTRA_BODY"),
        ({"error": {"message": "no such key"}}, 401, "see LLM_API_KEY"),
        ({"error": {"message": "not found"}}, 404, "see LLM_SERVICE_URL and LLM_MODEL"),
        ({"error": {"message": "oh"}}, 500, "see the server's own log"),
    ],
)
async def test_a_refusal_says_which_setting_helps(body: object, status: int, said: str) -> None:
    """In plain words, before the first caller meets it."""
    async with speech() as settings, refusing(body, status) as url:
        findings = await found(**settings, LLM_SERVICE_URL=url, LLM_EXTRA_BODY='{"top_k": 1}')
    assert findings.has_failure
    assert said in findings.lines[-1]
    assert f"HTTP status {status}" in findings.lines[-1]


async def test_a_model_that_would_speak_its_thoughts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The template opens the thought, and nothing is configured for that."""
    monkeypatch.setattr(oddity_log, "_noted", set())
    async with speech() as settings, FakeLlm(["Hm. </think> Yes."], timing=AT_ONCE) as llm:
        findings = await found(**settings, LLM_SERVICE_URL=llm.base_url)
        assert findings.has_failure
        assert "LLM_THOUGHTS=opened" in findings.lines[-1]
        oddity_log._noted.clear()
        assert not (await found(**settings, LLM_SERVICE_URL=llm.base_url, LLM_THOUGHTS="opened")).has_failure


async def test_a_model_that_writes_its_calls_into_the_text_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server was started without a parser for them: no tool would ever be called."""
    monkeypatch.setattr(oddity_log, "_noted", set())
    reply = 'Yes. <tool_call>{"name": "weather"}</tool_call>'
    async with speech() as settings, FakeLlm([reply], timing=AT_ONCE) as llm:
        findings = await found(**settings, LLM_SERVICE_URL=llm.base_url)
    assert findings.has_failure
    assert "tool parser" in findings.lines[-1]


async def test_a_model_without_an_answer_is_found() -> None:
    """It may have thought for all of its tokens."""
    async with speech() as settings, FakeLlm(["<think>Hm."], timing=AT_ONCE) as llm:
        findings = await found(**settings, LLM_SERVICE_URL=llm.base_url)
    assert "gave no text" in findings.lines[-1]
    assert "LLM_MAX_TOKENS" in findings.lines[-1]


async def test_a_language_that_is_not_served_is_found() -> None:
    """Recognition and synthesis are each asked for what they have."""
    async with speech() as settings, FakeLlm(["Yes."], timing=AT_ONCE) as llm:
        findings = await found(**settings, LLM_SERVICE_URL=llm.base_url, ASR_LANGUAGE="tlh")
    assert [line for line in findings.lines if "does not serve ASR_LANGUAGE tlh" in line]
    assert findings.has_failure


@pytest.mark.parametrize(
    ("heard", "spoken", "wanted", "refused"),
    [
        ("en-us", "EN-US", "en-US", []),
        ("en_US", "en_US", "en-US", []),
        ("en-US", "en-US", "EN-us", []),
        ("multi", "en-US", "en-US", []),
        ("en-US", "en-US", "en", []),
        ("en-US", "multi", "en-US", ["TTS"]),
        ("multi", "de-DE", "en-US", ["TTS"]),
        ("en-GB", "en-US", "en-US", ["ASR"]),
    ],
)
async def test_languages_are_compared_as_calls_do(heard: str, spoken: str, wanted: str, refused: list[str]) -> None:
    """In any case, with `_` for `-`, by the primary tag; a recogniser may hear all languages, no voice speaks all."""
    hears = ConfigRow("asr", {"type": "online", "language_code": heard})
    speaks = ConfigRow("tts", {"language_code": spoken, "voice_name": "Leo", "subvoices": ""})
    async with (
        FakeAsr(rows=[hears]) as asr,
        FakeTts(rows=[speaks]) as tts,
        FakeLlm(["Yes."], timing=AT_ONCE) as llm,
    ):
        findings = await found(
            ASR_URI=asr.address, TTS_URI=tts.address, LLM_SERVICE_URL=llm.base_url, ASR_LANGUAGE=wanted, TTS_VOICE="Ada"
        )
    assert [line.split(":")[0] for line in findings.lines if "does not serve" in line] == refused
    assert len([line for line in findings.lines if "has no voice Ada" in line]) == ("TTS" not in refused)


async def test_the_model_is_asked_with_the_tools_and_no_tool_is_called(tmp_path: Path) -> None:
    """A model that takes none refuses the request; what a tool does is not for a check to do. A voice that is not
    there is told, and is no failure: synthesis chooses one.
    """
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps([{"name": "door", "description": "Opens.", "url": f"http://{NOWHERE}/"}]))
    replies = [Reply("Yes.", (ToolCall("door", "{}", "c1"),))]
    async with speech() as settings, FakeLlm(replies, timing=AT_ONCE) as llm:
        findings = await found(**settings, LLM_SERVICE_URL=llm.base_url, TOOLS_FILE=str(tools), TTS_VOICE="nobody")
        (request,) = llm.requests
    assert not findings.has_failure, findings.lines
    assert [tool["function"]["name"] for tool in request.body["tools"]] == ["door"]
    assert findings.lines[-1].endswith("calls 1 tools")
    assert [line for line in findings.lines if "no voice nobody" in line]


def test_names_that_cannot_be_resolved_are_told() -> None:
    """The most common mistake of a new deployment."""
    findings = Findings()
    _tell_addresses("LLM", BackendStatus((), (NameStatus("llm:8000", "cannot be resolved"),)), findings)
    assert (findings.lines, findings.has_failure) == (["LLM llm:8000: cannot be resolved (!)"], True)


async def test_the_command_says_it_with_its_exit_code() -> None:
    """0 if calls would work, 1 if one would fail; the settings are printed before, and the log is silent."""
    async with speech() as settings, FakeLlm(["Yes."], timing=AT_ONCE) as llm:
        code, out, err = await outcome("check-config", "--probe", LLM_SERVICE_URL=llm.base_url, **settings)
        assert (code, err) == (0, [])
        assert out[-1].startswith("LLM: writes 4 characters")
        assert "LLM_API_KEY=(secret)" in out
    code, out, err = await outcome("check-config", "--probe", LLM_API_KEY=KEY)
    assert (code, err) == (1, [])
    assert KEY not in "\n".join(out)
    assert [line.endswith("(!)") for line in out[-3:]] == [True] * 3
