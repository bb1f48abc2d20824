"""Opens COUNT kept-alive connections to PORT, with one request on each, and holds them until its input ends."""

import socket
import sys

REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


def main() -> None:
    count, port = int(sys.argv[1]), int(sys.argv[2])
    held = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection.sendall(REQUEST)
        answer = b""
        while not answer.endswith(b"in all.\n"):
            part = connection.recv(4096)
            if not part:
                sys.exit("a connection was closed")
            answer += part
        held.append(connection)
    print("held", flush=True)
    sys.stdin.read()


main()
