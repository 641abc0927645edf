"""The Indexed Job of deploy/kubernetes: valid by Kubernetes' schema, and its container tried as eight processes and, where
there is a Docker engine, as eight containers, with one of them killed in the middle.

What Kubernetes would do is done here by the file's own words: the index in the arguments, the rules of podFailurePolicy, the
tries of backoffLimitPerIndex. What was paid is counted by a door before the sandbox; what is in the lake is compared with
what the sandbox says to whoever assumes the account's role.
"""

import csv
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import fleet
import lake
import yaml

NOW = "2026-11-20T12:00:00Z"
BEGIN, END = "2026-09-01", "2026-11-20"
FILE = lake.REPOSITORY / "deploy" / "kubernetes" / "nightly-indexed-job.yaml"
ACCOUNTS = [fleet.account_number(n) for n in range(1, 41)]
DENIED = ACCOUNTS[20]
TABLES = ("costs", "usage")
LABEL = "costlake-peers"


def write_jobs(folder):
    """As a ConfigMap is mounted: links to files in a folder that is itself a link."""
    now = folder / "..2026_11_20_06_30_00.1234567890"
    now.mkdir(parents=True)
    special = {DENIED: f'role_arn = "arn:aws:iam::{DENIED}:role/costlake-denied"'}
    (now / "accounts.toml").write_text(fleet.accounts_file({account: special.get(account, "") for account in ACCOUNTS}))
    for table, by in zip(TABLES, ("SERVICE", "REGION"), strict=True):
        (now / f"{table}.toml").write_text(fleet.COSTS.format(by=by, accounts="accounts.toml", begin=BEGIN, more=""))
    (folder / "..data").symlink_to(now.name)
    for file in list(now.iterdir()):
        (folder / file.name).symlink_to(f"..data/{file.name}")


class Job:
    """The job of the file."""

    def __init__(self):
        self.spec = yaml.safe_load(FILE.read_text())["spec"]["jobTemplate"]["spec"]
        self.pod = self.spec["template"]["spec"]
        (self.container,) = self.pod["containers"]

    def arguments(self, index):
        return [part.replace("$(JOB_COMPLETION_INDEX)", str(index)) for part in self.container["args"]]

    def no_other_try(self, code):
        for rule in self.spec["podFailurePolicy"]["rules"]:
            on = rule.get("onExitCodes")
            if on and on["operator"] == "In" and code in on["values"]:
                return rule["action"] == "FailIndex"
        return False

    def run(self, start, disturb=lambda running: None):
        """Runs all indexes as Kubernetes does: the exit codes of the tries of each of them."""
        tries, running = {index: [] for index in range(self.spec["completions"])}, {}
        for index in tries:
            running[index] = start(index, self.arguments(index))
        while running:
            disturb(running)
            for index, process in list(running.items()):
                if process.poll() is None:
                    continue
                del running[index]
                tries[index].append(process.returncode)
                again = process.returncode != 0 and not self.no_other_try(process.returncode)
                if again and len(tries[index]) <= self.spec["backoffLimitPerIndex"]:
                    running[index] = start(index, self.arguments(index))
            time.sleep(0.02)
        return tries


class Processes:
    """The container's command as processes of this machine."""

    killed = -signal.SIGKILL

    def __init__(self, jobs, root, door):
        self.costlake = lake.Costlake(NOW, jobs=jobs, COSTLAKE_JOBS=str(jobs), COSTLAKE_LAKE=str(root), **door.environment())
        self.logs = lake.temporary("logs")

    def command(self, index, arguments):
        return [str(lake.binary()), *arguments]

    def start(self, index, arguments):
        with open(self.logs / str(index), "ab") as log:
            process = subprocess.Popen(
                self.command(index, arguments), cwd=self.costlake.home, env=self.costlake.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )
        lake.mark(process).touch()
        return process

    def kill(self, index, process):
        process.kill()


