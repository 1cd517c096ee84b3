"""What the client and telemetry are told of a reply, field by field: scripts show only a part of it."""

import pytest
from gateway_kit.phone_call import PER_MS, batches
from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.events import (
    Notice,
    ReplyFinished,
    ReplyHeard,
    ReplyKind,
    ReplyOutcome,
    ReplyText,
    TurnRecord,
    TurnReport,
)
from voice_gateway.domain.ids import ReplyId, SentenceId, TurnId
from voice_gateway.turn import effects

ONE = ReplyId(1)
ASKED = ("0 ms: session starts", '100 ms: types "Count!"')
SPEAKING = (
    *ASKED,
    '200 ms: model 1 writes "One two. Three four."',
    "200 ms: model 1 is done",
    "300 ms: speech 1.1 comes",
    "300 ms: playout 1 starts at 0 ms",
    "310 ms: speech 1.1 is complete, 400 ms",
)
NO_SOUND = "speech synthesis has no sound for this sentence"
LINE = r"a\n"
SILENT = "speech synthesis has no sound for any sentence of the reply"


def told(*steps: str) -> list[effects.Effect]:
    """All that comes of a call."""
    return [effect for batch in batches("\n".join(steps)) for effect in batch.effects]


def emitted(*steps: str) -> list[object]:
    """All that the client is told in a call."""
    return [effect.event for effect in told(*steps) if isinstance(effect, effects.Emit)]


def last_record(*steps: str) -> TurnRecord:
    """The record of the reply that ended last; the client was told the same end."""
    (*_, record) = (effect.record for effect in told(*steps) if isinstance(effect, effects.RecordTurn))
    (*_, finished) = (event for event in emitted(*steps) if isinstance(event, ReplyFinished))
    assert record.finished == finished
    return record


def report_of(*steps: str) -> TurnReport:
    """The one report of a call."""
    (report,) = (event for event in emitted(*steps) if isinstance(event, TurnReport))
    return report


def test_what_was_synthesised_in_vain_is_counted() -> None:
    """Telemetry learns how often a first sentence looked ended and went on, of a reply that was stopped, too."""
    steps = (*ASKED, '200 ms: model 1 writes "See example."', '210 ms: model 1 writes "com"')
    assert last_record(*steps, "220 ms: interrupts").retakes == 1
    assert last_record(*steps, '220 ms: model 1 writes "."', '230 ms: model 1 writes "x"', "240 ms: ends").retakes == 2
    assert last_record(*SPEAKING, "400 ms: interrupts").retakes == 0


def test_a_reply_that_was_heard_to_its_end_is_recorded_whole() -> None:
    """Telemetry counts characters and sentences of both sides, what was heard, and how often playout had to wait."""
    call = (
        *SPEAKING,
        "700 ms: playout 1 starves at 400 ms",
        "900 ms: speech 1.2 comes",
        "900 ms: playout 1 starts at 400 ms",
        "910 ms: speech 1.2 is complete, 500 ms",
        "1300 ms: playout 1 is complete, 900 ms",
        "2000 ms: (time passes)",
    )
    finished = ReplyFinished(ONE, TurnId(1), ReplyKind.ANSWER, ReplyOutcome.COMPLETED, 900 * PER_MS, goes_on=False)
    assert last_record(*call) == TurnRecord(finished, report_of(*call), 6, 20, 2, 900 * PER_MS, 1)


def test_a_reply_that_was_interrupted_is_recorded_as_far_as_it_was_heard() -> None:
    """Of a reply of which a sentence was heard, its characters and its sound count, not what was to come."""
    call = (
        *SPEAKING,
        "600 ms: client played 300 ms of 1, 400 ms sent",
        "700 ms: interrupts",
        "750 ms: client played 400 ms of 1, 400 ms sent, final",
    )
    finished = ReplyFinished(ONE, TurnId(1), ReplyKind.ANSWER, ReplyOutcome.INTERRUPTED, 400 * PER_MS, goes_on=False)
    assert last_record(*call) == TurnRecord(finished, report_of(*call), 6, 8, 2, 400 * PER_MS, 0)
    assert ReplyHeard(ONE, 400 * PER_MS, "One two.", is_estimate=False) in emitted(*call)


def test_a_reply_that_calls_a_tool_is_no_end_of_the_answer() -> None:
    """The client is told that more comes of the same turn, and telemetry counts the words of the user."""
    finished = ReplyFinished(ONE, TurnId(1), ReplyKind.ANSWER, ReplyOutcome.COMPLETED, 0, goes_on=True)
    assert last_record(*ASKED, "200 ms: model 1 calls weather {}") == TurnRecord(finished, None, 6, 0, 0, 0, 0)


def test_a_filler_belongs_to_the_turn_but_answers_nobody() -> None:
    """A filler has the turn whose tools run, and none of the user's words are counted for it."""
    call = (
        *ASKED,
        "200 ms: model 1 calls weather {}",
        "900 ms: (time passes)",
        "910 ms: speech 2.1 fails after 0 ms",
    )
    finished = ReplyFinished(ReplyId(2), TurnId(1), ReplyKind.FILLER, ReplyOutcome.FAILED, 0, goes_on=True)
    assert last_record(*call) == TurnRecord(finished, None, 0, 11, 1, 0, 0)
    told_text = ReplyText(ReplyId(2), TurnId(1), ReplyKind.FILLER, SentenceId(1), "One moment.")
    assert told_text in emitted(*call)


