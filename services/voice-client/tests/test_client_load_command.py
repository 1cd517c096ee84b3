"""`voice-client load` in-process, against a scripted gateway on loopback."""

import asyncio
import io
import itertools
import os
import signal
from pathlib import Path

import grpc
import pytest
from load_samples import summary
from rich.console import Console
from scripted_gateway import Peer, serving, started, tone
from voice_client.audio import save_wav
from voice_client.cli import parser, run
from voice_client.errors import ExitStatus, UnreachableError, VoiceClientError
from voice_client.link import CONNECT_TIMEOUT_S, Target
from voice_client.load import command
from voice_client.load.gates import Gate
from voice_client.load.knee import Knee
from voice_client.load.options import LoadOptions, load_options
from voice_client.load.report.record import Record, from_json
from voice_client.load.scores import Spread, Summary, spread
from voice_client.load.screen import Screen
from voice_client.load.voice import synthetic_speech
from voicegateway.v1 import audio_pb2, server_pb2

RATE_HZ = 16_000


def greeting() -> server_pb2.Started:
    linear = audio_pb2.AUDIO_ENCODING_LINEAR_PCM
    return started(audio_out=audio_pb2.AudioFormat(encoding=linear, sample_rate_hz=RATE_HZ))


async def answers(peer: Peer) -> None:
    """Answer each utterance with a tone as soon as it has ended."""
    await peer.send(greeting())
    ending = asyncio.create_task(peer.until(lambda: bool(peer.of("end"))))
    for number in itertools.count():
        burst = asyncio.create_task(peer.burst())
        await asyncio.wait((burst, ending), return_when=asyncio.FIRST_COMPLETED)
        if ending.done():
            burst.cancel()
            break
        await peer.begin_reply(f"t{number}", "Yes.", tone(100, RATE_HZ))
    await peer.end(server_pb2.END_REASON_CLIENT_ENDED)


async def refuses(peer: Peer) -> None:
    await peer.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "AT_CAPACITY", "full")


async def usage(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The last line of what bad usage says; it must end with status 2."""
    with pytest.raises(SystemExit) as left:
        await run(["load", *argv])
    assert left.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


async def test_client_load_measures_answers_and_writes_both_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two calls against a gateway that answers at once: every turn answered, playback reported, gates kept."""
    written = tmp_path / "run.json", tmp_path / "run.html"
    save_wav(tmp_path / "hello.wav", (synthetic_speech(240, RATE_HZ, seed=1),), RATE_HZ)
    async with serving(answers) as (gateway, target):
        said = ["--wav", str(tmp_path / "hello.wav")]
        files = ["--json", str(written[0]), "--html", str(written[1])]
        gates = ["--max-unanswered", "0", "--max-failed", "0", "--pid", str(os.getpid())]
        status = await run(["load", target.address, "--calls", "2", "--seconds", "0.9", *said, *files, *gates])
    assert status in {0, 2}  # 2: this machine was too busy to keep the pace, which the tool has to say
    found = from_json(written[0].read_text(encoding="utf-8"))["runs"][0]
    assert found["turns"] >= 2
    assert (found["unanswered"], found["failed"]) == (0, {})
    assert found["voice_to_voice"]["p50_ms"] >= 60  # the gateway waits for 60 ms of silence
    assert found["server"]["resident_mib"] > 1
    assert any(peer.has_final("s-1-r1") for peer in gateway.peers)
    assert "voice to voice" in capsys.readouterr().out
    assert written[1].read_text(encoding="utf-8").startswith("<!doctype html>")


async def test_client_load_counts_refusals_by_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """A gateway that refuses everybody is measured as such, and nothing of it can be trusted as a latency."""
    async with serving(refuses) as (_, target):
        status = await run(["load", target.address, "--calls", "2", "--seconds", "0.1"])
    assert status == 2
    output = capsys.readouterr()
    assert "2 x RESOURCE_EXHAUSTED / AT_CAPACITY" in output.out
    assert "INVALID: no call was answered" in output.err


async def test_client_load_ends_calls_and_tells_what_it_has_on_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    """An hour's run that is interrupted says goodbye to the server and still prints its table."""
    async with serving(answers) as (gateway, target):
        asyncio.get_running_loop().call_later(0.3, os.kill, os.getpid(), signal.SIGINT)
        await run(["load", target.address, "--seconds", "3600"])
    assert all(peer.of("end") for peer in gateway.peers)
    assert "voice to voice" in capsys.readouterr().out


async def test_client_load_leaves_a_server_that_never_answers_on_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    """A call that is not answered yet is not waited for."""

    async def stays(_peer: Peer) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    async with serving(stays) as (_, target):
        assert await asyncio.wait_for(run(["load", target.address]), CONNECT_TIMEOUT_S / 2) == 2
    assert "INVALID: no call was answered" in capsys.readouterr().err


async def test_client_load_waits_for_nobody_when_all_calls_have_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """An hour's run whose calls all end in the first moment ends with them, whatever status gRPC makes of that."""

    async def leaves(peer: Peer) -> None:
        await peer.send(greeting())

    async with serving(leaves) as (_, target):
        assert await run(["load", target.address, "--seconds", "3600"]) == 2
    assert "1 x " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("run_of_it", "gaps", "missing", "expected"),
    [
        (summary(), 0, "", ExitStatus.OK),
        (summary(), 1, "", ExitStatus.GATE),
        (summary(), 0, "echo", ExitStatus.USAGE),
        (summary(frames=100, late_frames=2), 1, "", ExitStatus.USAGE),
    ],
)
def test_client_load_exit_status_says_whether_to_trust_it(
    run_of_it: Summary, gaps: int, missing: str, expected: ExitStatus
) -> None:
    """0 all gates kept, 1 one failed; 2 a tool that was too slow or an echo that is missing, whatever the gates say."""
    record = Record("", "a:1", "native", "", 0.0, None, 1.0, 2, (run_of_it,), gates=(Gate("gaps", gaps, 0),))
    silent = Screen(Console(file=io.StringIO()), Console(file=io.StringIO()))
    assert command.exit_status(record, silent, is_whole=not missing) == expected


