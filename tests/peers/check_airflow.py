"""The DAG of deploy/airflow, run by Airflow as docs/deployment/airflow.md prints it: over a job with one account, and over 60
units of which some are not well.

One account is denied, one has figures that are held, one is over its budget, and one gets an answer that cannot be read,
once. What became of each task is read from Airflow's own database; what is in the lake is compared with what the sandbox
says to whoever assumes the account's role; what was paid is counted by a door before the sandbox.
"""

import ast
import json
import math
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys

import fleet
import lake
import printed

NOW = "2026-11-20T12:00:00Z"
PYTHONS = ((3, 10), (3, 14))
DAG = lake.REPOSITORY / "deploy" / "airflow" / "costlake_nightly.py"

ACCOUNTS = [fleet.account_number(n) for n in range(1, 43)]
# Each in a batch of its own: 1 to 10, 11 to 20, ...
DENIED, HELD, DEAR, GARBLED = ACCOUNTS[3], ACCOUNTS[13], ACCOUNTS[23], ACCOUNTS[33]
USAGE = ACCOUNTS[20:30]
ORGANISATIONS = [f"org{n}" for n in range(8)]
SPECIAL = {DENIED: f'role_arn = "arn:aws:iam::{DENIED}:role/costlake-denied"'}
BEGIN, OPEN, LATE, END = "2026-09-01", "2026-11-01", "2026-11-10", "2026-11-20"
SAVINGS = """[source]
type = "datadog_savings"
queries = [{ provider = "aws", product = "ec2" }]
[window]
begin = "2026-11-01"
[limits]
requests_per_second = 20
[accounts]
list = [
%s
]
"""


def job(by, accounts, begin=BEGIN, more=""):
    return fleet.COSTS.format(by=by, accounts=accounts, begin=begin, more=more)


def write_jobs(folder):
    folder.mkdir()
    (folder / "accounts.toml").write_text(fleet.accounts_file({account: SPECIAL.get(account, "") for account in ACCOUNTS}))
    (folder / "costs.toml").write_text(job("SERVICE", "accounts.toml"))
    # Ten days take eleven requests at most; a year takes more than thirteen.
    dear = {account: 'begin = "2025-11-01"' if account == DEAR else "" for account in USAGE}
    (folder / "few.toml").write_text(fleet.accounts_file(dear))
    (folder / "usage.toml").write_text(job("REGION", "few.toml", LATE, "[budget]\nmax_usd_per_month = 0.13\n"))
    for name in ORGANISATIONS:
        (folder / f"{name}.api").write_text(f"sandbox-{name}\n")
        (folder / f"{name}.app").write_text("app\n")
    one = '    {{ name = "{0}", api_key_file = "{0}.api", app_key_file = "{0}.app" }},'
    (folder / "savings.toml").write_text(SAVINGS % "\n".join(one.format(name) for name in ORGANISATIONS))


def a_first_night(home, door, root):
    """The held account was read when its figures were twice as high."""
    jobs = home / "jobs-of-before"
    jobs.mkdir()
    (jobs / "accounts.toml").write_text(fleet.accounts_file({HELD: ""}))
    (jobs / "costs.toml").write_text(job("SERVICE", "accounts.toml"))
    twice = lambda found: b'"Amount":"%s"' % format(2 * lake.Decimal(found[1].decode()), "f").encode()  # noqa: E731
    door.changed = lambda account, question, answer: re.sub(rb'"Amount":"([-0-9.]+)"', twice, answer)
    lake.Costlake(NOW, jobs=jobs, **door.environment()).run("run", "costs", lake=root)
    door.changed = lambda account, question, answer: answer


