"""A scripted conversation: say sound or text, wait for the answer, look at what was said, played and how fast.

async with Conversation(Target("localhost:50051")) as conversation:
    await conversation.say_pcm(load_pcm(Path("question.wav"), INPUT_RATE_HZ))
    turn = await conversation.turn_done()
    print(turn.user_text, turn.reply_text, turn.latency_ms)
    await conversation.finish()
save_wav(Path("both.wav"), conversation.timeline.stereo(), conversation.timeline.output_rate_hz)
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Self

from voicegateway.v1 import client_pb2, server_pb2

from voice_client.device import INPUT_RATE_HZ, VirtualDevice
from voice_client.errors import NoReplyError
from voice_client.link import ServerEvent, Target
from voice_client.session import Session, start_message
from voice_client.timeline import Said, Timeline
from voice_client.turns import Turn, TurnBook

# A turn in which nothing at all has happened for this time will not be answered.
QUIET_LIMIT_S = 30.0
# After `end` the server answers at once; a server that does not is left.
LEAVE_LIMIT_S = 2.0
# Beyond what the policy waits: the way there and back, and a busy server.
NO_TURN_MARGIN_MS = 2_000


class Conversation:
    """A session whose microphone says what it is told and is silent otherwise, and whose loudspeaker is a recording.

    The microphone streams in real time from the beginning to the end, as a person's does; without `has_microphone`
    no audio is sent, for typed conversations.
    """

    def __init__(
        self,
        target: Target,
        start: client_pb2.Start | None = None,
        *,
        has_microphone: bool = True,
        observe: Callable[[ServerEvent], None] = lambda _: None,
        quiet_limit_s: float = QUIET_LIMIT_S,
    ) -> None:
        self._device = VirtualDevice(has_microphone=has_microphone)
        self._book = TurnBook()
        self._quiet_limit_s = quiet_limit_s
        self._observe = observe
        self.session = Session(target, start or start_message(), self._device, observe=self._take)

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            VoiceClientError: see errors.py.
        """
        await self.session.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.__aexit__()

    @property
    def started(self) -> server_pb2.Started:
        return self.session.started

    @property
    def timeline(self) -> Timeline:
        """What was said and played until now."""
        return self._device.timeline

    @property
    def turns(self) -> list[Turn]:
        return self._book.turns

    def events(self) -> AsyncIterator[ServerEvent]:
        """What the server says from this call on, until the session is over."""
        return self.session.events()

    async def say_pcm(self, pcm: bytes, *, fast: bool = False) -> Said:
        """Say s16le mono at `INPUT_RATE_HZ`; returns when it has been sent.

        In real time, or as fast as the server takes it. Latency on the waveform means something in real time only.

        Raises:
            VoiceClientError: the session broke; see errors.py.
        """
        said = self._device.say(pcm)
        self._book.begin(said)
        if fast:
            await self._device.rush(self.session.drained)
        await self.session.heard_up_to(said.end_samples)
        return said

    def say_text(self, text: str) -> None:
        """Send a typed turn."""
        self._book.begin(None)
        self.session.say_text(text)

    def interrupt(self) -> None:
        """Stop the reply."""
        self._book.cut()
        self.session.interrupt()

    async def turn_done(self) -> Turn:
        """Wait until what was said last has been answered and the answer has been played out.

        The server may also hear somebody out and take it for nothing to answer: the turn then says `is_no_turn`.

        Raises:
            NoReplyError: the server was quiet for `quiet_limit_s`, or ended the session first.
            VoiceClientError: the session broke; see errors.py.
        """
        session, loop = self.session, asyncio.get_running_loop()
        begun_s = loop.time()
        while not (self._is_done() and session.playout.is_idle):
            session.raise_failure()
            if session.is_over:
                raise NoReplyError("the server ended the conversation without an answer")
            if loop.time() - max(begun_s, session.last_event_s) > self._quiet_limit_s:
                raise NoReplyError(f"no answer within {self._quiet_limit_s:g} s")
            await session.ticked()
        turn = self._book.turns[-1]
        turn.is_no_turn = not self._book.is_answered(session.heard_samples)
        if turn.said is not None:
            turn.latency_ms = self.timeline.latency_ms(turn.said.speech_end_samples, self._book.answer_ids())
        return turn

    async def finish(self) -> None:
        """Half-close, and let the server finish what it has to say.

        Raises:
            NoReplyError: it did not end the call in `quiet_limit_s`.
            VoiceClientError: the session broke; see errors.py.
        """
        self.session.half_close()
        try:
            await asyncio.wait_for(self.session.wait_over(), self._quiet_limit_s)
        except TimeoutError as error:
            raise NoReplyError(f"the server has not ended the call within {self._quiet_limit_s:g} s") from error

    def _is_done(self) -> bool:
        heard_samples = self.session.heard_samples
        policy = self.started.policy
        patience_ms = policy.vad_end_ms + policy.unfinished_hold_ms + policy.final_grace_ms + NO_TURN_MARGIN_MS
        patience_samples = INPUT_RATE_HZ * patience_ms // 1000
        return self._book.is_answered(heard_samples) or self._book.is_passed_over(heard_samples, patience_samples)

    def _take(self, event: ServerEvent) -> None:
        self._book.apply(event, self.session.heard_samples)
        self._observe(event)


async def leave(session: Session) -> None:
    """Send `end` and wait a moment for the server's goodbye; a session that is over is left as it is."""
    if session.is_over:
        return
    session.end()
    try:
        await asyncio.wait_for(session.wait_over(), LEAVE_LIMIT_S)
    except TimeoutError:
        return