async def test_client_load_keeps_results_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that is full at the end of an hour costs that file: the other one and the table are there, status 2."""
    said, html = tmp_path / "hello.wav", tmp_path / "run.html"
    save_wav(said, (synthetic_speech(240, RATE_HZ, seed=1),), RATE_HZ)
    async with serving(answers) as (_, target):
        files = ["--json", "/dev/full", "--html", str(html)]
        status = await run(["load", target.address, "--seconds", "0.6", "--wav", str(said), *files])
    assert status == 2
    assert html.exists()
    output = capsys.readouterr()
    assert "voice to voice" in output.out
    assert "cannot write /dev/full: No space left on device" in output.err


@pytest.mark.parametrize(
    ("gaps", "is_stopped", "has_echo", "expected"),
    [
        ((), False, False, True),
        ((), False, True, False),
        ((), True, True, True),
        ((0,), False, False, True),
        ((0,), True, False, False),
        ((1,), True, False, True),
    ],
)
def test_client_load_half_a_run_keeps_no_gate(
    gaps: tuple[int, ...], *, is_stopped: bool, has_echo: bool, expected: bool
) -> None:
    """Stopped by a timeout, gates that were kept until then are not known to be kept; one that failed has failed."""
    gates = tuple(Gate("gaps", gap, 0) for gap in gaps)
    record = Record("", "a:1", "native", "", 0.0, None, 1.0, 2, (summary(),), gates=gates)
    assert command.is_all_measured(record, has_echo=has_echo, is_stopped=is_stopped) is expected


Outcome = Summary | VoiceClientError


def options(*argv: str) -> LoadOptions:
    """A command line, understood."""
    root = parser()
    return load_options(root, root.parse_args(["load", "a:1", "--find-knee", *argv]), Target("a:1"))


async def knee_of(
    outcomes: dict[int, Outcome],
    monkeypatch: pytest.MonkeyPatch,
    *argv: str,
    first: dict[int, Outcome] | None = None,
) -> tuple[Knee, list[int]]:
    """What a search finds whose runs come out so, the first of a number as in `first`; and what was measured."""
    monkeypatch.setattr(command, "REST_S", 0.0)
    once = dict(first or {})

    async def one(calls: int) -> Summary:
        if isinstance(outcome := once.pop(calls, outcomes.get(calls, summary(calls))), VoiceClientError):
            raise outcome
        return outcome

    screen = Screen(Console(file=io.StringIO()), Console(file=io.StringIO()))
    knee, runs = await command.find_knee(options(*argv), 60.0, one, asyncio.Event(), screen, settle_s=12.0)
    return knee, [run.calls for run in runs]


async def test_client_load_knee_is_measured_from_a_lone_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a floor of 550 ms, the median of one call, 611 ms at 3 calls is over a limit of 60; 600 ms is not."""
    slow = Spread(50, 560.0, 611.0, 612.0)
    outcomes: dict[int, Outcome] = {calls: summary(calls, after_frame=slow) for calls in range(3, 9)}
    knee, measured = await knee_of(outcomes, monkeypatch)
    assert (knee.calls, knee.floor_ms, knee.is_certain) == (2, 550.0, True)
    assert measured == [1, 2, 4, 3]
    assert knee.faults[3] == ["p95 61 ms over the floor of 550 ms"]


