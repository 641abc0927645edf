"""What the checks share: the program under test, the peers it is checked against, and exact comparison.

A check is a file `check_*.py` that calls `lake.main(check)`; inside, everything that may differ goes through `Tally`, so
that a check which stops early, or compares nothing, counts as failed.
"""

import atexit
import base64
import contextlib
import datetime
import decimal
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
JOBS = REPOSITORY / "jobs"
SCHEMAS = REPOSITORY / "schemas"
REFERENCE = REPOSITORY.parent / "shared" / "reference"

# Sums of decimal(38,12) stay exact, and anything that would round them is an error.
decimal.getcontext().prec = 200
decimal.getcontext().traps[decimal.Inexact] = True
Decimal = decimal.Decimal


# ---------------------------------------------------------------------------------------------------- what was seen


class Tally:
    """One line per group of assertions; a group passes when none of its comparisons differed and at least one was made."""

    def __init__(self, name):
        self.name = name
        self.passed = self.failed = self.skipped = 0

    @contextlib.contextmanager
    def group(self, what):
        group = Group()
        try:
            yield group
        except Exception as error:  # a broken peer or program is a failure of this group, not of the whole run
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{pathlib.Path(last.filename).name}:{last.lineno}"
            group.differences.append(f"{type(error).__name__}: {error} ({place})")
        if not group.compared and not group.differences:
            group.differences.append("nothing was compared")
        if group.differences:
            self.failed += 1
            print(f"FAIL {self.name}: {what}", flush=True)
            for difference in group.differences[:8]:
                print("       " + difference.replace("\n", "\n       ")[:4000], flush=True)
            if len(group.differences) > 8:
                print(f"       ... and {len(group.differences) - 8} more", flush=True)
        else:
            self.passed += 1
            notes = f" ({'; '.join(group.notes)})" if group.notes else ""
            print(f"ok   {self.name}: {what}{notes}", flush=True)

    def figure(self, name, text):
        """A figure of the documents, unless something failed."""
        if not self.failed:
            figure(name, text)

    def skip(self, why, *figures):
        """Says that something was not tried; its figures in the documents stay as they are."""
        self.skipped += 1
        print(f"skip {self.name}: {why}", flush=True)
        for name in figures:
            figure(name, "")


class Group:
    def __init__(self):
        self.compared = 0
        self.differences = []
        self.notes = []

    def note(self, text):
        self.notes.append(text)

    def true(self, condition, what):
        self.compared += 1
        if not condition:
            self.differences.append(what)
        return bool(condition)

    def equal(self, got, expected, what):
        self.compared += 1
        if got != expected:
            self.differences.append(f"{what}: got {shorten(got)}, expected {shorten(expected)}")
        return got == expected

    def same_mapping(self, got, expected, what):
        """Both ways: nothing missing, nothing extra, every value equal. An empty expectation is a mistake of the check."""
        self.true(expected, f"{what}: nothing is expected, so nothing can be compared")
        for key in sorted(expected.keys() - got.keys(), key=repr):
            self.differences.append(f"{what}: {key!r} is missing")
        for key in sorted(got.keys() - expected.keys(), key=repr):
            self.differences.append(f"{what}: {key!r} was not expected: {shorten(got[key])}")
        for key in sorted(expected.keys() & got.keys(), key=repr):
            self.equal(got[key], expected[key], f"{what}: {key!r}")


def figure(name, text):
    """Notes what was counted, as it stands in docs/reliability.md, where COSTLAKE_FIGURES collects it; see docs/figures.py."""
    if os.environ.get("COSTLAKE_FIGURES"):
        with open(os.environ["COSTLAKE_FIGURES"], "a") as file:
            file.write(f"{name}\t{text}".replace("\n", "\\n") + "\n")


def shorten(value, limit=600):
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


