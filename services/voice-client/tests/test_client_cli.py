"""The command line in-process: what is printed, what is written, which exit status."""

import asyncio
import io
import itertools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import grpc
import numpy as np
import pytest
import soundfile
from scripted_gateway import OUTPUT_RATE_HZ, Peer, Script, serving, started, tone
from voice_client.cli import run
from voice_client.errors import ExitStatus
from voice_client.link import Target
from voice_client.modes import MAX_LINES_AHEAD
from voicegateway.v1 import audio_pb2, error_pb2, server_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2

# An encoding that a newer server may have; the generated type knows no such member.
NEWER_ENCODING = cast("audio_pb2.AudioEncoding.ValueType", 99)


async def echo(peer: Peer) -> None:
    """Answer each typed line, then end when the client half-closes."""
    await peer.send(started())
    for number in itertools.count():
        texts = await peer.more_than("text", number)
        if len(texts) == number:
            break
        text = texts[number].text.text
        await peer.answer(f"t{number}", text, f"You said {text}.", tone(40))
    await peer.end(server_pb2.END_REASON_CLIENT_HALF_CLOSED)


async def type_lines(monkeypatch: pytest.MonkeyPatch, lines: str, target: Target, *options: str) -> ExitStatus:
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    return await run(["talk", "--text", "--server", target.address, *options])


async def test_client_cli_types_lines_and_prints_the_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a pipe each line is a turn, sent when the one before is answered; at the end of the input all is said."""
    async with serving(echo) as (gateway, target):
        status = await type_lines(monkeypatch, "one\n\n  two\x1b[A \n", target, "--system-prompt", "Be brief.")
    assert status == ExitStatus.OK
    assert capsys.readouterr().out.splitlines() == [
        "you:   one",
        "agent: You said one.",
        "       550 ms = endpointing 480 + llm_first_token 70",
        "you:   two [A",
        "agent: You said two [A.",
        "       550 ms = endpointing 480 + llm_first_token 70",
    ]
    (peer,) = gateway.peers
    assert peer.of("start")[0].start.system_prompt == "Be brief."
    assert not peer.of("audio")
    assert not peer.of("end")


async def test_client_cli_keeps_the_sound_of_typed_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`--text --out` leaves what was played, although no sound card is there."""
    async with serving(echo) as (_, target):
        assert await type_lines(monkeypatch, "one\n", target, "--out", str(tmp_path / "out.wav")) == ExitStatus.OK
    samples, rate_hz = soundfile.read(tmp_path / "out.wav", dtype="int16")
    assert rate_hz == OUTPUT_RATE_HZ
    assert samples.astype("<i2").tobytes().endswith(tone(40))


async def test_client_cli_does_not_send_what_is_too_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line beyond the server's limit would end the call; it is refused here, with a line that says so."""

    async def script(peer: Peer) -> None:
        await peer.send(started(limits=server_pb2.Limits(max_text_chars=5)))
        await peer.until(lambda: peer.has_half_closed)
        assert not peer.of("text")

    async with serving(script) as (_, target):
        assert await type_lines(monkeypatch, "too long\n", target) == ExitStatus.OK
    assert "not sent: 8 characters, the server takes 5" in capsys.readouterr().out


async def test_client_cli_refuses_input_that_is_not_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes that are no text end the conversation with a line, not with a stuck reader thread."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8"))
    async with serving(echo) as (_, target):
        assert await run(["talk", "--text", "--server", target.address]) == ExitStatus.FILE
    assert "not text" in capsys.readouterr().err


async def speech_script(peer: Peer) -> None:
    """Answer each burst of sound after 60 ms of silence."""
    await peer.send(started())
    for number in (1, 2):
        await peer.burst()
        await peer.answer(f"t{number}", "tone", f"Answer {number}.", tone(60))
    await peer.until(lambda: peer.has_half_closed)
    await peer.end(server_pb2.END_REASON_CLIENT_HALF_CLOSED)


