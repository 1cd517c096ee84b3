"""Journals: what is written, what is read again, and what a replay says of it."""

import dataclasses
import errno
import json
import logging
import re
import stat
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
from gateway_kit.journals import read_journal, record, replay_journal
from gateway_kit.phone_call import AGREEMENT, new_core
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway import __main__
from voice_gateway.app import commands
from voice_gateway.app.workers import chosen
from voice_gateway.domain.agreement import Change
from voice_gateway.domain.caller import Caller, Proof
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.events import SpeechEnded, SpeechStarted, Transcript
from voice_gateway.domain.ids import ReplyId, SentenceId, TurnId
from voice_gateway.domain.instant import NS_PER_MS, Instant
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.trace_context import TraceContext
from voice_gateway.observability.logs import fields_of
from voice_gateway.session.journal import writer
from voice_gateway.session.journal.codec import (
    RESERVED,
    VERSION,
    CoreCall,
    Header,
    JournalError,
    Recording,
    call_line,
    fingerprint,
    header_line,
    read,
)
from voice_gateway.session.journal.replay import replay
from voice_gateway.session.journal.writer import Journal, JournalFolder
from voice_gateway.turn import inputs
from voice_gateway.turn.core import Core
from voice_gateway.turn.effects import CountTurn, Emit, Flush

AGREED = replace(
    AGREEMENT,
    spoken_language="de-DE",
    voice="Anna",
    policy=TurnPolicy(lead_ms=300),
    client_label="line 4",
    caller=Caller("ada", Proof.JWT, "192.0.2.1"),
    trace=TraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=1"),
)
HEADER = Header(VERSION, "1.2.3", AGREED, "now", Instant(5))
HEAD = header_line(HEADER)
AGREEMENT_OF_HEAD = "line 1: is no head of a journal: head.agreement"
DEEP = "[" * 500 + "]" * 500
CHANGED = CoreCall(HEADER.clock_ns, "", inputs.SettingsChanged(Change(policy=TurnPolicy())), ())
CALL = """
0 ms: session starts
1000 ms: final "Count to three."
1400 ms: model 1 writes "One two three. "
1500 ms: speech 1.1 comes
1500 ms: playout 1 starts at 0 ms
1600 ms: speech 1.1 is complete, 1500 ms
2300 ms: final "Stop." ending at 2000 ms
2400 ms: model 2 fails
2500 ms: ends
"""
SCRIPT = """
    1000 ms  user    (speaks)
    1000 ms  USER    Count to three.  (turn 1)
    1500 ms  AGENT   One two three.  (answer 1)
    1500 ms  latency 1000 ms for turn 1 = endpointing 480 + asr_final 20 + llm_first_token 400 + tts_first_audio 100
    2300 ms  user    (speaks)
    2300 ms  agent   (stops reply 1: user_speech)
    2300 ms  agent   (of reply 1 was heard, 700 ms by the clock: 'One')
    2300 ms  agent   (reply 1 interrupted, 700 ms)
    2300 ms  USER    Stop.  (turn 2)
    2400 ms  notice  LLM_FAILED: connection lost
    2500 ms  agent   (stops reply 2: client)
    2500 ms  agent   (of reply 2 was heard, 0 ms by the clock: '')
    2500 ms  agent   (reply 2 interrupted, 0 ms)
    2500 ms  server  (ended: client_ended)
"""


# a policy has ranges, which its types do not tell
st.register_type_strategy(TurnPolicy, st.builds(TurnPolicy, no_input_ms=st.integers(0, 600_000), lead_ms=st.just(300)))


@pytest.mark.parametrize("kind", get_args(inputs.Input))
@given(st.data())
def test_every_fact_is_read_as_it_was_written(kind: type[inputs.Input], data: st.DataObject) -> None:
    """Whatever the core can be told, words, enums and all, comes back from its line as the same value."""
    at = data.draw(st.integers(0, 10**15).map(Instant))
    call = CoreCall(at, "now", data.draw(st.from_type(kind)), ("Flush 0",))
    recording = read(HEAD + call_line(call, HEADER.clock_ns))
    assert repr(recording.calls) == repr((call,))  # as text, since nan is not equal to itself
    assert (recording.header, recording.is_cut) == (HEADER, False)


