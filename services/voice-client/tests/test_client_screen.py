"""What people see: events to lines, lines to the terminal."""

import io

import pytest
from voice_client.ctrl_c import CtrlC, CtrlCRule
from voice_client.link import ServerEvent
from voice_client.screen import Line, Live, Tone, connected_line, draws_of, latency_line
from voice_client.terminal import Terminal, end_that_fits
from voicegateway.v1 import error_pb2, server_pb2


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


REPORT = server_pb2.TurnReport(
    total_ms=820,
    spans=[
        server_pb2.LatencySpan(name="endpointing", duration_ms=480),
        server_pb2.LatencySpan(name="asr_final", duration_ms=90, is_overlapped=True),
        server_pb2.LatencySpan(name="llm_first_token", duration_ms=340),
    ],
)


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (server_pb2.Transcript(text="what  time"), (Live("you:   what time …"),)),
        (server_pb2.Transcript(text="What time?", is_final=True), (Live(""), Line("you:   What time?", Tone.USER))),
        (server_pb2.ReplyText(text="It is *three*.\n"), (Line("agent: It is *three*.", Tone.AGENT),)),
        (server_pb2.ReplyHeard(heard_text="It is"), (Line("       [interrupted, heard until “It is”]", Tone.FAINT),)),
        (server_pb2.ReplyHeard(), (Line("       [interrupted, not heard]", Tone.FAINT),)),
        (REPORT, (Line("       820 ms = endpointing 480 + llm_first_token 340", Tone.FAINT),)),
        (
            server_pb2.Notice(reason=error_pb2.ERROR_REASON_LLM_TIMEOUT, message="too slow", backend="llm"),
            (Line("notice: LLM_TIMEOUT (llm): too slow", Tone.TROUBLE),),
        ),
        (
            server_pb2.GoingAway(reason=error_pb2.ERROR_REASON_DRAINING, deadline_ms=30_000),
            (Line("notice: DRAINING: the server is leaving and finishes this turn; 30 s are left", Tone.TROUBLE),),
        ),
        (server_pb2.Ended(reason=server_pb2.END_REASON_CLIENT_ENDED), (Live(""),)),
        (
            server_pb2.Ended(reason=server_pb2.END_REASON_DRAINING),
            (Live(""), Line("the server ended the conversation: DRAINING", Tone.TROUBLE)),
        ),
        (server_pb2.SpeechStarted(), ()),
    ],
)
def test_client_screen_shows_each_event(event: ServerEvent, lines: tuple[Line | Live, ...]) -> None:
    """Each event people care about has its lines, worded for people."""
    assert draws_of(event) == lines


def test_client_screen_names_the_session_only_when_asked() -> None:
    """The session id is for bug reports: with --verbose it is the first line, otherwise it stays out of the way."""
    started = server_pb2.Started(session_id="s-7")
    assert draws_of(started) == ()
    (line,) = draws_of(started, is_verbose=True)
    assert "s-7" in line.text


def test_client_screen_leaves_out_what_the_user_has_typed() -> None:
    """At a terminal people see their own typing; the transcript would say it twice."""
    assert draws_of(server_pb2.Transcript(text="hi", is_final=True), shows_user=False) == ()


def test_client_screen_survives_values_it_does_not_know() -> None:
    """The vocabularies may grow: an unknown reason is shown by its number."""
    notice = server_pb2.Notice(message="new")
    notice.reason = 999  # type: ignore[assignment]  # an open enum takes any number
    assert draws_of(notice) == (Line("notice: reason 999: new", Tone.TROUBLE),)


def test_client_screen_lets_no_control_character_through() -> None:
    """Text from a language model cannot steer the terminal."""
    (line,) = draws_of(server_pb2.ReplyText(text="a\x1b[2Jb\x07\r\nc"))
    assert line.text == "agent: a [2Jb c"


def test_client_screen_marks_replies_prepared_early() -> None:
    """A speculative reply is told apart in the latency line."""
    assert latency_line(server_pb2.TurnReport(total_ms=440, is_speculative=True)) == "440 ms (prepared early)"


def test_client_terminal_redraws_one_line_and_keeps_it_last() -> None:
    """On a terminal the live line is erased, drawn again below new lines, and removed when it is done."""
    stream = Tty()
    terminal = Terminal(stream, columns=lambda: 80)
    terminal.draw((Live("you: a"), Live("you: a b")))
    terminal.line("agent: c")
    terminal.draw((Live(""), Line("you: a b c")))
    erase = "\r\x1b[K"
    assert stream.getvalue() == f"{erase}you: a{erase}you: a b{erase}agent: c\nyou: a b{erase}you: a b c\n"


@pytest.mark.parametrize(
    ("environment", "drawn"),
    [
        ({"TERM": "xterm"}, "\x1b[32magent: c\x1b[0m\nplain\n"),
        ({"NO_COLOR": ""}, "\x1b[32magent: c\x1b[0m\nplain\n"),
        ({"NO_COLOR": "1"}, "agent: c\nplain\n"),
        ({"TERM": "dumb"}, "agent: c\nplain\n"),
    ],
)
def test_client_terminal_has_colours_where_they_are_wanted(environment: dict[str, str], drawn: str) -> None:
    """A terminal tells the agent's words from the rest, unless NO_COLOR is set or it can show none."""
    stream = Tty()
    Terminal(stream, environment=environment).draw((Line("agent: c", Tone.AGENT), Line("plain")))
    assert stream.getvalue() == drawn


def test_client_terminal_writes_no_colours_into_a_pipe() -> None:
    """What is kept in a file or read by a program has no control codes."""
    stream = io.StringIO()
    Terminal(stream, environment={"TERM": "xterm"}).draw((Line("agent: c", Tone.AGENT),))
    assert stream.getvalue() == "agent: c\n"


def test_client_screen_says_that_the_server_is_there() -> None:
    """People who have seen nothing yet learn where they are, and in which language."""
    told = connected_line("localhost:50051", server_pb2.Started(language_code="en-US", voice="Aria"))
    assert told == "Connected to localhost:50051: en-US, voice Aria."


def test_client_terminal_writes_plain_lines_into_a_pipe() -> None:
    """A pipe gets whole lines only: no interims, no control codes."""
    stream = io.StringIO()
    Terminal(stream).draw((Live("you: a"), Line("you: a b"), Live("x"), Line("agent: c")))
    assert stream.getvalue() == "you: a b\nagent: c\n"


def test_client_terminal_shows_the_end_of_a_line_that_does_not_fit() -> None:
    """A live line that wrapped could not be erased; the newest words stay, wide characters counted as two."""
    assert end_that_fits("one two three", 5) == "three"
    assert end_that_fits("日本語", 4) == "本語"
    assert end_that_fits("e\u0301te\u0301", 3) == "e\u0301te\u0301"


def test_client_ctrl_c_interrupts_then_leaves() -> None:
    """The first press while the agent speaks interrupts; a second within 2 s leaves, a later one interrupts again."""
    rule = CtrlCRule()
    assert rule.press(0, is_speaking=True) is CtrlC.INTERRUPT
    assert rule.press(2001, is_speaking=True) is CtrlC.INTERRUPT
    assert rule.press(4001, is_speaking=True) is CtrlC.LEAVE


def test_client_ctrl_c_in_silence_leaves() -> None:
    """With nothing to interrupt Ctrl-C means what it always means."""
    assert CtrlCRule().press(0, is_speaking=False) is CtrlC.LEAVE
