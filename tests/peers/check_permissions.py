"""The policies of docs/reference/permissions.md and of the Terraform module: every call the program makes is allowed by them, nothing they allow goes unused, and a
permission that is taken away is named.

Which calls are made is seen from outside: moto's recording of what S3 was asked, and a recorder before the sandbox.
"""

import base64
import contextlib
import copy
import fnmatch
import http.server
import json
import os
import re
import signal
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import lake

BUCKET, PREFIX = "my-bucket", "bills"  # as the policies have them
JULY_8, JULY_9, AUTUMN = "2026-07-08T06:30:00Z", "2026-07-09T06:30:00Z", "2026-10-20T06:30:00Z"
ONE_DAY = ("backfill", "bill", "--from", "2026-10-18", "--to", "2026-10-18", "--yes")
JOB = """
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost"]
group_by = [{ dimension = "SERVICE" }]
[window]
begin = "2026-06-01"
settle_day = 1
quarantine_share = 0.01
[limits]
requests_per_second = 200
[lake]
keep_history = true
keep_history_for = "30 days"
"""
CONFIG = """
[source]
type = "datadog_ccm_config"
[limits]
requests_per_second = 200
[schedule]
cron = "0 5 * * *"
"""


def policies():
    """Those of the Terraform module, which are those of docs/reference/permissions.md: a test keeps the two equal."""
    folder = lake.REPOSITORY / "deploy" / "terraform" / "policies"
    return [json.loads((folder / f"{name}.json").read_text()) for name in ("costs", "lake", "reader")]


def listed(value):
    return value if isinstance(value, list) else [value]


def grants(policy):
    """Each action on each resource, with its condition: the smallest parts of a policy that can be taken away."""
    for statement in policy["Statement"]:
        if statement["Effect"] != "Allow" or not {"Sid", "Effect", "Action", "Resource", "Condition"} >= statement.keys():
            raise ValueError(f"this statement is not understood: {statement}")
        condition = statement.get("Condition", {})
        if condition and (list(condition) != ["StringLike"] or list(condition["StringLike"]) != ["s3:prefix"]):
            raise ValueError(f"this condition is not understood: {condition}")
        prefixes = tuple(listed(condition["StringLike"]["s3:prefix"])) if condition else None
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                yield action, resource, prefixes


def allows(grant, call):
    action, resource, prefixes = grant
    wanted, on, prefix = call
    alike = fnmatch.fnmatchcase
    below = prefixes is None or (prefix is not None and any(alike(prefix, pattern) for pattern in prefixes))
    return action == wanted and alike(on, resource) and below


def calls_of_s3(method, url, headers, body):
    """What AWS asks permission for, for one request: a list of (action, resource, value of s3:prefix)."""
    parts = urllib.parse.urlsplit(url)
    bucket, _, key = urllib.parse.unquote(parts.path).lstrip("/").partition("/")
    query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
    there, on = f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/{key}"
    if key and method in ("GET", "HEAD") and not query:
        # A key that is not there is answered with 404 only to those who may list it; else it is 403.
        return [("s3:GetObject", on, None), ("s3:ListBucket", there, key)]
    if key and method == "PUT" and not query:
        matched = [("s3:GetObject", on, None)] if "if-match" in headers else []
        return [("s3:PutObject", on, None), *matched]
    if key and method == "DELETE" and not query:
        return [("s3:DeleteObject", on, None)]
    if not key and method == "GET" and query.get("list-type") == ["2"]:
        return [("s3:ListBucket", there, query.get("prefix", [""])[0])]
    if not key and method == "POST" and "delete" in query:
        return [("s3:DeleteObject", f"{there}/{name}", None) for name in re.findall(r"<Key>(.*?)</Key>", body)]
    return [(f"no known action: {method} {url}", on, None)]


def seen_by(moto, user_agent="costlake/"):
    """Calls since `forget`, of the program alone: the check's own client is another user agent."""
    calls = []
    for line in moto.recording.read_text().splitlines():
        entry = json.loads(line)
        headers = {name.lower(): value for name, value in entry["headers"].items()}
        if user_agent in headers.get("user-agent", ""):
            body = base64.b64decode(entry["body"]).decode(errors="replace") if entry["body_encoded"] else entry["body"]
            calls += calls_of_s3(entry["method"], entry["url"], headers, body)
    return calls


