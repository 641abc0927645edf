"""The image and the compose files, on a Docker engine where there is one: the target `packaged` of the Dockerfile with the
program under test, the demo of docker-compose.yml from `up` to `down`, and the files of deploy/compose for real accounts
with the sandbox in the accounts' place. The commands are those of docs/deployment/compose.md and, for an image with job
files, of ecs.md.

The target `build`, which compiles the source in an image that is not made here, is tried up to where the compiler begins:
its build context is complete. Jobs have another rate limit than the shipped ones, as in the other checks.
"""

import contextlib
import json
import os
import re
import shutil
import threading
import time
import urllib.error
import urllib.request

import containers
import lake
import printed
import stand_ins
import world
from containers import docker

NOW = "2026-11-16T12:00:00Z"
TOKEN = (lake.REPOSITORY / "deploy" / "compose" / "sandbox-token").read_text().strip()
REAL = lake.REPOSITORY / "deploy" / "compose"
LOADED = "aws_cost_by_service"
# The S3 server of the demo speaks plain http.
COSTLAKE = ("exec", "-T", "costlake", "costlake", "--allow-http")
SANDBOX_ONLY = """services:
  costlake:
    command: ["serve", "--listen", "0.0.0.0:8080", "--token-file", "/run/secrets/page_token", "--allow-http"]
    depends_on:
      sandbox:
        condition: service_healthy
    environment:
      AWS_ENDPOINT_URL_COST_EXPLORER: http://sandbox:8090
      AWS_ENDPOINT_URL_STS: http://sandbox:8090
      COSTLAKE_DATADOG_URL: http://sandbox:8090
  sandbox:
    image: ${COSTLAKE_IMAGE}
    command: ["sandbox", "--listen", "0.0.0.0:8090"]
    healthcheck:
      test: ["CMD", "costlake", "health", "http://127.0.0.1:8090/healthz"]
      interval: 2s
      timeout: 6s
      retries: 30
"""


# ------------------------------------------------------------------------------------------------------------ the image