@pytest.mark.parametrize(
    "fact",
    [
        inputs.SpeechReady(ReplyId(1), SentenceId(2)),
        inputs.SpeechCompleted(ReplyId(1), SentenceId(2), 800),
        inputs.SpeechFailed(ReplyId(1), SentenceId(2), 800, Reason.TTS_FAILED, "gone"),
    ],
)
def test_a_fact_of_before_there_were_takes_is_of_the_first(fact: inputs.SpeechInput) -> None:
    """Journals of this version were written without them, and are read all the same."""
    line = call_line(CoreCall(HEADER.clock_ns, "now", fact, ()), HEADER.clock_ns)
    assert ',"take":1' in line
    (call,) = read(HEAD + line.replace(',"take":1', "")).calls
    assert call.fact == fact


@pytest.mark.parametrize("call", [CoreCall(Instant(9), "now", None, ()), CoreCall(Instant(9), "now", None, None)])
def test_a_deadline_and_an_error_are_read_as_they_were_written(call: CoreCall) -> None:
    """Calls without a fact, and calls that raised, have their own marks."""
    assert read(HEAD + call_line(call, HEADER.clock_ns)).calls == (call,)


def test_no_fact_has_a_field_that_a_line_needs_for_itself() -> None:
    """A field called `t` would overwrite the time."""
    for kind in get_args(inputs.Input):
        assert not RESERVED & {spec.name for spec in dataclasses.fields(kind)}


def test_fingerprints_tell_effects_apart() -> None:
    """Other fields, another event with the same fields, another effect: each has its own digest; it is stable."""
    batch = (Emit(SpeechStarted(5)), Emit(SpeechEnded(5)), Emit(SpeechEnded(6)), Flush(ReplyId(5)))
    prints = fingerprint(batch)
    assert len({line.split()[-1] for line in prints}) == 4
    assert (prints[0].rsplit(" ", 1)[0], prints[3]) == ("Emit SpeechStarted", "Flush d27e5e10a9cc")


def test_what_is_only_counted_is_in_no_journal() -> None:
    """A journal of before turns were counted replays without a difference; where there is one, it is named right."""
    core, now = Core(AGREED), HEADER.clock_ns
    facts: tuple[inputs.Input, ...] = (inputs.SessionStarted(), inputs.TextTyped("Hi."), inputs.EndRequested())
    batches = [core.handle(fact, now) for fact in facts]
    uncounted = [tuple(effect for effect in batch if not isinstance(effect, CountTurn)) for batch in batches]
    assert batches[2] != uncounted[2]
    prints = [fingerprint(batch) for batch in uncounted]
    calls = [CoreCall(now, "now", fact, each) for fact, each in zip(facts, prints, strict=True)]
    assert replay(Recording(HEADER, tuple(calls), is_cut=False), Core).difference is None
    calls[2] = replace(calls[2], effects=prints[2][:-1])
    difference = replay(Recording(HEADER, tuple(calls), is_cut=False), Core).difference
    assert difference is not None
    assert difference.endswith(f"is not in the journal, it is {uncounted[2][-1]}")