class Containers(Processes):
    """The same as containers of an image that is made of the program and its libraries, as the file has them run."""

    killed = 128 + signal.SIGKILL

    def __init__(self, jobs, root, door, job):
        super().__init__(jobs, root, door)
        self.jobs, self.root, self.job, self.numbers = jobs, root, job, {}
        self.image = f"{LABEL}:{os.getpid()}"
        pod = job.pod["securityContext"]
        self.owner = (pod["runAsUser"], pod["runAsGroup"]) if os.getuid() == 0 else (os.getuid(), os.getgid())
        root.mkdir()
        os.chown(root, *self.owner)

    def __enter__(self):
        buffer = io.BytesIO()
        libraries = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", lake.binary()], check=True, capture_output=True, text=True).stdout)
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.add(lake.binary(), "usr/local/bin/costlake")
            for library in libraries:
                archive.add(os.path.realpath(library), library.lstrip("/"))
            for authorities in ("/etc/ssl/certs/ca-certificates.crt",):
                if os.path.exists(authorities):
                    archive.add(os.path.realpath(authorities), authorities.lstrip("/"))
        made = ["docker", "import", "--change", 'ENTRYPOINT ["/usr/local/bin/costlake"]', "-", self.image]
        subprocess.run(made, input=buffer.getvalue(), check=True, capture_output=True, timeout=120)
        return self

    def __exit__(self, *_):
        ours = subprocess.run(["docker", "ps", "-aq", "--filter", f"label={LABEL}={os.getpid()}"], capture_output=True, text=True, check=False)
        for command in (["docker", "rm", "-f", *ours.stdout.split()] if ours.stdout.split() else ["true"], ["docker", "rmi", "-f", self.image]):
            subprocess.run(command, capture_output=True, check=False, timeout=60)

    def name(self, index):
        return f"{LABEL}-{os.getpid()}-{index}-{self.numbers[index]}"

    def command(self, index, arguments):
        self.numbers[index] = self.numbers.get(index, 0) + 1
        own = self.job.container["securityContext"]
        said = {variable["name"]: variable["value"] for variable in self.job.container["env"]}
        environment = said | lake.AWS | {"COSTLAKE_NOW": NOW, "COSTLAKE_LAKE": "/lake", "NO_COLOR": "1"}
        environment |= {name: value for name, value in self.costlake.environment.items() if "ENDPOINT_URL" in name}
        memory = self.job.container["resources"]["limits"]["memory"].replace("Mi", "m")
        command = ["docker", "run", "--rm", "--name", self.name(index), "--label", f"{LABEL}={os.getpid()}", "--network", "host"]
        command += ["--user", ":".join(map(str, self.owner)), "--memory", memory, "--memory-swap", memory]
        command += ["--cap-drop", *own["capabilities"]["drop"]] + ["--read-only"] * own["readOnlyRootFilesystem"]
        command += ["--security-opt", "no-new-privileges"] * (not own["allowPrivilegeEscalation"])
        command += ["--volume", f"{self.jobs}:{said['COSTLAKE_JOBS']}:ro", "--volume", f"{self.root}:/lake"]
        for name, value in environment.items():
            command += ["--env", f"{name}={value}"]
        return [*command, self.image, *arguments]

    def kill(self, index, process):
        subprocess.run(["docker", "kill", "--signal", "KILL", self.name(index)], check=True, capture_output=True)