async def test_client_cli_says_that_standard_input_is_closed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Started by a service manager without standard input, it ends with one line and not with a traceback."""
    monkeypatch.setattr("sys.stdin", None)
    assert await run(["talk", "--text", "--server", "127.0.0.1:1"]) == ExitStatus.FILE
    assert capsys.readouterr().err == "voice-client: standard input is closed\n"


async def test_client_cli_reads_no_more_lines_than_it_will_soon_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """`yes | voice-client talk --text` fills neither memory nor the event loop."""
    taken = itertools.count()

    class Endless:
        def __iter__(self) -> Iterator[str]:
            return ("hello\n" for _ in taken)

        def isatty(self) -> bool:
            return False

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: bool(peer.of("text")))
        await peer.answer("t", "hello", "Hello.", tone(100))
        await peer.abort(grpc.StatusCode.UNAVAILABLE, "DRAINING", "because")

    async with serving(script) as (_, target):
        monkeypatch.setattr("sys.stdin", Endless())
        assert await run(["talk", "--text", "--server", target.address]) == ExitStatus.SERVER
    assert next(taken) < 2 * MAX_LINES_AHEAD


async def test_client_cli_says_files_and_writes_both_sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file is a turn after the reply to the one before; the recording has the user left and the agent right."""
    soundfile.write(tmp_path / "one.wav", np.frombuffer(tone(100, 44_100), dtype="<i2"), 44_100)
    soundfile.write(tmp_path / "two.flac", np.frombuffer(tone(80, 8_000), dtype="<i2"), 8_000)
    files = ["--wav", str(tmp_path / "one.wav"), "--wav", str(tmp_path / "two.flac")]
    async with serving(speech_script) as (gateway, target):
        out = ["--out", str(tmp_path / "out.wav"), "--stereo", "--verbose"]
        assert await run(["talk", "--server", target.address, *files, *out]) == ExitStatus.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("session s-1,")
    assert [line for line in lines if line.startswith("agent")] == ["agent: Answer 1.", "agent: Answer 2."]
    assert sum("ms on the waveform" in line for line in lines) == 2
    assert lines[-1].startswith("underruns: 0")
    frames, rate_hz = soundfile.read(tmp_path / "out.wav", dtype="int16")
    assert rate_hz == OUTPUT_RATE_HZ
    sounding = [np.flatnonzero(np.abs(frames[:, side].astype(int)) > 3000) for side in (0, 1)]
    changes = np.concatenate([sounding[0][:1], sounding[1][:1], sounding[0][-1:], sounding[1][-1:]])
    assert (np.diff(changes) > 0).all()
    assert len(sounding[1]) == pytest.approx(2 * np.sum(np.abs(np.frombuffer(tone(60), "<i2").astype(int)) > 3000))
    assert gateway.peers[0].has_half_closed


async def test_client_cli_says_that_words_were_no_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hum that the server takes for nothing to answer is told as such, and the next recording is said."""
    monkeypatch.setattr("voice_client.turns.NO_TURN_SAMPLES", 1_600)
    monkeypatch.setattr("voice_client.talk.NO_TURN_MARGIN_MS", 100)

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.burst()
        await peer.send(server_pb2.SpeechStarted())
        await peer.send(server_pb2.Transcript(turn_id="t1", text="mm-hm"))
        await peer.send(server_pb2.SpeechEnded())
        await peer.burst()
        await peer.answer("t1", "tone", "Answer.", tone(60))
        await peer.until(lambda: peer.has_half_closed)
        await peer.end(server_pb2.END_REASON_CLIENT_HALF_CLOSED)

    soundfile.write(tmp_path / "one.wav", np.frombuffer(tone(80, 16_000), dtype="<i2"), 16_000)
    file = str(tmp_path / "one.wav")
    async with serving(script) as (_, target):
        assert await run(["talk", "--server", target.address, "--wav", file, "--wav", file]) == ExitStatus.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "       [no turn: the server took this for nothing to answer]"
    assert "agent: Answer." in lines


async def test_client_cli_shows_people_that_it_is_connected_and_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody at a terminal sees where they are and that it is their turn, before and after each line."""

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    class Keyboard(Screen):
        pass

    screen = Screen()
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setattr("sys.stdin", Keyboard("one\n"))
    async with serving(echo) as (_, target):
        assert await run(["talk", "--text", "--server", target.address]) == ExitStatus.OK
    shown = screen.getvalue()
    assert shown.startswith(f"Connected to {target.address}: en-US.\nType a turn")
    assert shown.count("\r\x1b[K> ") == 2
    assert "you:   one" not in shown
    assert shown.endswith("\n")