def ended(*_):
    """Ends the check; what it cleans up then is not disturbed by the second signal that `timeout` sends."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    sys.exit(143)


def main(check):
    """Runs one check, writes its counts where run.sh adds them up, and leaves no process behind."""
    signal.signal(signal.SIGTERM, ended)
    name = pathlib.Path(sys.argv[0]).stem.removeprefix("check_")
    tally = Tally(name)
    begun = time.monotonic()
    try:
        with contextlib.ExitStack() as stack:
            check(tally, stack)
    except Exception:
        traceback.print_exc(file=sys.stdout)
        print(f"FAIL {name}: the check itself stopped", flush=True)
        tally.failed += 1
    if not (tally.passed or tally.failed or tally.skipped):
        print(f"FAIL {name}: the check asserted nothing", flush=True)
        tally.failed += 1
    counts = f"{tally.passed} {tally.failed}\n"
    if os.environ.get("COSTLAKE_PEERS_TALLY"):
        with open(os.environ["COSTLAKE_PEERS_TALLY"], "a") as file:
            file.write(counts)
    print(f"     {name}: {time.monotonic() - begun:.1f} s", flush=True)
    sys.exit(1 if tally.failed else 0)


# ---------------------------------------------------------------------------------------------- processes and ports


def work():
    """A directory that run.sh removes; standing alone, a check removes its own."""
    root = os.environ.get("COSTLAKE_PEERS_WORK")
    if not root:
        root = tempfile.mkdtemp(prefix="costlake-peers-")
        os.environ["COSTLAKE_PEERS_WORK"] = root
        atexit.register(shutil.rmtree, root, ignore_errors=True)
    return pathlib.Path(root)


def temporary(name):
    return pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=work()))


def copied(folder, name):
    """A copy of a folder, in a folder of its own."""
    target = temporary(name)
    shutil.copytree(folder, target, dirs_exist_ok=True)
    return target


HELD = []


def free_ports(count):
    """Ports that nobody else is given while this check runs: each stays bound here, without listening, which leaves it to
    a server that binds with SO_REUSEADDR, as all of them do, and to no other check and no outgoing connection."""
    found = []
    for _ in range(count):
        probe = socket.socket()
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        HELD.append(probe)
        found.append(probe.getsockname()[1])
    return found


def clean_environment(home):
    """Nothing of the caller's credentials or settings reaches the program."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "TMPDIR", "TERM", "RUST_BACKTRACE")}
    return kept | {
        "HOME": str(home),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(home / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "no-credentials"),
        "NO_COLOR": "1",
    }


AWS = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK", "AWS_REGION": "us-east-1"}
DATADOG = {"DD_API_KEY": "0" * 31 + "1", "DD_APP_KEY": "0" * 39 + "2"}


def mark(process):
    """A file that exists while the process does: run.sh ends what a check that was killed left behind."""
    (work() / "pids").mkdir(exist_ok=True)
    return work() / "pids" / str(process.pid)


class Server:
    """A process that listens on loopback; it is ready when it accepts connections, and is gone after `with`."""

    def __init__(self, name, command, port, environment, directory=None):
        self.name, self.command, self.port = name, [str(part) for part in command], port
        self.environment, self.directory = environment, directory
        self.url = f"http://127.0.0.1:{port}"

    def __enter__(self):
        self.log = work() / f"{self.name}-{self.port}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=self.environment, cwd=self.directory, start_new_session=True,
            )
        mark(self.process).touch()
        try:
            wait_for(lambda: self.alive() and accepts(self.port), 60, f"{self.name} listening on port {self.port}")
        except BaseException as error:
            self.__exit__(None, None, None)
            raise RuntimeError(f"{error}; its log ends: {self.tail()}") from error
        return self

    def alive(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with exit code {self.process.returncode}")
        return True

    def tail(self):
        return self.log.read_text(errors="replace")[-2000:]

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        mark(self.process).unlink(missing_ok=True)


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {seconds} s")
        time.sleep(0.1)


# ------------------------------------------------------------------------------------------------ the program itself


def binary():
    path = os.environ.get("COSTLAKE_BIN")
    if not path:
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or "target")
        path = (target if target.is_absolute() else REPOSITORY / target) / "release" / "costlake"
    path = pathlib.Path(path).resolve()
    if not path.is_file():
        raise FileNotFoundError(f"{path}: build it first (cargo build --release), or set COSTLAKE_BIN")
    return path


class Costlake:
    """The program with one environment, run in a directory of its own."""

    def __init__(self, now, jobs=JOBS, **environment):
        self.home = temporary("home")
        self.jobs = jobs
        self.environment = clean_environment(self.home) | AWS | DATADOG | {"COSTLAKE_NOW": now} | environment

    def start(self, *arguments, lake=None, **environment):
        command = [str(binary()), *map(str, arguments), "--jobs", str(self.jobs)]
        if lake is not None:
            command += ["--lake", str(lake)]
        process = subprocess.Popen(
            command, cwd=self.home, env=self.environment | environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )
        mark(process).touch()
        return process

    def run(self, *arguments, lake=None, expect=0, timeout=600, **environment):
        return finish(self.start(*arguments, lake=lake, **environment), expect, timeout)


