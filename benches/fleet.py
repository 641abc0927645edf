#!/usr/bin/env python3
"""Many accounts: three tables over a thousand payers on one machine, and what more workers add.

    benches/fleet.py COSTLAKE [--before COSTLAKE] [--accounts N] [--latency MS] [SECTION...]

Sections: night (first load and a night with nothing due), shards (eight workers with --shard, one killed and replaced),
lease (eight workers with --lease and no shards, one killed), page (`serve` over five thousand units); without names, all.
`--before` is a costlake without accounts: it gets a job file for each table and account.

The answers come from a server in this script that waits before each, as the API does: amounts by account, day and
service, so that every sum is known exactly. It listens on 127.0.0.1; whose bill is asked for it knows from the
credentials, which its token service hands out for the role of an account. Requests are counted there. CPU is that of the
program alone, peak memory what the kernel tells of it at its end.

With COSTLAKE_FIGURES, the tables and figures of docs/performance.md are appended to that file, for docs/figures.py.
"""

import argparse
import asyncio
import collections
import datetime
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
from decimal import Decimal

FIRST, NOW = datetime.date(2026, 10, 1), "2026-11-30T06:00:00Z"
SERVICES = ["Amazon EC2", "Amazon S3", "AWS Lambda", "Amazon RDS"]
TABLES = {"by_service": "SERVICE", "by_region": "REGION", "by_linked_account": "LINKED_ACCOUNT"}
WORKERS = 8


def account_id(number):
    return f"{700_000_000_000 + number:012d}"


def shard_of(account):
    return int.from_bytes(hashlib.sha256(account.encode()).digest()[:8], "big") % WORKERS


def amount(account, day, service):
    """Exact: a different one for each account, day and service."""
    return Decimal(int(account) % 9_973 * 31 + day.toordinal() % 97 * 7 + service) / Decimal(1000)


class Api:
    """Cost Explorer and the token service of all accounts."""

    def __init__(self, latency):
        self.latency, self.counts, self.asked = latency, collections.Counter(), collections.Counter()
        self.flying, self.most = 0, 0
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self.live, args=(ready,), daemon=True).start()
        ready.wait()

    def live(self, ready):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self.meet, "127.0.0.1", 0, backlog=512))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        self.loop.run_forever()

    async def meet(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                size = re.search(r"(?i)content-length: *(\d+)", head)
                body = await reader.readexactly(int(size.group(1)) if size else 0)
                kind, text = self.answer(head, body.decode())
                if kind == "paid":
                    self.flying += 1
                    self.most = max(self.most, self.flying)
                await asyncio.sleep(self.latency)
                self.flying -= kind == "paid"
                media = "text/xml" if text.startswith("<") else "application/x-amz-json-1.1"
                data = text.encode()
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {media}\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, head, body):
        key = re.search(r"Credential=(\w+)/", head)
        account = key.group(1)[-12:] if key else account_id(0)
        if "Action=AssumeRole" in body:
            self.counts["roles"] += 1
            role = re.search(r"iam%3A%3A(\d{12})", body).group(1)
            return "role", (
                "<AssumeRoleResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><AssumeRoleResult><Credentials>"
                f"<AccessKeyId>ASIA{role}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
                "<Expiration>2036-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>A:c</AssumedRoleId>"
                f"<Arn>arn:aws:sts::{role}:assumed-role/costlake/c</Arn></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>")
        if "Action=GetCallerIdentity" in body:
            self.counts["identities"] += 1
            return "identity", (
                "<GetCallerIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><GetCallerIdentityResult>"
                f"<Arn>arn:aws:sts::{account}:assumed-role/costlake/c</Arn><UserId>A:c</UserId><Account>{account}</Account>"
                "</GetCallerIdentityResult></GetCallerIdentityResponse>")
        question = json.loads(body)
        self.counts["paid"] += 1
        groups = question.get("GroupBy") or []
        window = question["TimePeriod"]
        self.asked[(account, groups[0]["Key"] if groups else "totals", window["Start"], window["End"])] += 1
        day, end = map(datetime.date.fromisoformat, (window["Start"], window["End"]))
        results = []
        while day < end:
            amounts = [amount(account, day, service) for service in range(len(SERVICES))]
            cost = lambda value: {metric: {"Amount": str(value), "Unit": "USD"} for metric in question["Metrics"]}
            rows = [{"Keys": [name], "Metrics": cost(value)} for name, value in zip(SERVICES, amounts)] if groups else []
            following = day + datetime.timedelta(days=1)
            results.append({"TimePeriod": {"Start": str(day), "End": str(following)}, "Estimated": False, "Groups": rows,
                            "Total": {} if groups else cost(sum(amounts))})
            day = following
        return "paid", json.dumps({"ResultsByTime": results, "DimensionValueAttributes": []})

    def taken(self):
        """What was asked since the last call."""
        counts, self.counts = self.counts, collections.Counter()
        asked, self.asked = self.asked, collections.Counter()
        return counts, asked


