"""The three ways to talk from a terminal: microphone, files, typed lines."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from voicegateway.v1 import client_pb2

from voice_client.audio import AudioFileError, load_pcm, save_wav
from voice_client.ctrl_c import CtrlC, CtrlCRule, sigint
from voice_client.device import INPUT_RATE_HZ
from voice_client.errors import ExitStatus, VoiceClientError
from voice_client.link import ServerEvent, Target
from voice_client.microphone import SoundCard, load_sounddevice
from voice_client.screen import Live, Tone, connected_line, draws_of, printable
from voice_client.session import Session
from voice_client.talk import Conversation, leave
from voice_client.terminal import Terminal

MAX_LINES_AHEAD = 64
"""Lines read from standard input before they are wanted: an endless pipe must fill neither memory nor the loop."""

PROMPT = "> "
TYPE_HINT = "Type a turn and press Enter; Ctrl-C interrupts the agent or leaves, Ctrl-D leaves."
LIVE_HINT = "Speak. Ctrl-C interrupts the agent; a second one, or one in silence, leaves."


class InputTextError(VoiceClientError):
    """Standard input is closed or not text."""

    status = ExitStatus.FILE


@dataclass(frozen=True, slots=True)
class TalkOptions:
    """What the command line asked for; without `wavs` and `is_typed` it is the microphone."""

    target: Target
    start: client_pb2.Start
    wavs: tuple[Path, ...] = ()
    is_typed: bool = False
    out: Path | None = None
    is_stereo: bool = False
    is_fast: bool = False
    is_verbose: bool = False


async def talk(options: TalkOptions, terminal: Terminal, stdin: TextIO | None) -> ExitStatus:
    """Hold the conversation that was asked for.

    Raises:
        VoiceClientError: see errors.py.
    """
    if options.wavs:
        return await _talk_files(options, terminal)
    if options.is_typed:
        if stdin is None:  # Python's word for a closed descriptor
            raise InputTextError("standard input is closed")
        return await _talk_typed(options, terminal, stdin)
    return await _talk_live(options, terminal)


async def _talk_live(options: TalkOptions, terminal: Terminal) -> ExitStatus:
    device = SoundCard(load_sounddevice())
    async with Session(options.target, options.start, device, observe=_shower(options, terminal)) as session:
        terminal.line(connected_line(options.target.address, session.started), Tone.FAINT)
        terminal.line(LIVE_HINT, Tone.FAINT)
        await _run(session, _live(session))
    return ExitStatus.OK


async def _live(session: Session) -> None:
    await session.wait_over()
    await session.played_out()


async def _talk_files(options: TalkOptions, terminal: Terminal) -> ExitStatus:
    recordings = [load_pcm(path, INPUT_RATE_HZ) for path in options.wavs]
    conversation = Conversation(options.target, options.start, observe=_shower(options, terminal))
    return await _talk_recorded(
        options, terminal, conversation, _say_files(conversation, recordings, options, terminal)
    )


async def _talk_typed(options: TalkOptions, terminal: Terminal, stdin: TextIO) -> ExitStatus:
    observe = _shower(options, terminal, shows_user=not stdin.isatty())
    conversation = Conversation(options.target, options.start, has_microphone=False, observe=observe)
    script = _say_lines(conversation, terminal, stdin, options.target.address)
    return await _talk_recorded(options, terminal, conversation, script)


async def _talk_recorded(
    options: TalkOptions, terminal: Terminal, conversation: Conversation, script: Coroutine[Any, Any, None]
) -> ExitStatus:
    """Play the script; keep the sound of the conversation even when it breaks off."""
    try:
        _check_writable(options.out)
        await conversation.__aenter__()
    except BaseException:
        script.close()
        raise
    try:
        has_left = await _run(conversation.session, script)
    finally:
        await conversation.__aexit__()
        _save(options, conversation)
    if options.is_verbose:
        terminal.line(f"underruns: {conversation.session.playout.underruns}")
    return ExitStatus.INTERRUPTED if has_left and options.wavs else ExitStatus.OK


async def _say_files(
    conversation: Conversation, recordings: list[bytes], options: TalkOptions, terminal: Terminal
) -> None:
    for pcm in recordings:
        await conversation.say_pcm(pcm, fast=options.is_fast)
        turn = await conversation.turn_done()
        if turn.is_no_turn:
            terminal.line("       [no turn: the server took this for nothing to answer]", Tone.FAINT)
        if turn.latency_ms is not None and not options.is_fast:
            said = f"       {turn.latency_ms:.0f} ms on the waveform, end of speech to first reply sample"
            terminal.line(said, Tone.FAINT)
    await conversation.finish()


async def _say_lines(conversation: Conversation, terminal: Terminal, stdin: TextIO, address: str) -> None:
    """Each line is a turn. A pipe waits for the answer; a person is prompted, and may interrupt by typing on."""
    limit_chars = conversation.started.limits.max_text_chars
    prompt = Live(PROMPT if stdin.isatty() else "")
    if stdin.isatty():
        terminal.line(connected_line(address, conversation.started), Tone.FAINT)
        terminal.line(TYPE_HINT, Tone.FAINT)
    terminal.draw((prompt,))
    async for line in _lines(stdin):
        text = printable(line)
        if limit_chars and len(text) > limit_chars:
            terminal.line(f"notice: not sent: {len(text)} characters, the server takes {limit_chars}")
        elif text:
            conversation.say_text(text)
            if not stdin.isatty():
                await conversation.turn_done()
        terminal.draw((prompt,))
    terminal.draw((Live(""),))
    if conversation.turns:
        await conversation.turn_done()
    await conversation.finish()


async def _lines(stdin: TextIO) -> AsyncIterator[str]:
    """Lines as they come, read by a daemon thread: a blocked read must keep neither the loop nor the exit waiting."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | UnicodeDecodeError | None] = asyncio.Queue()
    room = threading.Semaphore(MAX_LINES_AHEAD)

    def put(item: str | UnicodeDecodeError | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def pump() -> None:
        try:
            for line in stdin:
                room.acquire()
                put(line)
        except UnicodeDecodeError as error:
            put(error)
        put(None)

    threading.Thread(target=pump, name="stdin", daemon=True).start()
    while (item := await queue.get()) is not None:
        if isinstance(item, UnicodeDecodeError):
            raise InputTextError(f"standard input is not text: {item}") from item
        room.release()
        yield item


async def _run(session: Session, script: Coroutine[Any, Any, None]) -> bool:
    """Run the script until it is done or Ctrl-C leaves, then say goodbye; True when the person left."""
    has_left = asyncio.Event()
    with sigint(_ctrl_c(session, has_left)):
        running = asyncio.create_task(script)
        leaving = asyncio.create_task(has_left.wait())
        try:
            await asyncio.wait((running, leaving), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            else:
                await leave(session)
        finally:
            running.cancel()
            leaving.cancel()
            await asyncio.wait((running, leaving))
    return has_left.is_set()


def _ctrl_c(session: Session, has_left: asyncio.Event) -> Callable[[], None]:
    loop = asyncio.get_running_loop()
    rule = CtrlCRule()

    def act() -> None:
        press = rule.press(int(loop.time() * 1000), is_speaking=session.playout.is_speaking)
        if press is CtrlC.LEAVE:
            has_left.set()
        else:
            session.interrupt()

    def hand_on() -> None:
        loop.call_soon_threadsafe(act)

    return hand_on


def _shower(options: TalkOptions, terminal: Terminal, *, shows_user: bool = True) -> Callable[[ServerEvent], None]:
    def show(event: ServerEvent) -> None:
        terminal.draw(draws_of(event, is_verbose=options.is_verbose, shows_user=shows_user))

    return show


def _check_writable(out: Path | None) -> None:
    if out is not None and not out.parent.is_dir():
        raise AudioFileError(f"cannot write {out}: no such directory")


def _save(options: TalkOptions, conversation: Conversation) -> None:
    if options.out is not None:
        timeline = conversation.timeline
        channels = timeline.stereo() if options.is_stereo else (timeline.agent_track(),)
        save_wav(options.out, channels, timeline.output_rate_hz)
