"""Admission: which sessions may begin, and with what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from voice_gateway.domain.audio import INPUT_RATES_HZ, OUTPUT_RATES_HZ
from voice_gateway.domain.chat import NO_TOOLS, Tool, Toolbox
from voice_gateway.domain.errors import Backend, BackendError, ClientError, Reason, Unavailable
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.session.calls import Surroundings
from voice_gateway.session.ports import BackendHealth, ClientSink, Language, Session, SessionInfo, SessionRequest
from voice_gateway.session.runner import SessionRunner
from voice_gateway.turn.core import Core


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session has when its client asks for nothing else."""

    language_code: str
    """BCP-47, of both directions."""
    voice: str
    """Empty: the synthesis backend chooses."""
    asr_rate_hz: int
    """Rate of the audio that recognition gets."""
    output_rate_hz: int
    """Rate of reply audio."""
    persona: Persona
    tool_timeout_ms: int = NO_TOOLS.timeout_ms
    """What a tool has not returned by then has failed."""


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
        self._settings = settings
        self._policy = policy
        self._around = around
        self._backends = backends
        self._new_id = new_id

    async def open(self, request: SessionRequest, sink: ClientSink) -> Session:
        """Admit a session, or say why not; see `ports.OpenSession`."""
        if self._around.roster.is_draining:
            raise Unavailable(Reason.DRAINING, "the server is leaving; connect again")
        for backend in self._backends:
            if not backend.is_healthy:
                raise _unavailable(backend.backend)
        info = self._negotiate(request)
        prompt = request.system_prompt if request.system_prompt is not None else self._settings.persona.system_prompt
        persona = replace(self._settings.persona, system_prompt=prompt)
        toolbox = Toolbox(self._tools(request), self._settings.tool_timeout_ms)
        core = Core(
            info.policy,
            persona,
            input_rate_hz=info.input_rate_hz,
            output_rate_hz=info.output_rate_hz,
            can_pause=info.can_pause,
            toolbox=toolbox,
        )
        journals = self._around.journals
        journal = journals.journal(info, persona, request.transport, toolbox) if journals else None
        return SessionRunner(info, request, core, sink, self._around, journal=journal)

    def capabilities(self) -> tuple[Language, ...]:
        """Languages that can be both heard and spoken; see `ports.DescribeCapabilities`."""
        heard, spoken = self._around.recognizer.languages(), self._around.synthesizer.voices()
        if not heard:
            raise _unavailable(Backend.ASR)
        if not spoken:
            raise _unavailable(Backend.TTS)
        return tuple(Language(code, spoken[code]) for code in sorted(heard & spoken.keys()))

    def _tools(self, request: SessionRequest) -> tuple[Tool, ...]:
        """The server's tools and the client's."""
        ours = self._around.tools.tools()
        for name in {tool.name for tool in ours} & {tool.name for tool in request.tools}:
            raise ClientError(Reason.TEXT_INVALID, f"the server has a tool of the name {name!r} itself")
        return (*ours, *request.tools)

    def _negotiate(self, request: SessionRequest) -> SessionInfo:
        settings = self._settings
        languages = {language.code: language.voices for language in self.capabilities()}
        code = _match_language(request.language_code or settings.language_code, languages)
        voices = languages[code]
        if request.voice and request.voice not in voices:
            raise ClientError(Reason.VOICE_UNSUPPORTED, f"no voice {request.voice!r}; {code} has {', '.join(voices)}")
        output_rate_hz = request.output_rate_hz or settings.output_rate_hz
        _check_rate("input", request.input_rate_hz, INPUT_RATES_HZ)
        _check_rate("output", output_rate_hz, OUTPUT_RATES_HZ)
        return SessionInfo(
            session_id=self._new_id(),
            input_rate_hz=request.input_rate_hz,
            asr_rate_hz=settings.asr_rate_hz,
            output_rate_hz=output_rate_hz,
            language_code=code,
            voice=request.voice or (settings.voice if settings.voice in voices else ""),
            policy=self._policy.changed(dict(request.policy)),
            can_pause=request.can_pause,
        )


def _match_language(wanted: str, languages: Mapping[str, tuple[str, ...]]) -> str:
    """The language of that code, in any case; of a bare primary tag ("en") the first that has it."""
    folded = wanted.casefold()
    for code in languages:
        if code.casefold() == folded or code.casefold().split("-")[0] == folded:
            return code
    raise ClientError(Reason.LANGUAGE_UNSUPPORTED, f"no language {wanted!r}; there is {', '.join(languages) or 'none'}")


def _check_rate(direction: str, rate_hz: int, offered: tuple[int, ...]) -> None:
    if rate_hz not in offered:
        rates = ", ".join(map(str, offered))
        raise ClientError(Reason.AUDIO_FORMAT_UNSUPPORTED, f"{direction} rate {rate_hz} Hz; there is {rates}")


def _unavailable(backend: Backend) -> BackendError:
    return BackendError(backend, Reason.BACKEND_UNAVAILABLE, f"no {backend} backend answers")
