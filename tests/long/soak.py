"""`costlake serve` for an hour of runs every minute, against APIs that fail for one call in twenty.

A proxy in front of the sandbox breaks calls: resets, pages for people, 500, 503, 429, half an answer, two seconds of
silence. Meanwhile the page, the metrics and the status are asked for, and a job file comes and goes. In the second half of
the time the process may hold at most four files and threads more than in the first, and not a tenth more memory. At the end every
object is as its record says (`verify --full`), and a run on the soaked lake and one on an empty lake give the same days.

COSTLAKE_SOAK_MINUTES   how long (default: 60)
COSTLAKE_BIN            the program (default: release/costlake in the target directory)
"""

import http.client
import http.server
import json
import os
import pathlib
import random
import re
import signal
import socket
import struct
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "peers"))
import lake  # noqa: E402

MINUTES = float(os.environ.get("COSTLAKE_SOAK_MINUTES", "60"))
FAULTS = ("reset", "page", "500", "503", "429", "half", "silence")
ONE_IN = 20
BRIEF = "comes_and_goes"
COST = """schedule = {{ cron = "* * * * *" }}
source = {{ type = "aws_cost_and_usage", granularity = "{grain}", metrics = ["UnblendedCost", "UsageQuantity"], group_by = [{{ dimension = "{group}" }}] }}
window = {{ begin = "{begin}", refresh = "{refresh}" }}
limits = {{ requests_per_second = 500 }}
"""
OTHERS = {
    "savings": 'source = {{ type = "datadog_savings", queries = [{{ provider = "aws", product = "ec2" }}] }}\nwindow = {{ begin = "{begin}" }}\n',
    "commitments": 'source = {{ type = "datadog_commitments", queries = [{{ provider = "aws", product = "ec2", commitment_type = "ri" }}] }}\nwindow = {{ begin = "{begin}" }}\n',
    "config": 'source = {{ type = "datadog_ccm_config" }}\n',
}


class Unkind(http.server.BaseHTTPRequestHandler):
    """Passes a call on, or breaks it."""

    protocol_version = "HTTP/1.1"
    upstream, chance, lock = 0, random.Random(20261122), threading.Lock()
    calls = broken = 0

    def handle_call(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.lock:
            type(self).calls += 1
            fault = self.chance.choice(FAULTS) if self.chance.randrange(ONE_IN) == 0 else None
            type(self).broken += fault is not None
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        if fault == "silence":
            time.sleep(2)
        if fault in ("500", "503", "429"):
            self.reply(int(fault), b"", "text/plain")
        elif fault == "page":
            self.reply(200, b"<html>maintenance</html>", "text/html")
        else:
            peer = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection", "content-length", "accept-encoding")}
            peer.request(self.command, self.path, body, headers)
            answer = peer.getresponse()
            data = answer.read()
            peer.close()
            self.reply(answer.status, data, answer.headers.get("Content-Type", ""), short=fault == "half")

    do_GET = do_POST = handle_call

    def reply(self, status, data, kind, short=False):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if short else data)
        self.close_connection |= short

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that went away is no news."""


def held(pid):
    """What a process holds: (KiB of memory, open files, threads)."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    number = lambda key: int(re.search(rf"^{key}:\s+(\d+)", status, re.MULTILINE)[1])  # noqa: E731
    return number("VmRSS"), len(os.listdir(f"/proc/{pid}/fd")), number("Threads")


def write_jobs(folder):
    groups = ("SERVICE", "REGION", "LINKED_ACCOUNT", "RECORD_TYPE")
    today = time.gmtime()
    begin = f"{today.tm_year - (today.tm_mon < 4)}-{(today.tm_mon + 8) % 12 + 1:02}-01"
    for number in range(16):
        grain, refresh = ("MONTHLY", "40 days") if number % 8 == 7 else ("DAILY", "5 days")
        (folder / f"cost_{number:02}.toml").write_text(COST.format(grain=grain, refresh=refresh, group=groups[number % 4], begin=begin))
    for name, text in OTHERS.items():
        more = 'schedule = { cron = "* * * * *" }\nlimits = { requests_per_second = 500 }\n'
        (folder / f"{name}.toml").write_text(text.format(begin=begin) + more)


