"""Opens sessions: refuses those that may not begin, and joins what a session is made of."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import Reason, Refused, Unavailable
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.session import clock
from voice_gateway.session.admission.gate import Admission, Place
from voice_gateway.session.calls import Shared
from voice_gateway.session.negotiation import Negotiator, SessionSettings, unavailable
from voice_gateway.session.ports import BackendHealth, ClientSink, Language, Session, SessionRequest
from voice_gateway.session.runner import SessionRunner
from voice_gateway.turn.conversation import MakeConversation


class SessionService:
    """All sessions of the process.

    Implements `ports.ExpectStart`, `AdmitCaller`, `OpenSession` and `DescribeCapabilities`.
    """

    def __init__(
        self,
        settings: SessionSettings,
        policy: TurnPolicy,
        shared: Shared,
        backends: Sequence[BackendHealth],
        new_id: Callable[[], SessionId],
        *,
        converse: MakeConversation,
        admission: Admission,
    ) -> None:
        self._negotiator = Negotiator(
            settings,
            policy,
            recognizer=shared.recognizer,
            llm=shared.llm,
            synthesizer=shared.synthesizer,
            tools=shared.tools,
        )
        self._shared = shared
        self._backends = backends
        self._new_id = new_id
        self._converse = converse
        self._admission = admission

    def admit(self, caller: Caller) -> None:
        """Refuse at once a caller who cannot have a session now; see `ports.AdmitCaller`."""
        self._refuse_if_draining()
        self._admission.check(caller, clock.now())

    def expect(self, caller: Caller) -> AbstractContextManager[Refused | None]:
        """Count a call that has not said what it wants; see `ports.ExpectStart`."""
        return self._admission.unstarted.expecting(caller)

    async def open(self, request: SessionRequest, sink: ClientSink) -> Session:
        """Admit a session, or say why not; see `ports.OpenSession`."""
        self._refuse_if_draining()
        for backend in self._backends:
            if not backend.is_healthy:
                raise unavailable(backend.backend)
        agreement = self._negotiator.start(request, self._new_id())  # a start that is refused takes no place
        place = self._admission.take(request.caller, clock.now())
        try:
            return self._session(agreement, sink, place)
        except BaseException:
            place.release(clock.now())
            raise

    def _refuse_if_draining(self) -> None:
        if self._shared.roster.is_draining:
            raise Unavailable(Reason.DRAINING, "the server is leaving; connect again")

    def _session(self, agreement: Agreement, sink: ClientSink, place: Place) -> SessionRunner:
        journals = self._shared.journals
        return SessionRunner(
            agreement,
            self._converse(agreement),
            sink,
            self._shared,
            negotiator=self._negotiator,
            journal=journals.journal(agreement) if journals else None,
            place=place,
        )

    def capabilities(self) -> tuple[Language, ...]:
        """Languages that can be both heard and spoken; see `ports.DescribeCapabilities`."""
        return self._negotiator.capabilities()