def test_text_that_is_no_text_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Half a character from a model, and every kind of line end, do not break the journal."""
    journal, fact = _journal(tmp_path), inputs.TextTyped("\ud83d\r\n\u2028\x85")
    journal.record(fact, Instant(0), (Emit(Transcript(TurnId(1), fact.text, is_final=True)),))
    journal.close()
    assert [call.fact for call in read_journal(tmp_path / "s1.jsonl").calls] == [fact]


def test_what_was_said_cannot_upset_a_terminal(tmp_path: Path) -> None:
    """Line ends, controls and half characters are shown as blanks, so that a line of the script is a line."""
    script = replay_journal(record(tmp_path, '0 ms: session starts\n5 ms: types "a\x1b[2J\ud83d\u2028b"')).script
    assert script[1] == "       5 ms  USER    a [2J  b  (turn 1)"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1: is not complete"),
        ("{}", "line 1: is not complete"),
        ("{\n", "line 1: is not JSON"),
        ("[" * 100_000 + "\n", "line 1: is not JSON"),
        ("[]\n", "line 1: is not a JSON object"),
        ("{}\n", "line 1: is no head of a journal: version is NoneType; it must be int"),
        ('{"version":1}\n', "line 1: is of version 1; this program reads version 3"),
        ('{"version":2}\n', "line 1: is of version 2; this program reads version 3"),
        ('{"version":3}\n', "line 1: is no head of a journal: head has no server_version, agreement, wall, clock_ns"),
        (HEAD.replace('"lead_ms":300', '"lead_ms":1'), f"{AGREEMENT_OF_HEAD}.policy: POLICY_OUT_OF_RANGE"),
        (HEAD.replace('"lead_ms":300', '"led_ms":300'), f"{AGREEMENT_OF_HEAD}.policy has no lead_ms"),
        (HEAD.replace('"lead_ms":300', '"lead_ms":300,"led_ms":1'), f"{AGREEMENT_OF_HEAD}.policy has .* fields; a "),
        (HEAD.replace('"lead_ms":300', f'"lead_ms":{DEEP}'), f"{AGREEMENT_OF_HEAD}.policy.lead_ms is list"),
        (HEAD.replace('"output_rate_hz":16000', '"output_rate_hz":0'), f"{AGREEMENT_OF_HEAD}: output_rate_hz is 0"),
        (HEAD.replace(AGREED.trace.parent, "00-1-2-3"), f"{AGREEMENT_OF_HEAD}.trace: traceparent or tracestate"),
        (HEAD + "{}\n", "line 2: t is NoneType; it must be int"),
        (
            HEAD + f'{{"t":1{"0" * 400},"wall":"","effects":[],"deadline":true}}\n',
            "line 2: t is a number that no double",
        ),
        (HEAD + '{"t":0,"wall":"","effects":[]}\n', "line 2: is neither a fact nor a deadline"),
        (HEAD + '{"t":0,"wall":"","effects":[7],"deadline":true}\n', r"line 2: effects\[0\] is int; it must be str"),
        (HEAD + '{"t":0,"wall":"","effects":[],"fact":"Sneezed"}\n', "line 2: there is no such fact"),
        (HEAD + '{"t":0,"wall":"","effects":[],"fact":"TextTyped"}\n', "line 2: TextTyped has no text"),
        (
            HEAD + '{"t":0,"wall":"","effects":[],"fact":"ReplyFailed","reply":1,"reason":"BAD","message":""}\n',
            "line 2: ReplyFailed.reason is no Reason",
        ),
        (
            HEAD + '{"t":0,"wall":"","effects":[],"fact":"SettingsChanged","change":{"policy":{"lead_ms":1}}}\n',
            "line 2: SettingsChanged.change has no heard_language, ",
        ),
        (
            HEAD + call_line(CHANGED, HEADER.clock_ns).replace('"lead_ms":200', '"lead_ms":1'),
            "line 2: SettingsChanged.change.policy: POLICY_OUT_OF_RANGE",
        ),
    ],
)
def test_what_is_no_journal_is_refused_by_line(text: str, why: str) -> None:
    """A file that is broken, of another version or no journal at all is a clear error, not a traceback."""
    with pytest.raises(JournalError, match=f"^{why}"):
        read(text)


@pytest.mark.parametrize("wrong", ["1" + "0" * 400, *("[" * depth + "]" * depth for depth in (10, 500, 900, 100_000))])
def test_the_command_line_tells_what_is_no_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    """Whatever stands in it, however deep or large, one sentence of bounded length says why it cannot be replayed."""
    path = tmp_path / "bad.jsonl"
    path.write_text(HEAD.replace('"system_prompt":"Be brief."', f'"system_prompt":{wrong}'))
    assert commands.replay([path]) == commands.EXIT_MISCONFIGURED
    told = capsys.readouterr()
    assert told.err.startswith(f"voice-gateway: {path} cannot be replayed: line 1: is no")
    assert (told.out, len(told.err) < 400 + len(str(path))) == ("", True)


def test_a_replay_prints_the_conversation(tmp_path: Path) -> None:
    """Who said what and when, what was heard of an interrupted reply, trouble, and where the time went."""
    replayed = replay_journal(record(tmp_path, CALL))
    assert replayed.difference is None
    title, *lines = replayed.script
    assert title.startswith("session s1  2")
    assert title.endswith("Z  grpc_v1  en-US  voice-gateway 1.2.3")
    assert lines == SCRIPT.strip("\n").splitlines()


def test_a_replay_tells_the_languages_apart() -> None:
    """Where the agent speaks another language than it hears, both are told, at the beginning and in a change."""
    core, now = Core(AGREED), HEADER.clock_ns
    facts: tuple[inputs.Input, ...] = (inputs.SessionStarted(), inputs.SettingsChanged(Change(spoken_language="fr-FR")))
    calls = tuple(CoreCall(now, "now", fact, fingerprint(core.handle(fact, now))) for fact in facts)
    replayed = replay(Recording(HEADER, calls, is_cut=False), Core)
    assert replayed.difference is None
    assert [line.strip() for line in replayed.script] == [
        "session s1  now  grpc_v1  en-US heard, de-DE spoken  voice-gateway 1.2.3",
        "0 ms  session (from here on: language fr-FR spoken)",
    ]


def test_only_its_owner_may_read_a_journal(tmp_path: Path) -> None:
    """A journal holds what was said, so that no other user of the machine may read it."""
    assert stat.S_IMODE(record(tmp_path, CALL).stat().st_mode) == 0o600


def test_a_replay_prints_keys_prompts_and_changes(tmp_path: Path) -> None:
    """From which moment on the session was another one can be read, and what of it."""
    call = """
        0 ms: session starts
        100 ms: changes language de-DE, voice Karl, prompt Be long., no_input_ms 2000
        150 ms: recognition 1 ends
        200 ms: presses "42#"
        300 ms: changes voice Eva
        400 ms: interrupts
        2500 ms: speech 2.1 fails after 0 ms
        2600 ms: changes no_input_ms 0
        2700 ms: changes min_words 1
        2800 ms: ends
    """
    replayed = replay_journal(record(tmp_path, call))
    assert replayed.difference is None
    assert [line.strip() for line in replayed.script[1:]] == [
        "100 ms  session (from here on: language de-DE, voice Karl, another system prompt, policy lead_ms 200 no_input_ms 2000)",  # noqa: E501  a line of the script
        "200 ms  USER    42  (turn 1)",
        "400 ms  agent   (stops reply 1: client)",
        "400 ms  agent   (of reply 1 was heard, 0 ms by the clock: '')",
        "400 ms  agent   (reply 1 interrupted, 0 ms)",
        "400 ms  session (from here on: voice Eva)",
        "2500 ms  notice  TTS_FAILED: connection lost",
        "2500 ms  AGENT   Are you there?  (reprompt 2)",
        "2500 ms  agent   (reply 2 failed, 0 ms)",
        "2600 ms  session (from here on: policy lead_ms 200)",
        "2700 ms  session (from here on: policy min_words 1 lead_ms 200)",
        "2800 ms  server  (ended: client_ended)",
    ]


def test_a_journal_that_was_cut_off_is_replayed_to_its_last_whole_line(tmp_path: Path) -> None:
    """After a kill the last line may be half a line; the rest is as good as ever."""
    path = record(tmp_path, CALL)
    path.write_bytes(path.read_bytes()[:-10])
    assert replay_journal(path).difference is None
    assert replay_journal(path).script[-1] == "the journal ends in the middle of a line"


def _changed(path: Path, **changes: object) -> None:
    """Change the line of the user's second turn."""
    lines = path.read_text().splitlines()
    (index,) = (i for i, line in enumerate(lines) if '"Stop."' in line and '"SegmentFinal"' in line)
    lines[index] = json.dumps(json.loads(lines[index]) | changes)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"text": "Stop it."},
            r"line 8, SegmentFinal: effect \d+ was Emit Transcript \w+, it is Emit Transcript \w+: ",
        ),
        ({"effects": []}, r"line 8, SegmentFinal: effect 1 is not in the journal, it is ForgetAudio"),
        (
            {"effects": None},
            r"line 8, SegmentFinal: the journal has an error of the conversation, the replay \d+ effects",
        ),
    ],
)
def test_the_first_difference_is_told(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    """A replay that does not do the same says at which line, and what."""
    path = record(tmp_path, CALL)
    _changed(path, **changes)
    replayed = replay_journal(path)
    assert replayed.difference is not None
    assert re.match(why, replayed.difference), replayed.difference


def test_an_effect_that_is_missing_is_told(tmp_path: Path) -> None:
    """A replay that does less is a difference too."""
    path = record(tmp_path, CALL)
    (call,) = (call for call in read_journal(path).calls if call.at - 7_000 * NS_PER_MS == 2_300 * NS_PER_MS)
    _changed(path, effects=[*(call.effects or ()), "Flush 0"])
    assert str(replay_journal(path).difference).endswith("was Flush 0, the replay has no such effect")


def test_an_error_of_the_core_is_recorded_and_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal of a session that died of a fault of ours shows the fault again."""
    path = record(tmp_path, CALL)
    _changed(path, effects=None)
    monkeypatch.setitem(Core._HANDLERS, inputs.SegmentFinal, lambda *_: 1 / 0)
    recording = read_journal(path)
    first_final = next(i for i, call in enumerate(recording.calls) if isinstance(call.fact, inputs.SegmentFinal))
    assert "the conversation raised ZeroDivisionError" in str(replay(recording, Core).difference)
    died = dataclasses.replace(
        recording, calls=(recording.calls[0], dataclasses.replace(recording.calls[first_final], effects=None))
    )
    assert (
        replay(died, Core)
        .script[-1]
        .endswith("the conversation raised ZeroDivisionError: division by zero, as it did then")
    )


# --- the file --------------------------------------------------------------------------------------------------------


def _journal(folder: Path) -> Journal:
    return JournalFolder(folder, "1.2.3").journal(AGREED)


def _tell(journal: Journal, times: int) -> None:
    core = new_core()
    for index in range(times):
        fact, now = inputs.TextTyped(f"Line {index}."), Instant(index * NS_PER_MS)
        journal.record(fact, now, core.handle(fact, now))


def _troubles(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.levelno >= logging.ERROR]


@pytest.mark.parametrize("trouble", ["no folder", "taken"])
def test_a_journal_that_cannot_be_made_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    """The call goes on without; a file that is there is somebody's evidence and stays as it is."""
    taken = tmp_path / "s1.jsonl"
    taken.write_text("evidence")
    journal = _journal(tmp_path / "none" if trouble == "no folder" else tmp_path)
    _tell(journal, 3)
    journal.close()
    assert _troubles(caplog) == ["the journal has stopped"]
    told = fields_of(caplog.records[0])
    assert (told["session"], told["traceparent"]) == (AGREED.session_id, AGREED.trace.parent)
    assert taken.read_text() == "evidence"


def test_a_full_disk_ends_the_journal_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A write that fails is logged once; nothing is raised, then or at the end."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = _journal(tmp_path)
    _tell(journal, 1)
    assert journal._file is not None
    journal._file.close()
    journal._file = SimpleNamespace(write=fail, flush=fail, close=fail)  # type: ignore[assignment]  # a file that is full
    _tell(journal, 3)
    journal.close()
    assert _troubles(caplog) == ["the journal has stopped"]


def test_a_disk_that_is_full_at_the_end_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What the last flush could not write is told too."""

    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = _journal(tmp_path)
    _tell(journal, 1)
    assert journal._file is not None
    journal._file.close()
    journal._file = SimpleNamespace(close=fail)  # type: ignore[assignment]  # a file that is full
    journal.close()
    assert _troubles(caplog) == ["the journal has stopped"]


def test_a_journal_has_a_longest_length(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that never ends does not fill the disk; what was written is a whole journal."""
    monkeypatch.setattr(writer, "LONGEST_BYTES", 2_000)
    journal = _journal(tmp_path)
    _tell(journal, 100)
    journal.close()
    assert _troubles(caplog) == ["the journal has stopped"]
    assert 2_000 < (tmp_path / "s1.jsonl").stat().st_size < 2_300
    assert not read_journal(tmp_path / "s1.jsonl").is_cut


def test_a_turn_is_on_disk_when_it_ends(tmp_path: Path) -> None:
    """A pod that is killed loses the running turn of its journal, not those before."""
    core, journal = new_core(), _journal(tmp_path)
    steps = (
        inputs.SessionStarted(),
        inputs.TextTyped("Hello."),
        inputs.ReplyFailed(ReplyId(1), Reason.LLM_FAILED, "gone"),
        inputs.EndRequested(),
    )
    for fact in steps:
        journal.record(fact, Instant(1), core.handle(fact, Instant(1)))
    recording = read_journal(tmp_path / "s1.jsonl")
    journal.close()
    assert [call.fact for call in recording.calls] == list(steps)


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_replays_files_and_its_status_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """0: identical; 1: different, and where; 2: unreadable. The worst counts, and every file is looked at."""
    good, other, absent = record(tmp_path, CALL), record(tmp_path, CALL, "s2"), tmp_path / "absent.jsonl"
    _changed(other, text="Stop it.")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    for files, status in (([good], 0), ([good, other], 1), ([absent, other], 2), ([Path("/bin/sh")], 2)):
        monkeypatch.setattr(sys, "argv", ["voice-gateway", "replay", *map(str, files)])
        assert __main__.main() == status
        out, err = capsys.readouterr()
        assert ("USER    Count to three." in out) == (good in files or other in files)
        assert (f"{other} differs from its replay: line 8, " in err) == (other in files)
        assert (f"{absent} cannot be replayed: [Errno 2]" in err) == (absent in files)


def test_a_folder_for_journals_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--journal` stands for JOURNAL_DIR; a wrong one is a mistake like any other, found before a call is lost."""
    assert commands.serve(None, chosen.overrides(journal=tmp_path / "absent", workers=None)) == 2
    assert "JOURNAL_DIR must be a folder that can be written" in capsys.readouterr().err
