"""The environment as a whole, and what each room gets of it."""

from pathlib import Path

import pytest
import trustme
from gateway_kit.issuer import Issuer
from voice_gateway.config import ConfigError, describe, load
from voice_gateway.identity.settings import IdentitySettings, JwtSettings
from voice_gateway.session.admission.gate import AdmissionSettings
from voice_gateway.session.admission.load import LoadLimits
from voice_gateway.session.admission.quotas import QuotaSettings


def mistakes(environment: dict[str, str]) -> tuple[str, ...]:
    """What is wrong with an environment."""
    with pytest.raises(ConfigError) as caught:
        load(environment)
    return caught.value.mistakes


def test_the_defaults_reach_local_models() -> None:
    """With nothing set, the gateway talks to local-models on the same machine."""
    settings = load({})
    assert settings.asr.addresses == settings.tts.riva.addresses == ("localhost:50061",)
    assert settings.llm.base_url == "http://localhost:8061/v1"
    assert (settings.server.grpc_port, settings.server.grace_s, settings.server.tls) == (50_051, 30, None)
    assert (settings.session.asr_rate_hz, settings.session.output_rate_hz) == (16_000, 22_050)
    assert settings.session.language_code == "en-US"


def test_the_config_map_of_the_older_deployment_is_understood() -> None:
    """Its names go on to mean what they meant."""
    settings = load(
        {
            "RIVA_URI": "riva-api:50051",
            "LLM_SERVICE_URL": "http://nim-llm:8000/v1",
            "LLM_MODEL": "meta/llama-3.1-8b-instruct",
            "LLM_TEMPERATURE": "0.5",
            "LLM_MAX_TOKENS": "200",
            "LLM_SYSTEM_PROMPT": "Be brief.",
            "LLM_API_KEY": "k",
            "ASR_LANGUAGE": "de-DE",
            "ASR_SAMPLE_RATE": "8000",
            "TTS_VOICE": "Magpie",
            "TTS_SAMPLE_RATE": "24000",
            "SHUTDOWN_GRACE_PERIOD": "10",
        }
    )
    assert settings.asr.addresses == settings.tts.riva.addresses == ("riva-api:50051",)
    assert (settings.llm.base_url, settings.llm.model) == ("http://nim-llm:8000/v1", "meta/llama-3.1-8b-instruct")
    assert (settings.llm.temperature, settings.llm.max_tokens, settings.llm.api_key) == (0.5, 200, "k")
    assert settings.session.persona.system_prompt == "Be brief."
    assert (settings.session.language_code, settings.session.voice) == ("de-DE", "Magpie")
    assert (settings.session.asr_rate_hz, settings.session.output_rate_hz) == (8_000, 24_000)
    assert settings.server.grace_s == 10


def test_every_other_setting_reaches_its_room(tmp_path: Path) -> None:
    """No setting is read and then dropped."""
    ca_file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca_file)
    settings = load(
        {
            "ASR_URI": "a:1,b:2",
            "TTS_URI": "c:3",
            "RIVA_TLS": "true",
            "RIVA_TLS_CA": str(ca_file),
            "RIVA_METADATA": "function-id=7",
            "TTS_FIRST_AUDIO_DEADLINE_MS": "1500",
            "LLM_FIRST_TOKEN_DEADLINE_MS": "2500",
            "LLM_TOTAL_DEADLINE_MS": "3500",
            "LLM_CONTEXT_TOKENS": "32768",
            "LLM_APOLOGY": "Pardon.",
            "GRPC_PORT": "0",
            "LOG_LEVEL": "debug",
            "START_TIMEOUT_MS": "700",
            "IDLE_TIMEOUT_MS": "0",
            "JOURNAL_DIR": "/absent",
            "TURN_LEAD_MS": "300",
            "NO_INPUT_REPROMPT": "Hello?",
            "NO_INPUT_GOODBYE": "off",
            "MAX_SESSIONS": "7",
            "ADMIT_MAX_CPU_PERCENT": "70",
            "ADMIT_MAX_ADDED_MS": "0",
            "UNREADY_WHEN_FULL": "on",
            "QUOTA_SESSIONS": "2",
            "QUOTA_NEW_PER_MINUTE": "3",
            "QUOTA_AUDIO_S_PER_DAY": "4",
        },
        overrides={"JOURNAL_DIR": str(tmp_path)},
    )
    assert (settings.asr.addresses, settings.tts.riva.addresses) == (("a:1", "b:2"), ("c:3",))
    for riva in (settings.asr, settings.tts.riva):
        assert (riva.tls, riva.tls_ca_file, riva.metadata) == (True, ca_file, (("function-id", "7"),))
    assert settings.tts.first_audio_deadline_ms == 1_500
    assert (settings.llm.first_token_deadline_ms, settings.llm.total_deadline_ms) == (2_500, 3_500)
    assert settings.llm.context_tokens == 32_768
    assert settings.session.persona.apology == "Pardon."
    assert (settings.session.persona.reprompt, settings.session.persona.goodbye) == ("Hello?", "")
    assert (settings.server.grpc_port, settings.server.log_level) == (0, "DEBUG")
    assert settings.server.journal_dir == tmp_path
    assert (settings.server.start_timeout_ms, settings.session.idle_timeout_ms) == (700, 0)
    assert settings.policy.lead_ms == 300
    assert settings.admission == AdmissionSettings(7, LoadLimits(70, 0), QuotaSettings(2, 3, 4), unready_when_full=True)


