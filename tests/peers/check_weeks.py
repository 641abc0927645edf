"""The scheduler left alone for weeks: a clock that runs ten thousand times as fast takes `serve` through them."""

import contextlib
import datetime
import re
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import check_page
import lake


@contextlib.contextmanager
def timeless(url):
    """The answers of `url` without their `Date`: where an hour passes in a blink, an answer is hours old when it arrives."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            request = urllib.request.Request(url + self.path, body or None, headers, method=self.command)
            try:
                answer = urllib.request.urlopen(request, timeout=30)
            except urllib.error.HTTPError as refusal:
                answer = refusal
            with answer, contextlib.suppress(OSError):
                content = answer.read()
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in ("date", "content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = answer

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()


def check(tally, stack):
    """Days pass in nine seconds, for the program and the sandbox alike; timers keep real time."""
    with tally.group("left alone for three weeks of a fast clock, every table is current") as group:
        begin, speed = "2026-10-20 06:00:00", 10_000
        fast = ["faketime", "-f", f"@{begin} x{speed}"]
        timers = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}
        jobs = lake.temporary("week-jobs")
        for job in ("costs", "savings"):
            text = check_page.JOBS[job].replace("2025-11-01", "2026-09-01")
            text = text if "[schedule]" in text else f'[schedule]\ncron = "0 7 * * *"\n{text}'
            (jobs / f"{job}.toml").write_text(text)
        ports = lake.free_ports(2)
        home = lake.temporary("week")
        environment = lake.clean_environment(home) | timers
        sandbox = lake.Server("sandbox", [*fast, lake.binary(), "sandbox", "--listen", f"127.0.0.1:{ports[0]}"], ports[0], environment, home)
        with sandbox, timeless(sandbox.url) as url:
            apis = {"AWS_ENDPOINT_URL_COST_EXPLORER": url, "COSTLAKE_DATADOG_URL": url}
            costlake = lake.Costlake("", jobs=jobs, **apis, **timers)
            del costlake.environment["COSTLAKE_NOW"]
            root = home / "lake"
            with check_page.serve(costlake, root, ports[1], before=fast) as server:
                runs = lambda: len(check_page.run_records(root, "costs", "run"))
                lake.wait_for(lambda: server.alive() and runs() >= 22, 400, "three weeks of runs")
                metrics = urllib.request.urlopen(server.url + "/metrics").read().decode()
                lag = [float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines() if re.match(r"costlake\w*fresh\w*\{", line)]
                last = max(check_page.run_records(root, "costs", "run"), key=lambda record: record["started_at"])
                # A second of work is nearly three hours of this clock: the run is over by then.
                took = datetime.timedelta(milliseconds=last["duration_ms"] * speed, hours=3)
                last = (datetime.datetime.fromisoformat(last["started_at"]) + took).strftime("%Y-%m-%dT%H:%M:%SZ")
            group.true(lag and max(lag) < 3 * 86_400, f"freshness in seconds: {lag}")
            days = sorted({record["started_at"][:10] for record in check_page.run_records(root, "costs", "run")})
            group.note(f"{runs()} runs from {days[0]} to {days[-1]}")
            group.equal(len(days), runs(), "one run a day")
            for job in ("costs", "savings"):
                codes = {record["exit_code"] for record in check_page.run_records(root, job, "run")}
                group.equal(codes - {130}, {0}, f"exit codes of {job}, but for the run that the end interrupted")
            costlake.run("status", "costs", "--check", lake=root, COSTLAKE_NOW=last)
            costlake.run("verify", "--full", lake=root, COSTLAKE_NOW=last)


lake.main(check)
