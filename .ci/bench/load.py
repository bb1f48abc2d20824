"""`ayactl loadtest` beside wrk and oha: what a request costs them, and what they say of a target that stands still.

load.py CASE…, with the names of the binaries in AYACTL, and of oha in OHA where it is not on the path. Cases:

  closed  CPU for each request, fifty connections, as fast as the target answers
  open    CPU for each request and send lag at 10,000 requests a second
  lag     send lag at 70 % of what the closed loop reaches, beside the least that the core would have allowed
  view    what the live view costs at 10,000 requests a second
  stall   a target that answers nobody in one second of ten, at 1,000 requests a second, for a minute (BENCH_STALL=60)

Generators run on core 0, the target (nginx) on core 1 (BENCH_CORE, BENCH_LOAD). Rounds take turns, figures
are medians over them (BENCH_ROUNDS=5, BENCH_SECONDS=3). CPU is user and system time of the whole process, for each request it
had an answer to. Before everything else it says for how long the cores stood still by themselves: no lag is below that.
"""

import json
import os
import pty
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
CORE = os.environ.get("BENCH_CORE", "0")
LOAD = os.environ.get("BENCH_LOAD", "1")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "3"))
AYACTL = os.environ.get("AYACTL", "target/release/ayactl")
OHA = os.environ.get("OHA", "oha")
STALL = int(os.environ.get("BENCH_STALL", "60"))
PORT = 18001
URL = f"http://127.0.0.1:{PORT}/"


def measured(command, on_terminal=False):
    """Runs a command on its core; its output, and the CPU seconds it took."""
    command = ["taskset", "-c", CORE, *command]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if on_terminal:
        text = on_pty(command)
    else:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        text = done.stdout
        if done.returncode not in (0, 6, 10):
            sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr or text}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return text, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def on_pty(command):
    """Runs a command on a terminal of its own, of 120 columns, and reads what it draws."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="120", LINES="40")
        os.execvp(command[0], command)
    drawn = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        drawn += part
    os.waitpid(pid, 0)
    os.close(terminal)
    return drawn.decode(errors="replace")


def ayactl(*words, on_terminal=False):
    """A load test; its report, and CPU microseconds for each answer."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        view = [] if on_terminal else ["--no-live"]
        command = [AYACTL, "loadtest", "--threads", "1", *view, "--report", f"json={report}", *words]
        _, cpu = measured(command, on_terminal)
        told = json.loads(report.read_text())
    return told, cpu * 1e6 / told["achieved"]


def wrk(*words):
    """Answers a second, CPU microseconds for each, and what it prints."""
    text, cpu = measured(["wrk", "-t1", *words])
    count = int(re.search(r"(\d+) requests in", text)[1])
    return text, cpu * 1e6 / count


def oha(*words):
    """The JSON that it writes, and CPU microseconds for each answer."""
    text, cpu = measured([OHA, "--no-tui", "--output-format", "json", *words])
    told = json.loads(text)
    count = sum(told["statusCodeDistribution"].values())
    return told, cpu * 1e6 / count


