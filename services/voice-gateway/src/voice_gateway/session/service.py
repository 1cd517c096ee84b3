"""Admission: which sessions may begin, and with what."""

from collections.abc import Callable, Sequence

from voice_gateway.domain.errors import Reason, Unavailable
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.session.calls import Surroundings
from voice_gateway.session.negotiation import Negotiator, SessionSettings, unavailable
from voice_gateway.session.ports import BackendHealth, ClientSink, Language, Session, SessionRequest
from voice_gateway.session.runner import SessionRunner
from voice_gateway.turn.core import Core


class SessionService:
    """All sessions of the process; implements `ports.OpenSession` and `ports.DescribeCapabilities`."""

    def __init__(
        self,
        settings: SessionSettings,
        policy: TurnPolicy,
        around: Surroundings,
        backends: Sequence[BackendHealth],
        new_id: Callable[[], SessionId],
    ) -> None:
        self._negotiator = Negotiator(settings, policy, around.recognizer, around.synthesizer, around.tools)
        self._around = around
        self._backends = backends
        self._new_id = new_id

    async def open(self, request: SessionRequest, sink: ClientSink) -> Session:
        """Admit a session, or say why not; see `ports.OpenSession`."""
        if self._around.roster.is_draining:
            raise Unavailable(Reason.DRAINING, "the server is leaving; connect again")
        for backend in self._backends:
            if not backend.is_healthy:
                raise unavailable(backend.backend)
        info = self._negotiator.start(request, self._new_id())
        persona, toolbox = self._negotiator.persona(request), self._negotiator.toolbox(request)
        core = Core(
            info.policy,
            persona,
            input_rate_hz=info.input_rate_hz,
            output_rate_hz=info.output_rate_hz,
            can_pause=info.can_pause,
            backend_patience_ms=info.backend_patience_ms,
            toolbox=toolbox,
        )
        journals = self._around.journals
        journal = journals.journal(info, persona, request.transport, toolbox) if journals else None
        return SessionRunner(info, request, core, sink, self._around, negotiator=self._negotiator, journal=journal)

    def capabilities(self) -> tuple[Language, ...]:
        """Languages that can be both heard and spoken; see `ports.DescribeCapabilities`."""
        return self._negotiator.capabilities()