class Airflow:
    """Airflow with a home and a database of its own."""

    def __init__(self, bin_folder, home, jobs, root, door):
        self.home = home
        os.symlink(lake.binary(), home / "costlake")
        self.environment = lake.clean_environment(home) | lake.AWS | lake.DATADOG | door.environment() | {
            "PATH": f"{home}:{bin_folder}:{os.environ['PATH']}", "COSTLAKE_NOW": NOW, "COSTLAKE_JOBS": str(jobs),
            "COSTLAKE_LAKE": str(root), "AIRFLOW_HOME": str(home / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__MAX_TASK_RETRY_DELAY": "1", "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        (home / "airflow" / "dags").mkdir(parents=True)

    def start(self, *command):
        process = subprocess.Popen(
            command, cwd=lake.REPOSITORY, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )
        lake.mark(process).touch()
        return process

    def shell(self, script, expect=0):
        done = lake.finish(self.start("bash", "-e", "-c", script), expect)
        return done.out + done.err

    def play(self, steps, expect=0):
        done = printed.play(steps, lake.REPOSITORY, self.environment, expect=expect, timeout=600)
        return done.out + done.err

    def tasks(self):
        """State, tries and pool of every task of the last run, by name and place in its map."""
        with sqlite3.connect(self.home / "airflow" / "airflow.db") as db:
            rows = db.execute(
                "SELECT task_id, map_index, state, try_number, pool FROM task_instance WHERE run_id ="
                " (SELECT run_id FROM dag_run ORDER BY id DESC LIMIT 1)").fetchall()
        return {(task, place): (state, tries, pool) for task, place, state, tries, pool in rows}


def the_batches(tally):
    """The function of the DAG, without Airflow."""
    with tally.group("batches of many accounts: every unit once, units of a shard key together, within the map limit") as group:
        wanted = [node for node in ast.parse(DAG.read_text()).body
                  if getattr(node, "name", "") == "in_batches" or "ACCOUNTS_OF_A_TASK" in ast.dump(node) and isinstance(node, ast.Assign)]
        own = {"math": math}
        exec(compile(ast.Module(wanted, []), str(DAG), "exec"), own)
        for accounts, tasks in ((0, 0), (7, 1), (10, 1), (11, 2), (5_000, 500), (20_000, 512)):
            ids = [fleet.account_number(n) for n in range(accounts)]
            units = [{"table": table, "account": account, "shard_key": account} for table in ("a", "b") for account in ids]
            batches = own["in_batches"](units, 1_024)
            seen = [(table, account) for batch in batches for table in batch["tables"] for account in batch["accounts"]]
            group.equal(sorted(seen), sorted((unit["table"], unit["account"]) for unit in units), f"units of {accounts} accounts")
            group.true(tasks - 12 <= len(batches) <= tasks, f"{len(batches)} tasks for {accounts} accounts")
        alone = [{"table": f"t{n}", "account": None, "shard_key": f"profile-{n % 3}"} for n in range(30)]
        batches = own["in_batches"]([*alone, {"table": "c", "account": "000000000001", "shard_key": "profile-1"}], 1_024)
        tables = [sorted(unit["table"] for unit in alone)]
        group.equal([b["tables"] for b in batches if not b["accounts"]], tables, "jobs without accounts")
        group.equal([b["tables"] for b in batches if b["accounts"]], [["c"]], "the job with accounts")


def one_account(tally, airflow, home, sandbox, installation, once):
    with tally.group("the commands of the page install the DAG and run it over a job with one account") as group:
        jobs, root = home / "jobs-of-one", home / "lake-of-one"
        jobs.mkdir()
        (jobs / "bill.toml").write_text(re.sub(r"(?s)\[accounts\].*", "", job("SERVICE", "")))
        there = airflow.environment
        airflow.environment = there | {"COSTLAKE_JOBS": str(jobs), "COSTLAKE_LAKE": str(root)} | lake.against(sandbox)
        airflow.play(installation + once)
        airflow.environment = there
        tasks = {name: state for (name, _), (state, _, _) in airflow.tasks().items()}
        group.equal((tasks["job_files"], tasks["aws_cost_explorer"], tasks["datadog"]), ("success", "success", "skipped"), "tasks")
        rows = lake.read_rows(lake.Folder(root), "bill")
        days = {lake.day_of(row).isoformat() for row in rows}
        group.equal((min(days), max(days), len(days)), (BEGIN, "2026-11-19", 80), "days of the table")


def the_run(tally, airflow, door, once):
    tried = []

    def garbled(account, question, answer):
        if account != GARBLED or tried or b"GroupBy" not in question:
            return answer
        tried.append(question)
        return answer[:len(answer) // 2]

    door.changed = garbled
    with tally.group("the commands of the page run the DAG over 60 units, and each task ends as its units do") as group:
        units = json.loads(subprocess.run(
            ["costlake", "units", "--output", "json"], env=airflow.environment, check=True, capture_output=True).stdout)["units"]
        group.equal(len(units), 60, "units")
        out = airflow.play(once, expect=1)
        cost = "aws_cost_explorer"
        group.same_mapping(airflow.tasks(), {
            ("job_files", -1): ("success", 1, "default_pool"),
            (f"{cost}_batches", -1): ("success", 1, "default_pool"),
            ("datadog_batches", -1): ("success", 1, "default_pool"),
            (cost, 0): ("failed", 1, cost),  # denied: a person must look, and nothing is tried again
            (cost, 1): ("failed", 1, cost),  # held
            (cost, 2): ("skipped", 1, cost),  # over its budget: later
            (cost, 3): ("success", 2, cost),  # an answer that could not be read: tried again
            (cost, 4): ("success", 1, cost),
            ("datadog", 0): ("success", 1, "datadog"),
        }, "tasks")
        for said in (
            f"retry no: costs of {DENIED} (exit code 3)",
            f"retry no: costs of {HELD} (exit code 1)",
            f"retry later: usage of {DEAR} (exit code 4)",
            f"retry yes: costs of {GARBLED} (exit code 1)",
        ):
            group.true(said in out, f"the log does not say: {said}")
        group.true(tried, "no answer was garbled")
        return out
    return ""


def the_lake(tally, airflow, door, sandbox, root):
    with tally.group("the lake has the bills of all accounts that are well, to the last digit") as group:
        costs, usage = (fleet.sums(root, table) for table in ("costs", "usage"))
        bills = {account: fleet.bill(sandbox, account, BEGIN, END) for account in ACCOUNTS if account != DENIED}
        # Its closed months are held, and keep the figures they had; the open one is replaced.
        bills[HELD] = 2 * fleet.bill(sandbox, HELD, BEGIN, OPEN) + fleet.bill(sandbox, HELD, OPEN, END)
        group.same_mapping(costs, bills, "costs")
        late = {account: fleet.bill(sandbox, account, LATE, END) for account in USAGE if account != DEAR}
        group.true(usage.pop(DEAR, 0) < fleet.bill(sandbox, DEAR, "2025-11-01", END), "the account over its budget has all days")
        group.same_mapping(usage, late, "usage")
        for table, wanted in (("costs", [DENIED, HELD]), ("usage", [DEAR])):
            said = subprocess.run(["costlake", "status", table, "--output", "json"], env=airflow.environment, check=True, capture_output=True)
            (status,) = json.loads(said.stdout)["tables"]
            group.equal(sorted(unit["account"] for unit in status["not_current"]), wanted, f"accounts of {table} that are not current")
        organisations = set(path.name for path in (root / "savings").iterdir())
        group.equal(organisations, {f"account={name}" for name in ORGANISATIONS}, "organisations of Datadog")
    with tally.group("only the task that was tried again asked anything again, a probe for each of its accounts") as group:
        twice = door.twice()
        group.same_mapping(dict(twice), {account: 1 + (account == GARBLED) for account in ACCOUNTS[30:40]}, "paid again")
        paid = f"{len(door.paid)} paid requests, {sum(twice.values())} of them again"
        group.note(paid)
        return f"60 units in {sum(place >= 0 for _, place in airflow.tasks())} mapped tasks, {paid}"
    return None


def the_end_of_a_task(tally, airflow, door, root):
    """A copy of the DAG whose tasks may take seconds only, before an API that does not answer in that time. The first task
    is ended by SIGTERM before that. One job file is broken."""
    with tally.group("a task that is stopped or whose time is over ends costlake by SIGTERM: all runs end in order") as group:
        text = DAG.read_text()
        for old, new in (("hours=2", "seconds=15"), ("retries=2", "retries=0"), ("costlake_nightly", "costlake_hasty")):
            group.true(old in text, f"the DAG does not have {old}")
            text = text.replace(old, new)
        (airflow.home / "airflow" / "dags" / "costlake_hasty.py").write_text(text)
        jobs = airflow.home / "few"
        jobs.mkdir()
        (jobs / "accounts.toml").write_text(fleet.accounts_file({account: "" for account in ACCOUNTS[:11]}))
        (jobs / "costs.toml").write_text(job("SERVICE", "accounts.toml"))
        (jobs / "broken.toml").write_text("[source]\n")
        airflow.environment |= {"COSTLAKE_JOBS": str(jobs), "COSTLAKE_LAKE": str(root)}
        door.paid.clear()
        door.delay = 60
        process = airflow.start("airflow", "dags", "test", "costlake_hasty")
        lake.wait_for(lambda: door.paid or process.poll() is not None, 300, "request")
        os.kill(process.pid, signal.SIGTERM)
        done = lake.finish(process, expect=1)
        out = done.out + done.err
        tasks = airflow.tasks()
        ends = {task: tasks.get(task, ())[:2] for task in (("job_files", -1), ("aws_cost_explorer", 0), ("aws_cost_explorer", 1))}
        group.equal(set(ends.values()), {("failed", 1)}, f"tasks: {ends}")
        for said in ("the task was stopped by SIGTERM", "AirflowTaskTimeout"):
            group.true(said in out, f"the log does not say: {said}")
        records = [json.loads(p.read_text()) for p in root.glob("_costlake/costs/*/runs/*/*.json") if "started" not in p.name]
        group.equal({record["exit_code"] for record in records}, {130}, "exit codes of the run records")
        without = {account for account, _, _ in door.paid} - {record["account"] for record in records}
        group.equal(without, set(), "accounts that were asked without a run record")
        group.true(len(records) > 1 and not list(root.glob("costs/**/*.parquet")), f"{len(records)} records; or something was written")


def check(tally, stack):
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        tally.skip(f"Airflow has no version for Python {sys.version_info[0]}.{sys.version_info[1]}", "airflow")
        return
    the_batches(tally)
    bin_folder = pathlib.Path(os.environ.get("COSTLAKE_PEERS_AIRFLOW") or pathlib.Path(sys.executable).parent)
    home = lake.temporary("airflow")
    sandbox = stack.enter_context(lake.sandbox(NOW))
    door = stack.enter_context(fleet.Door(sandbox))
    root = home / "lake"
    a_first_night(home, door, root)
    write_jobs(home / "jobs")
    airflow = Airflow(bin_folder, home, home / "jobs", root, door)
    airflow.shell("airflow db migrate")
    once = printed.sections("airflow.md", "Run it once")
    one_account(tally, airflow, home, sandbox, printed.sections("airflow.md", "Install it"), once)
    door.paid.clear()
    out = the_run(tally, airflow, door, once)
    if os.environ.get("COSTLAKE_PEERS_SHOW"):
        print(re.sub(r"(?m)^", "    ", out))
    seen = the_lake(tally, airflow, door, sandbox, root)
    the_end_of_a_task(tally, airflow, door, home / "another-lake")
    tally.figure("airflow", seen)


if __name__ == "__main__":
    lake.main(check)