def ask(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()


def days(root):
    """The digest of every day of every table, by the newest ledger."""
    found = {}
    for ledger in sorted(pathlib.Path(root, "_costlake").glob("*/ledger")):
        newest = json.loads(max(ledger.iterdir()).read_text())
        for partition in newest["partitions"].values():
            found |= {(ledger.parent.name, day): entry["digest"] for day, entry in partition["days"].items()}
    return found


def watch(process, page, jobs, log):
    """Asks, changes job files, and notes what the process holds every five seconds."""
    noted, until, rounds = [], time.monotonic() + 60 * MINUTES, 0
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"serve ended with {process.returncode}: {log.read_text()[-3000:]}")
        for path in ("/", "/metrics", "/api/status"):
            ask(page + path)
        extra = jobs / f"{BRIEF}.toml"
        if rounds % 24 == 6:
            extra.write_text((jobs / "config.toml").read_text())
        elif rounds % 24 == 18:
            extra.unlink()
        noted.append(held(process.pid))
        rounds += 1
        time.sleep(5)
    return noted


def steady(group, page, noted):
    """What was held in the second half against what was held in the first, of whose beginning a third is left out."""
    half = len(noted) // 2
    before, after = noted[half // 3 : half], noted[half:]
    for at, what, factor, more in ((0, "KiB of memory", 1.1, 0), (1, "open files", 1, 4), (2, "threads", 1, 4)):
        most = [max(one[at] for one in part) for part in (before, after)]
        middle = [sorted(one[at] for one in part)[len(part) // 2] for part in (before, after)]
        group.true(most[1] <= most[0] * factor + more, f"{what}: {most[0]} at most in the first half, {most[1]} in the second")
        group.note(f"{what}: {middle[0]} usually and {most[0]} at most in the first half, {middle[1]} and {most[1]} in the second")
    metrics = ask(page + "/metrics")
    ended = re.findall(r'costlake_runs_total\{.*outcome="(\w+)"\} (\d+)', metrics)
    outcomes = {name: sum(int(count) for kind, count in ended if kind == name) for name, _ in ended}
    group.true(outcomes.get("done", 0) > 10 * MINUTES, f"runs: {outcomes}")
    group.note(f"runs: {outcomes}; {Unkind.calls} calls, {Unkind.broken} broken")
    group.true(Unkind.broken * ONE_IN > Unkind.calls // 2, f"{Unkind.broken} of {Unkind.calls} calls broken")


def healed(group, jobs, root):
    """The soaked lake and a new one, at one and the same moment."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with lake.sandbox(now) as sandbox:
        program = lake.Costlake(now, jobs=jobs, **lake.against(sandbox))
        fresh = lake.temporary("fresh") / "lake"
        for where in (root, fresh):
            program.run("run", lake=where, timeout=1800)
        verified = program.run("verify", "--full", lake=root, timeout=1800)
        group.true(verified.out, "verify says nothing")
    # The configuration is a snapshot of its day: of a day that is over, a new lake has none.
    told = lambda table, day: table != BRIEF and (table != "config" or day == now[:10])  # noqa: E731
    soaked, new = ({key: digest for key, digest in days(where).items() if told(*key)} for where in (root, fresh))
    group.same_mapping(soaked, new, "days of the soaked lake and of a new one")
    group.note(f"{len(new)} days compared")


def check(tally, stack):
    jobs, root, home = lake.temporary("jobs"), lake.temporary("soaked") / "lake", lake.temporary("home")
    write_jobs(jobs)
    lake.Costlake(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), jobs=jobs).run("check", lake=root)
    (port,) = lake.free_ports(1)
    sandbox = lake.Server("sandbox", [lake.binary(), "sandbox", "--listen", f"127.0.0.1:{port}"], port, lake.clean_environment(home), home)
    Unkind.upstream = stack.enter_context(sandbox).port
    proxy = Quiet(("127.0.0.1", 0), Unkind)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{proxy.server_address[1]}"
    (listen,) = lake.free_ports(1)
    environment = lake.clean_environment(home) | lake.AWS | lake.DATADOG | {"AWS_ENDPOINT_URL_COST_EXPLORER": url, "COSTLAKE_DATADOG_URL": url}
    command = [lake.binary(), "serve", "--jobs", jobs, "--lake", root, "--listen", f"127.0.0.1:{listen}"]
    with tally.group(f"{MINUTES:g} minutes of runs every minute against APIs that fail") as group:
        with lake.Server("serve", command, listen, environment, home) as served:
            noted = watch(served.process, served.url, jobs, served.log)
            steady(group, served.url, noted)
            served.process.send_signal(signal.SIGTERM)
            group.equal(served.process.wait(20), 0, "exit code of serve")
            group.true("panicked" not in served.log.read_text(errors="replace"), "a panic")
        (jobs / f"{BRIEF}.toml").unlink(missing_ok=True)
        healed(group, jobs, root)


lake.main(check)
