"""deploy/kubernetes: every file valid by Kubernetes' schema, all of them fit together, and each command tried by the
words of its file.

* The Indexed Job as eight processes and, where there is a Docker engine, as eight containers, with one of them killed in the
  middle. What Kubernetes would do is done here by the file's own words: the index in the arguments, the rules of
  podFailurePolicy, the tries of backoffLimitPerIndex. What was paid is counted by a door before the sandbox; what is in the
  lake is compared with what the sandbox says to whoever assumes the account's role.
* The commands of docs/deployment/kubernetes.md, with a stand-in for kubectl where there is no cluster.
* The nightly CronJob as a process and as a container, and the Deployment as a process that is asked by its probes.
"""

import contextlib
import csv
import http.client
import io
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time

import containers
import fleet
import lake
import manifests
import printed
import stand_ins
import yaml

NOW = "2026-11-20T12:00:00Z"
BEGIN, END = "2026-09-01", "2026-11-20"
FILE = manifests.FOLDER / "nightly-indexed-job.yaml"
ACCOUNTS = [fleet.account_number(n) for n in range(1, 41)]
DENIED = ACCOUNTS[20]
TABLES = ("costs", "usage")
LABEL = containers.LABEL


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
    """The job of a file."""

    def __init__(self, file=FILE):
        self.spec = yaml.safe_load(file.read_text())["spec"]["jobTemplate"]["spec"]
        self.pod = self.spec["template"]["spec"]
        (self.container,) = self.pod["containers"]

    def arguments(self, index):
        return [part.replace("$(JOB_COMPLETION_INDEX)", str(index)) for part in self.container["args"]]

    def no_other_try(self, code, action="FailIndex"):
        for rule in self.spec["podFailurePolicy"]["rules"]:
            on = rule.get("onExitCodes")
            if on and on["operator"] == "In" and code in on["values"]:
                return rule["action"] == action
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