class Recorder:
    """Stands before the sandbox and notes the operations of AWS that it is asked for."""

    def __init__(self, server):
        self.operations = operations = []

        class Pass(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                service, _, name = self.headers.get("x-amz-target", "").partition(".")
                if service:
                    operations.append({"AWSInsightsIndexService": "ce"}.get(service, service) + ":" + name)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
                request = urllib.request.Request(server.url + self.path, body or None, headers, method=self.command)
                try:
                    answer = urllib.request.urlopen(request, timeout=60)
                except urllib.error.HTTPError as error:
                    answer = error
                text = answer.read()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = pass_on

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pass)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()


def set_clock(server, now):
    body = json.dumps({"now": now}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{server.url}/_sandbox/clock", data=body)).read()


def a_year(costlake, server, bucket, where):
    """Everything the program does to a lake, once."""
    run = costlake.run
    run("check", "--online", **where)
    run("plan", **where)
    run("run", **where)
    set_clock(server, JULY_9)
    later = where | {"COSTLAKE_NOW": JULY_9}
    run("run", expect=1, **later)
    run("run", "bill", "--accept", "bill:2026-06", **later)
    run("backfill", "bill", "--from", "2026-06-01", "--to", "2026-06-30", "--yes", **later)
    run("status", **later)
    run("connect", **later)
    gone = f"{PREFIX}/bill/billing_period=2026-06/data.parquet"
    bucket.client.delete_object(Bucket=BUCKET, Key=gone)
    run("verify", "bill", "--full", expect=6, **later)
    run("verify", "bill", "--full", "--repair", expect={0, 1, 6}, **later)
    run("rebuild", "config", expect={0, 1}, **later)
    set_clock(server, AUTUMN)
    autumn = where | {"COSTLAKE_NOW": AUTUMN}
    run("run", "bill", expect={0, 1}, **autumn)
    serve(costlake, autumn)
    for _ in range(12):  # until there are old snapshots to let go
        run(*ONE_DAY, **autumn)
    run("run", expect={0, 1}, **autumn)


def serve(costlake, where):
    (port,) = lake.free_ports(1)
    process = costlake.start("serve", "--listen", f"127.0.0.1:{port}", **where)
    try:
        lake.wait_for(lambda: lake.accepts(port), 30, "page")
        lake.wait_for(lambda: ready(port), 30, "ready")
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30).read()
        time.sleep(1)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        lake.finish(process, expect=0, timeout=30)


def ready(port):
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).status == 200
    return False


class Roles:
    """A user of moto whose policy is replaced, and whose every call to S3 is judged by it."""

    def __init__(self, moto):
        import boto3

        self.moto = moto
        made = {"endpoint_url": moto.url, "region_name": "us-east-1"}
        root = boto3.client("iam", aws_access_key_id="AK", aws_secret_access_key="SK", **made)
        keys = {}
        for user in ("admin", "costlake"):
            root.create_user(UserName=user)
            keys[user] = root.create_access_key(UserName=user)["AccessKey"]
        anything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        root.put_user_policy(UserName="admin", PolicyName="all", PolicyDocument=json.dumps(anything))
        self.iam = boto3.client("iam", aws_access_key_id=keys["admin"]["AccessKeyId"],
                                aws_secret_access_key=keys["admin"]["SecretAccessKey"], **made)
        self.keys = {"AWS_ACCESS_KEY_ID": keys["costlake"]["AccessKeyId"],
                     "AWS_SECRET_ACCESS_KEY": keys["costlake"]["SecretAccessKey"]}
        moto.post("/moto-api/reset-auth", 0)

    def hold(self, policy):
        # moto tells its judge nothing of s3:prefix, which would deny every listing; the calls' own check looks at it.
        policy = copy.deepcopy(policy)
        for statement in policy["Statement"]:
            statement.pop("Condition", None)
        self.iam.put_user_policy(UserName="costlake", PolicyName="lake", PolicyDocument=json.dumps(policy))


