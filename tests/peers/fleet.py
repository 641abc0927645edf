"""Many accounts for the checks of engines: their job files, a door before the sandbox that counts, and what AWS would say."""

import collections
import contextlib
import http.client
import json
import re
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import lake

COSTS = """description = "Daily cost of each account"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost"]
group_by = [{{ dimension = "{by}" }}]
[window]
begin = "{begin}"
[limits]
requests_per_second = 20
{more}
[accounts]
from = "{accounts}"
role_arn = "arn:aws:iam::{{id}}:role/costlake"
"""


def account_number(number):
    return f"{100000000000 + number:012}"


def accounts_file(accounts):
    """A list of accounts, each with what more is said of it."""
    return "\n".join(f'[[accounts]]\nid = "{account}"\n{more}\n' for account, more in accounts.items())


class Door:
    """A server before the sandbox that records every paid request: (account, question, when). Within `with`."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.paid, self.lock = [], threading.Lock()
        self.delay = 0.0
        self.stopped = set()  # accounts that wait for their answers while they are in it
        self.changed = lambda account, question, answer: answer  # what is answered in place of the sandbox's answer

    def __enter__(self):
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with contextlib.suppress(OSError):  # a run that was ended hears nothing more
                    status, headers, content = door.answer(self.command, self.path, self.headers, body)
                    self.send_response(status)
                    for name, value in headers:
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            do_GET = do_POST = answer

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # a client that was killed
                pass

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def answer(self, method, path, headers, body):
        key = re.search(r"Credential=ASIA(\d{12})LAKE/", headers.get("Authorization") or "")
        if headers.get("X-Amz-Target") and key:
            with self.lock:
                self.paid.append((key[1], body.decode(), time.monotonic()))
            time.sleep(self.delay)
            while key[1] in self.stopped:
                time.sleep(0.02)
        inner = http.client.HTTPConnection("127.0.0.1", self.sandbox.port, timeout=60)
        with contextlib.closing(inner):
            kept = {name: value for name, value in headers.items() if name.lower() not in ("host", "connection")}
            inner.request(method, path, body, kept)
            answer = inner.getresponse()
            told = [(n, v) for n, v in answer.getheaders() if n.lower() not in ("content-length", "connection", "transfer-encoding")]
            content = answer.read()
            return answer.status, told, self.changed(key and key[1], body, content)

    def count(self, accounts):
        with self.lock:
            return sum(1 for account, _, _ in self.paid if account in accounts)

    def twice(self):
        """Requests of an account that were paid again: how many of each account."""
        with self.lock:
            counted = collections.Counter((account, question) for account, question, _ in self.paid)
        again = collections.Counter()
        for (account, _), times in counted.items():
            again[account] += times - 1
        return +again

    def environment(self):
        return {"AWS_ENDPOINT_URL_COST_EXPLORER": self.url, "AWS_ENDPOINT_URL_STS": self.url, "COSTLAKE_DATADOG_URL": self.url}


def bill(sandbox, account, begin, end):
    """The total of an account's days as the sandbox says it to whoever assumes the account's role, without costlake."""
    def ask(body, headers):
        with urllib.request.urlopen(urllib.request.Request(sandbox.url, body.encode(), headers), timeout=60) as answer:
            return answer.read().decode()

    role = urllib.parse.urlencode({
        "Action": "AssumeRole", "Version": "2011-06-15", "RoleSessionName": "check", "RoleArn": f"arn:aws:iam::{account}:role/costlake",
    })
    signed = "AWS4-HMAC-SHA256 Credential={}/20261120/us-east-1/ce/aws4_request, SignedHeaders=host, Signature=0"
    said = ask(role, {"Content-Type": "application/x-www-form-urlencoded", "Authorization": signed.format("AK")})
    key, token = (re.search(f"<{name}>(.*?)</{name}>", said)[1] for name in ("AccessKeyId", "SessionToken"))
    question = {"TimePeriod": {"Start": begin, "End": end}, "Granularity": "DAILY", "Metrics": ["UnblendedCost"]}
    answer = json.loads(ask(json.dumps(question), {
        "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSInsightsIndexService.GetCostAndUsage",
        "Authorization": signed.format(key), "X-Amz-Security-Token": token,
    }))
    return sum(lake.Decimal(day["Total"]["UnblendedCost"]["Amount"]) for day in answer["ResultsByTime"])


def sums(root, table):
    """What DuckDB reads of a table: the cost of each account."""
    import duckdb

    with duckdb.connect() as db:
        files = f"read_parquet('{root}/{table}/**/*.parquet', hive_partitioning = true, hive_types = {{'account': VARCHAR}})"
        return dict(db.sql(f"SELECT account, sum(unblended_cost) FROM {files} GROUP BY account").fetchall())