def test_all_mistakes_are_told_at_once_and_each_once() -> None:
    """An operator mends everything in one go; RIVA_URI serves two rooms and is told once."""
    assert mistakes({"RIVA_URI": "riva", "GRPC_PORT": "x", "LOG_LEVEL": "loud", "TURN_LEAD_MS": "1"}) == (
        "GRPC_PORT must be a whole number from 0 to 65535 (it is 'x')",
        "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR (it is 'loud')",
        "RIVA_URI must be host:port, or several joined by commas; 'riva' is not (it is 'riva')",
        "TURN_LEAD_MS must be a whole number from 40 to 5000 (it is '1')",
    )


def test_secrets_are_never_printed() -> None:
    """Not in a mistake, not in what is in force, not in a settings object that ends up in a log."""
    assert mistakes({"RIVA_METADATA": "hush"}) == (
        "RIVA_METADATA must be key=value, or several joined by commas; keys in lower case, no grpc-... or ...-bin",
    )
    (mistake,) = mistakes({"LLM_SERVICE_URL": "http://me:hush@llm/v1"})
    assert "hush" not in mistake
    environment = {"RIVA_METADATA": "authorization=hush", "LLM_API_KEY": "hush"}
    assert "hush" not in repr(load(environment))
    assert "hush" not in "".join(describe(environment))


def test_what_is_in_force_is_one_line_a_setting() -> None:
    """A system prompt of several lines does not read as several settings."""
    lines = describe({"LLM_SYSTEM_PROMPT": "Be brief.\nBe kind."})
    assert "LLM_SYSTEM_PROMPT=Be brief.\\nBe kind." in lines
    assert all("\n" not in line for line in lines)


def test_settings_that_contradict_one_another_are_a_mistake_in_their_own_names() -> None:
    """What the policy itself refuses is told in the spelling the operator used."""
    assert mistakes({"TURN_STOP_HISTORY_MS": "200"}) == (
        "TURN_STOP_HISTORY_EOU_MS 240 must be below TURN_STOP_HISTORY_MS 200",
    )


def test_a_misspelt_policy_name_is_a_mistake_and_other_programs_names_are_not() -> None:
    """A policy that silently has no effect is worse than a pod that does not start; a Service called turn is fine."""
    assert mistakes({"TURN_LAED_MS": "3"}) == ("TURN_LAED_MS is not a setting; did you mean TURN_LEAD_MS?",)
    load({"TURN_SERVICE_HOST": "10.0.0.1", "TURN_PORT_3478_TCP": "tcp://10.0.0.1:3478"})


def test_an_empty_value_counts_as_unset() -> None:
    """A chart writes empty strings for what nobody chose."""
    assert load({"GRPC_PORT": "", "ASR_URI": " ", "TTS_VOICE": "", "RIVA_TLS_CA": ""}) == load({})


def test_certificate_and_key_come_together_and_fit(tmp_path: Path) -> None:
    """A half-configured TLS must not fall back to none, and files that do not fit are told before serving."""
    issued, other = (trustme.CA().issue_cert("localhost") for _ in range(2))
    cert, key, wrong = (tmp_path / name for name in ("cert.pem", "key.pem", "wrong.pem"))
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    other.private_key_pem.write_to_path(wrong)
    tls = load({"GRPC_TLS_CERT": str(cert), "GRPC_TLS_KEY": str(key)}).server.tls
    assert tls is not None
    assert (tls.cert, tls.key) == (cert, key)
    both = "GRPC_TLS_CERT and GRPC_TLS_KEY"
    assert mistakes({"GRPC_TLS_CERT": str(cert)}) == (f"{both} must both be set, or neither",)
    assert mistakes({"GRPC_TLS_KEY": str(key)}) == (f"{both} must both be set, or neither",)
    (misfit,) = mistakes({"GRPC_TLS_CERT": str(cert), "GRPC_TLS_KEY": str(wrong)})
    assert misfit.startswith(f"{both} are not a certificate and its key: ")


