"""How soon requests that a hang fault holds go on once all faults are ended, while the daemon is saturated.

held.py: starts nginx (backends.conf), ayad (AYAD, else target/release/ayad) on core 0 and wrk on core 1, which keeps ayad
busy. 2,000 clients, with priority on core 1, send a request each: once without a fault, as a measure of what so many at
once take anyhow, and once with a hang fault that holds all of them until `DELETE /v1/faults`. Prints milliseconds from the
send or from the call until the first, half, 99 % and all of the clients have their answer (HELD_ROUNDS=5).
"""

import http.client
import json
import os
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
AYAD = os.path.abspath(os.environ.get("AYAD", "target/release/ayad"))
ROUNDS = int(os.environ.get("HELD_ROUNDS", "5"))
CLIENTS = 2000
PORT = 18300

CONFIG = """aya = 1
[daemon]
control = "ayad.sock"
state_dir = "state"
workers = 1
[listen.web]
bind = "127.0.0.1:18300"
[pool.main]
backends = ["127.0.0.1:18001", "127.0.0.1:18002"]
[pool.held]
backends = ["127.0.0.1:18003", "127.0.0.1:18004"]
[route.held]
match = { path = "/held" }
pool = "held"
[route.all]
pool = "main"
"""


class Control(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("ayad.sock")


def call(method, path, body=None):
    control = Control("localhost")
    control.request(method, path, body=body and json.dumps(body), headers={"Content-Type": "application/json"})
    answer = control.getresponse()
    text = answer.read()
    control.close()
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status} {text!r}")
    return json.loads(text) if text else None


def clients():
    """Connections that are open and idle."""
    all = []
    for _ in range(CLIENTS):
        client = socket.create_connection(("127.0.0.1", PORT))
        client.setblocking(False)
        all.append(client)
    return all


def ask(all):
    for client in all:
        client.send(b"GET /held HTTP/1.1\r\nHost: held.example.com\r\n\r\n")


def answers(all, begin):
    """Milliseconds from `begin` until each has its answer, in rising order."""
    waits = selectors.DefaultSelector()
    for client in all:
        waits.register(client, selectors.EVENT_READ)
    took, ends = [], time.monotonic() + 20
    while len(took) < len(all) and time.monotonic() < ends:
        for key, _ in waits.select(1):
            text = key.fileobj.recv(4096)
            took.append((time.monotonic() - begin) * 1e3)
            if not text.startswith(b"HTTP/1.1 200"):
                sys.exit(f"answered with {text[:80]!r}")
            waits.unregister(key.fileobj)
    if len(took) < len(all):
        sys.exit(f"only {len(took)} of {len(all)} were answered")
    return took


def told(name, took, extra=""):
    points = [took[0], took[len(took) // 2], took[int(len(took) * 0.99)], took[-1]]
    print(f"{name:<22} first {points[0]:6.1f}  half {points[1]:6.1f}  99 % {points[2]:6.1f}  all {points[3]:6.1f} ms{extra}", flush=True)
    return points


def one_round():
    all = clients()
    begin = time.monotonic()
    ask(all)
    plain = told("without a fault", answers(all, begin))
    call("POST", "/v1/faults", {"fault": {"kind": "hang"}, "target": {"pool": "held"}, "for_ms": 60000, "force": True})
    ask(all)
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        held = call("GET", "/v1/chaos")["faults"][0]["observed"]["held"]
        if held == CLIENTS:
            break
        time.sleep(0.05)
    else:
        sys.exit(f"only {held} are held")
    begin = time.monotonic()
    call("DELETE", "/v1/faults")
    called = (time.monotonic() - begin) * 1e3
    ended = told("after the end of all", answers(all, begin), f"  (the call: {called:.1f} ms)")
    for client in all:
        client.close()
    return plain, ended


def main():
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(HERE / "backends.conf", folder)
        os.chdir(folder)
        os.mkdir("temp")
        Path("ayad.toml").write_text(CONFIG)
        started = [
            subprocess.Popen(["nginx", "-p", folder, "-c", "backends.conf"]),
            subprocess.Popen(["taskset", "-c", "0", AYAD, "--config", "ayad.toml"], stderr=open("ayad.log", "w")),
        ]
        try:
            time.sleep(1.5)
            length = str(20 + ROUNDS * 6)
            started.append(subprocess.Popen(["wrk", "-t1", "-c64", f"-d{length}", f"http://127.0.0.1:{PORT}/"], stdout=subprocess.DEVNULL))
            try:
                os.setpriority(os.PRIO_PROCESS, 0, -10)
            except PermissionError:
                print("no priority over wrk: figures include its turns on the core")
            time.sleep(1)
            rounds = [one_round() for _ in range(ROUNDS)]
            half, all = (statistics.median(ended[i] - plain[i] for plain, ended in rounds) for i in (1, 3))
            print(f"more than without a fault, median of {ROUNDS} rounds: half {half:+.1f} ms, all {all:+.1f} ms")
        finally:
            for one in reversed(started):
                one.terminate()
                one.wait()


main()
