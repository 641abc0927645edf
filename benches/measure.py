"""Runs the programs of the comparison and prints its tables; started by compare.sh, which has the servers up.

CPU is user and system time of the program and its children, peak RSS that of its largest process, both as the kernel
tells them when the program ends (wait4). RSS cannot be told below what this script itself needs, some 12 MB.

With COSTLAKE_FIGURES, the tables of docs/performance.md are appended to that file, for docs/figures.py.
"""

import glob
import json
import os
import shutil
import statistics
import sys
import time
import urllib.request

COSTLAKE, BARE, SCRATCH, *SECTIONS = sys.argv[1:]
HERE = os.path.dirname(os.path.abspath(__file__))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
YEAR, RESTATED, HOURLY, PACED = (f"http://127.0.0.1:{port}" for port in (18098, 18099, 18100, 18101))
FIRST, LAST = "2025-11-01", "2026-11-01"  # the last day is left out
ROWS = 730_000


def counters(url):
    with urllib.request.urlopen(url + "/counters") as answer:
        return json.load(answer)


def run(command, url=None, environment=None):
    """Runs a program to its end."""
    if url:
        counters(url)
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(os.open(SCRATCH + "/stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        os.execvpe(command[0], command, {**os.environ, **(environment or {})})
    _, status, used = os.wait4(child, 0)
    wall = time.monotonic() - begun
    if status != 0:
        sys.exit(f"{command} ended with {status}:\n{open(SCRATCH + '/stderr').read()}")
    seen = counters(url) if url else {"requests": 0, "refused": 0, "bytes": 0}
    return {"cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss / 1024, "wall": wall, **seen}


def median(runs):
    return {name: statistics.median(one[name] for one in runs) for name in runs[0]}


def fresh(name):
    folder = f"{SCRATCH}/{name}"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def megabytes(folder):
    return sum(os.path.getsize(path) for path in glob.glob(folder + "/**/*.parquet", recursive=True)) / 1e6


def job(name, granularity="DAILY", begin="2018-11-01", in_flight=1, per_second=1000):
    """Writes a job file and gives its folder."""
    folder = fresh("jobs_" + name)
    with open(f"{folder}/{name}.toml", "w") as file:
        file.write(
            f"""[source]
type = "aws_cost_and_usage"
granularity = "{granularity}"
metrics = ["UnblendedCost", "BlendedCost", "AmortizedCost", "NetUnblendedCost", "UsageQuantity"]
group_by = [{{ dimension = "SERVICE" }}, {{ dimension = "USAGE_TYPE" }}]
[window]
begin = "{begin}"
[budget]
max_requests_per_run = 100000
[limits]
requests_per_second = {per_second}
fetches_in_flight = {in_flight}
"""
        )
    return folder


def costlake(name, jobs, lake, url, *arguments):
    environment = {
        "AWS_ENDPOINT_URL_COST_EXPLORER": url,
        "AWS_ACCESS_KEY_ID": "made",
        "AWS_SECRET_ACCESS_KEY": "up",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "COSTLAKE_NOW": "2026-11-01T06:00:00Z",
    }
    command, *rest = arguments
    return run([COSTLAKE, command, name, "--jobs", jobs, "--lake", lake, "--quiet", *rest], url, environment)


def backfill(name, lake, url=YEAR, first=FIRST, last="2026-10-31", **settings):
    return costlake(name, job(name, **settings), fresh(lake), url, "backfill", "--from", first, "--to", last, "--yes")


def python(script, url, first, last, folder, grain="daily"):
    return run([sys.executable, f"{HERE}/peers/{script}.py", url, first, last, folder, grain], url)


def figure(name, lines):
    """A figure of docs/performance.md: the lines of a table, or one text."""
    if os.environ.get("COSTLAKE_FIGURES"):
        with open(os.environ["COSTLAKE_FIGURES"], "a") as file:
            file.write(f"{name}\t" + "\\n".join(lines) + "\n")


COLUMNS = {
    "CPU s": lambda one, base: f"{one['cpu']:.3f}",
    "to the bare program": lambda one, base: f"{one['cpu'] / base['cpu']:.2f}" if base else "",
    "peak RSS MB": lambda one, base: f"{one['rss']:.0f}",
    "requests": lambda one, base: f"{one['requests']:,.0f}",
    "Parquet MB": lambda one, base: f"{one['size']:.2f}",
    "wall s": lambda one, base: f"{one['wall']:.2f}",
}


def lines_of(rows, base, columns):
    heading = ["| program | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    cells = lambda one: " | ".join(COLUMNS[column](one, rows.get(base)) for column in columns)
    return heading + [f"| {name} | {cells(one)} |" for name, one in rows.items()]


def table(title, rows, base, name, *columns):
    """Prints all columns; the document has some of them."""
    print(f"\n## {title}\n\n" + "\n".join(lines_of(rows, base, COLUMNS)), flush=True)
    figure(name, lines_of(rows, base, columns))


def side_by_side(programs, once):
    """Runs programs in turns, those of `once` a single time; medians."""
    runs = {name: [] for name in programs}
    for turn in range(ROUNDS):
        for name, (program, folder) in programs.items():
            if turn == 0 or name not in once:
                fresh(folder)
                one = program()
                runs[name].append({**one, "size": megabytes(f"{SCRATCH}/{folder}")})
    return {name: median(found) for name, found in runs.items()}


def year():
    programs = {
        "bare, a file per day": (lambda: run([BARE, YEAR, FIRST, LAST, SCRATCH + "/bare"], YEAR), "bare"),
        "bare, a file per month": (
            lambda: run([BARE, YEAR, FIRST, LAST, SCRATCH + "/bare_month", "daily", "month"], YEAR),
            "bare_month",
        ),
        "costlake, 1 fetch in flight": (lambda: backfill("year", "lake"), "lake"),
        "costlake, 4 fetches in flight": (lambda: backfill("year", "lake4", in_flight=4), "lake4"),
        "urllib3 + orjson + pyarrow": (
            lambda: python("tuned_python", YEAR, FIRST, LAST, SCRATCH + "/tuned"),
            "tuned",
        ),
        "boto3 + pyarrow": (lambda: python("boto3_pyarrow", YEAR, FIRST, LAST, SCRATCH + "/boto"), "boto"),
    }
    rows = side_by_side(programs, ("urllib3 + orjson + pyarrow", "boto3 + pyarrow"))
    table("A year: 365 days x 2,000 groups, 730,000 rows", rows, "bare, a file per day", "year", *list(COLUMNS)[:5])
    apart(lambda: same("lake/year", "bare", "bare_month", "lake4/year", "tuned", "boto"))


def apart(work):
    """Does something in a process of its own: what this one holds is the least RSS it can tell of a program."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
            sys.stdout.flush()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def same(*folders):
    """Says whether all wrote the same rows."""
    import duckdb

    sums = ", ".join(f"sum({name})" for name in ("unblended_cost", "net_unblended_cost", "usage_quantity"))
    found = {}
    for folder in folders:
        files = f"{SCRATCH}/{folder}/*/data.parquet"
        found[folder] = duckdb.sql(
            f"SELECT count(*), count(DISTINCT usage_date), count(DISTINCT usage_type), {sums} FROM read_parquet('{files}')"
            if "hourly" not in folder
            else f"SELECT count(*), count(DISTINCT period_start), {sums} FROM read_parquet('{files}')"
        ).fetchall()[0]
    kinds = set(found.values())
    print("\nall the same rows and sums" if len(kinds) == 1 else f"\nNOT THE SAME: {found}")


def hourly():
    first, last = "2026-10-18", "2026-11-01"
    programs = {
        "bare, a file per day": (
            lambda: run([BARE, HOURLY, first, last, SCRATCH + "/bare_hourly", "hourly"], HOURLY),
            "bare_hourly",
        ),
        "costlake, 1 fetch in flight": (
            lambda: backfill("hourly", "lake_hourly", HOURLY, first, granularity="HOURLY", begin=first),
            "lake_hourly",
        ),
        "costlake, 4 fetches in flight": (
            lambda: backfill("hourly", "lake4_hourly", HOURLY, first, granularity="HOURLY", begin=first, in_flight=4),
            "lake4_hourly",
        ),
    }
    rows = side_by_side(programs, ())
    table("HOURLY: 14 days x 24 hours x 5,000 groups, 1,680,000 rows", rows, "bare, a file per day", "hourly", *list(COLUMNS)[:5])
    apart(lambda: same("lake_hourly/hourly", "bare_hourly", "lake4_hourly/hourly"))


def nightly():
    backfill("night", "lake_month", first="2026-10-01", last="2026-10-30", in_flight=4)
    days = ("2026-10-28", "2026-10-30")
    jobs = job("night")

    def restate():
        shutil.rmtree(SCRATCH + "/lake_night")
        shutil.copytree(SCRATCH + "/lake_month", SCRATCH + "/lake_night")
        return costlake(
            "night", jobs, SCRATCH + "/lake_night", RESTATED, "backfill", "--from", days[0], "--to", days[1], "--yes"
        )

    programs = {
        "bare, 3 day files": (
            lambda: run([BARE, RESTATED, days[0], "2026-10-31", SCRATCH + "/bare_night"], RESTATED),
            "bare_night",
        ),
        "costlake, 3 days into a month of 60,000 rows": (restate, "lake_night"),
        "urllib3 + orjson + pyarrow, 3 day files": (
            lambda: python("tuned_python", RESTATED, days[0], "2026-10-31", SCRATCH + "/tuned_night"),
            "tuned_night",
        ),
        "boto3 + pyarrow, 3 day files": (
            lambda: python("boto3_pyarrow", RESTATED, days[0], "2026-10-31", SCRATCH + "/boto_night"),
            "boto_night",
        ),
    }
    table("A night: 3 restated days", side_by_side(programs, ()), "bare, 3 day files", "night", "CPU s", "peak RSS MB", "requests")


def start():
    jobs, lake = job("due", begin="2026-10-01"), fresh("lake_due")
    costlake("due", jobs, lake, YEAR, "run")
    runs = {
        "`costlake --version`": [run([COSTLAKE, "--version"]) for _ in range(20)],
        "`costlake run`, nothing due (one probe)": [costlake("due", jobs, lake, YEAR, "run") for _ in range(20)],
        "`costlake status`": [costlake("due", jobs, lake, YEAR, "status") for _ in range(20)],
    }
    table("Start-up (medians of 20)", {name: {**median(found), "size": 0} for name, found in runs.items()}, "", "start", "CPU s", "peak RSS MB")


def growth():
    rows = {}
    for years in (1, 2, 4, 8):
        first = f"{2026 - years}-11-01"
        rows[f"{years} year{'s'[: years - 1]}"] = {**backfill("grow", "lake_grow", first=first), "size": megabytes(SCRATCH + "/lake_grow")}
    table("Growth: years of 730,000 rows, 1 fetch in flight", rows, "1 year", "growth", "CPU s", "peak RSS MB", "requests", "Parquet MB")


def pace():
    one = backfill("paced", "lake_paced", PACED, in_flight=12, per_second=5)
    pages = sum(-(-days * 2_000 // 5_000) for days in (30, 31, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31))
    print(f"\n## Pace: 1 s latency, 5 requests/s, 12 fetches in flight\n")
    print(f"{one['requests']} requests ({pages} pages and one for the totals), {one['refused']} refused,")
    allowed = 1.05 * one["requests"] / 5 + 3
    print(f"{one['wall']:.1f} s; 1.05 x requests / budget + 3 s is {allowed:.1f} s")
    figure("pace", [f"{pages} + {one['requests'] - pages}; {one['wall']:.1f} s of {allowed:.1f}; {one['refused']} refused"])


def reading():
    apart(ask_duckdb)


def ask_duckdb():
    import duckdb

    if not os.path.isdir(SCRATCH + "/lake/year") or not os.path.isdir(SCRATCH + "/boto"):
        return print("\nreading needs the section year")
    print("\n## Reading with DuckDB, one thread (CPU ms, median of 9)\n")
    lines = ["| question | costlake | boto3 + pyarrow | ratio |", "|---|---:|---:|---:|"]
    questions = {
        "year by service": ("SELECT service, sum(unblended_cost) FROM {} GROUP BY ALL", ""),
        "one day": (
            "SELECT service, sum(unblended_cost) FROM {} WHERE usage_date = DATE '2026-03-15' {} GROUP BY ALL",
            "AND billing_period = '2026-03'",
        ),
    }
    for name, (question, month) in questions.items():
        took = []
        for folder, extra in (("lake/year", month), ("boto", "")):
            files = f"read_parquet('{SCRATCH}/{folder}/*/data.parquet', hive_partitioning = true)"
            times = []
            for _ in range(10):
                connection = duckdb.connect(config={"threads": 1})
                begun = time.process_time()
                connection.sql(question.format(files, extra)).fetchall()
                times.append((time.process_time() - begun) * 1000)
            took.append(statistics.median(times[1:]))
        lines.append(f"| {name} | {took[0]:.1f} | {took[1]:.1f} | {took[1] / took[0]:.1f} |")
    print("\n".join(lines))
    figure("reading", lines)


for section in SECTIONS or ["year", "hourly", "nightly", "start", "growth", "pace", "reading"]:
    globals()[section]()
