"""Opens sessions: refuses those that may not begin, and joins what a session is made of."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import GatewayError, Reason, Unavailable
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.session import clock
from voice_gateway.session.admission.gate import Admission, Place
from voice_gateway.session.calls import Surroundings
from voice_gateway.session.negotiation import Negotiator, SessionSettings, unavailable
from voice_gateway.session.ports import AdmissionWatch, BackendHealth, ClientSink, Language, Session, SessionRequest
from voice_gateway.session.runner import SessionRunner
from voice_gateway.turn.core import Core


class SessionService:
    """All sessions of the process; implements `ports.AdmitCaller`, `OpenSession` and `DescribeCapabilities`."""

    def __init__(
        self,
        settings: SessionSettings,
        policy: TurnPolicy,
        around: Surroundings,
        backends: Sequence[BackendHealth],
        new_id: Callable[[], SessionId],
        *,
        admission: Admission,
        watch: AdmissionWatch,
    ) -> None:
        self._negotiator = Negotiator(settings, policy, around.recognizer, around.synthesizer, around.tools)
        self._idle_timeout_ms = settings.idle_timeout_ms
        self._around = around
        self._backends = backends
        self._new_id = new_id
        self._admission = admission
        self._watch = watch

    def admit(self, caller: Caller) -> None:
        """Refuse at once who cannot have a session now; see `ports.AdmitCaller`."""
        with self._telling_refusals():
            self._refuse_if_draining()
            self._admission.check(caller, clock.now())

    @contextmanager
    def _telling_refusals(self) -> Iterator[None]:
        try:
            yield
        except GatewayError as error:
            self._watch.session_refused(error)
            raise

    async def open(self, request: SessionRequest, sink: ClientSink) -> Session:
        """Admit a session, or say why not; see `ports.OpenSession`."""
        with self._telling_refusals():
            return self._open(request, sink)

    def _open(self, request: SessionRequest, sink: ClientSink) -> Session:
        self._refuse_if_draining()
        for backend in self._backends:
            if not backend.is_healthy:
                raise unavailable(backend.backend)
        place = self._admission.take(request.caller, clock.now())
        try:
            return self._session(request, sink, place)
        except BaseException:
            place.release(clock.now())
            raise

    def _refuse_if_draining(self) -> None:
        if self._around.roster.is_draining:
            raise Unavailable(Reason.DRAINING, "the server is leaving; connect again")

    def _session(self, request: SessionRequest, sink: ClientSink, place: Place) -> SessionRunner:
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
        return SessionRunner(
            info,
            request,
            core,
            sink,
            self._around,
            negotiator=self._negotiator,
            journal=journal,
            idle_timeout_ms=self._idle_timeout_ms,
            place=place,
        )

    def capabilities(self) -> tuple[Language, ...]:
        """Languages that can be both heard and spoken; see `ports.DescribeCapabilities`."""
        return self._negotiator.capabilities()
