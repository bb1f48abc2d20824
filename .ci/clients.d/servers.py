"""Servers behind the proxy: HTTP/1.1 that knows enough for curl and wrk, a WebSocket echo, and a gRPC service.

Prints `http PORT`, `grpc PORT` and `websocket PORT`, serves until its standard input ends.
"""

import asyncio
import contextlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

BLOB = bytes(range(256)) * 4096


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The head and the body are two writes; with Nagle's algorithm the second would wait.
    disable_nagle_algorithm = True
    wbufsize = -1

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(iter(self.chunk, b""))
        return self.rfile.read(int(self.headers.get("content-length", "0")))

    def chunk(self):
        size = int(self.rfile.readline().split(b";")[0], 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def answer(self, status, body, **fields):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def do_GET(self):
        if self.path == "/events":
            return self.events()
        if self.path != "/blob":
            return self.answer(200, b"hello\n")
        wanted = self.headers.get("range", "")
        if not wanted.startswith("bytes="):
            return self.answer(200, BLOB, accept_ranges="bytes")
        first, last = (int(part) for part in wanted[len("bytes=") :].split("-"))
        span = f"bytes {first}-{last}/{len(BLOB)}"
        return self.answer(206, BLOB[first : last + 1], content_range=span)

    do_HEAD = do_GET

    def events(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number in range(3):
            event = f"data: {number}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def do_POST(self):
        if self.path == "/refused":
            # Before any of the body was read.
            self.close_connection = True
            return self.answer(413, b"too large\n")
        return self.answer(200, self.body())

    do_PUT = do_POST

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_):
        """Clients that go are what some tests are about."""


def shout(request, context):
    if request == b"fail":
        context.set_trailing_metadata([("x-why", "asked for")])
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as you wish")
    context.set_trailing_metadata([("x-length", str(len(request)))])
    return request.upper()


def count(request, _):
    yield from (b"%d" % number for number in range(int(request)))


def total(requests, _):
    return b"%d" % sum(len(request) for request in requests)


def converse(requests, _):
    for request in requests:
        yield request.upper()


def grpc_server():
    methods = {
        "Shout": grpc.unary_unary_rpc_method_handler(shout),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Total": grpc.stream_unary_rpc_method_handler(total),
        "Converse": grpc.stream_stream_rpc_method_handler(converse),
    }
    server = grpc.server(ThreadPoolExecutor(32))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("aya.Test", methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


async def echo(socket):
    # Other codes than 1000 and 1001 end the loop with an exception.
    with contextlib.suppress(ConnectionClosed):
        async for message in socket:
            if isinstance(message, str) and message.startswith("close "):
                return await socket.close(int(message.removeprefix("close ")), "as you wish")
            await socket.send(message)


async def main():
    http = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    async with serve(echo, "127.0.0.1", 0, max_size=2**24) as websocket:
        server, port = grpc_server()
        print("http", http.server_address[1])
        print("grpc", port)
        print("websocket", websocket.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        server.stop(None)


asyncio.run(main())