async def test_client_cli_keeps_what_was_played_when_the_call_breaks(tmp_path: Path) -> None:
    """The recording of a conversation that broke off is the evidence; it is written before the error is told."""

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: bool(peer.of("audio")))
        reply = await peer.begin_reply("t", "Hello.", tone(60))
        await peer.until(lambda: peer.has_final(reply))
        await peer.abort(grpc.StatusCode.INTERNAL, "INTERNAL", "a fault")

    soundfile.write(tmp_path / "one.wav", np.frombuffer(tone(50, 16_000), dtype="<i2"), 16_000)
    files = ["--wav", str(tmp_path / "one.wav"), "--out", str(tmp_path / "out.wav")]
    async with serving(script) as (_, target):
        assert await run(["talk", "--server", target.address, *files]) == ExitStatus.SERVER
    samples, _ = soundfile.read(tmp_path / "out.wav", dtype="int16")
    assert samples.astype("<i2").tobytes().endswith(tone(60))


def refusing(code: grpc.StatusCode, reason: str) -> Script:
    async def script(peer: Peer) -> None:
        await peer.abort(code, reason, "because")

    return script


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "LANGUAGE_UNSUPPORTED"),
        (grpc.StatusCode.UNAVAILABLE, "DRAINING"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "AT_CAPACITY"),
    ],
)
async def test_client_cli_names_the_reason_of_a_refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: grpc.StatusCode, reason: str
) -> None:
    """A refusal is one line with code, stable reason and message, and the status of a server's error."""
    async with serving(refusing(code, reason)) as (_, target):
        assert await type_lines(monkeypatch, "hi\n", target) == ExitStatus.SERVER
    assert capsys.readouterr().err == f"voice-client: the server ended the call: {code.name} / {reason}: because\n"


async def test_client_cli_shows_notices_and_leaving(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trouble from which the call goes on is shown when it comes."""

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: bool(peer.of("text")))
        await peer.send(server_pb2.Notice(reason=error_pb2.ERROR_REASON_TTS_FAILED, message="text only", backend="tts"))
        await peer.send(server_pb2.GoingAway(reason=error_pb2.ERROR_REASON_DRAINING, deadline_ms=9000))
        await peer.answer("t", "hi", "Hello.", tone(20))
        await peer.until(lambda: peer.has_half_closed)
        await peer.end(server_pb2.END_REASON_DRAINING)

    async with serving(script) as (_, target):
        assert await type_lines(monkeypatch, "hi\n", target) == ExitStatus.OK
    out = capsys.readouterr().out
    assert "notice: TTS_FAILED (tts): text only" in out
    assert "notice: DRAINING: the server is leaving and finishes this turn; 9 s are left" in out
    assert out.endswith("the server ended the conversation: DRAINING\n")


async def test_client_cli_says_when_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A closed port is one line and its own status."""
    async with serving(echo) as (_, target):
        pass  # the port was free for us and nobody listens on it now
    assert await type_lines(monkeypatch, "hi\n", target) == ExitStatus.UNREACHABLE
    error = capsys.readouterr().err
    assert error.startswith(f"voice-client: cannot reach {target.address}: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--ca", "ca.pem"],
        ["--out", "out.wav"],
        ["--text", "--stereo"],
        ["--text", "--fast"],
        ["--text", "--wav", "in.wav"],
    ],
)
async def test_client_cli_refuses_options_that_contradict(options: list[str]) -> None:
    """Options that would silently do nothing are wrong usage."""
    with pytest.raises(SystemExit) as failure:
        await run(["talk", *options])
    assert failure.value.code == ExitStatus.USAGE


