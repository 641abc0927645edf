"""costlake every night, for many accounts: a task for every ten of them, and a pool for each API.

The workers need `costlake` on their path, COSTLAKE_JOBS, COSTLAKE_LAKE, and the credentials of the APIs and the lake.
Airflow needs the two pools of POOLS. What becomes of a task is decided by what costlake says of its units:

    retry of a unit                       the task
    yes: the API, the network, the store  fails, and is tried again twice, after 5 minutes and more
    no: a person must look first          fails for good
    later: the budget, unsettled figures  is skipped: the next night goes on
    no, with exit code 0                  succeeds

The first line that fits any unit of a task holds for all of it. Trying a task again costs a probe, 0.01 USD, for each of
its accounts: what they have by then is not paid again.
"""

import contextlib
import datetime
import json
import math
import os
import pathlib
import signal
import subprocess
import tomllib

from airflow.sdk import dag, get_current_context, task
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

ACCOUNTS_OF_A_TASK = 10
# By how the names of an API's sources begin: each task of a pool asks at most eight things at once.
POOLS = {"aws_": "aws_cost_explorer", "datadog_": "datadog"}
# From SIGTERM to SIGKILL; costlake stops within ten seconds.
GRACE = 20


def costlake(*arguments):
    """Runs costlake and returns its exit code and last line; what ends the task ends costlake first."""

    def stopped(*_):
        raise AirflowException("the task was stopped by SIGTERM")

    before = signal.signal(signal.SIGTERM, stopped)
    process = subprocess.Popen(["costlake", *arguments], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        last = ""
        for line in process.stdout:
            print(line, end="")
            last = line
        return process.wait(), last
    finally:  # the end, SIGTERM, or AirflowTaskTimeout
        signal.signal(signal.SIGTERM, before)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=GRACE)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def source_of(table):
    file = pathlib.Path(os.environ.get("COSTLAKE_JOBS", "jobs")) / f"{table}.toml"
    return tomllib.loads(file.read_text())["source"]["type"]


def in_batches(units, most):
    """Tables and accounts of each task, at most `most` tasks; units with one shard key share a probe and stay together."""
    together = {}
    for unit in units:
        together.setdefault((unit["account"] is None, unit["shard_key"]), []).append(unit)
    batches = []
    for without_accounts in (False, True):  # these are run without `--account`, so that they have tasks of their own
        groups = [alike for (without, _), alike in together.items() if without is without_accounts]
        size = max(ACCOUNTS_OF_A_TASK, math.ceil(len(groups) / (most // 2)))
        for at in range(0, len(groups), size):
            batch = [unit for alike in groups[at : at + size] for unit in alike]
            accounts = sorted({unit["account"] for unit in batch if unit["account"]})
            batches.append({"tables": sorted({unit["table"] for unit in batch}), "accounts": accounts})
    return batches


@dag(schedule="30 6 * * *", start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), catchup=False,
     max_active_runs=1, max_active_tasks=16, tags=["costlake"], doc_md=__doc__)
def costlake_nightly():
    @task
    def job_files():
        """Fails when a job file is broken; the others are run all the same."""
        code, _ = costlake("check")
        if code:
            raise AirflowFailException(f"costlake check: exit code {code}")

    @task
    def batches(source):
        done = subprocess.run(["costlake", "units", "--output", "json"], stdout=subprocess.PIPE, check=False)
        units = json.loads(done.stdout)["units"]
        own = [unit for unit in units if source_of(unit["table"]).startswith(source)]
        return in_batches(own, conf.getint("core", "max_map_length"))

    @task(retries=2, retry_delay=datetime.timedelta(minutes=5), retry_exponential_backoff=2,
          execution_timeout=datetime.timedelta(hours=2), map_index_template="{{ accounts }}")
    def run_units(batch):
        accounts = batch["accounts"]
        get_current_context()["accounts"] = " to ".join(sorted({*accounts[:1], *accounts[-1:]})) or "no accounts"
        some = ["--account", ",".join(accounts)] if accounts else []
        code, last = costlake("run", *batch["tables"], *some, "--exit-detail")
        try:
            units = json.loads(last)["units"]
        except (ValueError, KeyError) as error:  # it ended before its last line
            kind = AirflowFailException if code in (2, 3) else AirflowException
            raise kind(f"costlake run: exit code {code}") from error
        for retry, kind in [("yes", AirflowException), ("no", AirflowFailException), ("later", AirflowSkipException)]:
            found = [unit for unit in units if unit["exit_code"] and unit["retry"] == retry]
            if found:
                names = (f"{unit['table']} of {unit['account']} (exit code {unit['exit_code']})" for unit in found)
                raise kind(f"retry {retry}: {', '.join(names)}")

    job_files()
    for source, pool in POOLS.items():
        of_api = batches.override(task_id=f"{pool}_batches")(source)
        run_units.override(task_id=pool, pool=pool).expand(batch=of_api)


costlake_nightly()
