"""The lake in S3: on moto, and on Ceph's object gateway, against the same jobs run to a local folder."""

import datetime

import fleet
import lake

NOW = "2026-11-16T12:00:00Z"
TABLES = ["aws_cost_by_service", "datadog_commitments"]  # shipped jobs, without their pace
RACED, RACE_FROM, RACE_TO = "aws_cost_by_service", "2026-10-01", "2026-10-31"
TIMEOUT = 900
OF_ALL, ACCOUNTS = "costs_of_all", ["000033334444", "000123456789", "222233334444"]


def run_until_done(costlake, table, **where):
    """A shipped job as cron would run it: a run that reached the job's budget (exit 4) is followed by the next one."""
    for _ in range(10):
        done = costlake.run("run", table, expect={0, 4}, timeout=TIMEOUT, **where)
        if done.code == 0:
            return done
    raise AssertionError(f"{table} was not done after ten runs: {done.err[-1500:]}")


def compare(group, store, table, expected):
    sums = lake.exact_sums(lake.read_rows(store, table))
    group.same_mapping(sums, expected, table)
    group.note(f"{sum(s['rows'] for s in sums.values())} rows, {len(sums)} days")
    return sums


def race(group, costlake, bucket, expected, versioned, **environment):
    """Two writers of the same month at once: each is done or says that another won; the table has one month, once."""
    arguments = ("backfill", RACED, "--from", RACE_FROM, "--to", RACE_TO, "--yes")
    pair = [costlake.start(*arguments, lake=bucket.lake, **environment) for _ in range(2)]
    results = []
    for process in pair:
        results.append(lake.finish(process, expect={None}, timeout=TIMEOUT))
    codes = sorted(r.code for r in results)
    for result in results:
        group.true(result.code in (0, 5), f"exit {result.code}: {result.err[-1500:]}")
    group.true(0 in codes, f"nobody won: exit codes {codes}")
    group.equal(sorted(bucket.objects(RACED)), [f"{RACED}/billing_period=2026-10/data.parquet"], "data objects")
    compare(group, bucket, RACED, expected)
    if versioned:
        versions = bucket.client.list_object_versions(Bucket=bucket.bucket, Prefix=f"{bucket.prefix}/{RACED}/")
        group.equal(len(versions.get("Versions", [])), 1, "times the data object was written")
        group.equal(len(versions.get("DeleteMarkers", [])), 0, "times it was deleted")
    group.note(f"exit codes {codes}")


def set_versioned(client, bucket):
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def store_without_conditions(tally, url, costlake, local):
    """Ceph 16 takes `If-None-Match: *` as no condition in a versioned bucket: a real store that must be refused."""
    table = "datadog_commitments"
    bucket = lake.Bucket(url, "versioned", "bills")
    bucket.client.create_bucket(Bucket="versioned")
    set_versioned(bucket.client, "versioned")
    where = {"lake": bucket.lake, "AWS_ENDPOINT_URL_S3": url}
    with tally.group("Ceph, versioned bucket: create-if-absent twice succeeds twice (what makes it a test)") as group:
        for _ in range(2):
            bucket.client.put_object(Bucket="versioned", Key="twice", Body=b"", IfNoneMatch="*")
        group.compared += 1
    with tally.group("Ceph, versioned bucket: refused, naming the way out, and no data object written") as group:
        done = costlake.run("run", table, expect={None}, timeout=TIMEOUT, **where)
        group.true(done.code not in (0, 101) and done.code > 0, f"exit {done.code}: {done.out[-500:]} {done.err[-1500:]}")
        group.true("single-writer" in done.out + done.err, f"--single-writer is not named: {done.err[-1500:]}")
        group.equal(sorted(bucket.marks(table)), [], "data objects")
        group.note(f"exit {done.code}")
    with tally.group("Ceph, versioned bucket: accepted with --single-writer, rows and sums as in the local lake") as group:
        for _ in range(2):
            costlake.run("run", table, "--single-writer", timeout=TIMEOUT, **where)
        compare(group, bucket, table, local.get(table) or {})
        versions = bucket.client.list_object_versions(Bucket="versioned", Prefix=f"{bucket.prefix}/{table}/")["Versions"]
        group.equal(len(versions), len(bucket.marks(table)), "times a data object was written, two runs")


def part_of(account):
    return f"{OF_ALL}/account={account}"


def accounts_job(folder):
    """A job with three payers of the sandbox, whose roles are assumed."""
    (folder / "accounts.toml").write_text(fleet.accounts_file({account: "" for account in ACCOUNTS}))
    job = fleet.COSTS.format(by="SERVICE", begin="2026-09-01", more="", accounts="accounts.toml")
    (folder / f"{OF_ALL}.toml").write_text(job)
    return folder


