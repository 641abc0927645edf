"""docs/deployment: every command that the pages print is played by a check or says why not, and those of systemd.md here.

The commands of systemd.md run with their paths below a folder, with stand-ins for `systemctl` and `journalctl`, and what they
install is read by `systemd-analyze`. Its configurations of nginx and Caddy stand before a `serve` started by its drop-in.
"""

import contextlib
import http.client
import os
import re
import shlex
import shutil
import ssl
import subprocess

import lake
import printed
import stand_ins
import world

NOW = "2026-11-16T12:00:00Z"
NAME = "costs.example.org"
TOKEN = "a-token-of-this-check"
FILES = ("ini", "nginx", "caddy")  # languages of what the pages write to files


# ------------------------------------------------------------------------------------------------------------ all pages


def pages():
    return {file.name: file.read_text() for file in sorted(printed.FOLDER.glob("*.md"))}


def flaws(texts, claims):
    """What on the pages nobody plays, and what is claimed and not there."""
    sections = {(page, block.heading) for page, text in texts.items() for block in printed.blocks(text) if block.played}
    for page, text in texts.items():
        fences = len(re.findall(r"^ *```", text, re.MULTILINE))
        if fences != 2 * len(printed.blocks(text)):
            yield f"{page}: {fences} fences, and {len(printed.blocks(text))} blocks were found"
        if (marks := text.count("<!-- not run")) != len([block for block in printed.blocks(text) if block.why]):
            yield f"{page}: one of {marks} marks is not right before a block, or has no reason"
    for page, text in texts.items():
        stray = [block for block in printed.blocks(text) if (block.language in FILES) != bool(block.file)]
        yield from (f"{page}: not what is written to a file: {block.code.splitlines()[0]} in {block.heading!r}" for block in stray)
    yield from (f"{page}: nobody plays {heading!r}" for page, heading in sorted(sections - claims))
    yield from (f"{page}: there is nothing to play in {heading!r}" for page, heading in sorted(claims - sections))


def everything_is_played(tally):
    texts, claims = pages(), printed.claims()
    found = [(page, block) for page, text in texts.items() for block in printed.blocks(text)]
    left = [(page, block) for page, block in found if block.why]
    with tally.group("every command of the pages is played by a check, or says why not") as group:
        group.equal(sorted(flaws(texts, claims)), [], "flaws")
        group.true(len(claims) > 10, f"only {len(claims)} sections are played")
        group.note(f"{len(texts)} pages, {len([b for _, b in found if b.played])} blocks played, {len(left)} not run")
    for page, block in left:
        print(f"     not run: {page}, {block.heading}: {block.why}", flush=True)
    with tally.group("a block that nobody plays, a mark without a reason and a fence that is not closed are noticed") as group:
        for page, old, new, words in (
            ("ecs.md", "<!-- not run: needs a registry of yours -->\n", "## Push it\n\n", "nobody plays 'Push it'"),
            ("ecs.md", "<!-- not run: needs a registry of yours -->", "<!-- not run -->", "has no reason"),
            ("ecs.md", "<!-- not run: needs a registry of yours -->\n", "<!-- not run: why -->\n\n", "not right before a block"),
            ("airflow.md", "## Run it once", "## Run it", "nothing to play in 'Run it once'"),
            ("systemd.md", "time.conf`:", "time.conf`.", "written to a file: [Timer]"),
            ("compose.md", "```sh\ndocker compose up --detach\n```", "```sh\ndocker compose up --detach", "fences"),
        ):
            group.true(old in texts[page], f"{page} has no {old!r}")
            said = list(flaws(texts | {page: texts[page].replace(old, new, 1)}, claims))
            group.true(any(words in flaw for flaw in said), f"{new!r} in {page} is not noticed: {said}")


# -------------------------------------------------------------------------------------------------------------- systemd


