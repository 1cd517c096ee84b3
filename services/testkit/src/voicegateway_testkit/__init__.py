"""Fakes of every backend and peers of every wire, on real sockets, with injected delays and faults."""

from voicegateway_testkit.clients.converse import ConverseClient
from voicegateway_testkit.clients.legacy import LegacyClient
from voicegateway_testkit.clients.log import CallEndedError, CallStatus
from voicegateway_testkit.clients.player import PlayerSettings
from voicegateway_testkit.clients.playout import PlayoutModel
from voicegateway_testkit.fakes.asr import AsrTiming, FakeAsr
from voicegateway_testkit.fakes.grpc_fake import ConfigRow, Outcome
from voicegateway_testkit.fakes.llm import FakeLlm, LlmTiming
from voicegateway_testkit.fakes.llm_codec import Reply, ToolCall
from voicegateway_testkit.fakes.script import Utterance
from voicegateway_testkit.fakes.tts import FakeTts, TtsTiming
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
