"""What the kit promises about itself: its imports, and the example of its README."""

import ast
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kit_peer import ScriptedCall, scripted_server
from voicegateway.v1 import server_pb2

KIT = Path(__file__).parents[1]


def test_the_kit_never_imports_the_gateway() -> None:
    """A fake that shared code with the gateway would share its mistakes."""
    for path in (KIT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in {"voice_gateway", "local_models"}], path


async def test_the_readmes_example_runs() -> None:
    """The example is code that works, against a server that answers as the gateway would."""

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        await call.take("audio")
        await call.write(transcript=server_pb2.Transcript(text="What is the time?", is_final=True))
        await call.write(reply_finished=server_pb2.ReplyFinished(reply_id="r"))

    @asynccontextmanager
    async def gateway(*_addresses: str) -> AsyncIterator[str]:
        async with scripted_server(script) as (address, _calls):
            yield address

    block = re.search(r"```python\n(.*?)```", (KIT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {"gateway": gateway}
    exec(block[1], names)  # noqa: S102 - the README's own text
    await names["a_call"]()
