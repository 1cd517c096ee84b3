"""What `helm test` runs in its pod, run here: the pod's own command against a gateway on real sockets."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from chart_kit import GATEWAY, objects
from gateway_kit.whole_gateway import world

BIN = Path(sys.executable).parent
BOUND_S = 60


async def run_test_pod(
    address: str, folder: Path, values: Mapping[str, Any], secret: str = "", programs: Path = BIN
) -> tuple[int, str]:
    """The pod's command with its environment, its programs, its server and its /tmp moved here; status and output."""
    container = objects(GATEWAY, values)["Pod-test"]["spec"]["containers"][0]
    (script,) = container["args"]
    moved = script.replace("demo-voice-gateway:50051", address).replace("/tmp/", f"{folder}/")  # noqa: S108  the pod's
    environment = {row["name"]: row["value"] for row in container["env"] if "value" in row}
    secrets = {row["name"]: secret for row in container["env"] if "valueFrom" in row}
    process = await asyncio.create_subprocess_exec(
        *container["command"],
        moved,
        env={"PATH": f"{programs}:{os.environ['PATH']}", **environment, **secrets},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(BOUND_S):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode()


REPLIES = ("The quick brown fox jumps over the lazy dog.", "Indeed, it is a very lazy dog.")


async def test_a_call_that_is_heard_and_answered_passes(tmp_path: Path) -> None:
    """Two whole calls, the second spoken: its words are found in what the gateway heard, whatever their case."""
    async with world("The Quick Brown Fox jumps", replies=REPLIES) as around:
        status, out = await run_test_pod(around.address, tmp_path, {})
        assert (status, len(around.llm.requests)) == (0, 2), out
        assert around.llm.requests[1].messages[-1]["content"] == "The Quick Brown Fox jumps"


async def test_a_gateway_that_hears_something_else_fails(tmp_path: Path) -> None:
    """A release that understands nothing is not called good, and the output says what was missed."""
    async with world("Something else", replies=REPLIES) as around:
        status, out = await run_test_pod(around.address, tmp_path, {})
        assert status == 1, out
        assert "not heard: quick brown fox" in out


@pytest.mark.parametrize(
    ("secret", "passes"), [("first,second", True), ("first\n", True), ("\r\n first\r\nsecond", True), ("other", False)]
)
async def test_the_token_comes_from_the_secret(tmp_path: Path, secret: str, passes: bool) -> None:  # noqa: FBT001  a table
    """The test gets in where the gateway asks for tokens, with the first of those in the Secret."""
    settings = {"AUTH_TOKENS": "first,second"}
    async with world("the quick brown fox", replies=REPLIES, settings=settings) as around:
        status, out = await run_test_pod(around.address, tmp_path, {"auth": {"existingSecret": "mine"}}, secret)
        assert (status == 0) is passes, out
        assert passes or "TOKEN_INVALID" in out


CALLER = """#!/bin/sh
echo "$1" >> calls
case $1 in
capabilities) case $(grep -c capabilities calls) in
  1) echo "voice-client: cannot reach it" >&2; exit 1 ;;
  2) echo "voice-client: the server ended the call: DEADLINE_EXCEEDED: no answer" >&2; exit 1 ;;
  esac ;;
*) echo "the quick brown fox"; head -c 30000 /dev/zero > answer.wav ;;
esac
"""


async def test_a_service_that_is_not_routed_yet_is_waited_for(tmp_path: Path) -> None:
    """Right after an installation a node may refuse or drop what goes to the Service: that is no reason to fail."""
    for name, script in {"voice-client": CALLER.replace("calls", f"{tmp_path}/calls"), "sleep": "#!/bin/sh\n"}.items():
        program = tmp_path / name
        program.write_text(script.replace("answer.wav", f"{tmp_path}/answer.wav"), encoding="utf-8")
        program.chmod(0o755)
    status, out = await run_test_pod("localhost:1", tmp_path, {}, programs=tmp_path)
    assert status == 0, out
    assert (tmp_path / "calls").read_text(encoding="utf-8").split() == ["capabilities"] * 3 + ["talk"] * 2