def test_a_certificate_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    """One mistake, one line."""
    key = tmp_path / "key.pem"
    key.write_text("x")
    (mistake,) = mistakes({"GRPC_TLS_CERT": str(tmp_path / "gone.pem"), "GRPC_TLS_KEY": str(key)})
    assert mistake.startswith("GRPC_TLS_CERT must be a file that can be read")


def test_a_certificate_authority_without_tls_is_a_mistake(tmp_path: Path) -> None:
    """Whoever names an authority believes the traffic is encrypted."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("x")
    assert mistakes({"RIVA_TLS_CA": str(ca_file)}) == ("RIVA_TLS_CA is set, but RIVA_TLS is false",)


def test_a_certificate_authority_that_is_none_is_a_mistake(tmp_path: Path) -> None:
    """Riva would only be UNAVAILABLE, for a reason that nobody finds."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("x")
    assert mistakes({"RIVA_TLS": "true", "RIVA_TLS_CA": str(ca_file)}) == (
        f"RIVA_TLS_CA has no PEM certificates: {ca_file}",
    )


def test_tools_are_read_from_their_file(tmp_path: Path) -> None:
    """The tools reach the room that calls them, their deadline and the filler the session; `off` is no filler."""
    path = tmp_path / "tools.json"
    path.write_text('[{"name": "weather", "description": "Tells.", "url": "http://weather:80"}]')
    settings = load({"TOOLS_FILE": str(path), "TOOL_TIMEOUT_MS": "3000", "LLM_FILLER": "off"})
    assert [entry.tool.name for entry in settings.tools] == ["weather"]
    assert (settings.session.tool_timeout_ms, settings.session.persona.filler) == (3_000, "")
    assert (load({}).tools, load({}).session.persona.filler) == ((), "One moment, please.")


def test_the_sentence_for_an_outage_reaches_the_session() -> None:
    """It is part of who the agent is; by default there is one, and `off` is none."""
    assert load({}).session.persona.unheard == "Sorry, I cannot hear you right now. Please wait a moment."
    assert load({"ASR_APOLOGY": "Pardon?"}).session.persona.unheard == "Pardon?"
    assert load({"ASR_APOLOGY": "off"}).session.persona.unheard == ""


def test_patience_with_recognition_reaches_the_session() -> None:
    """The setting is what a session is made with; by default there is no end to it."""
    assert load({"BACKEND_PATIENCE_MS": "60000"}).session.backend_patience_ms == 60_000
    assert load({}).session.backend_patience_ms == 0


@pytest.mark.parametrize(("content", "why"), [(b"{}", "must be a JSON list"), (b"\xff", "must be UTF-8")])
def test_a_wrong_tools_file_is_a_mistake(tmp_path: Path, content: bytes, why: str) -> None:
    """The gateway does not start with tools that it cannot call."""
    path = tmp_path / "tools.json"
    path.write_bytes(content)
    (mistake,) = mistakes({"TOOLS_FILE": str(path)})
    assert mistake.startswith(f"TOOLS_FILE {why}")
    assert mistake.endswith(str(path))


def test_what_the_model_is_sent_can_be_left_out_or_added_to() -> None:
    """Servers differ in what they take; every field of a request but the conversation is in the operator's hands."""
    llm = load(
        {
            "LLM_TEMPERATURE": "off",
            "LLM_MAX_TOKENS": "off",
            "LLM_MAX_TOKENS_FIELD": "max_completion_tokens",
            "LLM_EXTRA_BODY": '{"top_k": 1}',
            "LLM_THOUGHTS": "opened",
        }
    ).llm
    assert (llm.temperature, llm.max_tokens, llm.max_tokens_field) == (None, None, "max_completion_tokens")
    assert (llm.extra_body_json, llm.begins_in_thought) == ('{"top_k": 1}', True)
    assert not load({}).llm.begins_in_thought
    assert load({"LLM_SYSTEM_PROMPT": "off"}).session.persona.system_prompt == ""


def test_who_may_call_is_read(tmp_path: Path) -> None:
    """Tokens, JWTs, client names and proxies reach the room that says who calls, paths without their line's end."""
    issuer, tokens = tmp_path / "jwks.json", tmp_path / "tokens"
    issuer.write_bytes(Issuer().jwks())
    tokens.write_text("hush\n")
    settings = load(
        {
            "AUTH_TOKENS": "one\ntwo\n",
            "AUTH_TOKENS_FILE": f"{tokens}\n",
            "JWT_JWKS": f"{issuer}\n",
            "JWT_ISSUER": "https://issuer.example\n",
            "JWT_AUDIENCE": "voice, desk\n",
            "JWT_CLOCK_SKEW_MS": "0",
            "JWT_ALGORITHMS": "ES256, EdDSA",
            "TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1,fd00::/8\n",
        }
    ).identity
    jwt = JwtSettings(issuer, "https://issuer.example", ("voice", "desk"), 0, ("ES256", "EdDSA"))
    assert (settings.tokens, settings.tokens_file, settings.jwt) == (("one", "two"), tokens, jwt)
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"]
    assert settings.asks_bearer
    nothing = load({}).identity
    assert (nothing, nothing.asks_bearer) == (IdentitySettings(), False)


