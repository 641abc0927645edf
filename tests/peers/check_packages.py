"""The packages of packaging/make.sh, installed as their users do: the wheel by pip, uv and pipx without an index, the .deb by
dpkg into a root of its own, its units started as their service user there, and the tarball unpacked.

COSTLAKE_PACKAGES names a folder with packages of the program under test; without it they are made here.
"""

import csv
import email.parser
import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile

import lake
import scratch_root

NOW = "2026-11-16T12:00:00Z"
TABLE = "aws_cost_by_team"
UNITS = ("costlake.service", "costlake-run.service", "costlake-run.timer")


def run(command, *, expect=0, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=300, **more)
    if expect is not None and done.returncode != expect:
        raise AssertionError(f"{shlex.join(done.args)}: exit {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
    return done


class Packages:
    """The files of one release."""

    def __init__(self, folder):
        self.folder = folder
        self.version = run([lake.binary(), "--version"]).stdout.split()[1]
        self.program = lake.binary().read_bytes()

    def one(self, pattern):
        (found,) = self.folder.glob(pattern)
        return found


def packages():
    folder = os.environ.get("COSTLAKE_PACKAGES")
    if not folder:
        folder = lake.temporary("packages") / "out"
        run([lake.REPOSITORY / "packaging" / "make.sh", folder, lake.binary()], cwd=lake.REPOSITORY)
    return Packages(pathlib.Path(folder).resolve())


# ------------------------------------------------------------------------------------------------------ what is there


def glibc_needed(program):
    """The newest version of glibc among those that the dynamic section asks for, by readelf."""
    said = run(["readelf", "--version-info", "--wide", program], env=os.environ | {"LC_ALL": "C"}).stdout
    needs = said[said.index("Version needs section"):]
    return max(tuple(map(int, version.split("."))) for version in re.findall(r"Name: GLIBC_([\d.]+)", needs))


def as_named(tally, made):
    machine, version = platform.machine(), made.version
    needed = ".".join(map(str, glibc_needed(lake.binary())))
    debian = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    wanted = {
        f"costlake-{version}-{machine}-linux-glibc{needed}.tar.gz", f"costlake-{machine}.cdx.json", "SHA256SUMS",
        f"costlake-{version}-py3-none-manylinux_{needed.replace('.', '_')}_{machine}.whl", f"costlake_{version}-1_{debian}.deb",
    }
    with tally.group("files are named by version, machine, and the glibc that readelf finds in the program") as group:
        found = {file.name for file in made.folder.iterdir()}
        # auditwheel writes the older name of a tag beside it.
        group.equal({re.sub(r"\.manylinux\d+_\w+(?=\.whl)", "", name) for name in found}, wanted, "files")
        group.note(f"glibc {needed} or later")
    with tally.group("checksums are right, and one changed byte is seen") as group:
        listed = dict(reversed(line.split("  ")) for line in (made.folder / "SHA256SUMS").read_text().splitlines())
        own = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in made.folder.iterdir() if f.name != "SHA256SUMS"}
        group.same_mapping(listed, own, "SHA256SUMS")
        copy = lake.copied(made.folder, "changed")
        run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=copy)
        with open(next(copy.glob("*.tar.gz")), "r+b") as file:
            file.seek(5000)
            byte = file.read(1)[0]
            file.seek(5000)
            file.write(bytes([byte ^ 1]))
        done = run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=copy, expect=1)
        group.true(".tar.gz: FAILED" in done.stdout, f"the changed byte is not seen: {done.stdout}")


# ----------------------------------------------------------------------------------------------------------- wheel


def offline(home):
    """No index is asked, and nothing of this machine's Python settings is used."""
    return lake.clean_environment(home) | {
        "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_OFFLINE": "1", "UV_NO_INDEX": "1", "UV_PYTHON_DOWNLOADS": "never",
        "UV_PYTHON": sys.executable, "UV_CACHE_DIR": str(home / "uv"), "PIPX_HOME": str(home / "pipx"),
        "PIPX_BIN_DIR": str(home / "bin"), "PIPX_DEFAULT_PYTHON": sys.executable,
    }