def with_accounts(tally, name, bucket, costlake, local, **where):
    """Two workers at once share the accounts of a table by leases; then what they leave, and a second night."""
    with tally.group(f"{name}: two workers with leases fill a table with accounts, each with the sums of the local lake") as group:
        pair = [costlake.start("run", OF_ALL, "--lease", "1h", **where) for _ in range(2)]
        for process in pair:
            lake.finish(process, expect={0}, timeout=TIMEOUT)
        costlake.run("run", OF_ALL, timeout=TIMEOUT, **where)  # what one of them left to the other
        for account in ACCOUNTS:
            compare(group, bucket, part_of(account), local[account])
        group.equal(len({str(sums) for sums in local.values()}), len(ACCOUNTS), "bills that differ")
    with tally.group(f"{name}: the accounts again: no data object written, everything verified and current") as group:
        before = bucket.marks(OF_ALL)
        costlake.run("run", OF_ALL, timeout=TIMEOUT, **where)
        group.same_mapping(bucket.marks(OF_ALL), before, "ETag and time of the data objects")
        costlake.run("verify", OF_ALL, "--full", timeout=TIMEOUT, **where)
        costlake.run("status", OF_ALL, "--check", timeout=TIMEOUT, **where)


def on_store(tally, name, url, costlake, local):
    bucket = lake.Bucket(url, "costlake", "bills")
    bucket.client.create_bucket(Bucket="costlake")
    where = {"lake": bucket.lake, "AWS_ENDPOINT_URL_S3": url}

    for table in TABLES:
        with tally.group(f"{name}: {table} has the rows and exact sums of the local lake") as group:
            run_until_done(costlake, table, **where)
            compare(group, bucket, table, local.get(table) or {})
        with tally.group(f"{name}: {table} again writes no data object") as group:
            before = bucket.marks(table)
            run_until_done(costlake, table, **where)
            group.same_mapping(bucket.marks(table), before, "ETag and time of the data objects")
            group.note(f"{len(before)} objects")

    with tally.group(f"{name}: every day of a month read again on demand still writes no data object") as group:
        before = bucket.marks(RACED)
        costlake.run("backfill", RACED, "--from", RACE_FROM, "--to", RACE_TO, "--yes", timeout=TIMEOUT, **where)
        group.same_mapping(bucket.marks(RACED), before, "ETag and time of the data objects")

    month = {day: sums for day, sums in (local.get(RACED) or {}).items() if RACE_FROM <= day <= RACE_TO}
    # Where versions can be kept without the conditions being lost, they tell how often an object was written.
    versioned = name == "moto"
    bucket.client.create_bucket(Bucket="raced")
    if versioned:
        set_versioned(bucket.client, "raced")
    for attempt in (1, 2, 3):
        with tally.group(f"{name}: two backfills of one month at once, into an empty prefix, round {attempt}") as group:
            race(group, costlake, lake.Bucket(url, "raced", f"race-{attempt}"), month, versioned, AWS_ENDPOINT_URL_S3=url)


def check(tally, stack):
    server = stack.enter_context(lake.sandbox(NOW))
    costlake = lake.Costlake(NOW, jobs=lake.unpaced_jobs(), **lake.against(server))
    root, local = lake.temporary("lake"), {}
    for table in TABLES:
        with tally.group(f"local folder: {table} is complete") as group:
            run_until_done(costlake, table, lake=root)
            local[table] = lake.exact_sums(lake.read_rows(lake.Folder(root), table))
            days = sorted(map(datetime.date.fromisoformat, local[table]))
            group.true(len(days) > 31, f"only {len(days)} days")
            group.equal(len(days), (days[-1] - days[0]).days + 1, "days without a hole")
            group.equal(days[-1].isoformat(), "2026-11-15", "last day")
            group.note(f"{sum(s['rows'] for s in local[table].values())} rows, {len(days)} days")

    of_accounts = lake.Costlake(NOW, jobs=accounts_job(lake.temporary("accounts")), **lake.against(server),
                                AWS_ENDPOINT_URL_STS=server.url)
    of_accounts.run("run", OF_ALL, lake=root, timeout=TIMEOUT)
    parts = {account: lake.exact_sums(lake.read_rows(lake.Folder(root), part_of(account))) for account in ACCOUNTS}

    for name, peer in (("moto", lake.Moto), ("Ceph", lake.Ceph)):
        try:
            started = stack.enter_context(peer())
        except Exception as error:
            with tally.group(f"{name} starts") as group:
                group.true(False, str(error))
            continue
        on_store(tally, name, started.url, costlake, local)
        bucket = lake.Bucket(started.url, "costlake", "bills")
        with_accounts(tally, name, bucket, of_accounts, parts, lake=bucket.lake, AWS_ENDPOINT_URL_S3=started.url)
        if name == "Ceph":
            store_without_conditions(tally, started.url, costlake, local)


lake.main(check)
