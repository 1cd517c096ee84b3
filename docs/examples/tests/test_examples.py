"""The clients of the how-to, built and run against the whole gateway: `make examples`.

What this machine cannot install is skipped, and says so; what it can must build, speak and save the reply.
"""

import asyncio
import os
import shutil
import subprocess
import wave
from collections.abc import Sequence
from pathlib import Path

import pytest
from gateway_kit.whole_gateway import world
from voicegateway_testkit import utterance_pcm

HERE = Path(__file__).parents[1]
REPO = HERE.parents[1]
PROTO = REPO / "proto"
INSTALL_LIMIT_S = 300
RUN_LIMIT_S = 60
GO_PLUGINS = (
    "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.6",
    "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.5.1",
)


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"there is no {name} on this machine")
    return path


def _install(*command: str, folder: Path, **environment: str) -> None:
    """Fetch what a client is made of; a machine that cannot is not to blame."""
    try:
        done = subprocess.run(  # noqa: S603  commands of this file
            command,
            cwd=folder,
            env={**_environment(), **environment},
            capture_output=True,
            text=True,
            timeout=INSTALL_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{command[0]} took over {INSTALL_LIMIT_S} s")
    if done.returncode:
        pytest.skip(f"{' '.join(command[:2])} could not install: {(done.stderr.strip() or '?').splitlines()[-1]}")


def _build(*command: str, folder: Path, **environment: str) -> None:
    subprocess.run(  # noqa: S603  commands of this file
        command, cwd=folder, env={**_environment(), **environment}, timeout=INSTALL_LIMIT_S, check=True
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "GOFLAGS": "-mod=readonly"}


@pytest.fixture(scope="module")
def node_client(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """The command of the client in Node."""
    node, npm = _tool("node"), _tool("npm")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", ".npmrc", "talk.mjs"):
        shutil.copy(HERE / "node" / name, folder)
    _install(npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
    return node, str(folder / "talk.mjs")


@pytest.fixture(scope="module")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """The command of the client in Go, its stubs generated as the how-to says."""
    go = _tool("go")
    folder, plugins = tmp_path_factory.mktemp("go"), tmp_path_factory.mktemp("plugins")
    for name in ("go.mod", "go.sum", "main.go"):
        shutil.copy(HERE / "go" / name, folder)
    for plugin in GO_PLUGINS:
        _install(go, "install", plugin, folder=folder, GOBIN=str(plugins), GOFLAGS="-mod=mod")
    _install(go, "mod", "download", folder=folder)
    protos = [str(path) for path in sorted((PROTO / "voicegateway/v1").glob("*.proto"))]
    module = "module=example.com/voicegateway"
    _build(
        *(str(REPO / ".venv/bin/python"), "-m", "grpc_tools.protoc", "-I", str(PROTO)),
        *("--go_out=.", f"--go_opt={module}", "--go-grpc_out=.", f"--go-grpc_opt={module}", *protos),
        folder=folder,
        PATH=f"{plugins}:{_environment()['PATH']}",
    )
    _build(go, "build", "-o", "client", ".", folder=folder)
    return (str(folder / "client"),)


@pytest.mark.parametrize("client", ["node_client", "go_client"])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
async def test_the_client_says_a_file_and_saves_the_reply(
    client: str, rate_hz: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A stranger's first client works as it is printed: the question is understood, the reply shown, heard and kept."""
    command = request.getfixturevalue(client)
    question, reply = tmp_path / "question.wav", tmp_path / "reply.wav"
    with wave.open(str(question), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(utterance_pcm(rate_hz=rate_hz, speech_ms=900, silence_ms=700))
    async with world("what is a pod", replies=("A pod runs.",)) as around:
        code, out, err = await _run(*command, around.address, str(question), str(reply))
        assert (code, err) == (0, "")
        spoken_samples = sum(sentence.spoken.samples for sentence in around.tts.sentences)
        await around.wait_quiet()
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["you:", "what", "is", "a", "pod"],
        ["agent:", "A", "pod", "runs."],
    ]
    with wave.open(str(reply), "rb") as file:
        assert (file.getframerate(), file.getnframes()) == (rate_hz, spoken_samples)


@pytest.mark.parametrize("client", ["node_client", "go_client"])
async def test_the_client_says_why_it_was_refused(client: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """A rate that the server has not is told in the server's words, and the exit status says that it failed."""
    question = tmp_path / "question.wav"
    with wave.open(str(question), "wb") as file:
        file.setparams((1, 2, 9_999, 0, "NONE", ""))
        file.writeframes(bytes(20_000))
    async with world() as around:
        command = request.getfixturevalue(client)
        code, _, err = await _run(*command, around.address, str(question), str(tmp_path / "reply.wav"))
    assert code == 1
    assert "9999" in err


async def _run(*command: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    environment = {**_environment(), "PROTO_DIR": str(PROTO)}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=environment)
    try:
        out, err = await asyncio.wait_for(process.communicate(), RUN_LIMIT_S)
    except TimeoutError:
        process.kill()
        raise
    return process.returncode or 0, out.decode(), err.decode()