@pytest.mark.parametrize(
    ("steps", "notice"),
    [
        (["200 ms: model 1 fails"], Notice(Reason.LLM_FAILED, "connection lost", Backend.LLM, TurnId(1))),
        (
            ["200 ms: model 1 is done"],
            Notice(Reason.LLM_FAILED, "the language model wrote nothing", Backend.LLM, TurnId(1)),
        ),
        (
            ['200 ms: model 1 writes "  "', "210 ms: model 1 is done"],
            Notice(Reason.LLM_FAILED, "the language model wrote nothing", Backend.LLM, TurnId(1)),
        ),
        (
            ["200 ms: model 1 finds the question too long"],
            Notice(Reason.LLM_FAILED, "the language model takes no question of this length", Backend.LLM, TurnId(1)),
        ),
        (
            ['200 ms: model 1 writes "One. Two. "', "300 ms: speech 1.1 fails after 0 ms"],
            Notice(Reason.TTS_FAILED, "connection lost", Backend.TTS, TurnId(1)),
        ),
        (
            ['200 ms: model 1 writes "One. Two. "', "300 ms: speech 1.1 is complete, 0 ms"],
            Notice(Reason.SENTENCE_SKIPPED, NO_SOUND, Backend.TTS, TurnId(1)),
        ),
        (
            [f'200 ms: model 1 writes "{501 * LINE}"'],
            Notice(
                Reason.LLM_FAILED,
                "the language model wrote more than 500 sentences: the reply was cut",
                Backend.LLM,
                TurnId(1),
            ),
        ),
    ],
    ids=["fails", "writes nothing", "writes a space", "too long", "no voice", "no sound", "cut"],
)
def test_trouble_of_a_reply_is_told_with_its_backend_and_its_turn(steps: list[str], notice: Notice) -> None:
    """Who reads a notice learns what failed, where, and which turn it was."""
    assert [event for event in emitted(*ASKED, *steps) if isinstance(event, Notice)] == [notice]


def test_a_reply_without_any_sound_has_failed() -> None:
    """Each sentence is told without a sound, then that there was none at all; the address of synthesis is blamed."""
    call = (
        *ASKED,
        '200 ms: model 1 writes "One. Two."',
        "200 ms: model 1 is done",
        "300 ms: speech 1.1 is complete, 0 ms",
        "400 ms: speech 1.2 is complete, 0 ms",
    )
    skipped = Notice(Reason.SENTENCE_SKIPPED, NO_SOUND, Backend.TTS, TurnId(1))
    notices = [event for event in emitted(*call) if isinstance(event, Notice)]
    assert notices == [skipped, skipped, Notice(Reason.TTS_FAILED, SILENT, Backend.TTS, TurnId(1))]
    assert effects.BlameSynthesis(ONE) in told(*call)
    assert last_record(*call).finished.outcome is ReplyOutcome.FAILED


def test_one_sentence_without_a_sound_is_no_failure() -> None:
    """A reply of which a part sounded is complete: nobody is blamed, and the silent sentence was not heard."""
    call = (
        *SPEAKING,
        "400 ms: speech 1.2 is complete, 0 ms",
        "500 ms: playout 1 is complete, 400 ms",
        "2000 ms: (time passes)",
    )
    finished = ReplyFinished(ONE, TurnId(1), ReplyKind.ANSWER, ReplyOutcome.COMPLETED, 400 * PER_MS, goes_on=False)
    assert last_record(*call) == TurnRecord(finished, report_of(*call), 6, 8, 2, 400 * PER_MS, 0)
    assert effects.BlameSynthesis(ONE) not in told(*call)


def test_a_sentence_after_synthesis_failed_is_shown_without_blame() -> None:
    """What follows a failure of synthesis is told once as that failure, not sentence by sentence."""
    call = (
        *ASKED,
        '200 ms: model 1 writes "One. Two. "',
        "300 ms: speech 1.1 fails after 0 ms",
        '400 ms: model 1 writes "Three."',
        "410 ms: model 1 is done",
    )
    assert len([event for event in emitted(*call) if isinstance(event, Notice)]) == 1
    texts = [event.text for event in emitted(*call) if isinstance(event, ReplyText)]
    assert "".join(texts) == "One. Two. Three."
    assert effects.BlameSynthesis(ONE) not in told(*call)
    assert len([effect for effect in told(*call) if isinstance(effect, effects.Synthesize)]) == 2


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ("client played 100 ms of 2, 400 ms sent", "there is no reply 2"),
        ("client played 100 ms of 0, 400 ms sent", "there is no reply 0"),
        (
            "client played 500 ms of 1, 400 ms sent",
            f"reply 1: {500 * PER_MS} samples reported, {400 * PER_MS} sent",
        ),
    ],
)
def test_a_report_that_cannot_be_is_told(report: str, message: str) -> None:
    """A client that reports what it cannot have played learns which of its reports was wrong, and how."""
    notices = [event for event in emitted(*SPEAKING, f"600 ms: {report}") if isinstance(event, Notice)]
    assert notices == [Notice(Reason.PLAYBACK_IMPLAUSIBLE, message)]


def test_a_report_of_all_that_was_sent_is_plausible() -> None:
    """A client may have played the last sample that it was sent."""
    steps = (*SPEAKING, "750 ms: client played 400 ms of 1, 400 ms sent")
    assert not [event for event in emitted(*steps) if isinstance(event, Notice)]


def test_a_client_that_stands_still_is_told_why_the_call_ends() -> None:
    """A player that stands still for five seconds after a report, while audio is due, ends the call with its reason."""
    call = (*SPEAKING, "600 ms: client played 300 ms of 1, 400 ms sent", "5600 ms: (time passes)")
    fail = effects.Fail(Reason.CLIENT_STALLED, "playback has stood still while audio was due")
    assert fail in told(*call)
    assert fail not in told(*call[:-1], "5599 ms: (time passes)")
