"""How long after the call of a reload a route that is new in the file is the one that answers.

live.py FILE PORT SOCKET ROUNDS: appends a route to FILE, calls for a reload over SOCKET, and asks for the route on PORT
until it is answered; prints the milliseconds of each round, sorted.
"""

import http.client
import socket
import sys
import threading
import time

file, port, path, rounds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])


class Control(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)


def reload():
    control = Control("localhost")
    control.request("POST", "/v1/reload", body="{}", headers={"Content-Type": "application/json"})
    answer = control.getresponse()
    if answer.status != 200:
        sys.exit(f"the reload was answered with {answer.status}: {answer.read()!r}")
    answer.read()


def status(client, route):
    client.request("GET", f"/{route}", headers={"Host": "live.example.com"})
    answer = client.getresponse()
    answer.read()
    return answer.status


took = []
client = http.client.HTTPConnection("127.0.0.1", port)
for turn in range(rounds):
    route = f"live{turn}"
    if status(client, route) != 404:
        sys.exit(f"{route} is answered before it exists")
    with open(file, "a") as out:
        out.write(f'[route.{route}]\nmatch = {{ host = "live.example.com", path = "/{route}" }}\npool = "main"\n')
    caller = threading.Thread(target=reload)
    began = time.monotonic()
    caller.start()
    while status(client, route) == 404:
        if time.monotonic() - began > 10:
            sys.exit(f"{route} does not come")
        time.sleep(0.0005)
    took.append((time.monotonic() - began) * 1000)
    caller.join()
print(" ".join(f"{ms:.1f}" for ms in sorted(took)))
