"""Calls tools of a server by the official client of the Model Context Protocol, and tells what it met as JSON.

client.py PROGRAM REPOSITORY MODE, the calls as JSON on standard input: a list of {"tool", "arguments"}. MODE is that of the client: `auto`
asks without a session where the server can, `legacy` begins one.
"""

import asyncio
import json
import os
import sys

import mcp_types
from mcp import MCPError, StdioServerParameters, stdio_client
from mcp.client.client import Client


async def is_cancelled(client):
    """Whether a call ends that is given up at once, and leaves the others whole."""
    call = asyncio.create_task(client.call_tool("where", {"queries": ["main"], "similar": True}))
    await asyncio.sleep(0)
    call.cancel()
    try:
        await call
    except asyncio.CancelledError:
        return True
    return False


async def refusal(client):
    """The number by which a tool is refused that isn't there."""
    try:
        await client.call_tool("scan", {})
    except MCPError as error:
        return error.code
    return None


async def main(program, repository, mode):
    calls = json.load(sys.stdin)
    server = StdioServerParameters(command=program, args=["-C", repository, "mcp"], env=dict(os.environ))
    progress = []

    async def tell(done, total, message):
        progress.append(done)

    async with Client(stdio_client(server), mode=mode) as client:
        # The first makes the cache, which takes a while: of it progress is told. The client holds answers against the schemas.
        listed = await client.list_tools()
        results = []
        for number, call in enumerate(calls):
            watch = {"progress_callback": tell} if number == 0 else {}
            result = await client.call_tool(call["tool"], call["arguments"], **watch)
            text = "".join(part.text for part in result.content if isinstance(part, mcp_types.TextContent))
            results.append({"structured": result.structured_content, "text": text, "is_error": bool(result.is_error)})
        met = {
            "version": client.protocol_version,
            "server": client.server_info.name,
            "tools": [tool.name for tool in listed.tools],
            "results": results,
            "progress": progress,
            "cancelled": await is_cancelled(client),
            "refused": await refusal(client),
        }
    json.dump(met, sys.stdout)


asyncio.run(main(*sys.argv[1:]))