def context_of_the_build(group):
    """What a build gets of this repository is what cargo needs of it, and nothing else."""
    name = f"{containers.LABEL}-context:{os.getpid()}"
    try:
        docker("build", "--tag", name, "--file", "-", lake.REPOSITORY, input="FROM scratch\nCOPY . /context/\nCMD [\"nothing\"]\n")
        folder = lake.temporary("context")
        container = docker("create", name).out.strip()
        try:
            docker("cp", f"{container}:/context/.", folder)
        finally:
            docker("rm", container)
    finally:
        containers.remove_image(name)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    tops = {"Cargo.toml", "Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "benches", "jobs", "packaged", "schemas", "src"}
    group.equal({file.split("/")[0] for file in files} - tops, set(), "what a build needs not")
    included = [
        (source, path) for source in folder.glob("src/**/*.rs")
        for path in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', source.read_text())
    ]
    missing = [f"{path} of {source.name}" for source, path in included if not (source.parent / path).resolve().is_relative_to(folder)
               or not (source.parent / path).is_file()]
    group.equal(missing, [], "files that the source includes")
    group.true(len(included) > 50, f"only {len(included)} included files were found")
    if not shutil.which("cargo"):
        group.note("no cargo, so the manifests of the context were not read")
        return
    metadata = ["cargo", "metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"]
    containers.command(metadata, cwd=folder)
    (folder / "benches" / "Cargo.toml").unlink()
    group.true(containers.command(metadata, expect=None, cwd=folder).code != 0, "a workspace without a member is not noticed")
    group.note(f"{len(files)} files")


def build_folder(*packaged):
    """A build context with these files under packaged/."""
    folder = lake.temporary("build")
    for name in ("Dockerfile", ".dockerignore", "LICENSE-APACHE", "LICENSE-MIT"):
        shutil.copy(lake.REPOSITORY / name, folder)
    (folder / "packaged").mkdir()
    for file, name in packaged:
        shutil.copy(file, folder / "packaged" / name)
    return folder


def what_is_missing_is_said(group):
    folder = build_folder((lake.binary(), "costlake"))
    for name, removed, words in (
        ("authorities", "nothing", "packaged/ca-certificates.crt is missing"), ("program", "costlake", "packaged/costlake is missing"),
    ):
        (folder / "packaged" / removed).unlink(missing_ok=True)
        with containers.built(folder, f"{containers.LABEL}-{name}:{os.getpid()}", "--target", "packaged") as done:
            group.true(done.code != 0 and words in done.out + done.err and "PACKAGED=no" in done.out + done.err, f"{name}: {done.out[-600:]}{done.err[-600:]}")
    with containers.built(folder, f"{containers.LABEL}-none:{os.getpid()}", "--target", "image", "--build-arg", "PACKAGED=no") as done:
        group.equal(done.code, 0, f"without packaged files, for the source: {done.out[-600:]}{done.err[-600:]}")


def what_is_in_it(group, image, built):
    configured = json.loads(docker("image", "inspect", image).out)[0]
    config, files = configured["Config"], containers.files_of(image)
    version = lake.Costlake(NOW).run("--version").out.split()[1]
    group.equal(config["Labels"].get("org.opencontainers.image.version"), version, "label of the version")
    for label in ("title", "description", "licenses"):
        group.true(config["Labels"].get(f"org.opencontainers.image.{label}"), f"no label {label}")
    group.equal(config["User"], "65532:65532", "user")
    group.equal(config["Entrypoint"], ["/usr/local/bin/costlake"], "entry point")
    owned = {name for name, entry in files.items() if entry.uid == 65532}
    group.equal(owned, {"lake", "home/costlake"}, "what the user owns")
    group.equal({name for name, entry in files.items() if entry.isreg() and entry.mode & 0o022}, set(), "files that others may write")
    programs = {name for name, entry in files.items() if entry.isreg() and entry.mode & 0o111 and ".so" not in name}
    group.equal(programs, {"usr/local/bin/costlake"}, "programs")
    group.equal([name for name in files if name.endswith(".toml")], [], "job files")
    group.true("etc/ssl/certs/ca-certificates.crt" in files and "var/lib/dpkg/status.d/libc6" in files, "no certificates, or no record of the C library")
    group.true("costlake" in built.out + built.err, "the build printed nothing")
    program = lake.binary().stat().st_size
    group.note(f"{configured['Size'] / 1e6:.1f} MB, {program / 1e6:.1f} of them the program")


def how_it_runs(group, image):
    def run(*arguments, expect=0):
        options = [argument for argument in arguments if argument.startswith("--") and "=" in argument]
        rest = [argument for argument in arguments if argument not in options]
        return docker("run", "--rm", "--network=none", *options, image, *rest, expect=expect)

    group.true("no job files" in run("run", expect=2).err, "an empty folder of jobs is not said")
    group.true("folder of jobs" in run("run", "--env=COSTLAKE_JOBS=/nowhere", expect=2).err, "a missing folder of jobs is not said")
    init = ("init", "costs", "--source", "aws_cost_and_usage", "--group-by", "service", "--metric", "UnblendedCost", "--jobs", "/home/costlake/jobs")
    group.equal(run(*init).code, 0, "writes where the root can be written")
    refused = run("--read-only=true", *init, expect=None)
    group.true(refused.code != 0 and "Read-only" in refused.err, f"a read-only root is written: {refused.code} {refused.err}")
    group.equal(run("--read-only=true", "--cap-drop=ALL", "--security-opt=no-new-privileges", "check", "--jobs", "/etc/costlake", expect=None).code, 2,
                "without rights")


def whom_it_trusts(group, image, trusted, stranger):
    for (_, certificate), code, words in ((trusted, 0, "ok"), (stranger, 1, "certificate not trusted")):
        with world.World(certificate) as server:
            server.answer = lambda *_: (200, {}, b"ok\n")
            done = docker("run", "--rm", "--network=host", image, "health", server.url, expect=None)
            group.equal(done.code, code, f"{done.out}{done.err}")
            group.true(words in done.out + done.err, f"{words} is not said: {done.out}{done.err}")


# ------------------------------------------------------------------------------------------------------------- the demo


class Page:
    """The page of a running project."""

    def __init__(self, port, token):
        self.url, self.token = f"http://127.0.0.1:{port}", token

    def get(self, path, token=True):
        headers = {"Authorization": f"Bearer {self.token}"} if token else {}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers), timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def status(self):
        with contextlib.suppress(OSError, ValueError):
            return json.loads(self.get("/api/status")[1])
        return {"tables": []}

    def filled(self, names):
        """Whether each of these tables had a run that was done, and has rows."""
        tables = {table["table"]: table for table in self.status()["tables"]}
        return all(
            name in tables and (tables[name]["last_run"] or {}).get("exit_code") == 0 and any(day.get("rows") for day in tables[name]["days"])
            for name in names
        )


