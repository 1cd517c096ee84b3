"""Asks a real Prometheus every query of every dashboard, and of every recorded series, about a gateway with live calls.

    PYTHONPATH=. python scripts/check_dashboards.py

Two synthesisers stand behind the gateway, one of them slowed by 500 ms: the first panel of *one turn* must name it.
The answers are drawn into docs/pictures/. Takes a minute and a half; needs Debian's prometheus (`make dashboards`).
"""

import asyncio
import json
import math
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import dashboard_pictures
import kube_tools
from voicegateway.v1 import audio_pb2, client_pb2
from voicegateway_testkit import ConverseClient, FakeAsr, FakeLlm, FakeTts, PlayerSettings, TtsTiming, Utterance, speech
from voicegateway_testkit.load import RATE_HZ
from voicegateway_testkit.pcm import to_pcm

from bench.process import ROOT, running
from monitoring.dashboards import DASHBOARDS
from monitoring.one_turn import SLOWEST
from monitoring.panels import Chart, Query
from monitoring.rules import RECORDINGS

CALLERS, CALLS_S, SLOWED_MS = 6, 60, 500
WINDOW = "15s"
"""What Grafana would make of its rate interval, were it to read every few seconds."""
LABELS = {"namespace": "voice", "service": "demo-voice-gateway-metrics", "pod": "demo-voice-gateway-0"}
STORY = "The river was wide and the bridge was old, and nobody had crossed it for many years. " * 3
START_S = 20


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs."""

    url: str
    begun_s: float

    def now(self, expr: str) -> list[dict[str, Any]]:
        """What it answers at this moment."""
        return self._ask("query", {"query": filled(expr)})

    def since_begin(self, expr: str) -> list[dict[str, Any]]:
        """What it answers for each second of the run."""
        times = {"start": f"{self.begun_s}", "end": f"{time.time()}", "step": "1"}
        return self._ask("query_range", {"query": filled(expr), **times})

    def _ask(self, kind: str, fields: Mapping[str, str]) -> list[dict[str, Any]]:
        with urlopen(f"{self.url}/api/v1/{kind}?{urlencode(fields)}", timeout=START_S) as answer:  # noqa: S310  ours
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


def filled(expr: str) -> str:
    """The query with what a reader of the dashboard chooses."""
    for name, value in LABELS.items():
        expr = expr.replace(f"${name}", value)
    return expr.replace("$__rate_interval", WINDOW)


def has_data(result: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there is a number in it."""
    return any(math.isfinite(float(value)) for series in result for _, value in series["values"])


def rules() -> str:
    """The rules as the chart makes them for this release, as a file of Prometheus."""
    helm = kube_tools.fetch().helm4
    chosen = ("--set", "metrics.prometheusRule.enabled=true", "--show-only", "templates/prometheusrule.yaml")
    made = subprocess.run(  # noqa: S603  a program that was checked by hash, with our own arguments
        [str(helm), "template", "demo", str(ROOT / "helm" / "voice-gateway"), "-n", "voice", *chosen],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return "groups:" + made.partition("\n  groups:")[2].replace("\n  ", "\n")


@asynccontextmanager
async def prometheus(folder: Path, metrics_port: int) -> AsyncIterator[Prometheus]:
    """One that reads the gateway, and computes its rules, every second."""
    (folder / "rules.yaml").write_text(rules(), encoding="utf-8")
    target = {"targets": [f"127.0.0.1:{metrics_port}"], "labels": LABELS}
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": [{"job_name": "voice-gateway", "static_configs": [target]}],
    }
    (folder / "prometheus.yaml").write_text(json.dumps(config), encoding="utf-8")  # which is YAML
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # Prometheus tells nobody which one it was given
    log = os.open(folder / "prometheus.log", os.O_WRONLY | os.O_CREAT)
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=log,
        stderr=log,
    )
    try:
        yield Prometheus(f"http://127.0.0.1:{port}", time.time())
    finally:
        process.terminate()
        await process.wait()
        os.close(log)


async def call(address: str, seed: int, until_s: float) -> None:
    """One caller, who asks for a story and speaks over it, again and again."""
    rng = random.Random(seed)  # noqa: S311  when to speak
    audio = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hz=RATE_HZ)
    begun: set[str] = set()
    async with ConverseClient(address, player=PlayerSettings(seed=seed)) as client:
        await client.start(client_pb2.Start(audio_in=audio, audio_out=audio))
        client.turn_microphone_on()
        while time.time() < until_s:
            await client.say(to_pcm(speech(rng.randint(900, 1_200), RATE_HZ, seed=rng.randrange(99))))
            entry = await client.wait_for("reply_audio", lambda response: response.reply_audio.reply_id not in begun)
            begun.add(entry.response.reply_audio.reply_id)
            await asyncio.sleep(rng.uniform(1.5, 3))


def unanswered(server: Prometheus) -> list[str]:
    """Queries without data."""
    asked = [query.expr for _, _, charts in DASHBOARDS.values() for chart in charts for query in chart.queries]
    asked += [recording.record for recording in RECORDINGS]
    return [expr for expr in asked if not has_data(server.since_begin(expr))]


def drawn(server: Prometheus, charts: Sequence[Chart]) -> list[tuple[Chart, list[tuple[Query, list[dict[str, Any]]]]]]:
    """Each chart with what its queries are answered."""
    return [
        (
            chart,
            [(query, (server.now if chart.is_now else server.since_begin)(query.expr)) for query in chart.queries],
        )
        for chart in charts
    ]


async def check() -> int:
    """The whole check; returns the exit status."""
    asr = FakeAsr([Utterance("tell me a long story please")], repeats=True, keeps_audio=False)
    slow_timing = TtsTiming(first_audio_ms=TtsTiming().first_audio_ms + SLOWED_MS)
    fast, slow, llm = FakeTts(), FakeTts(timing=slow_timing), FakeLlm([STORY])
    async with AsyncExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        for fake in (asr, fast, slow, llm):
            await ends.enter_async_context(fake)
        environment = {
            "ASR_URI": asr.address,
            "TTS_URI": f"{fast.address},{slow.address}",
            "LLM_SERVICE_URL": llm.base_url,
            "MAX_SESSIONS": "10",
        }
        ports, serve = folder / "gateway.json", ("-m", "voice_gateway", "serve", "--ports-file")
        core = max(os.sched_getaffinity(0))
        gateway = await ends.enter_async_context(running(core, serve, ports, environment))
        await gateway.wait_ready()
        metrics_port = int(json.loads(ports.read_text(encoding="utf-8"))["metrics"])
        server = await ends.enter_async_context(prometheus(folder, metrics_port))
        until_s = time.time() + CALLS_S
        await asyncio.gather(*(call(gateway.address, seed, until_s) for seed in range(CALLERS)))
        silent = await asyncio.to_thread(unanswered, server)
        slowest = (await asyncio.to_thread(server.now, SLOWEST.expr))[0]["metric"]
        for uid, (title, _, charts) in DASHBOARDS.items():
            path = ROOT / "docs" / "pictures" / f"{uid}.png"
            dashboard_pictures.draw(path, title, await asyncio.to_thread(drawn, server, charts))
    for expr in silent:
        print(f"no data: {expr}", file=sys.stderr)
    print(f"the slowest address is {slowest}; slowed by {SLOWED_MS} ms was tts {slow.address}")
    return int(bool(silent) or slowest != {"backend": "tts", "address": slow.address})


if __name__ == "__main__":
    sys.exit(asyncio.run(check()))