JWT = {"JWT_JWKS": "https://issuer.example/jwks", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}
TOGETHER = "JWT_JWKS, JWT_ISSUER and JWT_AUDIENCE must all be set, or none"


@pytest.mark.parametrize("missing", JWT)
def test_half_a_jwt_is_a_mistake(missing: str) -> None:
    """A gateway that asks for no audience or no issuer would take a token that was meant for somebody else."""
    assert mistakes({name: value for name, value in JWT.items() if name != missing}) == (TOGETHER,)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"JWT_ALGORITHMS": "ES256,HS256"}, "JWT_ALGORITHMS must be some of RS256"),
        ({"JWT_ALGORITHMS": "none"}, "JWT_ALGORITHMS must be some of RS256"),
        ({"JWT_CLOCK_SKEW_MS": "-1"}, "JWT_CLOCK_SKEW_MS must be a whole number"),
        ({"JWT_JWKS": "ftp://issuer.example/jwks"}, "JWT_JWKS must be a URL that begins with http:// or https://"),
        ({"JWT_JWKS": "/nowhere/jwks.json"}, "JWT_JWKS must be a file that can be read"),
        ({"JWT_AUDIENCE": "a\x07b"}, "JWT_AUDIENCE must be printable UTF-8"),
        ({"TRUSTED_PROXIES": "10.0.0.1/8"}, "TRUSTED_PROXIES must be addresses or networks like 10.0.0.0/8"),
        ({"TRUSTED_PROXIES": "proxy"}, "TRUSTED_PROXIES must be addresses or networks like 10.0.0.0/8"),
        ({"GRPC_TLS_CLIENT_NAMES": "desk"}, "GRPC_TLS_CLIENT_NAMES is set, but GRPC_TLS_CLIENT_CA is not"),
    ],
)
def test_a_wrong_setting_of_callers_is_one_line(setting: dict[str, str], said: str) -> None:
    """What would let in too many, or nobody, is told before serving."""
    (mistake,) = mistakes({**JWT, **setting})
    assert mistake.startswith(said)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("AUTH_TOKENS_FILE", b"", "AUTH_TOKENS_FILE must have a token"),
        ("AUTH_TOKENS_FILE", b"two words", "AUTH_TOKENS_FILE must have no spaces inside a token"),
        ("JWT_JWKS", b"{}", "JWT_JWKS must be a JSON Web Key Set"),
    ],
)
def test_a_file_that_would_let_nobody_in_is_a_mistake(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """A wrong file is found before the server starts; later it would only be left alone."""
    path = tmp_path / "file"
    path.write_bytes(content)
    (mistake,) = mistakes({**JWT, name: str(path)})
    assert mistake.startswith(said)
    assert mistake.endswith(str(path))


def test_an_authority_of_clients_needs_tls_and_certificates(tmp_path: Path) -> None:
    """Whoever names one believes that certificates are asked for."""
    authority, wrong = trustme.CA(), tmp_path / "wrong.pem"
    issued = authority.issue_cert("localhost")
    cert, key, ca = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(ca)
    wrong.write_text("x")
    pair = {"GRPC_TLS_CERT": str(cert), "GRPC_TLS_KEY": str(key)}
    settings = load({**pair, "GRPC_TLS_CLIENT_CA": str(ca), "GRPC_TLS_CLIENT_NAMES": "desk"})
    assert (settings.identity.asks_certificate, settings.identity.certificate_names) == (True, ("desk",))
    assert not load(pair).identity.asks_certificate
    assert mistakes({**pair, "GRPC_TLS_CLIENT_CA": str(wrong)}) == (
        f"GRPC_TLS_CLIENT_CA has no PEM certificates: {wrong}",
    )
    assert mistakes({"GRPC_TLS_CLIENT_CA": str(ca)}) == (
        "GRPC_TLS_CLIENT_CA is set, but GRPC_TLS_CERT is not: there is no TLS",
    )


@pytest.mark.parametrize("name", ["LLM_API_KEY", "RIVA_METADATA"])
def test_a_secret_that_ends_its_line_is_the_same_secret(name: str) -> None:
    """An editor and `echo` end the line, and a Secret keeps that."""
    value = "authorization=hush" if name == "RIVA_METADATA" else "hush"
    assert load({name: f" {value} \r\n"}) == load({name: value})
