"""Fakes of every backend and peers of every wire, on real sockets, with injected delays and faults."""

from voicegateway_testkit.client import ConverseClient
from voicegateway_testkit.fake_asr import AsrTiming, FakeAsr
from voicegateway_testkit.fake_llm import FakeLlm, LlmTiming
from voicegateway_testkit.fake_tts import FakeTts, TtsTiming
from voicegateway_testkit.grpc_fake import ConfigRow, Outcome
from voicegateway_testkit.legacy import LegacyClient
from voicegateway_testkit.llm_codec import Reply, ToolCall
from voicegateway_testkit.log import CallEndedError, CallStatus
from voicegateway_testkit.player import PlayerSettings
from voicegateway_testkit.playout import PlayoutModel
from voicegateway_testkit.script import Utterance
from voicegateway_testkit.speech import silence, speech, utterance_pcm

__all__ = [
    "AsrTiming",
    "CallEndedError",
    "CallStatus",
    "ConfigRow",
    "ConverseClient",
    "FakeAsr",
    "FakeLlm",
    "FakeTts",
    "LegacyClient",
    "LlmTiming",
    "Outcome",
    "PlayerSettings",
    "PlayoutModel",
    "Reply",
    "ToolCall",
    "TtsTiming",
    "Utterance",
    "silence",
    "speech",
    "utterance_pcm",
]
