"""Whole sessions on fakes of the ports: a service and everything round it."""

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import ClassVar

from gateway_kit.port_fakes import (
    FakeHealth,
    FakeLlm,
    FakeRecognizer,
    FakeSink,
    FakeSynthesizer,
    FakeTelemetry,
    FakeVoiceModel,
)
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.events import Ended
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.transcript import RecognitionResult, Word
from voice_gateway.session.admission.gate import Admission, AdmissionSettings
from voice_gateway.session.calls import Shared
from voice_gateway.session.journal.writer import JournalFolder
from voice_gateway.session.negotiation import SessionSettings
from voice_gateway.session.pacer import Pacer
from voice_gateway.session.ports import Session, SessionRequest
from voice_gateway.session.roster import Roster
from voice_gateway.session.service import SessionService
from voice_gateway.session.standing import StandingSpeech
from voice_gateway.session.voice import VoiceBank
from voice_gateway.turn.conversation import MakeConversation
from voice_gateway.turn.core import Core
from voice_gateway.turn.reply.wording import spoken_sentences

REQUEST = SessionRequest(transport="grpc_v1", input_rate_hz=16_000)
FRAME = bytes(640)
PERSONA = Persona("Be brief.", "Sorry.", "Are you there?", "Bye.")


def heard(text: str, at_ms: int, *, is_final: bool = True) -> RecognitionResult:
    """A result that covers `at_ms` of the stream; its words end 500 ms earlier."""
    end = (at_ms - 500) * 16
    words = (Word(text, max(0, end - 8_000), end),) if is_final else ()
    return RecognitionResult(text, is_final, 0.0, at_ms * 16, words)


@dataclass
class World:
    """A service and everything round it."""

    recognizer: FakeRecognizer = field(default_factory=FakeRecognizer)
    llm: FakeLlm = field(default_factory=FakeLlm)
    synthesizer: FakeSynthesizer = field(default_factory=FakeSynthesizer)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    sink: FakeSink = field(default_factory=FakeSink)
    health: list[FakeHealth] = field(default_factory=lambda: [FakeHealth(backend) for backend in Backend])
    roster: Roster = field(default_factory=Roster)
    pacer: Pacer = field(default_factory=Pacer)
    admission: Admission = field(default_factory=lambda: Admission(AdmissionSettings()))
    backend_patience_ms: int = 0
    persona: Persona = PERSONA
    converse: MakeConversation = Core
    journals: ClassVar[JournalFolder | None] = None
    idle_timeout_ms: ClassVar[int] = 0

    def service(self) -> SessionService:
        """The service under test."""
        settings = SessionSettings(
            "en-US",
            "Anna",
            16_000,
            16_000,
            self.persona,
            backend_patience_ms=self.backend_patience_ms,
            idle_timeout_ms=self.idle_timeout_ms,
        )
        voices = VoiceBank(FakeVoiceModel(), self.pacer)
        shared = Shared(
            self.recognizer,
            self.llm,
            StandingSpeech(self.synthesizer, spoken_sentences(self.persona.unheard)),
            self.telemetry,
            self.pacer,
            self.roster,
            voices,
            self.journals,
        )
        ids = (SessionId(f"s{number}") for number in itertools.count(1))
        return SessionService(
            settings,
            TurnPolicy(),
            shared,
            self.health,
            lambda: next(ids),
            converse=self.converse,
            admission=self.admission,
        )

    async def open(self, request: SessionRequest = REQUEST) -> tuple[Session, asyncio.Task[Ended]]:
        """A running session."""
        session = await self.service().open(request, self.sink)
        return session, asyncio.create_task(session.run())

    def nothing_is_left(self) -> bool:
        """Whether no backend call and no session is open, and nothing is ticked."""
        open_calls = self.recognizer.open_streams + self.llm.open_requests + self.synthesizer.open_calls
        is_still = not self.pacer._paced
        return is_still and open_calls == 0 and len(self.roster) == 0 and len(asyncio.all_tasks()) == 1
