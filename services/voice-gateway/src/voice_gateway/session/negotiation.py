"""What a client gets of what it asks for, at the start of a session and during it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from voice_gateway.domain.agreement import Agreement, Change
from voice_gateway.domain.audio import INPUT_RATES_HZ, OUTPUT_RATES_HZ
from voice_gateway.domain.chat import NO_TOOLS, Tool, Toolbox
from voice_gateway.domain.errors import Backend, BackendError, ClientError, Reason
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.reply_options import ReplyOptions
from voice_gateway.session.ports import (
    ANY_LANGUAGE,
    Language,
    LanguageModel,
    SessionRequest,
    SessionUpdate,
    SpeechRecognizer,
    SpeechSynthesizer,
    ToolRunner,
)

LABEL_CHARS = 128
"""A client's own name for its call is cut to this length: it comes from outside."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session has when its client asks for nothing else: the same for all sessions."""

    language_code: str
    """BCP-47, of both directions."""
    voice: str
    """Empty: the synthesis backend chooses."""
    asr_rate_hz: int
    """Rate of the audio that recognition gets."""
    output_rate_hz: int
    """Rate of reply audio."""
    persona: Persona
    backend_patience_ms: int = 0
    """A session ends after this time without recognition; 0: never."""
    tool_timeout_ms: int = NO_TOOLS.timeout_ms
    """A tool that has not returned after this time has failed."""
    idle_timeout_ms: int = 0
    """A session ends after this time without audio, text or reply; 0: never."""


class Negotiator:
    """Checks wishes against what the backends have. Raises ClientError for what they do not have."""

    def __init__(
        self,
        settings: SessionSettings,
        policy: TurnPolicy,
        *,
        recognizer: SpeechRecognizer,
        llm: LanguageModel,
        synthesizer: SpeechSynthesizer,
        tools: ToolRunner,
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._recognizer = recognizer
        self._llm = llm
        self._synthesizer = synthesizer
        self._tools = tools

    def capabilities(self) -> tuple[Language, ...]:
        """Languages that can be both heard and spoken; see `ports.DescribeCapabilities`."""
        heard, spoken = self._recognizer.languages(), self._synthesizer.voices()
        if not heard:
            raise unavailable(Backend.ASR)
        if not spoken:
            raise unavailable(Backend.TTS)
        named = {code.casefold() for code in heard}
        return tuple(
            Language(code, spoken[code]) for code in sorted(spoken) if ANY_LANGUAGE in named or code.casefold() in named
        )

    def start(self, request: SessionRequest, session_id: SessionId) -> Agreement:
        """What is agreed with a new session."""
        settings = self._settings
        code, voice = self._spoken(request.language_code, request.voice, settings.voice)
        output_rate_hz = request.output_rate_hz or settings.output_rate_hz
        _check_rate("input", request.input_rate_hz, INPUT_RATES_HZ)
        _check_rate("output", output_rate_hz, OUTPUT_RATES_HZ)
        return Agreement(
            session_id=session_id,
            transport=request.transport,
            input_rate_hz=request.input_rate_hz,
            asr_rate_hz=settings.asr_rate_hz,
            output_rate_hz=output_rate_hz,
            heard_language=code,
            spoken_language=code,
            voice=voice,
            persona=self._persona(request),
            policy=self._policy.changed(dict(request.policy)),
            reply_modality=request.reply_modality,
            toolbox=Toolbox((*self._tools.tools(), *self._lawful(request.tools)), settings.tool_timeout_ms),
            player=request.player,
            backend_patience_ms=settings.backend_patience_ms,
            prompt_tokens=self._llm.prompt_tokens,
            idle_timeout_ms=settings.idle_timeout_ms,
            client_label=request.client_label[:LABEL_CHARS],
            caller=request.caller,
            trace=request.trace,
        )

    def _persona(self, request: SessionRequest) -> Persona:
        persona = self._settings.persona
        return persona if request.system_prompt is None else replace(persona, system_prompt=request.system_prompt)

    def update(self, update: SessionUpdate, current: Agreement) -> Change:
        """What changes in a session; `current` is its agreement with the changes that still wait.

        If only the language changes, the voice stays if the new language has it; else synthesis chooses.
        """
        code = voice = None
        if update.language_code is not None:
            usual = current.voice if update.voice is None else self._settings.voice
            code, voice = self._spoken(update.language_code, update.voice or "", usual)
        elif update.voice is not None:
            _, voice = self._spoken(current.spoken_language, update.voice, self._settings.voice)
        policy = current.policy.changed(dict(update.policy)) if update.policy else None
        tools = None if update.tools is None else self._lawful(update.tools)
        return Change(
            heard_language=code,
            spoken_language=code,
            voice=voice,
            system_prompt=update.system_prompt,
            policy=policy,
            tools=tools,
            reply_modality=update.reply_modality,
        )

    def reply_options(self, options: ReplyOptions) -> ReplyOptions:
        """What a client gets of what it wants for one reply."""
        self._lawful(options.tools or ())
        return options

    def _lawful(self, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
        """The client's tools; raises ClientError if one has the name of a tool of the server."""
        ours = {tool.name for tool in self._tools.tools()}
        for tool in tools:
            if tool.name in ours:
                raise ClientError(Reason.TEXT_INVALID, f"the server has a tool of the name {tool.name} itself")
        return tools

    def _spoken(self, wanted_language: str, wanted_voice: str, usual_voice: str) -> tuple[str, str]:
        """Language code and voice: the wanted voice, else the usual one if the language has it, else empty."""
        languages = {language.code: language.voices for language in self.capabilities()}
        code = match_language(wanted_language or self._settings.language_code, languages)
        voices = languages[code]
        if wanted_voice and wanted_voice not in voices:
            raise ClientError(Reason.VOICE_UNSUPPORTED, f"no voice {wanted_voice!r}; {code} has {', '.join(voices)}")
        return code, wanted_voice or (usual_voice if usual_voice in voices else "")


def unavailable(backend: Backend) -> BackendError:
    """The error that says that no such backend answers."""
    return BackendError(backend, Reason.BACKEND_UNAVAILABLE, f"no {backend} backend answers")


def match_language(wanted: str, languages: Mapping[str, tuple[str, ...]]) -> str:
    """The language with this code, small or capital letters; for a primary tag alone ("en") the first that has it."""
    folded = wanted.casefold()
    for code in languages:
        if code.casefold() == folded or code.casefold().split("-")[0] == folded:
            return code
    raise ClientError(Reason.LANGUAGE_UNSUPPORTED, f"no language {wanted!r}; there is {', '.join(languages) or 'none'}")


def _check_rate(direction: str, rate_hz: int, offered: tuple[int, ...]) -> None:
    if rate_hz not in offered:
        rates = ", ".join(map(str, offered))
        raise ClientError(Reason.AUDIO_FORMAT_UNSUPPORTED, f"{direction} rate {rate_hz} Hz; there is {rates}")