def without(policy, action):
    left = copy.deepcopy(policy)
    for statement in left["Statement"]:
        statement["Action"] = [one for one in listed(statement["Action"]) if one != action]
    left["Statement"] = [statement for statement in left["Statement"] if statement["Action"]]
    return left


def compare(group, policy, calls):
    granted = list(grants(policy))
    group.true(calls, "no call was seen")
    for call in sorted({str(call) for call in calls if not any(allows(grant, call) for grant in granted)}):
        group.true(False, f"called and not allowed: {call}")
    for grant in granted:
        group.true(any(allows(grant, call) for call in calls), f"allowed and never called: {grant}")
    actions = sorted({call[0] for call in calls})
    group.note(f"{len(calls)} calls of {', '.join(actions)}")


def check(tally, stack):
    costs, lakes, readers = policies()
    server = stack.enter_context(lake.sandbox(JULY_8))
    recorder = stack.enter_context(Recorder(server))
    moto = stack.enter_context(lake.Moto())
    jobs = lake.temporary("jobs")
    (jobs / "bill.toml").write_text(JOB)
    (jobs / "config.toml").write_text(CONFIG)
    costlake = lake.Costlake(JULY_8, jobs=jobs, **lake.against(recorder), AWS_ENDPOINT_URL_STS=moto.url)
    bucket = lake.Bucket(moto.url, BUCKET, PREFIX)
    bucket.client.create_bucket(Bucket=BUCKET)
    where = {"lake": bucket.lake, "AWS_ENDPOINT_URL_S3": moto.url}

    of_lake, of_reader = [], []
    with tally.group("every call is allowed by the published policies, and all they allow is called") as group:
        a_year(costlake, server, bucket, where)
        of_lake = seen_by(moto)
        compare(group, lakes, of_lake)
        compare(group, costs, [(operation, "*", None) for operation in recorder.operations])

    with tally.group("whoever only asks the lake needs the reader's policy, all of it and no more") as group:
        before = len(seen_by(moto))
        asking = where | {"COSTLAKE_NOW": AUTUMN}
        costlake.run("show", "bill", "--by", "service", **asking)
        costlake.run("status", **asking)
        costlake.run("connect", **asking)
        costlake.run("verify", "bill", "--full", expect={0, 6}, **asking)
        of_reader = seen_by(moto)[before:]
        compare(group, readers, of_reader)
    tally.figure("permissions", f"{len(of_lake)} S3 and {len(recorder.operations)} Cost Explorer calls, {len(of_reader)} of a reader: "
                 "none denied, no grant unused")

    set_clock(server, JULY_8)
    roles = Roles(moto)
    roles.hold(lakes)
    with tally.group("moto, judging every call by the published policy, lets a first run pass") as group:
        done = costlake.run("run", expect=0, **where | {"lake": f"{bucket.lake}/first"} | roles.keys)
        group.true("generation 1" in done.said, done.out[-500:])
    for number, action in enumerate(["s3:GetObject", "s3:PutObject", "s3:ListBucket"]):
        with tally.group(f"moto: without {action} a run ends with exit code 3 and says what is needed") as group:
            roles.hold(without(lakes, action))
            done = costlake.run("run", expect={None}, **where | {"lake": f"{bucket.lake}/{number}"} | roles.keys)
            group.equal(done.code, 3, f"exit code ({done.err[-800:]})")
            group.true(action in done.err + done.out, f"{action} is not named: {done.err[-800:]}")
    with tally.group("moto: without s3:DeleteObject a run is done, and what is old stays") as group:
        roles.hold(without(lakes, "s3:DeleteObject"))
        set_clock(server, AUTUMN)
        done = costlake.run(*ONE_DAY, expect=0, **where | roles.keys | {"COSTLAKE_NOW": AUTUMN})
        group.true("harms nothing" in done.said, f"exit {done.code}, nothing stayed: {done.out[-800:]} {done.err[-800:]}")


lake.main(check)
