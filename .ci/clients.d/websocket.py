"""A WebSocket client through the proxy: `websocket.py URL COMMAND...`; COMMAND reloads the daemon."""

import asyncio
import subprocess
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

MANY = 200


async def expect_echo(socket, message, sent=None):
    await socket.send(message if sent is None else sent)
    assert await socket.recv() == message


async def messages(url):
    async with connect(url, max_size=2**24) as socket:
        await expect_echo(socket, "text äöü €")
        await expect_echo(socket, bytes(range(256)))
        await expect_echo(socket, "")
        await expect_echo(socket, "in three parts", ["in ", "three ", "parts"])
        await expect_echo(socket, b"\0\1\2", [b"\0", b"\1", b"\2"])
        await expect_echo(socket, "x" * 2**20)
        await expect_echo(socket, b"y" * (2**20 + 1))
        for _ in range(3):
            await asyncio.wait_for(await socket.ping(), 10)


async def close_codes(url):
    for code in [1000, 1001, 1011, 3000, 4999]:
        async with connect(url) as socket:
            await socket.send(f"close {code}")
            try:
                await socket.recv()
                raise AssertionError("a message came after the end")
            except ConnectionClosed as closed:
                assert closed.rcvd is not None and closed.rcvd.code == code, closed
    async with connect(url) as socket:
        await socket.close(4001, "my own")
        assert socket.close_code == 4001


async def many(url, reload):
    sockets = await asyncio.gather(*(connect(url, open_timeout=30) for _ in range(MANY)))
    await asyncio.gather(*(expect_echo(socket, f"first {n}") for n, socket in enumerate(sockets)))
    for turn in range(3):
        await asyncio.to_thread(subprocess.run, reload, check=True, stdout=subprocess.DEVNULL)
        await asyncio.gather(*(expect_echo(socket, f"{turn} {n}") for n, socket in enumerate(sockets)))
    await asyncio.gather(*(socket.close() for socket in sockets))


async def main(url, *reload):
    await messages(url)
    await close_codes(url)
    await many(url, reload)


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 60))