def table(heads, rows):
    """Prints a table of Markdown."""
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def standstills(core, seconds=2.0):
    """When a core that only looks at the clock stood still over 20 µs, and for how long, in seconds."""
    script = (
        "import time\nstart = last = time.perf_counter()\n"
        f"while last - start < {seconds}:\n now = time.perf_counter()\n"
        " if now - last > 2e-5: print(last - start, now - last)\n last = now"
    )
    done = subprocess.run(["taskset", "-c", core, sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return [tuple(float(word) for word in line.split()) for line in done.stdout.splitlines()]


def stood_still(core, seconds=2.0):
    """The part of the time, in percent, for which it stood still over 0.1 ms."""
    return sum(length for _, length in standstills(core, seconds) if length > 1e-4) / seconds * 100


def least_lag(core, rate, share=0.7, seconds=4.0):
    """The p99 of send lag, in microseconds, of a generator that needs `share` of the core for `rate` requests a second and is
    late for no other reason than that the core stands still as it did just now."""
    # In time that the core ran, requests follow each other as if it never stood still; `at` is the time of day.
    lost, stops = 0.0, []
    for at, length in standstills(core, seconds):
        stops.append((at, at - lost, length))
        lost += length
    lags, free = [], 0.0
    arrived, lost_at_arrival, started, lost_at_start = 0, 0.0, 0, 0.0
    for planned in (number / rate for number in range(int(seconds * rate))):
        while arrived < len(stops) and stops[arrived][0] + stops[arrived][2] <= planned:
            lost_at_arrival += stops[arrived][2]
            arrived += 1
        ran = planned - lost_at_arrival
        if arrived < len(stops):
            ran = min(ran, stops[arrived][1])
        begins = max(ran, free)
        while started < len(stops) and stops[started][1] <= begins:
            lost_at_start += stops[started][2]
            started += 1
        lags.append(max(begins + lost_at_start - planned, 0.0))
        free = begins + share / rate
    return statistics.quantiles(lags, n=100)[98] * 1e6


def closed():
    """CPU for each request in a closed loop."""
    seen = {"wrk": [], "oha": [], "ayactl": []}
    for _ in range(ROUNDS):
        seen["ayactl"].append(ayactl("--closed", "-c", "50", "-d", f"{SECONDS}s", URL)[1])
        seen["wrk"].append(wrk("-c50", f"-d{SECONDS}", URL)[1])
        seen["oha"].append(oha("-c", "50", "-z", f"{SECONDS}s", URL)[1])
    ours = seen["ayactl"]
    rows = []
    for name, all in seen.items():
        ratio = statistics.median(own / other for own, other in zip(ours, all))
        rows.append([name, f"{statistics.median(all):.2f} µs", f"{ratio:.2f}"])
    table(["closed loop", "CPU for each request", "ayactl's to this"], rows)


def open_loop():
    """CPU for each request and send lag at 10,000 a second."""
    ways = {
        "ayactl": ["--slack", "100us"],
        "ayactl --slack 1ms": ["--slack", "1ms"],
    }
    cpu, lag = {name: [] for name in ways}, {name: [] for name in ways}
    theirs = []
    for _ in range(ROUNDS):
        for name, words in ways.items():
            told, cost = ayactl(*words, "-r", "10000", "-d", f"{SECONDS}s", URL)
            cpu[name].append(cost)
            lag[name].append(told["lag"])
        words = ["-c", "256", "-q", "10000", "--latency-correction", "-z", f"{SECONDS}s", URL]
        theirs.append(oha(*words)[1])
    rows = []
    for name in ways:
        ratio = statistics.median(own / other for own, other in zip(cpu[name], theirs))
        of = [statistics.median(one[p] for one in lag[name]) for p in ("p50_ms", "p99_ms")]
        rows.append([name, f"{statistics.median(cpu[name]):.1f} µs", f"{ratio:.2f}", *(f"{ms * 1e3:.0f} µs" for ms in of)])
    rows.append(["oha -q 10000 --latency-correction", f"{statistics.median(theirs):.1f} µs", "1", "?", "?"])
    table(["10,000 a second", "CPU for each request", "to oha's", "send lag p50", "p99"], rows)


def lag():
    """Send lag at 70 % of the peak."""
    told, _ = ayactl("--closed", "-c", "50", "-d", f"{SECONDS}s", URL)
    peak = told["achieved"] / told["duration_s"]
    rate = int(peak * 0.7)
    rows = []
    for _ in range(ROUNDS):
        least = least_lag(CORE, rate)
        told, cost = ayactl("-r", str(rate), "-d", f"{SECONDS * 2}s", "-c", "1000", "--warmup", "1s", URL)
        of = told["lag"]
        lags = (f"{of[p] * 1e3:.0f} µs" for p in ("p50_ms", "p90_ms", "p99_ms"))
        rows.append([f"{rate}", *lags, f"{least:.0f} µs", f"{cost:.1f} µs"])
    heads = [f"70 % of {peak:.0f} a second", "send lag p50", "p90", "p99", "least p99 the core allowed before", "CPU"]
    table(heads, rows)


def view():
    """What the live view costs."""
    words = ["-r", "10000", "-d", f"{SECONDS * 2}s", URL]
    ratios = []
    for _ in range(ROUNDS):
        without = ayactl(*words)[1]
        ratios.append(ayactl(*words, on_terminal=True)[1] / without)
    told = f"{(statistics.median(ratios) - 1) * 100:+.1f} % ({(min(ratios) - 1) * 100:+.1f} to {(max(ratios) - 1) * 100:+.1f})"
    table(["live view", "CPU beside --no-live"], [["10,000 a second", told]])


class StandingStill:
    """Stops the worker of nginx (SIGSTOP) for the last second of every ten, for as long as it is entered."""

    def __init__(self, master):
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        self.worker = int(children[0])
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.turns)

    def turns(self):
        begin, turn = time.monotonic(), 0
        while not self.over.wait(begin + turn * 10 + 9 - time.monotonic()):
            os.kill(self.worker, signal.SIGSTOP)
            self.over.wait(begin + turn * 10 + 10 - time.monotonic())
            os.kill(self.worker, signal.SIGCONT)
            turn += 1

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def stall(master):
    """What each says of a target that stands still for a second of every ten."""
    with StandingStill(master):
        told_of_stalls()


def told_of_stalls():
    """Asks everybody, and prints the table."""
    url = URL
    points = ["p50", "p90", "p95", "p99", "p99.9"]
    true = [None, None, 500.0, 900.0, 990.0]
    told, _ = ayactl("-r", "1000", "-d", f"{STALL}s", url)
    ours = [told["response"][p.replace(".", "") + "_ms"] for p in points]
    corrected, _ = oha("-c", "256", "-q", "1000", "--latency-correction", "-z", f"{STALL}s", url)
    plain, _ = oha("-c", "256", "-q", "1000", "-z", f"{STALL}s", url)
    text, _ = wrk("-c50", f"-d{STALL}", "--latency", url)
    unit = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    found = {p: float(n) * unit[u] for p, n, u in re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s)\s*$", text, re.M)}
    of = lambda all: [all["latencyPercentiles"][p] * 1e3 for p in points]
    say = lambda all: ["?" if ms is None else f"{ms:.1f}" for ms in all]
    rows = [
        ["true", *("under 2" if ms is None else f"{ms:.1f}" for ms in true)],
        ["ayactl -r 1000", *say(ours)],
        ["oha -q 1000 --latency-correction", *say(of(corrected))],
        ["oha -q 1000", *say(of(plain))],
        ["wrk (as fast as it answers)", *say([found.get(p.removeprefix("p")) for p in points])],
    ]
    table(["a stall of 1 s in 10 s, ms", *points], rows)
    off = [abs(own / must - 1) * 100 for own, must in zip(ours, true) if must]
    print(f"ayactl is at most {max(off):.2f} % off\n")


CASES = {"closed": closed, "open": open_loop, "lag": lag, "view": view, "stall": stall}


def main():
    wanted = sys.argv[1:]
    if not wanted or any(case not in CASES for case in wanted):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "temp").mkdir()
        shutil.copy(HERE / "backends.conf", folder)
        nginx = subprocess.Popen(["taskset", "-c", LOAD, "nginx", "-p", folder, "-c", "backends.conf"])
        try:
            time.sleep(0.5)
            print(f"stood still: core {CORE} {stood_still(CORE):.2f} % of the time, core {LOAD} {stood_still(LOAD):.2f} %\n")
            for case in wanted:
                CASES[case](*([nginx.pid] if case == "stall" else []))
        finally:
            nginx.terminate()
            nginx.wait()


main()
