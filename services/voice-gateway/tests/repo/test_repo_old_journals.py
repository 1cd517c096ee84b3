"""Journals of commit 8881cd2 in today's words, and whether today's core says the same conversation."""

import json
from pathlib import Path
from typing import Any

import pytest
from voice_gateway.domain.agreement import Change
from voice_gateway.domain.events import Transcript
from voice_gateway.domain.ids import StreamId, TurnId
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.player import Player
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import Emit

from accept.full_journals import in_full
from accept.journals import compare, main
from accept.old_journals import agreement, fact, read, received

SESSION = {"session_id": "s1", "input_rate_hz": 16000, "asr_rate_hz": 16000, "output_rate_hz": 22050}
PERSONA = {"system_prompt": "Be brief.", "apology": "Sorry.", "reprompt": "", "goodbye": "", "filler": ""}
HEAD = {
    "version": 1,
    "transport": "grpc_v1",
    "session": {**SESSION, "language_code": "en-US", "voice": "Anna", "policy": {"lead_ms": 300}, "can_pause": False},
    "persona": PERSONA,
    "clock_ns": 5_000_000_000,
    "toolbox": {"tools": [], "timeout_ms": 4_000},
}
FINAL: dict[str, Any] = {"stream": 1, "text": "Hi.", "words": [], "end_samples": 9_600, "covered_samples": 16_000}