class Bench:
    def __init__(self, arguments, scratch):
        self.costlake, self.before, self.number = arguments.costlake, arguments.before, arguments.accounts
        self.scratch, self.api = scratch, Api(arguments.latency / 1000)
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": scratch, "COSTLAKE_NOW": NOW, "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIA" + account_id(0), "AWS_SECRET_ACCESS_KEY": "s", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_COST_EXPLORER": self.api.url, "AWS_ENDPOINT_URL_STS": self.api.url}

    def jobs(self, accounts, tables=TABLES, each=False):
        """A folder of job files: one for each table, or one for each table and account."""
        folder = tempfile.mkdtemp(dir=self.scratch)
        role = "arn:aws:iam::{id}:role/costlake"
        listed = "".join(f'[[accounts]]\nid = "{account}"\n' for account in accounts)
        for table, dimension in tables.items():
            head = (f'source = {{ type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], '
                    f'group_by = [{{ dimension = "{dimension}" }}] }}\nwindow = {{ begin = "{FIRST}" }}\n'
                    "limits = { requests_per_second = 100 }\n")
            if not each:
                with open(f"{folder}/{table}.toml", "w") as file:
                    file.write(head + f'accounts = {{ from = "accounts.toml", role_arn = "{role}" }}\n')
                continue
            for account in accounts:
                with open(f"{folder}/{table}_{account}.toml", "w") as file:
                    file.write(head + f'aws = {{ role_arn = "{role.replace("{id}", account)}" }}\n')
        if not each:
            with open(f"{folder}/accounts.toml", "w") as file:
                file.write(listed)
        return folder

    def start(self, *arguments, program=None, lake="lake", jobs=None):
        command = [program or self.costlake, *arguments, "--lake", f"{self.scratch}/{lake}", "--jobs", jobs or self.folder]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def run(self, *arguments, expect=0, **options):
        """Runs the program to its end: wall and CPU seconds, peak memory, requests."""
        self.api.taken()
        self.api.most = 0
        begun = time.monotonic()
        child = self.start(*arguments, **options)
        output = child.stdout.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == expect, (arguments, child.returncode, output[-2000:])
        counts, asked = self.api.taken()
        return {"wall": time.monotonic() - begun, "cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss / 1024,
                "paid": counts["paid"], "roles": counts["roles"] + counts["identities"], "asked": asked,
                "most": self.api.most, "output": output}

    def check(self, accounts, lake="lake", tables=TABLES):
        """Every account of every table has its exact sum."""
        last = datetime.date.fromisoformat(NOW[:10])
        days = [FIRST + datetime.timedelta(days=number) for number in range((last - FIRST).days)]
        wanted = {account: sum(amount(account, day, service) for day in days for service in range(len(SERVICES)))
                  for account in accounts}
        for table in tables:
            shown = self.start("show", table, "--from", str(FIRST), "--to", str(days[-1]), "--by", "account", "--top",
                               str(len(accounts)), "--output", "json", lake=lake)
            document = json.loads(shown.communicate()[0])
            groups = document["sections"][0]["groups"]
            found = {group["key"]["account"]: Decimal(group["sum"]) for group in groups}
            assert found == wanted, (table, len(found), len(wanted))