class Done:
    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    @property
    def said(self):
        """Both outputs with a blank for every break, since sentences are folded."""
        return " ".join(f"{self.out} {self.err}".split())


def finish(process, expect=0, timeout=600):
    """The output and exit code; another exit code than expected (one, or a set of them) is an error with both outputs."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise TimeoutError(f"{' '.join(process.args[1:])} ran longer than {timeout} s: {err[-1500:].decode(errors='replace')}")
    finally:
        mark(process).unlink(missing_ok=True)
    done = Done(process.args, process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))
    expected = expect if isinstance(expect, (set, frozenset)) else {expect}
    if expected != {None} and done.code not in expected:
        raise AssertionError(
            f"costlake {' '.join(process.args[1:])}: exit {done.code}, expected {sorted(expected)}\n"
            f"stdout: {done.out[-1500:]}\nstderr: {done.err[-2500:]}"
        )
    return done


def sandbox(now):
    """The built-in imitation of both APIs, as a server of its own."""
    (port,) = free_ports(1)
    home = temporary("sandbox-home")
    return Server("sandbox", [binary(), "sandbox", "--listen", f"127.0.0.1:{port}"], port,
                  clean_environment(home) | {"COSTLAKE_NOW": now}, home)


def against(server):
    """The environment that points the program at a server for both APIs."""
    return {"AWS_ENDPOINT_URL_COST_EXPLORER": server.url, "COSTLAKE_DATADOG_URL": server.url}


# ------------------------------------------------------------------------------------------------------------- peers


class Moto(Server):
    """moto_server, with what it was asked on record."""

    ACCOUNT = "123456789012"

    def __init__(self):
        (port,) = free_ports(1)
        home = temporary("moto")
        super().__init__(
            "moto", [pathlib.Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(port)], port,
            clean_environment(home) | {"MOTO_ENABLE_RECORDING": "1", "MOTO_RECORDER_FILEPATH": str(home / "asked")}, home,
        )
        self.recording = home / "asked"

    def post(self, path, document=None):
        body = b"" if document is None else json.dumps(document).encode()
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            if answer.status not in (200, 201):
                raise RuntimeError(f"moto answered {answer.status} to {path}")

    def queue_costs(self, answers):
        """First asked, first served; an answer stays with the exact request body that drew it."""
        self.post("/moto-api/static/ce/cost-and-usage-results", {"account_id": self.ACCOUNT, "results": answers})

    def forget(self):
        self.post("/moto-api/reset")
        self.recording.write_text("")

    def asked(self):
        """The Cost Explorer requests since `forget`, in order: (operation, body)."""
        seen = []
        for line in self.recording.read_text().splitlines() if self.recording.exists() else []:
            entry = json.loads(line)
            target = {k.lower(): v for k, v in entry["headers"].items()}.get("x-amz-target", "")
            if not target.startswith("AWSInsightsIndexService."):
                continue
            body = base64.b64decode(entry["body"]) if entry["body_encoded"] else entry["body"].encode()
            seen.append((target.partition(".")[2], json.loads(body)))
        return seen


class Ceph:
    """A real object gateway: see ceph.sh."""

    def __enter__(self):
        self.directory = temporary("ceph")
        ports = free_ports(3)
        try:
            self.url = subprocess.run(
                [HERE / "ceph.sh", "start", self.directory, *map(str, ports)], stdin=subprocess.DEVNULL,
                check=True, capture_output=True, text=True, timeout=300,
            ).stdout.strip()
        except BaseException as error:
            self.__exit__(None, None, None)
            raise RuntimeError(f"{error}: {getattr(error, 'stderr', None) or ''}") from error
        return self

    def __exit__(self, *_):
        subprocess.run([HERE / "ceph.sh", "stop", self.directory], stdin=subprocess.DEVNULL, timeout=120, check=False)


# ---------------------------------------------------------------------------------------------------- reading a lake


class Folder:
    """A lake in a local folder."""

    def __init__(self, root):
        self.root = pathlib.Path(root)

    def tables(self):
        return sorted(p.name for p in self.root.iterdir() if p.is_dir() and not p.name.startswith("_"))

    def objects(self, table):
        return {p.relative_to(self.root).as_posix(): p.read_bytes() for p in sorted((self.root / table).rglob("*")) if p.is_file()}

    def marks(self, table):
        """What changes when an object is written again, be it with the same bytes."""
        return {
            p.relative_to(self.root).as_posix(): (p.stat().st_mtime_ns, p.stat().st_ino, hashlib.sha256(p.read_bytes()).hexdigest())
            for p in sorted((self.root / table).rglob("*")) if p.is_file()
        }


class Bucket:
    """A lake in S3, read by boto3."""

    def __init__(self, url, bucket, prefix):
        import boto3
        from botocore.config import Config

        self.client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="AK", aws_secret_access_key="SK",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3}),
        )
        self.bucket, self.prefix = bucket, prefix
        self.lake = f"s3://{bucket}/{prefix}"

    def listing(self, table):
        found = []
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self.prefix}/{table}/"):
            found += page.get("Contents", [])
        return found

    def objects(self, table):
        return {
            o["Key"].removeprefix(self.prefix + "/"): self.client.get_object(Bucket=self.bucket, Key=o["Key"])["Body"].read()
            for o in self.listing(table)
        }

    def marks(self, table):
        return {o["Key"].removeprefix(self.prefix + "/"): (o["ETag"], o["LastModified"]) for o in self.listing(table)}


PARTITION = re.compile(r"^[a-z][a-z0-9_]*/(?:account=[^/]+/)?(billing_period=\d{4}-\d{2}|usage_date=\d{4}-\d{2}-\d{2})/data\.parquet$")


def read_rows(store, table):
    """Every row of a table as pyarrow reads it. An object where no data object belongs is an error."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for name, data in store.objects(table).items():
        match = PARTITION.match(name)
        if not match:
            raise AssertionError(f"{name} is not a partition's one data object")
        key, _, value = match.group(1).partition("=")
        file = pq.ParquetFile(pa.BufferReader(data))
        if key in file.schema_arrow.names:
            raise AssertionError(f"{name}: the partition column {key} is also in the file")
        for row in file.read().to_pylist():
            day = day_of(row)
            if not day.isoformat().startswith(value):
                raise AssertionError(f"{name} holds a row of {day}")
            rows.append(row)
    return rows


