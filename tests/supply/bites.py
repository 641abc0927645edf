"""Shows that every line of deny.toml bites: packages made up here break one rule each, and must be reported for it.

    tests/supply/bites.py DENY [ARGUMENT...]      the command that checks the package in the current folder

Nothing is downloaded: cargo-deny goes by name, version, licence and place, so an empty package under a banned name
is as good as the real one.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

RULES = tomllib.loads(pathlib.Path("deny.toml").read_text())


def package(folder, name, version="1.0.0", licence="MIT", dependencies=""):
    (folder / "src").mkdir(parents=True)
    (folder / "src/lib.rs").touch()
    (folder / "Cargo.toml").write_text(
        f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2024"\nlicense = "{licence}"\n'
        f"[workspace]\n[dependencies]\n{dependencies}"
    )
    return folder


def below(bound):
    """The last version under a bound such as `<0.41.0`, or one that has no bound."""
    if bound is None:
        return "1.0.0"
    major, minor, patch = map(int, bound.removeprefix("<").split("."))
    return f"{major}.{minor}.{patch - 1}" if patch else f"{major}.{minor - 1}.9"


def report(command, *checks, dependencies):
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        lines = "".join(line + "\n" for line in dependencies(root))
        here = package(root / "here", "here", licence="Apache-2.0 OR MIT", dependencies=lines)
        (here / "deny.toml").write_text(pathlib.Path("deny.toml").read_text())
        environment = {**os.environ, "CARGO_HOME": str(root / "home")}
        done = subprocess.run([*command, "check", *checks], cwd=here, env=environment, capture_output=True, text=True)
        return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


def path_dependency(folder, key, **of):
    version = of.get("version", "1.0.0")
    return f'{key} = {{ package = "{of["name"]}", version = "={version}", path = "{package(folder, **of)}" }}'


def bans(command):
    """Each banned name, at a banned version and with a parent that has no leave, is reported by its name."""
    banned = [(rule["name"], below(rule.get("version"))) for rule in RULES["bans"]["deny"]]

    def dependencies(root):
        for number, (name, version) in enumerate(banned):
            yield path_dependency(root / f"banned-{number}", f"banned-{number}", name=name, version=version)

    code, text = report(command, "bans", dependencies=dependencies)
    told = set(re.findall(r"error\[banned\]: crate '(\S+) = (\S+)' is explicitly banned", text))
    missed = [f"{name} {version}" for name, version in banned if (name, version) not in told]
    return (missed if code else ["exit code 0", *missed]), len(banned), text


def one(command, check, code_word, dependencies):
    code, text = report(command, check, dependencies=dependencies)
    return ([] if code and f"error[{code_word}]" in text else [f"no error[{code_word}]"]), 1, text


def twice(root):
    for version in ("59.0.0", "60.1.0"):
        yield path_dependency(root / version, f"arrow-{version.split('.')[0]}", name="arrow", version=version)


def copyleft(root):
    yield path_dependency(root / "bound", "bound", name="bound", licence="GPL-3.0-only")


def wildcard(root):
    package(root / "any", "any")
    yield f'any = {{ path = "{root / "any"}", version = "*" }}'


def from_git(root):
    place = package(root / "away", "away")
    for arguments in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", "-C", place, *arguments], check=True)
    yield f'away = {{ git = "file://{place}" }}'


def main():
    command = sys.argv[1:]
    failed, fired = 0, {}
    for what, check in {
        "bans": bans,
        "a second version of a crate": lambda c: one(c, "bans", "duplicate", twice),
        "any version at all": lambda c: one(c, "bans", "wildcard", wildcard),
        "copyleft": lambda c: one(c, "licenses", "rejected", copyleft),
        "a crate from git": lambda c: one(c, "sources", "source-not-allowed", from_git),
    }.items():
        missed, count, text = check(command)
        if missed:
            failed = 1
            print(f"FAIL {what}: {', '.join(missed)}\n{text[-3000:]}")
        else:
            fired[what] = count
            print(f"ok   {what}: {count} reported")
    if os.environ.get("COSTLAKE_FIGURES") and not failed:
        with open(os.environ["COSTLAKE_FIGURES"], "a") as file:
            file.write(f"supply\t{fired['bans']} bans and {len(fired) - 1} rules fire\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