def wheel_itself(tally, made):
    with tally.group("the wheel carries the program, byte for byte, and the metadata of Cargo.toml") as group:
        with zipfile.ZipFile(made.one("*.whl")) as wheel:
            names = wheel.namelist()
            (program,) = [name for name in names if name.endswith(".data/scripts/costlake")]
            group.true(wheel.read(program) == made.program, "another program is in the wheel")
            group.equal(wheel.getinfo(program).external_attr >> 16 & 0o777, 0o755, "its mode")
            (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
            said = email.parser.Parser().parsestr(wheel.read(metadata).decode())
            (sbom,) = [name for name in names if name.endswith(".cyclonedx.json")]
            group.true(wheel.read(sbom) == made.one("*.cdx.json").read_bytes(), "the SBOM of the release is another one")
        cargo = lake.tomllib.loads((lake.REPOSITORY / "Cargo.toml").read_text())["package"]
        for name, wanted in [("Name", "costlake"), ("Version", cargo["version"]), ("Summary", cargo["description"]),
                             ("License-Expression", cargo["license"])]:
            group.equal(said[name], wanted, name)
        group.equal(sorted(said.get_all("License-File")), ["LICENSE-APACHE", "LICENSE-MIT", "THIRD-PARTY-LICENSES"], "licences")
        group.true((lake.REPOSITORY / "README.md").read_text().strip() in said.get_payload(), "the README is not its text")
        group.true(said["Requires-Dist"] is None, "it needs other packages")


def wheel_by_pip(tally, made):
    home = lake.temporary("wheel")
    environment = offline(home)
    with tally.group("pip installs the wheel into an empty environment, without an index; its demo adds up") as group:
        run([sys.executable, "-m", "venv", home / "venv"], env=environment)
        run([home / "venv" / "bin" / "pip", "install", "--quiet", made.one("*.whl")], env=environment)
        program = home / "venv" / "bin" / "costlake"
        group.equal(run([program, "--version"], env=environment).stdout, f"costlake {made.version}\n", "--version")
        begun = time.monotonic()
        run([program, "demo"], env=environment | {"COSTLAKE_NOW": NOW}, cwd=home)
        group.note(f"demo {time.monotonic() - begun:.1f} s")
        shown = run([program, "show", TABLE, "--by", "tag_team", "--output", "csv", "--lake", "demo-lake"],
                    env=environment | {"COSTLAKE_NOW": NOW}, cwd=home).stdout
        shown = {line["tag_team"]: lake.Decimal(line["unblended_cost"]) for line in csv.DictReader(io.StringIO(shown))}
        wanted = {}
        for row in lake.read_rows(lake.Folder(home / "demo-lake"), TABLE):
            team = '""' if row["tag_team"] == "" else row["tag_team"] or ""
            wanted[team] = wanted.get(team, 0) + row["unblended_cost"]
        group.same_mapping({("" if k == '""' else k): v for k, v in shown.items()},
                           {("" if k == '""' else k): v for k, v in wanted.items()}, "cost by team, as pyarrow adds it up")
        run([home / "venv" / "bin" / "pip", "uninstall", "--quiet", "--yes", "costlake"], env=environment)
        group.true(not program.exists(), "it is still there when it was uninstalled")


def wheel_by_others(tally, made):
    tools = pathlib.Path(sys.executable).parent
    wheel = made.one("*.whl")
    for name, command in [
        ("uvx", [tools / "uvx", "--from", wheel, "costlake", "--version"]),
        ("uv tool run", [tools / "uv", "tool", "run", "--from", wheel, "costlake", "--version"]),
        ("pipx run", [tools / "pipx", "run", "--spec", wheel, "costlake", "--version"]),
    ]:
        with tally.group(f"{name} runs the wheel, without an index") as group:
            home = lake.temporary("tool")
            environment = offline(home)
            environment["PATH"] = f"{tools}:{environment['PATH']}"
            group.equal(run(command, env=environment, cwd=home).stdout, f"costlake {made.version}\n", "--version")


# ------------------------------------------------------------------------------------------------------------- .deb

EVERYWHERE = {
    "usr/bin/costlake": 0o755, "usr/lib/systemd/system/costlake.service": 0o644, "usr/lib/systemd/system/costlake-run.service": 0o644,
    "usr/lib/systemd/system/costlake-run.timer": 0o644, "usr/share/man/man1/costlake.1.gz": 0o644,
    "usr/share/man/man1/costlake-run.1.gz": 0o644, "usr/share/bash-completion/completions/costlake": 0o644,
    "usr/share/zsh/vendor-completions/_costlake": 0o644, "usr/share/fish/vendor_completions.d/costlake.fish": 0o644,
    "usr/share/doc/costlake/copyright": 0o644, "usr/share/doc/costlake/THIRD-PARTY-LICENSES": 0o644,
    "usr/share/doc/costlake/changelog.Debian.gz": 0o644,
    "usr/share/doc/costlake/changelog.gz": 0o644,
    "usr/share/doc/costlake/examples/datadog.conf": 0o644, "usr/share/doc/costlake/examples/jobs/aws_cost_by_service.toml": 0o644,
    "usr/share/doc/costlake/docs/deployment/systemd.md": 0o644,
    "etc/costlake/environment": 0o600, "etc/costlake/jobs/README": 0o644,
}


def deb_itself(tally, made):
    deb = made.one("*.deb")
    with tally.group("the .deb has its files in Debian's places, owned by root, and asks for the glibc that it needs") as group:
        archive = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            found = {member.name.removeprefix("./").rstrip("/"): member for member in files.getmembers()}
            program = files.extractfile(found["usr/bin/costlake"]).read()
        group.true(program == made.program, "another program is in it")
        group.same_mapping({name: found[name].mode & 0o7777 for name in EVERYWHERE if name in found}, EVERYWHERE, "files")
        group.equal({name for name, member in found.items() if (member.uid, member.gid) != (0, 0)}, set(), "files that are not root's")
        outside = {name for name, member in found.items() if member.isfile() and not name.startswith(("usr/", "etc/costlake/"))}
        group.equal(outside, set(), "files elsewhere")
        active = {name for name in found if name.startswith("etc/") and name.endswith(".toml")}
        group.equal(active, set(), "jobs that would run without having been asked for")
        field = lambda name: run(["dpkg-deb", "--field", deb, name]).stdout.strip()  # noqa: E731
        group.equal((field("Package"), field("Version")), ("costlake", f"{made.version}-1"), "package and version")
        (version,) = re.findall(r"libc6 \(>= ([\d.]+)", field("Depends"))
        group.true(tuple(map(int, version.split("."))) >= glibc_needed(lake.binary()), f"it asks for libc6 {version} only")
        conffiles = run(["dpkg-deb", "--info", deb, "conffiles"]).stdout.split()
        group.equal(sorted(conffiles), ["/etc/costlake/environment", "/etc/costlake/jobs/README"], "conffiles")


def deb_installed(tally, made, root):
    """dpkg itself, in a root of its own: installed, configured, installed again, removed, installed, purged, installed."""
    deb, etc = made.one("*.deb"), root.path / "etc" / "costlake"
    with tally.group("dpkg installs the .deb: a token is made, and nothing is enabled or started") as group:
        root.dpkg("--install", deb)
        group.equal(root.state("costlake"), "install ok installed", "state")
        token = (etc / "token").read_text()
        group.true(re.fullmatch(r"[0-9a-f]{64}", token), "the token is not 64 hexadecimal digits")
        group.equal((etc / "token").stat().st_mode & 0o777, 0o600, "mode of the token")
        group.equal([call for call in root.calls() if re.search(r"\b(enable|start|restart|try-restart)\b", call)], [], "calls")
    with tally.group("an upgrade restarts the service if it runs, never the nightly run, and keeps what was edited") as group:
        with open(etc / "environment", "a") as file:
            file.write("AWS_REGION=eu-central-1\n")
        edited = (etc / "environment").read_bytes()
        root.dpkg("--install", deb)
        group.equal([call for call in root.calls() if "restart" in call], ["deb-systemd-invoke try-restart costlake.service"], "calls")
        group.equal(((etc / "environment").read_bytes(), (etc / "token").read_text()), (edited, token), "settings and token")
    with tally.group("removed, it stops what runs and keeps the settings; purged, it leaves jobs and lake alone") as group:
        data = root.path / "var/lib/costlake/lake/a_table"
        data.mkdir(parents=True)
        (etc / "jobs" / "own.toml").touch()
        root.dpkg("--remove", "costlake")
        stopped = [call for call in root.calls() if call.startswith("deb-systemd-invoke stop")]
        group.equal(sorted(unit for call in stopped for unit in call.split()[2:]), sorted(UNITS), "stopped")
        group.equal([(root.path / "usr/bin/costlake").exists(), (etc / "environment").exists()], [False, True], "program, settings")
        root.dpkg("--purge", "costlake")
        left = {str(file.relative_to(root.path)) for file in root.path.rglob("*costlake*") if "dpkg" not in str(file)}
        group.equal(left, {"etc/costlake", "var/lib/costlake"}, "left behind")
        group.equal([path.name for path in etc.rglob("*")], ["jobs", "own.toml"], "left in /etc/costlake")
        shutil.rmtree(etc)
        shutil.rmtree(root.path / "var/lib/costlake")
        root.dpkg("--install", deb)
        root.dpkg("--purge", "costlake")
        group.true(not etc.exists(), "/etc/costlake is left behind empty")
    root.dpkg("--install", deb)


# ------------------------------------------------------------------------------------------------------------ units


class Unit:
    """Settings of a unit's [Service] section, with those of a drop-in."""

    def __init__(self, root, name, *drop_ins):
        self.root, self.name, self.settings = root, name, {}
        for file in (root.path / "usr/lib/systemd/system" / name, *drop_ins):
            for line in file.read_text().partition("[Service]")[2].partition("[Install]")[0].splitlines():
                key, equals, value = line.partition("=")
                if equals and not line.startswith("#"):
                    self.settings.setdefault(key, []).append(value)
        self.credentials = f"/run/credentials/{name}"

    def environment(self):
        words = [word for value in self.settings["Environment"] for word in shlex.split(value)]
        for file in self.settings["EnvironmentFile"]:
            lines = (self.root.path / file.lstrip("-/")).read_text().splitlines()
            words += [line for line in lines if line and not line.startswith("#")]
        return dict(word.replace("%d", self.credentials).split("=", 1) for word in words) | {"PATH": "/usr/bin", "NO_COLOR": "1"}

    def start(self, log, **replaced):
        """Starts ExecStart in the root as the service user, with no right and no other file than the unit gives it."""
        root, user = self.root, scratch_root.SERVICE_USER
        folder = root.path / self.credentials.lstrip("/")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for credential in self.settings.get("LoadCredential", []):
            name, _, source = credential.partition(":")
            shutil.copy(root.path / source.lstrip("/"), folder / name)
            (folder / name).chmod(0o400)
            os.chown(folder / name, user, user)
        os.chown(folder, user, user)
        (directory,) = self.settings["StateDirectory"]
        state = root.path / "var/lib" / directory
        state.mkdir(parents=True, exist_ok=True)
        os.chown(state, user, user)
        (line,) = self.settings["ExecStart"]
        for old, new in replaced.items():
            line = line.replace(old, new)
        name, *arguments = shlex.split(line.replace("%d", self.credentials))
        places = [name] if name.startswith("/") else [f"/usr/local/bin/{name}", f"/usr/bin/{name}"]
        (program,) = [place for place in places if (root.path / place.lstrip("/")).exists()]
        command = [shutil.which("chroot"), root.path, "/usr/bin/setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs",
                   "--inh-caps=-all", "--bounding-set=-all", "/bin/sh", "-c",
                   f'umask {self.settings["UMask"][0]}; cd {self.settings["WorkingDirectory"][0]}; exec "$@"', "sh", program, *arguments]
        process = subprocess.Popen([str(part) for part in command], env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True)
        lake.mark(process).touch()
        return process


def get(url, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError:
        return 0, ""


def ended(process, seconds):
    try:
        return process.wait(seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        lake.mark(process).unlink(missing_ok=True)


def set_up(root, sandbox):
    """What an administrator does after the installation: a job from the examples, and the settings of an account."""
    etc, examples = root.path / "etc/costlake", root.path / "usr/share/doc/costlake/examples"
    shutil.copy(examples / "jobs" / f"{TABLE}.toml", etc / "jobs")
    with open(etc / "environment", "a") as file:
        for name, value in (lake.AWS | lake.against(sandbox) | {"AWS_ENDPOINT_URL_STS": sandbox.url, "COSTLAKE_NOW": NOW}).items():
            file.write(f"{name}={value}\n")


def service(tally, root):
    with tally.group("costlake.service, without keys of Datadog, as its service user: ready, filled, closed to strangers") as group:
        (port,) = lake.free_ports(1)
        log = lake.temporary("service") / "log"
        with open(log, "wb") as file:
            process = Unit(root, "costlake.service").start(file, **{"127.0.0.1:8080": f"127.0.0.1:{port}"})
        url = f"http://127.0.0.1:{port}"
        try:
            lake.wait_for(lambda: process.poll() is not None or get(f"{url}/readyz")[0] == 200, 60, "answer of /readyz")
            group.true(process.poll() is None, f"it ended: {log.read_text()[-2000:]}")
            token = (root.path / "etc/costlake/token").read_text()
            group.equal((get(f"{url}/api/status")[0], get(f"{url}/api/status", token)[0]), (401, 200), "without the token, with it")
            folder = root.path / "var/lib/costlake/lake" / TABLE
            lake.wait_for(lambda: len(list(folder.rglob("data.parquet"))) > 12, 120, "thirteen months of the table")
            files = [file.stat() for file in folder.rglob("data.parquet")]
            group.equal({(file.st_uid, file.st_mode & 0o777) for file in files}, {(scratch_root.SERVICE_USER, 0o600)}, "owner and mode of files")
            process.send_signal(signal.SIGHUP)  # ExecReload
            time.sleep(1)
            group.true(process.poll() is None, "SIGHUP ended it")
        finally:
            begun = time.monotonic()
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            code = ended(process, 15)
        group.equal(code, 0, f"exit code after SIGTERM; {log.read_text()[-1000:]}")
        group.note(f"stopped in {time.monotonic() - begun:.1f} s")


def nightly(tally, root):
    etc = root.path / "etc/costlake"
    drop_in = root.path / "usr/share/doc/costlake/examples/datadog.conf"

    def one_run(*drop_ins):
        log = lake.temporary("nightly") / "log"
        with open(log, "wb") as file:
            code = ended(Unit(root, "costlake-run.service", *drop_ins).start(file), 300)
        return code, " ".join(log.read_text().split())

    with tally.group("costlake-run.service: AWS without the drop-in, Datadog with it, and a clear word where the keys are missing") as group:
        group.equal(one_run()[0], 0, "exit code with a job of AWS")
        shutil.copy(drop_in.parent / "jobs" / "datadog_budgets.toml", etc / "jobs")
        code, said = one_run()
        group.equal((code, "DD_API_KEY" in said), (3, True), f"without keys: {said[-600:]}")
        for name, key in zip(("dd_api_key", "dd_app_key"), lake.DATADOG.values(), strict=True):
            (etc / name).write_text(key + "\n")
            (etc / name).chmod(0o600)
        code, said = one_run(drop_in)
        group.equal(code, 0, f"exit code with the drop-in: {said[-600:]}")
        group.true(list((root.path / "var/lib/costlake/lake/datadog_budgets").rglob("data.parquet")), "Datadog's table is empty")
        group.true(not any(key in said for key in lake.DATADOG.values()), "a key is in the log")


def units_as_written(tally, root):
    if not shutil.which("systemd-analyze"):
        tally.skip("no systemd-analyze, so the units were not read by systemd")
        return

    def verified(change=lambda text: text, drop_in=True):
        folder = lake.temporary("units")
        for name in UNITS:
            text = (root.path / "usr/lib/systemd/system" / name).read_text()
            # The program is looked for on this machine, where it is not installed.
            text = change(text).replace("ExecStart=costlake ", f"ExecStart={root.path}/usr/bin/costlake ")
            (folder / name).write_text(text)
            if drop_in and name.endswith(".service"):
                (folder / f"{name}.d").mkdir()
                shutil.copy(root.path / "usr/share/doc/costlake/examples/datadog.conf", folder / f"{name}.d")
        done = run(["systemd-analyze", "verify", "--man=no", *(folder / name for name in UNITS)], expect=None)
        return [line for line in (done.stdout + done.stderr).splitlines() if str(folder) in line or line.startswith("costlake")], folder

    with tally.group("systemd takes the units, with and without the drop-in, and says what is wrong with broken ones") as group:
        group.equal(verified(drop_in=False)[0], [], "without the drop-in")
        said, folder = verified()
        group.equal(said, [], "with the drop-in")
        group.true(verified(lambda text: text.replace("ProtectHome=", "ProtectHomes="))[0], "an unknown key is not seen")
        group.true(verified(lambda text: text.replace("OnCalendar=*-*-*", "OnCalendar=*-*-32"))[0], "a wrong date is not seen")
        for name in ("costlake.service", "costlake-run.service"):
            said = run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", folder / name], expect=None)
            exposure = re.search(r"exposure level for \S+: ([\d.]+) (\w+)", said.stdout)
            group.true(said.returncode == 0 and exposure, f"{name} is more exposed than 2.0: {said.stdout[-300:]}{said.stderr[-300:]}")
            if exposure:
                group.note(f"exposure of {name} {exposure[1]}")


# ------------------------------------------------------------------------------------------------- manual, shells, SBOM


def manual(tally, root):
    if not shutil.which("groff"):
        tally.skip("no groff, so the manual was not rendered")
        return
    with tally.group("every page of the manual is rendered without a warning") as group:
        pages = sorted((root.path / "usr/share/man/man1").glob("*.1.gz"))
        group.true(len(pages) > 10, f"{len(pages)} pages")
        for page in pages:
            done = run(["groff", "-man", "-Tutf8", "-ww", "-P-cbou"], input=gzip.decompress(page.read_bytes()).decode())
            group.equal(done.stderr, "", page.name)
            words, name = " ".join(done.stdout.split()), page.name.removesuffix(".1.gz")
            group.true(re.search(rf"NAME {name} [-‐−] [A-Z]", words), f"{page.name} does not begin with its name: {words[:200]}")
        done = run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=".TH x 1\n.NOSUCH\n", expect=None)
        group.true(done.stderr, "groff warns of nothing")


def completions(tally, root):
    share = root.path / "usr/share"
    scripts = {
        "bash": (share / "bash-completion/completions/costlake",
                 "source $1; COMP_WORDS=(costlake back); COMP_CWORD=1; _costlake_and_names costlake back costlake; echo ${COMPREPLY[@]}"),
        "zsh": (share / "zsh/vendor-completions/_costlake",
                "compdef() { }; _describe() { print -l -- ${${(M)commands:#back*}%%:*} }; source $1; _costlake_commands"),
        "fish": (share / "fish/vendor_completions.d/costlake.fish", "source $argv[2]; complete -C 'costlake back' | string replace -r '\\t.*' ''"),
    }
    for shell, (file, script) in scripts.items():
        if not shutil.which(shell):
            tally.skip(f"no {shell} on this machine")
            continue
        with tally.group(f"{shell} completes commands with the file of the .deb") as group:
            home = lake.temporary("shell")
            environment = lake.clean_environment(home)
            environment["PATH"] = f"{root.path}/usr/bin:{environment['PATH']}"
            done = run([shell, "-c", script, shell, file], env=environment, cwd=home)
            group.equal((done.stdout.split(), done.stderr), (["backfill"], ""), "offered for `costlake back`")


def tarball(tally, made):
    with tally.group("the tarball runs where it is unpacked, and has licences, manual, completions, jobs and units") as group:
        folder = lake.temporary("tarball")
        file = made.one("*.tar.gz")
        with tarfile.open(file) as archive:
            group.equal({(m.uid, m.gid) for m in archive.getmembers()}, {(0, 0)}, "owners")
            archive.extractall(folder, filter="data")
        (top,) = folder.iterdir()
        group.equal(top.name, file.name.removesuffix(".tar.gz"), "its folder")
        group.true((top / "costlake").read_bytes() == made.program, "another program is in it")
        for name in ("LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY-LICENSES", "README.md", "CHANGELOG.md", "man/costlake.1", "completions/_costlake",
                     "jobs/aws_cost_by_service.toml", "schemas/job.schema.json", "deploy/systemd/costlake.service", "docs/accounts.md",
                     "docs/deployment/systemd.md"):
            group.true((top / name).is_file(), f"{name} is missing")
        environment = lake.clean_environment(folder)
        group.equal(run([top / "costlake", "--version"], env=environment).stdout, f"costlake {made.version}\n", "--version")
        run([top / "costlake", "check", "--jobs", top / "jobs"], env=environment, cwd=folder)


def sbom(tally, made):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = made.one("*.cdx.json").read_text()
    document = json.loads(text)
    with tally.group("the SBOM is CycloneDX by its schema, and names every crate that the program is built of") as group:
        validator = JsonStrictValidator(SchemaVersion.from_version(document["specVersion"]))
        group.equal(validator.validate_str(text), None, "what the schema says")
        broken = document | {"components": [{"name": "a crate without a type"}]}
        group.true(validator.validate_str(json.dumps(broken)), "the schema takes a component without a type")
        subject = document["metadata"]["component"]
        group.equal((subject["name"], subject["version"]), ("costlake", made.version), "its subject")
        group.true(re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", document.get("serialNumber", "")), "no serial number, which attestations ask for")
        group.true(str(lake.REPOSITORY) not in text, "it names a folder of this machine")
        listed = {(component["name"], component["version"]) for component in document["components"]}
        crates = crates_of("normal,build")
        group.true(len(crates) > 100, f"cargo names {len(crates)} crates only")
        group.equal(sorted(crates - listed), [], "crates that the SBOM leaves out")
        group.note(f"{len(crates)} crates of {len(listed)}, which are those of all systems")


def crates_of(edges):
    """Name and version of each crate that cargo builds the program of on this machine."""
    command = ["cargo", "tree", "--locked", "--package", "costlake", "--edges", edges, "--prefix", "none", "--format", "{p}"]
    lines = run(command, cwd=lake.REPOSITORY).stdout.splitlines()
    pairs = {tuple(line.split()[:2]) for line in lines if line and not line.startswith("costlake ")}
    return {(name, version.removeprefix("v")) for name, version in pairs}


def licences(tally, made):
    with tally.group("the licences of all crates are in the tarball, the wheel and the .deb, with their texts") as group:
        with tarfile.open(made.one("*.tar.gz")) as archive:
            (member,) = [member for member in archive.getmembers() if member.name.endswith("/THIRD-PARTY-LICENSES")]
            text = archive.extractfile(member).read()
        with zipfile.ZipFile(made.one("*.whl")) as wheel:
            (name,) = [name for name in wheel.namelist() if name.endswith("/licenses/THIRD-PARTY-LICENSES")]
            group.true(wheel.read(name) == text, "the wheel has other ones")
        archive = subprocess.run(["dpkg-deb", "--fsys-tarfile", made.one("*.deb")], check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            group.true(files.extractfile("./usr/share/doc/costlake/THIRD-PARTY-LICENSES").read() == text, "the .deb has other ones")
        lines = text.decode().splitlines()
        named = {line.partition(": ")[0] for line in lines[: lines.index("=" * 100)]}
        crates = {f"{name} {version}" for name, version in crates_of("normal")}
        group.equal(sorted(crates - named), [], "crates that are left out")
        with_text = {name for line in lines if line.startswith("of ") for name in line.removeprefix("of ").split(", ")}
        without = sorted(crates - with_text)
        group.true(len(without) < len(crates) / 10, f"crates whose sources have no text of a licence: {without}")
        group.note(f"{len(crates)} crates, {len(without)} without a text of their own")


def lintian(tally, made):
    if not shutil.which("lintian"):
        tally.skip("no lintian on this machine")
        return
    with tally.group("lintian has no error") as group:
        home = lake.temporary("lintian")
        done = run(["lintian", "--fail-on", "none", "--no-tag-display-limit", "--allow-root", made.one("*.deb")],
                   env=lake.clean_environment(home))
        group.equal([line for line in done.stdout.splitlines() if line.startswith("E:")], [], "errors")


def check(tally, stack):
    made = packages()
    as_named(tally, made)
    wheel_itself(tally, made)
    wheel_by_pip(tally, made)
    wheel_by_others(tally, made)
    tarball(tally, made)
    if shutil.which("cargo"):
        sbom(tally, made)
        licences(tally, made)
    else:
        tally.skip("no cargo, so the crates of the SBOM and of the licences were not compared with its")
    deb_itself(tally, made)
    lintian(tally, made)
    reason = scratch_root.missing()
    if reason:
        tally.skip(f"{reason}, so the .deb was not installed into a root of its own")
        return
    root = scratch_root.Root(lake.temporary("root"))
    deb_installed(tally, made, root)
    units_as_written(tally, root)
    manual(tally, root)
    completions(tally, root)
    sandbox = stack.enter_context(lake.sandbox(NOW))
    set_up(root, sandbox)
    service(tally, root)
    nightly(tally, root)


if __name__ == "__main__":
    lake.main(check)