async def test_client_cli_checks_files_before_it_talks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing recording or output folder is found before a server is bothered."""
    soundfile.write(tmp_path / "in.wav", np.ones(100), 16_000)
    nobody = ["talk", "--server", "127.0.0.1:1"]
    assert await run([*nobody, "--wav", str(tmp_path / "missing.wav")]) == ExitStatus.FILE
    there = str(tmp_path / "missing" / "out.wav")
    assert await run([*nobody, "--wav", str(tmp_path / "in.wav"), "--out", there]) == ExitStatus.FILE
    errors = capsys.readouterr().err
    assert "missing.wav: No such file or directory" in errors
    assert "out.wav: no such directory" in errors


async def test_client_cli_prints_capabilities(capsys: pytest.CaptureFixture[str]) -> None:
    """`capabilities` says what the server told, a line for each language with its voices; none steers the terminal."""
    async with serving(echo) as (gateway, target):
        gateway.capabilities = service_pb2.GetCapabilitiesResponse(
            server_version="0.1.0",
            languages=[service_pb2.Language(language_code="en-US", voices=["Aria", "Leo\x1b[2J"])],
            encodings=[audio_pb2.AUDIO_ENCODING_LINEAR_PCM, audio_pb2.AUDIO_ENCODING_MULAW, NEWER_ENCODING],
            input_sample_rates_hz=[8000, 16_000],
            output_sample_rates_hz=[24_000],
            limits=server_pb2.Limits(max_message_bytes=1_048_576, max_text_chars=4000),
            features=["commit"],
        )
        assert await run(["capabilities", "--server", target.address]) == ExitStatus.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        "server:    0.1.0",
        "encodings: LINEAR_PCM, MULAW, encoding 99",
        "rates in:  8000 Hz, 16000 Hz",
        "rates out: 24000 Hz",
        "features:  commit",
    ]
    assert lines[-1] == "en-US:     Aria, Leo [2J"


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A throw-away certificate for localhost, by the openssl command."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)  # noqa: S603 the command is above
    return key, certificate


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with the openssl command")
async def test_client_cli_speaks_tls_and_says_what_is_wrong_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the right CA it connects; a foreign certificate, a missing CA file and a plaintext server each say TLS."""
    key, certificate = await asyncio.to_thread(make_certificate, tmp_path)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    async with serving(echo, credentials=credentials) as (_, target):
        command = ["capabilities", "--server", target.address]
        assert await run([*command, "--tls", "--ca", str(certificate)]) == ExitStatus.OK
        assert await run([*command, "--tls"]) == ExitStatus.TLS
        assert await run([*command, "--tls", "--ca", str(tmp_path / "none.pem")]) == ExitStatus.TLS
        assert await run(command) == ExitStatus.UNREACHABLE
    errors = capsys.readouterr().err.splitlines()
    assert f"no TLS with {target.address}" in errors[0]
    assert "none.pem: No such file" in errors[1]
    assert "add --tls" in errors[2]


async def test_client_cli_shows_the_token_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token goes with every call, from a variable: arguments can be read by everybody on the machine."""
    shown: list[str] = []

    async def note(peer: Peer) -> None:
        shown.extend(str(value) for key, value in peer.context.invocation_metadata() or () if key == "authorization")
        await peer.send(started())

    monkeypatch.setenv("VOICE_CLIENT_TOKEN", "hush")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    async with serving(note) as (_, target):
        assert await run(["talk", "--server", target.address, "--text"]) == ExitStatus.OK
    assert shown == ["Bearer hush"]
    assert "hush" not in repr(Target("h:1", token="hush"))  # noqa: S106  the value that must not show