def figure(name, *lines):
    """A figure of docs/performance.md: the lines of a table, or one text."""
    if os.environ.get("COSTLAKE_FIGURES"):
        with open(os.environ["COSTLAKE_FIGURES"], "a") as file:
            file.write(f"{name}\t" + "\\n".join(lines) + "\n")


SHOWN = ["| step | wall s | CPU s | CPU ms a unit | peak RSS MB | paid requests |", "|---|---:|---:|---:|---:|---:|"]


def shown(name, run, units):
    """The row of the document."""
    return f"| {name} | {run['wall']:.1f} | {run['cpu']:.2f} | {run['cpu'] / units * 1000:.1f} | {run['rss']:.0f} | {run['paid']:,} |"


def line(name, run, units):
    print(f"| {name} | {run['wall']:.1f} | {run['cpu']:.2f} | {run['cpu'] / units * 1000:.1f} | {run['rss']:.0f} | "
          f"{run['paid']:,} | {run['roles']:,} | {run['most']} |", flush=True)


def heading():
    print("| step | wall s | CPU s | CPU ms a unit | peak RSS MB | paid requests | of the token service | most at once |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|", flush=True)


def night(bench):
    heading()
    rows = []
    for number in sorted({bench.number // 10, bench.number}):
        accounts = [account_id(one) for one in range(number)]
        units, lake = len(accounts) * len(TABLES), f"lake{number}"
        bench.folder = bench.jobs(accounts)
        load = bench.run("run", "--output", "json", lake=lake)
        line(f"first run, {number:,} accounts x 3 tables", load, units)
        idle = bench.run("run", "--output", "json", lake=lake)
        line("nothing due", idle, units)
        rows += [shown(f"first run, {number:,} accounts x 3 tables", load, units), shown("nothing due", idle, units)]
        assert idle["paid"] == number, "one probe for each account"
        allowed = number * 2 * bench.api.latency / WORKERS  # role and probe of each account, eight at a time
        print(f"  the calls of an account alone take {allowed:.1f} s, eight accounts at a time: {idle['wall'] / allowed:.2f} x")
        bench.check(accounts, lake)
        figure("fleet.night", f"{idle['wall'] / allowed:.2f} x what roles and probes, {WORKERS} accounts at a time, allow ({allowed:.0f} s)")
    figure("fleet", *SHOWN, *rows)
    if bench.before:
        folder = bench.jobs(accounts, each=True)
        for name in ("first run", "nothing due"):
            line(f"{name}, the program of before", bench.run("run", "--output", "json", program=bench.before, lake="before", jobs=folder), units)


def workers(bench, lake, arguments, killed, replaced):
    """Starts eight workers, kills one in the middle, and where it is `replaced` starts it again; returns all requests."""
    bench.api.taken()
    begun = time.monotonic()
    all_of = [bench.start("run", "--output", "json", *arguments(number), lake=lake) for number in range(WORKERS)]
    while bench.api.counts["paid"] < killed:
        time.sleep(0.01)
    all_of[3].send_signal(signal.SIGKILL)
    all_of[3].wait()
    if replaced:
        all_of.append(bench.start("run", "--output", "json", *arguments(3), lake=lake))
    codes = [child.wait() for child in all_of if child.communicate() is not None]
    counts, asked = bench.api.taken()
    return time.monotonic() - begun, codes, counts["paid"], asked


def spread(bench, name, arguments, replaced):
    accounts = [account_id(one) for one in range(bench.number // 5)]
    bench.folder = bench.jobs(accounts)
    least = bench.run("run", "--output", "json", lake=f"{name}-alone")["paid"]
    wall, codes, paid, asked = workers(bench, name, arguments, least // 3, replaced)
    twice = {question: number for question, number in asked.items() if number > 1}
    probes = sum(1 for _, what, *_ in twice if what == "totals")
    shards = {shard_of(account) for account, *_ in twice}
    print(f"{name}: {len(accounts)} accounts x 3 tables, eight workers, one killed{' and replaced' if replaced else ''}: "
          f"{wall:.1f} s, exit codes {sorted(codes)}, {paid} requests where {least} are the least; asked twice: {probes} probes "
          f"and {len(twice) - probes} others, of {len({account for account, *_ in twice})} accounts in {len(shards)} shards",
          flush=True)
    bench.run("run", "--output", "json", lake=name)
    bench.check(accounts, name)
    print(f"{name}: every sum exact after the next night", flush=True)
    figure(f"fleet.{name}", f"{paid:,} requests where {least:,} are the least; {sum(twice.values()) - len(twice)} asked again; {wall:.1f} s")


def shards(bench):
    spread(bench, "shards", lambda number: ["--shard", f"{number}/{WORKERS}"], replaced=True)


def lease(bench):
    spread(bench, "lease", lambda number: ["--lease", "1h"], replaced=False)


def page(bench):
    """`serve` over five thousand units."""
    bench.api.latency = 0
    accounts, table = [account_id(one) for one in range(5_000)], {"by_service": "SERVICE"}
    bench.folder = bench.jobs(accounts, table)
    load = bench.run("run", "--output", "json", "--parallel", "8", lake="page")
    heading()
    line("first run, 5,000 accounts x 1 table", load, len(accounts))
    child = bench.start("serve", "--listen", "127.0.0.1:18110", lake="page")
    try:
        get = lambda path: urllib.request.urlopen(f"http://127.0.0.1:18110{path}", timeout=60).read()
        begun = time.monotonic()
        while True:
            try:
                if b"costlake_not_looked_at_yet{} 0.0" in get("/metrics"):
                    break
            except OSError:
                pass
            time.sleep(0.2)
        looked = time.monotonic() - begun
        print(f"serve: all units are looked at {looked:.1f} s after its start")
        rows = ["| address, 5,000 units | ms, median of 9 | bytes |", "|---|---:|---:|"]
        for path in ("/", "/metrics", "/api/status", "/api/status?table=by_service&page=3", "/jobs/by_service",
                     f"/jobs/by_service/account/{accounts[4711]}", "/restatements", "/live"):
            get(path)
            times = []
            for _ in range(9):
                begun = time.monotonic()
                text = get(path)
                times.append(time.monotonic() - begun)
            rows.append(f"| `{path.replace(accounts[4711], 'ID')}` | {sorted(times)[4] * 1000:.0f} | {len(text):,} |")
        print("\n".join(rows), flush=True)
        figure("fleet.page", *rows)
        with open(f"/proc/{child.pid}/status") as file:
            peak = re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)
        print(f"serve: peak memory {int(peak) / 1024:.0f} MB")
        figure("fleet.serve", f"looked at {looked:.1f} s after the start; {int(peak) / 1024:.0f} MB at its peak")
    finally:
        child.terminate()
        child.communicate()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("costlake")
    parser.add_argument("sections", nargs="*", default=[], metavar="SECTION")
    parser.add_argument("--before")
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--latency", type=float, default=200.0, help="milliseconds before each answer")
    arguments = parser.parse_intermixed_args()
    scratch = tempfile.mkdtemp()
    try:
        bench = Bench(arguments, scratch)
        for section in arguments.sections or ["night", "shards", "lease", "page"]:
            {"night": night, "shards": shards, "lease": lease, "page": page}[section](bench)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
