"""Readers while a writer replaces a partition in a loop: every answer is that of one committed generation, or an error.

The writer is `costlake backfill`, in turns against two sandboxes whose clocks are eight days apart, so that the same month
has two contents. A reader that opens an object twice in one query may meet both: that must be an error, never a sum of the
two. On disk DuckDB is asked 2,000 times; over S3 (moto) its reader cannot be had without its extension registry, so that
polars and pyarrow read there.
"""

import collections
import contextlib
import threading
import time

import lake

CLOCKS = ("2026-10-02T12:00:00Z", "2026-10-10T12:00:00Z")
JOB = """[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost", "UsageQuantity"]
group_by = [{ dimension = "SERVICE" }, { dimension = "USAGE_TYPE" }]
[window]
begin = "2026-08-01"
[limits]
requests_per_second = 500
"""
QUERIES = 2000

# What DuckDB says of an object that became another one between two looks at it; nothing else is an answer to that. The
# last is of its Thrift reader, for a footer that it looked for where another generation had its own.
TORN = (
    "Could not read enough bytes from file", "TProtocolException", "Invalid data", "No magic bytes found at end of file",
    "don't know what type",
)


class Writer:
    """Replaces September again and again, until told to stop."""

    def __init__(self, jobs, root, servers, **environment):
        self.root, self.more = root, ["--single-writer"] if environment else []
        self.programs = [lake.Costlake(now, jobs=jobs, **lake.against(s), **environment) for now, s in zip(CLOCKS, servers, strict=True)]
        self.stop, self.writes, self.problems = threading.Event(), 0, []

    def write(self, turn):
        self.programs[turn % 2].run("backfill", "bill", "--from", "2026-09", "--to", "2026-09", "--yes", *self.more, lake=self.root)
        self.writes += 1

    def loop(self):
        turn = 0
        while not self.stop.is_set():
            try:
                self.write(turn)
            except Exception as error:
                self.problems.append(str(error)[:800])
                return
            turn += 1

    def __enter__(self):
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def committed(writer, read):
    """What each partition may say: the answers of the two generations, read while nobody writes."""
    allowed = collections.defaultdict(set)
    for turn in (0, 1):
        writer.write(turn)
        for partition, *answer in read():
            allowed[partition].add(tuple(answer))
    return allowed


def judge(group, allowed, answers):
    seen = collections.defaultdict(collections.Counter)
    for answer in answers:
        for partition, *figures in answer:
            seen[partition][tuple(figures)] += 1
    for partition, counted in seen.items():
        for figures, times in counted.items():
            group.true(figures in allowed[partition], f"{partition}: {times} times {figures}, which no generation says: {allowed[partition]}")
    group.equal(set(seen), set(allowed), "partitions")
    group.true(len(allowed["2026-09"]) == 2, "the two generations do not differ, so that nothing could be mixed up")
    group.equal(len(seen["2026-09"]), 2, "generations met while they were replaced")


def on_disk(tally, jobs, servers):
    import duckdb

    root = lake.temporary("race")
    writer = Writer(jobs, root, servers)
    connected = writer.programs[1]
    with tally.group(f"{QUERIES} queries of DuckDB on disk while a month is replaced: one generation of it, or an error") as group:
        with duckdb.connect() as probe:
            source = f"read_parquet('{root}/bill/*/data.parquet', hive_partitioning = true)"
            sql = "SELECT billing_period, sum(unblended_cost), sum(usage_quantity), count(*) FROM {} GROUP BY 1"
            writer.programs[0].run("run", "bill", lake=root)
            allowed = committed(writer, lambda: probe.sql(sql.format(source)).fetchall())
        script = connected.run("connect", lake=root).out
        answers, torn, begun = [], collections.Counter(), time.monotonic()
        with writer, contextlib.ExitStack() as stack:
            views = stack.enter_context(duckdb.connect())
            views.execute(script)
            for number in range(QUERIES):
                if number % 500 == 0:  # what a connection has cached is part of the question
                    plain = stack.enter_context(duckdb.connect())
                db, table = (views, "bill") if number % 2 else (plain, source)
                try:
                    answers.append(db.sql(sql.format(table)).fetchall())
                except duckdb.Error as error:
                    kind = next((known for known in TORN if known in str(error)), None)
                    group.true(kind, f"an error that is none of a replacement: {error}")
                    torn[kind] += 1
        group.true(len(answers) > QUERIES * 0.95, f"only {len(answers)} answers: {dict(torn)}")
        group.equal(writer.problems, [], "the writer")
        group.true(writer.writes >= 6, f"only {writer.writes} writes")
        judge(group, allowed, answers)
        group.note(f"{len(answers)} answers, errors {dict(torn)}, {writer.writes} writes, {time.monotonic() - begun:.1f} s")


def over_s3(tally, jobs, servers):
    import polars as pl
    import pyarrow.dataset as ds
    from pyarrow import fs

    with lake.Moto() as moto:
        bucket = lake.Bucket(moto.url, "race", "bills")
        bucket.client.create_bucket(Bucket="race")
        writer = Writer(jobs, bucket.lake, servers, AWS_ENDPOINT_URL_S3=moto.url)
        options = {"aws_endpoint_url": moto.url, "aws_access_key_id": "AK", "aws_secret_access_key": "SK", "aws_region": "us-east-1"}
        options |= {"aws_allow_http": "true"}
        store = fs.S3FileSystem(endpoint_override=moto.url, access_key="AK", secret_key="SK", region="us-east-1", scheme="http")

        def by_polars():
            frame = pl.scan_parquet(f"{bucket.lake}/bill/*/data.parquet", storage_options=options, hive_partitioning=True)
            wanted = [pl.col("unblended_cost").sum(), pl.col("usage_quantity").sum(), pl.len()]
            return frame.group_by("billing_period").agg(wanted).collect().rows()

        def by_pyarrow():
            table = ds.dataset("race/bills/bill", format="parquet", partitioning="hive", filesystem=store).to_table()
            sums = [("unblended_cost", "sum"), ("usage_quantity", "sum"), ([], "count_all")]
            answer = table.group_by("billing_period").aggregate(sums).to_pydict()
            names = ["billing_period", "unblended_cost_sum", "usage_quantity_sum", "count_all"]
            return list(zip(*(answer[n] for n in names), strict=True))

        writer.programs[0].run("run", "bill", "--single-writer", lake=bucket.lake)
        for name, read in (("polars", by_polars), ("pyarrow", by_pyarrow)):
            with tally.group(f"{name} over S3 while a month is replaced: one generation of it, or an error") as group:
                allowed = committed(writer, read)
                answers, errors, begun = [], collections.Counter(), time.monotonic()
                writer.stop.clear()
                with writer:
                    while time.monotonic() - begun < 6 or len(answers) < 40:
                        try:
                            answers.append(read())
                        except Exception as error:
                            errors[f"{type(error).__name__}: {str(error)[:160]}"] += 1
                group.equal(writer.problems, [], "the writer")
                judge(group, allowed, answers)
                group.note(f"{len(answers)} answers, {sum(errors.values())} errors {dict(errors) or ''}, {writer.writes} writes")


def check(tally, stack):
    jobs = lake.temporary("jobs")
    (jobs / "bill.toml").write_text(JOB)
    servers = [stack.enter_context(lake.sandbox(now)) for now in CLOCKS]
    on_disk(tally, jobs, servers)
    over_s3(tally, jobs, servers)


if __name__ == "__main__":
    lake.main(check)