def arrow_rows(data):
    """The names and rows of an answer in Arrow's file format, its instants as datetimes in UTC without a zone."""
    import pyarrow as pa

    table = pa.ipc.open_file(data).read_all()
    plain = lambda value: value.replace(tzinfo=None) if isinstance(value, datetime.datetime) else value  # noqa: E731
    return table.column_names, [tuple(map(plain, row)) for row in zip(*(c.to_pylist() for c in table.columns), strict=True)]


def day_of(row):
    value = row["usage_date"] if "usage_date" in row else row["period_start"]
    return value.date() if isinstance(value, datetime.datetime) else value


def exact_sums(rows):
    """Per day: the number of rows, and the exact sum of every decimal column that is not null."""
    result = {}
    for row in rows:
        sums = result.setdefault(day_of(row).isoformat(), {"rows": 0})
        sums["rows"] += 1
        for column, value in row.items():
            if isinstance(value, Decimal):
                sums[column] = sums.get(column, Decimal(0)) + value
    return result


def searchable(path):
    """A file's content in every form a secret could be read from: as it is, unpacked, and a Parquet file's values and footer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = path.read_bytes()
    forms = [data]
    if data[:2] == b"\x1f\x8b":
        forms.append(gzip.decompress(data))
    elif data[:4] == b"\x28\xb5\x2f\xfd":
        forms.append(pa.input_stream(pa.BufferReader(data), compression="zstd").read())
    elif data[:4] == b"PAR1":
        file = pq.ParquetFile(pa.BufferReader(data))
        forms.append(json.dumps(file.read().to_pylist(), default=str, ensure_ascii=False).encode())
        forms.append(repr(file.metadata.metadata).encode())
    return b"\n".join(forms)


def job(name):
    """A shipped job file."""
    return tomllib.loads((JOBS / f"{name}.toml").read_text())


def unpaced_jobs():
    """The shipped job files as they are, but for the pace: 5 requests a second is for the real APIs, not for loopback."""
    copies = temporary("jobs")
    for file in sorted(JOBS.glob("*.toml")):
        text = file.read_text()
        if "limits" in tomllib.loads(text):
            raise ValueError(f"{file.name} has limits of its own, so none can be added")
        (copies / file.name).write_text(text + "\n[limits]\nrequests_per_second = 200\n")
    return copies


def toml_string(text):
    return json.dumps(text, ensure_ascii=False)
