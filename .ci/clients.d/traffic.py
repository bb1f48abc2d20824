"""Mixed traffic without end, for `.ci/soak`: `traffic.py PORT`. Ends with its standard input, and prints what it did.

Kept and new connections, uploads with and without a length, clients that go in the middle, requests that are none,
paths that no route knows, answers of a mebibyte, and WebSockets that come and go. Every whole answer is looked at: what
must succeed and does not is counted as wrong.
"""

import asyncio
import collections
import contextlib
import random
import sys

from websockets.asyncio.client import connect

PORT = int(sys.argv[1])
LANES = 4
done = collections.Counter()
wrong = collections.Counter()


async def read_answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ")[1])
    if "content-length: " in head:
        await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
    elif "transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    return status


@contextlib.asynccontextmanager
async def connection():
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def ask(reader, writer, request, wanted=200):
    writer.write(request)
    await writer.drain()
    status = await read_answer(reader)
    if status != wanted:
        wrong[f"{status} instead of {wanted}"] += 1


def head(line, *fields):
    return "\r\n".join([f"{line} HTTP/1.1", "host: soak", *fields, "", ""]).encode()


async def kept():
    async with connection() as (reader, writer):
        for _ in range(random.randint(5, 50)):
            await ask(reader, writer, head("GET /"))


async def fresh():
    async with connection() as (reader, writer):
        await ask(reader, writer, head("GET /", "connection: close"))


async def pipelined():
    async with connection() as (reader, writer):
        writer.write(head("GET /") * 10)
        for _ in range(10):
            await read_answer(reader)


async def upload():
    size = random.choice([1, 1000, 100_000, 1_000_000])
    async with connection() as (reader, writer):
        await ask(reader, writer, head("POST /echo", f"content-length: {size}") + b"x" * size)


async def chunked():
    chunks = b"".join(b"400\r\n" + b"y" * 1024 + b"\r\n" for _ in range(random.randint(0, 100)))
    async with connection() as (reader, writer):
        await ask(reader, writer, head("PUT /echo", "transfer-encoding: chunked") + chunks + b"0\r\n\r\n")


async def blob():
    async with connection() as (reader, writer):
        await ask(reader, writer, head("GET /blob"))


async def cancelled():
    async with connection() as (reader, writer):
        if random.random() < 0.5:
            writer.write(head("POST /echo", "content-length: 9999") + b"half")
            await writer.drain()
        else:
            writer.write(head("GET /blob"))
            await reader.read(random.choice([1, 1000, 100_000]))
        writer.transport.abort()


async def bad():
    kinds = [b"no request\r\n\r\n", head("GET /", "content-length: 1, 1"), head("GET /", "b : c")]
    async with connection() as (reader, writer):
        await ask(reader, writer, random.choice(kinds), 400)


async def unknown():
    async with connection() as (reader, writer):
        await ask(reader, writer, b"GET / HTTP/1.1\r\nhost: nobody\r\n\r\n", 404)


async def websocket():
    async with connect(f"ws://127.0.0.1:{PORT}/websocket", additional_headers={"x-soak": "1"}) as socket:
        for _ in range(random.randint(1, 20)):
            message = random.randbytes(random.choice([1, 200, 70_000]))
            await socket.send(message)
            if await socket.recv() != message:
                wrong["another message came back"] += 1
        if random.random() < 0.3:
            socket.transport.abort()


KINDS = [kept, fresh, pipelined, upload, chunked, blob, cancelled, bad, unknown, websocket]


async def lane(stop):
    while not stop.is_set():
        kind = random.choice(KINDS)
        try:
            await asyncio.wait_for(kind(), 30)
            done[kind.__name__] += 1
        except Exception as error:
            wrong[f"{kind.__name__}: {type(error).__name__} {error}"[:100]] += 1
        # The machine has other work to do.
        await asyncio.sleep(0.005)


async def main():
    stop = asyncio.Event()
    lanes = [asyncio.create_task(lane(stop)) for _ in range(LANES)]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    stop.set()
    await asyncio.gather(*lanes)
    print("done:", ", ".join(f"{count} {kind}" for kind, count in sorted(done.items())))
    for what, count in wrong.most_common(20):
        print(f"wrong: {count} times {what}")


asyncio.run(main())