def reference():
    """The exact sums of every table as the program makes them outside of any container."""
    root = lake.temporary("reference")
    with lake.sandbox(NOW) as sandbox:
        costlake = lake.Costlake(NOW, jobs=lake.unpaced_jobs(), **lake.against(sandbox), AWS_ENDPOINT_URL_STS=sandbox.url)
        for _ in range(5):  # a run ends where its budget does
            if costlake.run("run", lake=root, expect={0, 4}).code == 0:
                break
    store = lake.Folder(root)
    return {table: lake.exact_sums(lake.read_rows(store, table)) for table in store.tables()}


def same_sums(group, bucket, expected, what):
    for table, sums in expected.items():
        group.same_mapping(lake.exact_sums(lake.read_rows(bucket, table)), sums, f"{what}: {table}")


def closed(group, project, services):
    for service in services:
        group.equal(containers.lax(containers.inspected(project.container(service))), [], f"what {service} may do")


def healthy(project, service, wanted="healthy", seconds=90):
    lake.wait_for(lambda: project.health(service) == wanted, seconds, f"{service} that is {wanted}")


def up(group, project, page, names):
    begun = time.monotonic()
    project.run("up", "--detach")
    lake.wait_for(lambda: page.filled(names), 400, f"tables that are filled: {[t['table'] for t in page.status()['tables']]}")
    group.note(f"{len(names)} tables {time.monotonic() - begun:.0f} s after `up`")
    group.equal({table["table"] for table in page.status()["tables"]}, set(names), "tables of the page")
    code, text = page.get("/")
    group.equal((code, "<!doctype html>" in text.lower()), (200, True), "the page")
    group.equal([name for name in names if f"/jobs/{name}" not in text], [], "tables that the page does not show")
    group.equal(page.get("/", token=False)[0], 401, "the page without the token")
    for service in ("sandbox", "costlake"):
        healthy(project, service)
    closed(group, project, ("sandbox", "costlake"))


def a_wrong_health_check(group, image):
    """The demo's health check with another port: the container is unhealthy, and Compose's `up` of what needs it fails."""
    override = lake.temporary("override") / "health.yml"
    override.write_text('services:\n  sandbox:\n    healthcheck:\n      test: ["CMD", "costlake", "health", "http://127.0.0.1:8091/healthz"]\n'
                        "      interval: 1s\n      retries: 2\n")
    (port,) = lake.free_ports(1)
    files = [lake.REPOSITORY / "docker-compose.yml", override]
    with containers.Compose("ill", lake.REPOSITORY, files, COSTLAKE_IMAGE=image, COSTLAKE_SANDBOX_PORT=str(port)) as project:
        project.run("up", "--detach", "sandbox")
        healthy(project, "sandbox", "unhealthy", 60)
        group.equal(project.health("sandbox"), "unhealthy", "state of the sandbox")
        said = containers.inspected(project.container("sandbox"))["State"]["Health"]["Log"][-1]["Output"]
        group.true("not ready: cannot reach http://127.0.0.1:8091: connection refused" in said, said)


def restarted(group, project, page, bucket, expected, names):
    marks = {table: bucket.marks(table) for table in expected}
    project.run("restart", "costlake")
    lake.wait_for(lambda: page.filled(names), 120, "tables after a restart")
    healthy(project, "costlake")
    group.same_mapping({table: bucket.marks(table) for table in expected}, marks, "objects")