class Machine:
    """A folder in the place of /, and a clone in which the commands are called."""

    def __init__(self, sandbox):
        self.root, self.home = lake.temporary("machine"), lake.temporary("clone")
        self.units = self.root / "etc/systemd/system"
        for folder in (self.units, self.root / "usr/local/bin", self.root / "var/lib/costlake", self.home / ".aws"):
            folder.mkdir(parents=True)
        (self.home / "costlake").symlink_to(lake.binary())
        (self.home / "deploy").symlink_to(lake.REPOSITORY / "deploy")
        (self.home / ".aws" / "credentials").write_text("[default]\naws_access_key_id = AK\naws_secret_access_key = SK\n")
        self.pairs = [(path, f"{self.root}{path}") for path in ("/etc/costlake", "/etc/systemd", "/usr/local/bin", "/var/lib/costlake")]
        self.environment = lake.Costlake(NOW, **lake.against(sandbox), AWS_ENDPOINT_URL_STS=sandbox.url).environment | {"HOME": str(self.home)}

    def play(self, steps, pairs=(), expect=0):
        programs = stand_ins.folder(**stand_ins.sudo(), **stand_ins.systemd(self.units, self.root / "calls"))
        return printed.play(steps, self.home, self.environment, [*pairs, *self.pairs], programs, expect)

    def verified(self, change=lambda text: text):
        """What systemd finds wrong with the units that are installed, with their drop-ins."""
        folder = lake.copied(self.units, "units")
        for file in folder.rglob("*"):
            if file.is_file():  # the program is looked for on this machine
                file.write_text(change(file.read_text()).replace("ExecStart=costlake ", f"ExecStart={self.root}/usr/local/bin/costlake "))
        units = sorted(file for file in folder.iterdir() if file.is_file())
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=120, check=False)
        return [line for line in (done.stdout + done.stderr).splitlines() if str(folder) in line or line.startswith("costlake")]


def steps_of_systemd():
    return printed.sections("systemd.md", "From the tarball or a clone", "Start it", "Credentials", "Datadog", "A timer instead of serve",
                            "Logs", "Commands by hand")


def commands_of_systemd(tally, sandbox):
    machine = Machine(sandbox)
    with tally.group("systemd.md: the commands install, configure and start both services, and read the lake") as group:
        machine.root.joinpath("etc/costlake/jobs").mkdir(parents=True)
        filled = lake.Costlake(NOW, **lake.against(sandbox), AWS_ENDPOINT_URL_STS=sandbox.url)
        filled.run("run", "aws_cost_monthly", lake=machine.root / "var/lib/costlake/lake")
        shutil.copy(lake.JOBS / "aws_cost_monthly.toml", machine.root / "etc/costlake/jobs")
        done = machine.play(steps_of_systemd())
        group.true("files OK" in done.out and "aws_cost_monthly" in done.out, f"status and verify: {done.out[-1500:]}")
        etc = machine.root / "etc/costlake"
        secret = {name: (etc / name).stat().st_mode & 0o777 for name in ("token", "environment", "aws_credentials", "dd_api_key", "dd_app_key")}
        group.equal(set(secret.values()), {0o600}, f"modes of secrets: {secret}")
        group.equal(len((etc / "token").read_text().strip()), 64, "length of the token")
        group.equal((etc / "dd_api_key").read_text(), lake.DATADOG["DD_API_KEY"], "Datadog's key")
        group.true("COSTLAKE_LAKE=s3://my-bucket/bills\nAWS_REGION=eu-west-1\n" in (etc / "environment").read_text(), "settings")
        group.true("costs.toml" in os.listdir(etc / "jobs"), "no job is written")
        calls = (machine.root / "calls").read_text().splitlines()
        for call in ("systemctl enable --now costlake", "systemctl enable --now costlake-run.timer", "systemctl start costlake-run"):
            group.true(call in calls, f"{call} is not called")
        group.note(f"{len(calls)} calls of systemctl and journalctl")
    with tally.group("systemd.md: a command that fails, and a unit that is not there, are noticed") as group:
        for old, new, words in (
            ("deploy/systemd/environment", "deploy/systemd/environments", "cannot stat"),
            ("enable --now costlake-run.timer", "enable --now costlake-nightly.timer", "Unit costlake-nightly.timer not found"),
            ("--source aws_cost_and_usage", "--source aws_cost", "aws_cost"),
        ):
            said = Machine(sandbox).play(steps_of_systemd(), [(old, new)], expect={1, 2, 5}).err
            group.true(words in said, f"{new}: {said[-600:]}")
    if not shutil.which("systemd-analyze"):
        tally.skip("no systemd-analyze, so what was installed was not read by systemd")
        return
    with tally.group("systemd.md: systemd takes the units with all drop-ins of the page, and says what is wrong with broken ones") as group:
        machine.play(printed.sections("systemd.md", "The page behind a reverse proxy"), [("/etc/nginx", f"{machine.root}/etc/nginx"), ("/etc/caddy", f"{machine.root}/etc/caddy")])
        installed = sorted(file.relative_to(machine.units).as_posix() for file in machine.units.rglob("*") if file.is_file())
        group.equal(installed, [
            "costlake-run.service", "costlake-run.service.d/datadog.conf", "costlake-run.timer", "costlake-run.timer.d/time.conf", "costlake.service",
            "costlake.service.d/aws.conf", "costlake.service.d/datadog.conf", "costlake.service.d/log.conf", "costlake.service.d/page.conf",
        ], "what is installed")
        group.equal(machine.verified(), [], "what systemd says")
        for old, new in (("LoadCredential=aws", "LoadCredentials=aws"), ("05:00:00 UTC", "35:00:00 UTC")):
            group.true(machine.verified(lambda text, old=old, new=new: text.replace(old, new)), f"{new} is not seen")