def values(container):
    """The environment of a container, but for what the cluster knows."""
    return {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}


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
        self.made = containers.image_of_the_program(self.image)
        self.made.__enter__()
        return self

    def __exit__(self, *_):
        containers.remove_labelled(f"{LABEL}={os.getpid()}")
        self.made.__exit__(None, None, None)

    def name(self, index):
        return f"{LABEL}-{os.getpid()}-{index}-{self.numbers[index]}"

    def command(self, index, arguments):
        self.numbers[index] = self.numbers.get(index, 0) + 1
        own = self.job.container["securityContext"]
        said = values(self.job.container)
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
        (workers,) = printed.sections("kubernetes.md", "Many accounts")
        (validate,) = [line for line in workers.code.splitlines() if line.startswith("kubernetes-validate ")]
        path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
        broken = lake.temporary("broken") / "broken.yaml"
        broken.write_text(FILE.read_text().replace("backoffLimitPerIndex:", "backoffLimitPerindex:"))
        for command, code in ((validate, 0), (validate.replace(str(FILE.relative_to(lake.REPOSITORY)), shlex.quote(str(broken))), 1)):
            done = subprocess.run(
                shlex.split(command), cwd=lake.REPOSITORY, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
            group.equal(done.returncode, code, f"{command}: {done.stdout}{done.stderr}")
        count = job.spec["completions"]
        group.equal((job.spec["parallelism"], f"--shard=$(JOB_COMPLETION_INDEX)/{count}" in job.container["args"]), (count, True), "workers")
        (rules,) = printed.of_language("kubernetes.md", "Many accounts", "yaml")
        wanted = "\n".join(line.strip() for line in rules.splitlines())
        group.true(wanted in "\n".join(line.strip() for line in FILE.read_text().splitlines()), "the page quotes other rules than the file has")
        group.equal([code for code in range(256) if job.no_other_try(code)], [2, 3, 4], "exit codes after which there is no other try")


def all_files(tally):
    with tally.group("every manifest is what Kubernetes takes, and all of them fit together") as group:
        path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
        broken = lake.copied(manifests.FOLDER, "broken")
        for name in manifests.Manifests().files:
            text = (manifests.FOLDER / name).read_text()
            (broken / name).write_text(text.replace("\n  name: ", "\n  nam: "))
            for folder, code in ((manifests.FOLDER, 0), (broken, 1)):
                command = ["kubernetes-validate", "--strict", folder / name]
                done = subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
                group.equal(done.returncode, code, f"{folder / name}: {done.stdout}{done.stderr}")
        group.equal(manifests.Manifests().flaws(), [], "flaws")
        for file, old, new, words in manifests.EDITS:
            found = manifests.edited(file, old, new).flaws()
            group.true(any(words in flaw for flaw in found), f"{new!r} in {file} is not noticed, only {found}")
        group.note(f"{len(manifests.EDITS)} wrong edits noticed")
        tally.figure("kubernetes", f"{len(manifests.EDITS)} wrong edits of the manifests noticed")


def applied(tally):
    with tally.group("the commands of the page make all that the pods refer to, and end where something is missing") as group:
        steps = printed.sections("kubernetes.md", "Apply it", "One worker a night")

        def play(pairs=(), expect=0, keys=("dd_api_key", "dd_app_key")):
            home = lake.copied(manifests.FOLDER, "cluster")
            # A copy: the page edits a file of it.
            shutil.copytree(manifests.FOLDER, home / "deploy" / "kubernetes")
            for key in keys:
                (home / key).write_text("sandbox")
            environment = lake.clean_environment(home) | {"STAND_IN_CLUSTER": str(home / "cluster.json")}
            done = printed.play(steps, home, environment, pairs, stand_ins.folder(**stand_ins.kubectl()), expect)
            return done, {tuple(one) for one in json.loads((home / "cluster.json").read_text())} if not expect else set()

        _, held = play()
        wanted = {("Secret", "costlake", volume["secret"]["secretName"]) for _, _, template in manifests.Manifests().pods()
                  for volume in template["spec"]["volumes"] if "secret" in volume}
        wanted |= {("ConfigMap", "costlake", "costlake-jobs"), ("Deployment", "costlake", "costlake"), ("CronJob", "costlake", "costlake-nightly"),
                   ("Job", "costlake", "first-night"), ("Service", "costlake", "costlake"), ("ServiceAccount", "costlake", "costlake")}
        group.equal(wanted - held, set(), "what is not made")
        for pairs, keys, words in (
            ([("apply -f deploy/kubernetes/namespace.yaml", "get pods")], ("dd_api_key", "dd_app_key"), "not found"),
            ([("namespace.yaml", "namespaces.yaml")], ("dd_api_key", "dd_app_key"), "does not exist"),
            ([("apply -k", "apply --kustomise")], ("dd_api_key", "dd_app_key"), "usage: kubectl apply"),
            ([("cronjob/costlake-nightly", "cronjob/nightly")], ("dd_api_key", "dd_app_key"), "not found"),
            ([], ("dd_api_key",), "error reading dd_app_key"),
        ):
            done, _ = play(pairs, {1, 2}, keys)
            group.true(words in done.err, f"{pairs or keys}: not {words}: {done.err}")


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
    return f"one killed: {len(bills)} bills in {len(TABLES)} tables exact, {sum(twice.values())} of {len(door.paid)} requests paid twice, by the killed one"


def one_worker(group, nightly, workers, door, sandbox, root):
    """A first load by one worker: an account that is denied is no reason for another try, and the others are loaded."""
    door.paid.clear()
    process = workers.start(0, nightly.container["args"])
    code = process.wait(300)
    group.equal((code, nightly.no_other_try(code, "FailJob")), (3, True), "exit code")
    bills = {account: fleet.bill(sandbox, account, BEGIN, END) for account in ACCOUNTS if account != DENIED}
    for table in TABLES:
        group.same_mapping(fleet.sums(root, table), bills, table)
    group.equal(sum(door.twice().values()), 0, "requests paid twice")
    group.equal([code for code in range(256) if nightly.no_other_try(code, "FailJob")], [2, 3, 4], "exit codes after which there is no other try")


def the_page(group, home, sandbox):
    """The command of the Deployment with its mounts as folders and its port as a free one."""
    ((_, _, template),) = [pod for pod in manifests.Manifests().pods() if pod[0] == "deployment.yaml"]
    (container,) = template["spec"]["containers"]
    (port,) = lake.free_ports(1)
    mounted = lake.temporary("mounted")
    folders = {mount["mountPath"]: mounted / mount["name"] for mount in container["volumeMounts"]}
    jobs = mounted / "jobs"
    jobs.mkdir()
    (jobs / "bill.toml").write_text((manifests.FOLDER / "jobs" / "aws_cost_by_service.toml").read_text() + "[limits]\nrequests_per_second = 200\n")
    (jobs / "accounts_of_datadog.toml").write_text('source = { type = "datadog_cloud_accounts" }\nschedule = { cron = "0 6 * * *" }\n')
    for folder, files in (("page", {"token": "a-token-of-this-check"}), ("keys", {"dd_api_key": "sandbox", "dd_app_key": "sandbox"})):
        (mounted / folder).mkdir()
        for name, text in files.items():
            (mounted / folder / name).write_text(text + "\n")
            (mounted / folder / name).chmod(0o440)

    def here(text):
        for path, folder in folders.items():
            text = text.replace(path, str(folder))
        return text.replace("$(POD_IP)", "10.0.0.7").replace("0.0.0.0:8080", f"127.0.0.1:{port}")

    environment = {name: here(value) for name, value in values(container).items()}
    environment |= lake.against(sandbox) | {"AWS_ENDPOINT_URL_STS": sandbox.url, "COSTLAKE_LAKE": str(home / "lake-of-page"), "COSTLAKE_NOW": NOW}
    costlake = lake.Costlake(NOW, jobs=jobs, **environment)
    for name in lake.DATADOG:
        del costlake.environment[name]
    command = [lake.binary(), *map(here, container["args"])]
    with lake.Server("deployment", command, port, costlake.environment, costlake.home) as server:
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        for probe in ("readinessProbe", "livenessProbe"):
            asked = container[probe]["httpGet"]
            group.equal(ports[asked["port"]], 8080, f"port of the {probe}")
            lake.wait_for(lambda asked=asked: get(port, asked["path"], "10.0.0.7:8080")[0] == 200, 60, f"answer to the {probe}")
        lake.wait_for(lambda: all(f'costlake_runs_total{{table="{table}",outcome="done"}} 1' in get(port, "/metrics", "10.0.0.7:8080", True)[1]
                                  for table in ("bill", "accounts_of_datadog")), 120, "runs of both jobs")
        for host in ("costlake", "costlake.costlake.svc", "10.0.0.7:8080"):
            group.equal(get(port, "/", host, True)[0], 200, f"asked as {host}")
        group.equal(get(port, "/", "costlake.example.org", True)[0], 421, "asked by a name that is not allowed")
        group.equal(get(port, "/", "costlake")[0], 401, "asked without the token")
        os.killpg(server.process.pid, signal.SIGTERM)
        begun = time.monotonic()
        group.equal(server.process.wait(60), 0, "exit code after SIGTERM")
        group.true(time.monotonic() - begun < template["spec"]["terminationGracePeriodSeconds"], "it stops in time")


def get(port, path, host, with_token=False):
    """Status and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": host} | ({"Authorization": "Bearer a-token-of-this-check"} if with_token else {}))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def by_hand(group, workers, door):
    """The loop that the page prints: a second night, on which nothing is due."""
    door.paid.clear()
    done = printed.play(printed.sections("kubernetes.md", "Many accounts"), lake.REPOSITORY, workers.costlake.environment)
    lines = [line for line in done.out.splitlines() if line.startswith('{"exit_code"')]
    group.equal(len(lines), 8, "workers that ended with their line of JSON")
    group.equal(sorted(a for a, _, _ in door.paid), [a for a in ACCOUNTS if a != DENIED], "accounts with one paid request each")


def check(tally, stack):
    job = Job()
    as_written(tally, job)
    all_files(tally)
    applied(tally)
    home = lake.temporary("kubernetes")
    sandbox = stack.enter_context(lake.sandbox(NOW))
    door = stack.enter_context(fleet.Door(sandbox))
    door.delay = 0.15
    write_jobs(home / "jobs")
    seen, workers = None, Processes(home / "jobs", home / "lake", door)
    with tally.group("eight processes, one killed: every bill to the last digit, and nothing paid twice but by the killed one") as group:
        seen = a_night(group, job, workers, door, sandbox, home / "lake")
    tally.figure("kubernetes.processes", f"eight processes, {seen}")
    with tally.group("the commands that the page prints: a second night is a request for each account") as group:
        by_hand(group, workers, door)
    nightly = Job(manifests.FOLDER / "nightly-cronjob.yaml")
    alone = Processes(home / "jobs", home / "lake-of-one", door)
    with tally.group("the nightly CronJob: one worker for all accounts") as group:
        one_worker(group, nightly, alone, door, sandbox, home / "lake-of-one")
    with tally.group("the Deployment serves as its file says, and its probes and names are answered") as group:
        the_page(group, home, sandbox)
    if why := containers.engine_missing():
        tally.skip(f"{why}, so the workers were not tried as containers", "kubernetes.containers")
        return
    root = home / "lake-of-containers"
    with tally.group("eight containers, one killed, read-only and without rights: the same") as group:
        with Containers(home / "jobs", root, door, job) as running:
            seen = a_night(group, job, running, door, sandbox, root)
    tally.figure("kubernetes.containers", f"eight containers, {seen}")
    root = home / "lake-of-one-container"
    with tally.group("the nightly CronJob as a container: the same") as group:
        with Containers(home / "jobs", root, door, nightly) as running:
            one_worker(group, nightly, running, door, sandbox, root)


if __name__ == "__main__":
    lake.main(check)
