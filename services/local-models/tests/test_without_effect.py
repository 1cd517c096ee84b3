"""What is asked for in vain is said once, and is listed on its page."""

import logging
from pathlib import Path

import pytest
from asr_support import LoudnessModel, ScriptedEngine, audio_message, first_message, pcm, recognition_config, serving
from local_models.openai_http import decode
from local_models.without_effect import MAX_NAME_CHARS, MAX_NAMES, WithoutEffect
from riva.client.proto import riva_asr_pb2 as pb

PAGE = Path(__file__).parents[3] / "docs/reference/local-models-options.md"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="local_models.without_effect")
    return caplog


def test_each_is_said_once(log: pytest.LogCaptureFixture) -> None:
    """A client that asks on every call fills no log."""
    in_vain = WithoutEffect("chat")
    for _ in range(3):
        in_vain.note(("top_k", "nvext"))
    assert log.messages == ["chat: top_k is taken without effect here", "chat: nvext is taken without effect here"]


def test_names_from_a_client_are_bounded(log: pytest.LogCaptureFixture) -> None:
    """Who makes up names, long ones and control characters fills neither memory nor terminals."""
    in_vain = WithoutEffect("chat")
    in_vain.note(f"\x1b{number}{'x' * 5_000}" for number in range(1_000))
    assert len(log.messages) == MAX_NAMES + 1
    assert log.messages[-1] == f"chat: more than {MAX_NAMES} unknown options: no further ones are named"
    assert all(len(message) < MAX_NAME_CHARS + 60 and message.isprintable() for message in log.messages)


def test_made_up_names_silence_none_that_is_known(log: pytest.LogCaptureFixture) -> None:
    """One client's inventions do not keep another from learning that `top_k` is in vain; nor do known ones count."""
    in_vain = WithoutEffect("chat", decode.IN_VAIN)
    in_vain.note(f"x{number}" for number in range(1_000))
    in_vain.note(["top_k", "nvext", "top_k"])
    assert log.messages[MAX_NAMES + 1 :] == [
        "chat: top_k is taken without effect here",
        "chat: nvext is taken without effect here",
    ]
    another = WithoutEffect("chat", decode.IN_VAIN)
    another.note([*decode.IN_VAIN, *(f"x{number}" for number in range(MAX_NAMES))])
    assert len(log.messages) == MAX_NAMES + 1 + 2 + len(decode.IN_VAIN) + MAX_NAMES


async def test_a_running_stream_says_it_too(log: pytest.LogCaptureFixture) -> None:
    """The first message's options and those that ride on later audio are both seen."""
    config = recognition_config(verbatim_transcripts=True, speech_contexts=[pb.SpeechContext(phrases=["kubelet"])])
    later = audio_message(pcm("-10 w20 -30"))
    later.runtime_config["boost"] = "1"
    async with serving(ScriptedEngine(), LoudnessModel()) as server:
        call = server.stub.StreamingRecognize(iter([first_message(config), later]))
        assert [response async for response in call]
    assert log.messages == [
        "speech recognition: speech_contexts is taken without effect here",
        "speech recognition: runtime_config is taken without effect here",
    ]


def test_the_page_has_every_field() -> None:
    """Whoever adds a refusal or finds a new field tells of it where people look."""
    page = PAGE.read_text(encoding="utf-8")
    chat = decode.READ | decode.REFUSED.keys() | decode.ABOUT_THE_CALLER | {decode.PARALLEL, "modalities"}
    riva = {field.name for field in pb.RecognitionConfig.DESCRIPTOR.fields}
    assert {name for name in chat | riva if f"`{name}`" not in page} == set()