async def test_client_load_knee_takes_its_floor_from_the_run_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lone call that nobody took makes no floor, of which everything would be within reach; the second one does."""
    slow = Spread(50, 560.0, 611.0, 612.0)
    refused = summary(1, turns=0, after_frame=spread([]), failed={"UNAVAILABLE": 1})
    outcomes: dict[int, Outcome] = {calls: summary(calls, after_frame=slow) for calls in range(2, 9)}
    knee, measured = await knee_of(outcomes, monkeypatch, first={1: refused})
    assert (knee.calls, knee.floor_ms, knee.is_certain, measured) == (1, 550.0, True, [1, 2])


async def test_client_load_knee_forgives_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two calls that were slow at first and not when they were tried again are good, and only that run is kept."""
    slow = Spread(50, 560.0, 611.0, 612.0)
    outcomes: dict[int, Outcome] = {calls: summary(calls, after_frame=slow) for calls in range(3, 9)}
    knee, measured = await knee_of(outcomes, monkeypatch, first={2: outcomes[3]})
    assert (knee.calls, knee.faults[2], measured) == (2, [], [1, 2, 4, 3])


async def test_client_load_knee_keeps_what_it_has_when_the_server_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that cannot be reached any more ends the search; what was measured before is told, as not certain."""
    knee, measured = await knee_of({4: UnreachableError("gone")}, monkeypatch)
    assert (knee.calls, knee.is_certain, measured) == (2, False, [1, 2])
    knee, _ = await knee_of({2: UnreachableError("gone")}, monkeypatch, first={2: summary(2, gaps=1)})
    assert (knee.calls, knee.is_certain) == (1, False)
    with pytest.raises(UnreachableError):
        await knee_of({1: UnreachableError("gone")}, monkeypatch)


async def test_client_load_knee_does_not_blame_the_server_for_a_slow_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number with which the tool could not keep the pace ends the search there, and the server may hold more."""
    outcomes: dict[int, Outcome] = {calls: summary(calls, frames=100, late_frames=2) for calls in range(3, 9)}
    knee, measured = await knee_of(outcomes, monkeypatch)
    assert (knee.calls, knee.is_certain, measured) == (2, False, [1, 2, 4, 3])
    assert knee.faults[3] == ["INVALID: 2.0% of this tool's own frames were late"]


async def test_client_load_knee_blames_a_server_that_takes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 2 calls every one was refused and no frame was sent: the knee is 1 for certain, and the tool was not late."""
    refused = summary(2, frames=0, turns=0, failed={"RESOURCE_EXHAUSTED": 2})
    knee, _ = await knee_of({2: refused}, monkeypatch)
    assert (knee.calls, knee.is_certain) == (1, True)
    assert knee.faults[2] == ["2 calls failed", "0 of 0 turns unanswered"]


async def test_client_load_knee_is_bounded_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that would not end within the minutes allowed is not begun; the first one always is."""
    knee, measured = await knee_of({}, monkeypatch, "--max-minutes", "0.5", "--seconds", "30")
    assert (knee.calls, knee.is_certain, measured) == (1, False, [1])


async def test_client_load_names_who_cannot_be_reached(capsys: pytest.CaptureFixture[str]) -> None:
    """One line and status 2, not a table of failures."""
    assert await run(["load", "127.0.0.1:1", "--seconds", "1"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("voice-client")]
    assert line.startswith("voice-client: cannot reach 127.0.0.1:1: ")


async def test_client_load_names_a_file_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recording that is missing, and a comparison with what is no record, are one line and status 2."""
    assert await run(["load", "127.0.0.1:1", "--wav", str(tmp_path / "none.wav")]) == 2
    assert "none.wav" in capsys.readouterr().err
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    assert await run(["load", "--compare", str(tmp_path / "a.json"), str(tmp_path / "a.json")]) == 2
    assert "a.json: not written by" in capsys.readouterr().err


async def test_client_load_refuses_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Each wrong option is one line that says what is right."""
    assert "needs the ADDRESS" in await usage(capsys)
    assert "'0' is not a whole number from 1 on" in await usage(capsys, "a:1", "--calls", "0")
    assert "'nan' is not a number above 0" in await usage(capsys, "a:1", "--seconds", "nan")
    assert "'2' is not a share from 0 to 1" in await usage(capsys, "a:1", "--interruptions", "2")
    assert "is not an http URL" in await usage(capsys, "a:1", "--metrics", "file:///etc/passwd")
    assert "there is no folder /none" in await usage(capsys, "a:1", "--json", "/none/a.json")
    assert "it is a folder, or not yours" in await usage(capsys, "a:1", "--html", "/")
    assert "--limit-ms needs --find-knee" in await usage(capsys, "a:1", "--limit-ms", "5")