def as_written(tally, job):
    with tally.group("the Indexed Job is what Kubernetes takes, and its numbers agree") as group:
        (printed,) = fleet.blocks("### Kubernetes", "sh")
        (validate,) = [line for line in printed.splitlines() if line.startswith("kubernetes-validate ")]
        path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
        broken = lake.temporary("broken") / "broken.yaml"
        broken.write_text(FILE.read_text().replace("backoffLimitPerIndex:", "backoffLimitPerindex:"))
        for command, code in ((validate, 0), (validate.replace(str(FILE.relative_to(lake.REPOSITORY)), shlex.quote(str(broken))), 1)):
            done = subprocess.run(
                shlex.split(command), cwd=lake.REPOSITORY, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
            group.equal(done.returncode, code, f"{command}: {done.stdout}{done.stderr}")
        count = job.spec["completions"]
        group.equal((job.spec["parallelism"], f"--shard=$(JOB_COMPLETION_INDEX)/{count}" in job.container["args"]), (count, True), "workers")
        (rules,) = fleet.blocks("### Kubernetes", "yaml")
        wanted = "\n".join(line.strip() for line in rules.splitlines())
        group.true(wanted in "\n".join(line.strip() for line in FILE.read_text().splitlines()), "the page quotes other rules than the file has")
        group.equal([code for code in range(256) if job.no_other_try(code)], [2, 3, 4], "exit codes after which there is no other try")


def shard_of(costlake, count):
    """The index of each account."""
    found = {}
    for index in range(count):
        units = json.loads(costlake.run("units", "--shard", f"{index}/{count}", "--output", "json").out)["units"]
        found |= {unit["account"]: index for unit in units}
    return found


def a_night(group, job, workers, door, sandbox, root):
    """A first load by eight workers, the one with the most accounts killed; what each index ended with."""
    shards = shard_of(workers.costlake, job.spec["completions"])
    group.equal(sorted(shards), ACCOUNTS, "accounts in shards")
    of = {index: [a for a, own in shards.items() if own == index] for index in shards.values()}
    bad = shards[DENIED]
    victim = max((index for index in of if index != bad), key=lambda index: len(of[index]))
    killed = []

    def disturb(running):
        if not killed and victim in running and door.count(of[victim]) >= 4 * len(of[victim]):
            door.stopped = set(of[victim])  # it is not to be done before it is killed
            workers.kill(victim, running[victim])
            running[victim].wait(60)
            killed.append(door.count(of[victim]))
            door.stopped = set()

    door.paid.clear()
    tries = job.run(workers.start, disturb)
    wanted = {index: [0] for index in tries} | {bad: [3], victim: [workers.killed, 0]}
    logs = "".join(p.read_text(errors="replace")[-300:] for p in workers.logs.iterdir()) if tries != wanted else ""
    group.equal(tries, wanted, f"exit codes of each index {logs}")
    bills = {account: fleet.bill(sandbox, account, BEGIN, END) for account in ACCOUNTS if account != DENIED}
    for table in TABLES:
        group.same_mapping(fleet.sums(root, table), bills, table)
        shown = workers.costlake.run("show", table, "--by", "account", "--output", "csv", lake=root).out
        shown = {line["account"]: lake.Decimal(line["unblended_cost"]) for line in csv.DictReader(io.StringIO(shown)) if line["account"] in bills}
        group.same_mapping(shown, bills, f"{table} by costlake show")
    twice = door.twice()
    group.true(set(twice) <= set(of[victim]), f"paid twice by others than the killed one: {dict(twice)}")
    # Its probes, and the months that were in flight: eight at most.
    group.true(killed and 0 < sum(twice.values()) <= len(of[victim]) + 8 < killed[0], f"paid twice: {dict(twice)}, by the kill {killed}")
    group.note(f"{len(door.paid)} paid requests, {sum(twice.values())} of the {killed[0]} of the killed worker again")


def by_hand(group, printed, workers, door):
    """The loop that the page prints: a second night, on which nothing is due."""
    door.paid.clear()
    script = "\n".join(line for line in printed.splitlines() if not line.startswith("kubernetes-validate "))
    bin_folder = lake.temporary("bin")
    (bin_folder / "costlake").symlink_to(lake.binary())
    environment = workers.costlake.environment | {"PATH": f"{bin_folder}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-e", "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=120)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"exit_code"')]
    group.equal(len(lines), 8, "workers that ended with their line of JSON")
    group.equal(sorted(a for a, _, _ in door.paid), [a for a in ACCOUNTS if a != DENIED], "accounts with one paid request each")


def check(tally, stack):
    job = Job()
    as_written(tally, job)
    home = lake.temporary("kubernetes")
    sandbox = stack.enter_context(lake.sandbox(NOW))
    door = stack.enter_context(fleet.Door(sandbox))
    door.delay = 0.15
    write_jobs(home / "jobs")
    workers = Processes(home / "jobs", home / "lake", door)
    with tally.group("eight processes, one killed: every bill to the last digit, and nothing paid twice but by the killed one") as group:
        a_night(group, job, workers, door, sandbox, home / "lake")
    with tally.group("the commands that the page prints: a second night is a request for each account") as group:
        by_hand(group, fleet.blocks("### Kubernetes", "sh")[0], workers, door)
    engine = shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    if not engine:
        tally.skip("no Docker engine, so the eight processes were not tried as containers")
        return
    root = home / "lake-of-containers"
    with tally.group("eight containers, one killed, read-only and without rights: the same") as group:
        with Containers(home / "jobs", root, door, job) as containers:
            a_night(group, job, containers, door, sandbox, root)


if __name__ == "__main__":
    lake.main(check)