def begun(jobs, bucket, name):
    """A new job of the running service, slow enough to be met in the middle: returns once it has written a month or two."""
    text = (jobs / f"{LOADED}.toml").read_text()
    (jobs / f"{name}.toml").write_text(text.replace("requests_per_second = 200", "requests_per_second = 2"))
    lake.wait_for(lambda: len(bucket.listing(name)) > 1, 120, f"months of {name}")


def cut_off(group, project, page, jobs, bucket, expected, name):
    """The S3 server is away while a first load goes on: its run ends somehow, and the next one makes the table whole."""
    store, network = project.container("s3"), project.network()
    begun(jobs, bucket, name)
    docker("network", "disconnect", "--force", network, store)
    try:
        time.sleep(5)
    finally:
        docker("network", "connect", "--alias", "s3", network, store)
    months = len(bucket.listing(name))
    group.true(1 < months < len(bucket.listing(LOADED)), f"{months} months when the server was back: the run was over before")
    ended = lambda: next((table["last_run"] for table in page.status()["tables"] if table["table"] == name), None)  # noqa: E731
    lake.wait_for(ended, 180, "the end of the run")
    code = ended()["exit_code"]
    group.true(code in (0, 1, 7), f"the run ended with {code}")
    project.run(*COSTLAKE, "run", name)
    same_sums(group, bucket, {name: expected[LOADED]}, "after the next run")
    group.note(f"{months} months written before, the run ended with {code}")
    return months


def stopped(group, project, jobs, bucket, name):
    """`stop` in the middle of a first load ends within the grace period, by itself and not by a kill."""
    begun(jobs, bucket, name)
    container, begin = project.container("costlake"), time.monotonic()
    project.run("stop", "costlake")
    took, months = time.monotonic() - begin, len(bucket.listing(name))
    state = containers.inspected(container)["State"]
    group.equal((state["Status"], state["ExitCode"], state["OOMKilled"]), ("exited", 0, False), "end of the container")
    group.true(took < 15, f"it took {took:.1f} s")
    group.true(1 < months < len(bucket.listing(LOADED)), f"{months} months: the run was over before")
    group.note(f"{took:.1f} s, {months} months written before")
    return f"`stop` after {months} months took {took:.1f} s"


def looked_after(group, project, page, bucket, expected, names):
    project.run("start", "costlake")
    lake.wait_for(lambda: page.filled(names), 180, "tables after a start")
    healthy(project, "costlake")
    done = project.run(*COSTLAKE, "verify", "--full", expect=None)
    group.equal(done.code, 0, f"exit code of verify: {done.out[-800:]}{done.err[-800:]}")
    same_sums(group, bucket, expected, "after all of it")