# -------------------------------------------------------------------------------------------------------------- proxies


def get(port, authority, name=NAME, token=None):
    """Status of the page as a proxy on this port gives it, asked by this name."""
    context = ssl.create_default_context(cafile=authority)
    context.check_hostname = False  # the address is this machine's
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    with contextlib.closing(connection):
        connection.request("GET", "/", headers={"Host": name} | ({"Authorization": f"Bearer {token}"} if token else {}))
        return connection.getresponse().status


def command_of(block):
    """The command of a drop-in that replaces the one of the unit."""
    return [line.removeprefix("ExecStart=") for line in block.code.splitlines() if line.startswith("ExecStart=costlake")][0]


def nginx(block, home, port, served, pem, key):
    text = printed.replaced(block.code, [
        ("listen 443", f"listen 127.0.0.1:{port}"), ("127.0.0.1:8080", f"127.0.0.1:{served}"),
        ("/etc/ssl/private/costs.example.org.pem", str(pem)), ("/etc/ssl/private/costs.example.org.key", str(key)),
    ])
    places = "".join(f"{name}_temp_path {home}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    own = "user root;\n" if os.getuid() == 0 else ""
    (home / "nginx.conf").write_text(f"{own}pid {home}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{places}{text}}}\n")
    return ["nginx", "-e", "stderr", "-p", home, "-c", home / "nginx.conf", "-g", "daemon off;"]


def caddy(block, home, port, served, pem, key):
    text = printed.replaced(block.code, [("127.0.0.1:8080", f"127.0.0.1:{served}"), (f"{NAME} {{", f"https://{NAME}:{port} {{\n    tls {pem} {key}")])
    (home / "Caddyfile").write_text(f"{{\n    admin off\n    auto_https disable_redirects\n    skip_install_trust\n}}\n{text}")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", home / "Caddyfile"]


def proxies(tally, stack, sandbox):
    drop_in, *configurations = printed.sections("systemd.md", "The page behind a reverse proxy")
    (served,) = lake.free_ports(1)
    costlake = lake.Costlake(NOW, jobs=lake.temporary("jobs"), **lake.against(sandbox))
    (costlake.home / "token").write_text(TOKEN + "\n")
    (costlake.home / "token").chmod(0o600)
    words = shlex.split(printed.replaced(command_of(drop_in), [("%d", str(costlake.home)), ("127.0.0.1:8080", f"127.0.0.1:{served}")]))
    environment = costlake.environment | {"COSTLAKE_JOBS": str(costlake.jobs), "COSTLAKE_LAKE": str(costlake.home / "lake")}
    stack.enter_context(lake.Server("serve", [lake.binary(), *words[1:]], served, environment, costlake.home))
    folder, (pem, key) = world.authority(NAME)
    for name, configure, block in zip(("nginx", "caddy"), (nginx, caddy), configurations, strict=True):
        if not shutil.which(name):
            tally.skip(f"{name}: not installed, see tests/peers/run.sh")
            continue
        with tally.group(f"systemd.md: {name} leads {NAME} to the page") as group:
            for text, status in ((block.code, 200), (block.code.replace("127.0.0.1:8080", "127.0.0.1:1"), 502)):
                (port,) = lake.free_ports(1)
                home = lake.temporary(name)
                block.code = text
                with lake.Server(name, configure(block, home, port, served, pem, key), port, lake.clean_environment(home), home):
                    group.equal(get(port, folder / "ca.pem", token=TOKEN), status, "with the token")
                    if status == 200:
                        group.equal(get(port, folder / "ca.pem"), 401, "without the token")
    with tally.group("the page is not to be asked by a name that no --allowed-host has") as group:
        connection = http.client.HTTPConnection("127.0.0.1", served, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/", headers={"Host": "another.example.org", "Authorization": f"Bearer {TOKEN}"})
            group.equal(connection.getresponse().status, 421, "status")


def check(tally, stack):
    everything_is_played(tally)
    sandbox = stack.enter_context(lake.sandbox(NOW))
    commands_of_systemd(tally, sandbox)
    proxies(tally, stack, sandbox)


if __name__ == "__main__":
    lake.main(check)
