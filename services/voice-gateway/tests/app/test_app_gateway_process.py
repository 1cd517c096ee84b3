"""The program as an operator runs it: an environment, signals, a log and an exit code."""

import json
import signal
import socket
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest
import trustme
from app.gateway_process import BOUND_S, NOWHERE, is_serving, outcome, serving
from google.protobuf import descriptor_database, descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from voice_gateway.domain.audio import OUTPUT_RATES_HZ
from voicegateway.v1 import voice_gateway_service_pb2, voice_gateway_service_pb2_grpc

GATEWAY_NAMES = ("voicegateway.v1.VoiceGatewayService", "voice_workflow.VoiceGateway")


def _certificate(folder: Path) -> tuple[bytes, dict[str, str]]:
    """A root that clients trust, and the settings of a server that shows a certificate of it."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    return authority.cert_pem.bytes(), {"GRPC_TLS_CERT": str(cert), "GRPC_TLS_KEY": str(key)}


async def test_every_mistake_is_one_line_and_the_exit_code_is_2() -> None:
    """An operator mends all mistakes at once, and a pod that cannot work does not start."""
    for verb in ("serve", "check-config"):
        code, out, err = await outcome(verb, GRPC_PORT="many", TTS_SAMPLE_RATE="1", LLM_API_KEY="hush")
        assert (code, out) == (2, [])
        assert err == [
            "voice-gateway: GRPC_PORT must be a whole number from 0 to 65535 (it is 'many')",
            f"voice-gateway: TTS_SAMPLE_RATE must be one of {', '.join(map(str, OUTPUT_RATES_HZ))} (it is '1')",
        ]


async def test_a_limit_of_spans_that_is_no_number_is_a_mistake_and_no_traceback() -> None:
    """The SDK refuses its own limits while it is imported: one line, and only where there are traces."""
    limit = {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many"}
    code, _, err = await outcome("check-config", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4317", **limit)
    told = "voice-gateway: OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be a non-negative integer but got many"
    assert (code, err) == (2, [told])
    code, _, err = await outcome("check-config", **limit)
    assert (code, err) == (0, [])


async def test_check_config_tells_what_is_in_force_without_secrets() -> None:
    """What the gateway would run with can be read, and pasted into a report."""
    code, out, err = await outcome("check-config", LLM_API_KEY="hush", RIVA_METADATA="authorization=hush")
    assert (code, err) == (0, [])
    assert {"LLM_API_KEY=(secret)", "RIVA_METADATA=(secret)", f"RIVA_URI={NOWHERE}", "LOG_LEVEL=INFO"} <= set(out)
    assert "hush" not in "\n".join(out)


async def test_the_version_is_told() -> None:
    """A bug report begins with it."""
    code, out, _ = await outcome("--version")
    assert (code, out) == (0, ["voice-gateway 0.1.0"])


async def test_without_backends_it_lives_unready_and_says_whose_fault_it_is(tmp_path: Path) -> None:
    """A pod whose backends are down is not restarted, tells its version, and refuses a call naming the backend."""
    async with serving(tmp_path / "ports.json", {}) as gateway:
        assert gateway.log[-1]["version"] == "0.1.0"
        async with gateway.channel() as channel:
            assert await is_serving(channel, "liveness")
            for name in ("readiness", "", *GATEWAY_NAMES):
                assert not await is_serving(channel, name)
            stub = voice_gateway_service_pb2_grpc.VoiceGatewayServiceStub(channel)
            request = voice_gateway_service_pb2.GetCapabilitiesRequest()
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await stub.GetCapabilities(request, timeout=BOUND_S)
            assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.ended() == 0
        assert gateway.events[-2:] == ["draining", "stopped"]


async def test_server_reflection_lists_both_contracts(tmp_path: Path) -> None:
    """Grpcurl works without the .proto files."""
    async with serving(tmp_path / "ports.json", {}) as gateway, gateway.channel() as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", channel))
        call = stub.ServerReflectionInfo(timeout=BOUND_S)
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        listed = {service.name for service in (await call.read()).list_services_response.service}
        assert {*GATEWAY_NAMES, "grpc.health.v1.Health"} <= listed
        await call.done_writing()


METHODS = (
    "voicegateway.v1.VoiceGatewayService.Converse",
    "voicegateway.v1.VoiceGatewayService.GetCapabilities",
    "voice_workflow.VoiceGateway.StreamAudio",
    "grpc.health.v1.Health.Watch",
    "grpc.reflection.v1.ServerReflection.ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo",
)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_server_reflection_finds_every_method(tmp_path: Path, version: str) -> None:
    """Tools ask for the method that they are to call, as ghz does, or for its service, and get files that link; what
    there is not is NOT_FOUND, and the stream goes on.
    """
    async with serving(tmp_path / "ports.json", {}) as gateway, gateway.channel() as channel:
        ask: Any = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        call = ask(timeout=BOUND_S)
        for method in METHODS:
            service, _, name = method.rpartition(".")
            for symbol in (service, method):
                await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol))
                files = (await call.read()).file_descriptor_response.file_descriptor_proto
                database: Any = descriptor_database.DescriptorDatabase()
                for file in files:
                    database.Add(descriptor_pb2.FileDescriptorProto.FromString(file))
                pool: Any = descriptor_pool.DescriptorPool(database)
                assert name in pool.FindServiceByName(service).methods_by_name
        for nothing in ("voicegateway.v1.VoiceGatewayService.Sing", "nobody.Here", "grpc.reflection.v1.Nothing", ""):
            await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=nothing))
            assert (await call.read()).error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
        await call.done_writing()


async def test_tls_is_served_by_certificate_files(tmp_path: Path) -> None:
    """Clients that trust the certificate get in, those without TLS do not, and the log stays JSON to the last line."""
    root, environment = _certificate(tmp_path)
    async with serving(tmp_path / "ports.json", environment) as gateway:
        async with gateway.channel(root) as channel:
            assert await is_serving(channel, "liveness")
        async with gateway.channel() as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await is_serving(channel, "liveness")
            assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.ended() == 0


async def test_probes_that_cannot_speak_tls_have_their_own_port(tmp_path: Path) -> None:
    """With HEALTH_PORT the health service, and it alone, is there without TLS and without a token."""
    with socket.create_server(("", 0)) as free:
        health_port = free.getsockname()[1]
    environment = {**_certificate(tmp_path)[1], "HEALTH_PORT": str(health_port), "AUTH_TOKENS": "hush"}
    async with serving(tmp_path / "ports.json", environment) as gateway:
        gateway.port = health_port
        async with gateway.channel() as channel:
            assert await is_serving(channel, "startup")
            assert await is_serving(channel, "liveness")
            assert not await is_serving(channel, "readiness")
            stub = voice_gateway_service_pb2_grpc.VoiceGatewayServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await stub.GetCapabilities(voice_gateway_service_pb2.GetCapabilitiesRequest(), timeout=BOUND_S)
            assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.ended() == 0
        assert "hush" not in str(gateway.log)


async def test_the_ports_file_names_the_metrics_too(tmp_path: Path) -> None:
    """Whoever lets the system choose ports learns both, and a taken one is told."""
    async with serving(tmp_path / "ports.json", {}):
        ports = json.loads((tmp_path / "ports.json").read_text())
        assert set(ports) == {"grpc", "metrics"}
        code, _, err = await outcome("serve", METRICS_PORT=str(ports["metrics"]))
        assert code == 1
        assert f"port {ports['metrics']} cannot be opened" in "".join(err)


async def test_a_taken_port_is_told_and_not_shared(tmp_path: Path) -> None:
    """Two gateways on one port would share its calls without a word."""
    async with serving(tmp_path / "ports.json", {}) as gateway:
        code, _, err = await outcome("serve", GRPC_PORT=str(gateway.port))
        assert code == 1
        assert f"port {gateway.port} cannot be opened" in "".join(err)