def _line(t_ms: int, name: str, effects: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    return {"t": t_ms * 1_000_000, "wall": "", "fact": name, **fields, "effects": effects or []}


def _said(event: str, **fields: Any) -> dict[str, Any]:
    return {"": "Emit", "event": {"": event, **fields}}


def _journal(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in (HEAD, *lines))


CALL = (
    _line(0, "SessionStarted", [{"": "OpenRecognition", "stream": 1}]),
    _line(
        100,
        "TextTyped",
        [
            _said("Transcript", is_final=True, text="Hi."),
            {"": "StartReply", "reply": 7, "messages": [{"role": "user", "text": "Hi."}]},
        ],
        text="Hi.",
    ),
    _line(200, "ReplyDelta", reply=7, text="Well, "),
    _line(
        300,
        "ReplyFailed",
        [
            _said("Notice", reason="LLM_FAILED"),
            {"": "Synthesize", "reply": 7, "sentence": 1, "text": "Well,"},
        ],
        reply=7,
        reason="LLM_FAILED",
        message="lost",
    ),
)


def test_one_agreement_is_made_of_the_old_header() -> None:
    """A core is made of all that the old one was made of; what is new departs from nothing."""
    agreed = agreement(HEAD)
    assert (agreed.session_id, agreed.transport, agreed.voice) == ("s1", "grpc_v1", "Anna")
    assert (agreed.input_rate_hz, agreed.asr_rate_hz, agreed.output_rate_hz) == (16_000, 16_000, 22_050)
    assert (agreed.heard_language, agreed.spoken_language) == ("en-US", "en-US")
    assert agreed.persona == Persona("Be brief.", "Sorry.")
    assert agreed.policy == TurnPolicy(lead_ms=300)
    assert (agreed.player, agreed.toolbox.timeout_ms) == (Player.NEVER_HELD, 4_000)
    assert agreed.backend_patience_ms == 7_500


def test_what_was_heard_says_how_far_input_had_come() -> None:
    """A fact about what was heard has the position that is reckoned for it."""
    told = fact(_line(0, "TranscriptRevised", stream=1, text="hi", stability=0.5, end_samples=800), 1_600)
    assert told == inputs.TranscriptRevised(StreamId(1), "hi", 0.5, 800, 1_600)
    assert fact(_line(0, "SpeechStarted", at_samples=320), 1_600) == inputs.SpeechStarted(320, 1_600)
    assert fact(_line(0, "SpeechEnded", at_samples=320), 1_600) == inputs.SpeechEnded(320, 1_600)


def test_a_change_of_the_language_is_one_of_both() -> None:
    """The old change has one language for hearing and speaking, and no modality."""
    old = {"language_code": "de-DE", "voice": "", "system_prompt": None, "policy": {"lead_ms": 250}, "tools": None}
    change = Change("de-DE", "de-DE", "", policy=TurnPolicy(lead_ms=250))
    assert fact(_line(0, "SettingsChanged", change=old), 0) == inputs.SettingsChanged(change)


def test_input_is_received_in_real_time_where_nothing_else_is_told() -> None:
    """Time goes on with the rate; a position that is ahead of it, or that a line tells, counts more."""
    lines = [
        _line(0, "SessionStarted"),
        _line(500, "SpeechStarted", at_samples=6_400),  # 8,000 by time
        _line(600, "TranscriptRevised", stream=1, text="hi", stability=0.0, end_samples=12_000),  # 9,600 by time
        _line(900, "SpeechEnded", at_samples=12_000),  # 16,800 by time, but the next line knows better
        _line(1_000, "SegmentFinal", **FINAL, received_samples=16_000),
        _line(1_100, "SpeechStarted", at_samples=16_000),
    ]
    assert received(lines, 16_000) == [0, 8_000, 12_000, 16_000, 16_000, 17_600]


def test_audio_that_was_pushed_is_told_as_a_backlog() -> None:
    """Two seconds that came within one are a backlog; each sound counts as a voice."""
    lines = (_line(0, "SessionStarted"), _line(1_000, "SpeechStarted", at_samples=32_000))
    _, calls = read(_journal(*lines))
    started = inputs.SpeechStarted(32_000, 32_000)
    assert calls[1].facts == (inputs.BacklogBegan(), started, inputs.VoicingHeard())
    assert calls[1].at == 6_000_000_000


def test_a_journal_of_another_version_is_refused() -> None:
    """Nothing is guessed of a header that was written by other rules."""
    with pytest.raises(ValueError, match="version 3"):
        read(json.dumps({**HEAD, "version": 3}))


def test_facts_follow_the_orders_of_todays_core() -> None:
    """What the old core called reply 7 is told of the reply to the same words, which is reply 1 today."""
    assert compare(_journal(*CALL)).difference == ()


def test_facts_are_of_the_take_that_todays_core_has_synthesised() -> None:
    """The old core ordered a sentence once, and today's drops one that looked ended: its sound is of the next."""
    whole = "See example.com. "
    silent = (
        _said("Notice", reason="SENTENCE_SKIPPED"),
        _said("ReplyText", reply=7, sentence=1, text=whole),
        _said("Notice", reason="TTS_FAILED"),
        _said("ReplyFinished", reply=7, kind="ANSWER", outcome="FAILED"),
    )
    synthesize = {"": "Synthesize", "reply": 7, "sentence": 1, "text": whole.strip()}
    calls = (
        *CALL[:2],
        _line(200, "ReplyDelta", reply=7, text="See example."),
        _line(210, "ReplyDelta", [synthesize], reply=7, text="com. "),
        _line(220, "ReplyCompleted", reply=7),
        _line(300, "SpeechCompleted", [*silent], reply=7, sentence=1, samples=0, words=[]),
    )
    compared = compare(_journal(*calls))
    assert (compared.difference, compared.untold) == ((), 0)


def test_another_conversation_is_told_line_by_line() -> None:
    """Words that today's core never says stand on one side, its own on the other; facts of no order are counted."""
    other = {"": "StartReply", "reply": 8, "messages": [{"role": "user", "text": "Ho."}]}
    compared = compare(
        _journal(
            CALL[0],
            _line(100, "TextTyped", [_said("Transcript", is_final=True, text="Ho."), other], text="Hi."),
            _line(200, "ReplyDelta", reply=8, text="Well, "),
        )
    )
    assert compared.difference == ("- user 'Ho.'", "+ user 'Hi.'")
    assert compared.untold == 1


def test_a_difference_needs_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal that is said in another way fails the command, and so does a folder without journals."""
    assert main(tmp_path) == 1
    path = tmp_path / "test_x.1.jsonl"
    path.write_text(_journal(*CALL))
    assert main(tmp_path) == 0
    path.write_text(_journal(CALL[0], _line(100, "TextTyped", text="Hi.")))
    assert main(tmp_path) == 1
    assert "test_x.1\n  NO REASON\n  + user 'Hi.'" in capsys.readouterr().out


def test_a_kept_journal_has_its_effects_in_full() -> None:
    """Fingerprints give way to what they stand for; a line that was cut off is left out."""
    told = Transcript(TurnId(1), "Hi.", is_final=True)
    plain = {"turn": 1, "text": "Hi.", "is_final": True, "stability": 0.0, "words": []}
    kept = in_full('{"version":1}\n{"t":0,"effects":["Emit 1"]}\n{"t":', [(Emit(told),), ()])
    head, line = kept.splitlines()
    assert json.loads(head) == {"version": 1}
    assert json.loads(line) == {"t": 0, "effects": [{"": "Emit", "event": {"": "Transcript", **plain}}]}