def demo(tally, stack, image):
    port, s3_port, sandbox_port = lake.free_ports(3)
    jobs = lake.unpaced_jobs()
    jobs.chmod(0o755)
    project = stack.enter_context(containers.Compose(
        "demo", lake.REPOSITORY, [lake.REPOSITORY / "docker-compose.yml"], COSTLAKE_PORT=str(port), COSTLAKE_S3_PORT=str(s3_port),
        COSTLAKE_SANDBOX_PORT=str(sandbox_port), COSTLAKE_IMAGE=image, COSTLAKE_NOW=NOW, COSTLAKE_JOBS_FOLDER=str(jobs)))
    page, bucket = Page(port, TOKEN), lake.Bucket(f"http://127.0.0.1:{s3_port}", "lake", "bills")
    names = sorted(file.stem for file in lake.JOBS.glob("*.toml"))
    expected, months, stop = {}, None, None
    other = threading.Thread(target=lambda: expected.update(reference()))
    other.start()
    with tally.group("`up` fills every table and shows it") as group:
        up(group, project, page, names)
    other.join()
    with tally.group("the sums are those that the program makes outside, to the last digit") as group:
        group.equal(sorted(expected), names, "tables")
        same_sums(group, bucket, expected, "in the bucket")
    with tally.group("a restart loses nothing and writes nothing") as group:
        restarted(group, project, page, bucket, expected, names)
    with tally.group("the S3 server is cut off in the middle of a run and comes back: the next run makes the table whole") as group:
        months = cut_off(group, project, page, jobs, bucket, expected, "cut_off")
    with tally.group("`stop` in the middle of a run ends within the grace period") as group:
        stop = stopped(group, project, jobs, bucket, "stopped")
    with tally.group("after a start the run goes on, everything is verified, and no sum has changed") as group:
        more = expected | {name: expected[LOADED] for name in ("cut_off", "stopped")}
        looked_after(group, project, page, bucket, more, sorted(more))
    with tally.group("`down` leaves no container, network or volume") as group:
        project.run("down", "--volumes")
        left = docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={project.project}").out
        group.equal(left + docker("network", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={project.project}").out, "", "left")
    tally.figure("compose", f"{len(names)} tables with the sums of a run outside; S3 away for 5 s after {months} months; {stop}; nothing lost")


# -------------------------------------------------------------------------------------------------------- real accounts


def clone():
    """What the commands of the page need of a clone, in a folder of its own, with the sandbox in the place of both APIs."""
    folder = lake.temporary("clone")
    folder.chmod(0o755)
    shutil.copytree(lake.REPOSITORY / "deploy", folder / "deploy")
    shutil.copytree(lake.JOBS, folder / "jobs")
    (folder / "deploy" / "compose" / "sandbox.yml").write_text(SANDBOX_ONLY)
    (folder / ".aws").mkdir()
    (folder / ".aws" / "credentials").write_text("[default]\naws_access_key_id = AKIASANDBOX\naws_secret_access_key = sandbox\n")
    return folder


def compose_environment(home, project, image, **more):
    """What a shell has in which Compose is called as the page prints it."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "TMPDIR", "XDG_RUNTIME_DIR") or k.startswith("DOCKER_")}
    return kept | lake.DATADOG | {"HOME": str(home), "COMPOSE_PROJECT_NAME": project, "COSTLAKE_IMAGE": image} | more


def real_accounts(group, image):
    """With the sandbox in the place of both APIs: keys from files, the lake in a volume, and a clock that runs."""
    (port,) = lake.free_ports(1)
    home = clone()
    folder = home / "deploy" / "compose"
    files = ["docker-compose.yml", "aws-keys.yml", "datadog.yml", "sandbox.yml"]
    settings = {"COMPOSE_FILE": ":".join(files), "COSTLAKE_LAKE": "/lake", "COSTLAKE_PORT": str(port)}
    with containers.Compose("real", folder, [folder / file for file in files], COSTLAKE_IMAGE=image, **settings) as project:
        environment = compose_environment(home, project.project, image, **settings)
        programs = stand_ins.folder(**stand_ins.docker(), **stand_ins.sudo())
        # Without root the owner stays, and everybody may read what the container's user is to read.
        pairs = [] if os.getuid() == 0 else [("sudo chown -R 65532 secrets && sudo chmod -R go= secrets", "chmod -R a+rX secrets")]
        # A first run needs a table that is filled at once.
        pairs.append(("aws_cost_by_service.toml", "aws_cost_monthly.toml"))
        # The sandbox speaks plain http.
        pairs += [("costlake check", "costlake --allow-http check"), ("exec costlake costlake", "exec costlake costlake --allow-http")]
        *first, last = printed.sections("compose.md", "Real accounts")
        done = printed.play(first, home, environment, pairs, programs)
        group.equal((folder / ".env").read_text(), (REAL / "env.example").read_text(), "settings")
        group.true("000123456789" in done.out + done.err, f"check --online does not tell the account: {done.out[-1500:]}{done.err[-1500:]}")
        page = Page(port, (folder / "secrets" / "page_token").read_text().strip())
        names = ["aws_cost_monthly", "datadog_cloud_accounts"]
        shutil.copy(lake.JOBS / f"{names[1]}.toml", folder / "jobs")
        lake.wait_for(lambda: page.filled(names), 180, "both tables")
        done = printed.play([last], folder, environment, pairs, programs)
        group.true("files OK" in done.out and names[0] in done.out, f"status and verify: {done.out[-800:]}")
        healthy(project, "costlake")
        closed(group, project, ("costlake",))
        group.equal(page.status()["clock"]["fixed_by_costlake_now"], False, "the clock stands still")
        log = docker("logs", project.container("costlake"))
        group.true("chmod 600" not in log.err + log.out, "a secret is called open, and nobody could close it")
        project.run("down")
        project.run("up", "--detach")
        lake.wait_for(lambda: page.filled(names), 60, "both tables in the volume of before")
        group.equal(project.run("exec", "-T", "costlake", "costlake", "verify").code, 0, "exit code of verify")
        (folder / "jobs" / f"{names[0]}.toml").unlink()
        lake.wait_for(lambda: [table["table"] for table in page.status()["tables"]] == names[1:], 30, "a job that is taken away")


# ------------------------------------------------------------------------------------------------------------- the page


def sandbox_as_printed(group, image):
    """The demo as the page has it, with the machine's clock and the jobs that the service `jobs` makes."""
    port, s3_port, sandbox_port = lake.free_ports(3)
    settings = {"COSTLAKE_PORT": str(port), "COSTLAKE_S3_PORT": str(s3_port), "COSTLAKE_SANDBOX_PORT": str(sandbox_port)}
    files = [lake.REPOSITORY / "docker-compose.yml"]
    names = sorted(file.stem for file in lake.JOBS.glob("*.toml"))
    with containers.Compose("printed", lake.REPOSITORY, files, COSTLAKE_IMAGE=image, **settings) as project:
        environment = compose_environment(lake.temporary("home"), project.project, image, **settings)
        programs, page = stand_ins.folder(**stand_ins.docker()), Page(port, TOKEN)
        first, *others, last = printed.sections("compose.md", "Try it in a sandbox")
        begun = time.monotonic()
        printed.play([first], lake.REPOSITORY, environment, programs=programs)
        lake.wait_for(lambda: page.filled(["aws_cost_by_service"]), 400, "the table that is shown")
        done = printed.play(others, lake.REPOSITORY, environment, programs=programs)
        group.true("Amazon Elastic Compute Cloud" in done.out, f"no service is shown: {done.out[-1500:]}")
        lake.wait_for(lambda: page.filled(names), 600, "tables that are filled")
        group.note(f"{len(names)} tables {time.monotonic() - begun:.0f} s after `up`")
        printed.play([last], lake.REPOSITORY, environment, programs=programs)
        of_project = ("--quiet", "--filter", f"label=com.docker.compose.project={project.project}")
        left = [docker(*words, *of_project).out for words in (("ps", "--all"), ("volume", "ls"), ("network", "ls"))]
        group.equal("".join(left), "", "what `down` leaves")


def build_of(step):
    """Name and options of a command that builds the current folder."""
    program, verb, tag, name, *options, context = step.code.split()
    if (program, verb, tag, context) != ("docker", "build", "--tag", "."):
        raise ValueError(f"not a build of this folder: {step.code}")
    return name, options


def image_with_jobs(group, image):
    """An image with job files on that of the program, by the page's Dockerfile and command."""
    (step,) = printed.sections("ecs.md", "The image")
    (dockerfile,) = printed.of_language("ecs.md", "The image", "Dockerfile")
    folder = lake.temporary("derived")
    shutil.copytree(lake.JOBS, folder / "jobs")
    (folder / "Dockerfile").write_text(dockerfile.replace("costlake:0.1.0", image))
    group.true(image in (folder / "Dockerfile").read_text(), "the page's Dockerfile begins with another image")
    name, options = f"{containers.LABEL}-jobs:{os.getpid()}", build_of(step)[1]
    docker("build", "--force-rm", "--network", "none", "--label", f"{containers.LABEL}={os.getpid()}", "--tag", name, *options, folder)
    try:
        done = docker("run", "--rm", "--network=none", "--read-only", name, "check", "--quiet")
        files = sorted(file for file in containers.files_of(name) if file.endswith(".toml"))
    finally:
        containers.remove_image(name)
    group.equal(files, sorted(f"etc/costlake/jobs/{file.name}" for file in lake.JOBS.glob("*.toml")), "job files")
    group.true("error" not in done.err, done.err)


def as_written(group):
    """What Compose makes of every file, and of the settings beside it."""
    settings = dict(line.split("=", 1) for line in (REAL / "env.example").read_text().splitlines() if line and not line.startswith("#"))
    known = set(re.findall(r"\$\{(\w+)", "".join(file.read_text() for file in REAL.glob("*.yml")))) | {"COMPOSE_FILE"}
    group.equal(set(settings) - known, set(), "settings that no file reads")
    group.equal(set(settings["COMPOSE_FILE"].split(":")), {file.name for file in REAL.glob("*.yml")}, "files of COMPOSE_FILE")
    parts = settings["COMPOSE_FILE"].split(":")
    for folder, files in ((lake.REPOSITORY, ["docker-compose.yml"]), *((REAL, parts[:count]) for count in range(1, len(parts) + 1))):
        done = containers.command([*containers.compose_command(), *(word for file in files for word in ("--file", file)), "config"],
                                  expect=None, cwd=folder)
        group.equal((done.code, "WARN" in done.err), (0, False), f"{files}: {done.err}")


def guards(group, image):
    """What the checks above look for is noticed where it is not so."""
    label = f"{containers.LABEL}={os.getpid()}"
    try:
        for options, flaws in (
            ([], ["its root file system can be written", "it has capabilities", "it can gain privileges"]),
            (["--read-only", "--cap-drop=ALL"], ["it can gain privileges"]),
            (["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=0"], ["it runs as root"]),
            (["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"], []),
        ):
            made = docker("create", "--label", label, *options, image).out.strip()
            group.equal(containers.lax(containers.inspected(made)), flaws, f"docker create {' '.join(options)}")
    finally:
        containers.remove_labelled(label)


def check(tally, stack):
    if why := containers.engine_missing() or containers.base_missing():
        tally.skip(f"{why}, so neither the image nor a compose file was tried", "compose")
        return
    stack.enter_context(containers.base_images())
    with tally.group("a build gets what it needs of the repository") as group:
        context_of_the_build(group)
    with tally.group("a build without the packaged program says what is missing") as group:
        what_is_missing_is_said(group)
    trusted, stranger = world.authority(), world.authority()
    bundle = lake.temporary("bundle") / "ca-certificates.crt"
    bundle.write_bytes(containers.authorities().read_bytes() + (trusted[0] / "ca.pem").read_bytes())
    image = f"{containers.LABEL}-image:{os.getpid()}"
    folder = build_folder((lake.binary(), "costlake"), (bundle, "ca-certificates.crt"))
    (step,) = printed.sections("compose.md", "The image")
    built = stack.enter_context(containers.built(folder, image, *build_of(step)[1]))
    if built.code != 0:
        raise RuntimeError(f"the image was not built: {built.out[-2000:]}{built.err[-2000:]}")
    with tally.group("the image holds the program, certificates and a user, and no shell and no job") as group:
        what_is_in_it(group, image, built)
    with tally.group("it runs read-only and without rights, and says where there are no jobs") as group:
        how_it_runs(group, image)
    with tally.group("an image with job files, by the commands of the page for Fargate") as group:
        image_with_jobs(group, image)
    with tally.group("it trusts the authorities that were packaged, and no others") as group:
        whom_it_trusts(group, image, trusted, stranger)
    with tally.group("a container that may do more is noticed") as group:
        guards(group, image)
    if not containers.compose_command():
        tally.skip("no Docker Compose, so no compose file was tried", "compose")
        return
    with tally.group("the compose files are what this Compose reads") as group:
        as_written(group)
    with tally.group("a health check that asks the wrong port makes a container unhealthy, and says why") as group:
        a_wrong_health_check(group, image)
    demo(tally, stack, image)
    with tally.group("the page's commands start the demo, ask it, and leave nothing behind") as group:
        sandbox_as_printed(group, image)
    with tally.group("the page's commands for real accounts: keys from files, a lake in a volume, a clock that runs") as group:
        real_accounts(group, image)


if __name__ == "__main__":
    lake.main(check)
