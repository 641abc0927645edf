"""The workflows: valid by GitHub's schema, without what zizmor finds dangerous, and the release's steps as .ci/run has them."""

import pathlib
import subprocess
import sys

import lake
import yaml

FOLDER = lake.REPOSITORY / ".github" / "workflows"
TOOLS = pathlib.Path(sys.executable).parent


def said_of(tool, folder):
    """Exit code and output of a tool about all workflows of a folder."""
    commands = {
        "check-jsonschema": ["--builtin-schema", "vendor.github-workflows", *sorted(folder.glob("*.yml"))],
        "zizmor": ["--offline", "--no-progress", "--color=never", "--config", FOLDER.parent / "zizmor.yml",
                   *sorted(folder.glob("*.yml"))],
    }
    command = [str(part) for part in (TOOLS / tool, *commands[tool])]
    done = subprocess.run(command, capture_output=True, text=True, env=lake.clean_environment(lake.temporary("home")), check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def broken(name, old, new):
    folder = lake.copied(FOLDER, "broken")
    text = (folder / name).read_text()
    if old not in text:
        raise AssertionError(f"{name} has no {old!r}")
    (folder / name).write_text(text.replace(old, new, 1))
    return folder


def check(tally, stack):
    with tally.group("check-jsonschema takes the workflows, and not a misspelt key") as group:
        code, said = said_of("check-jsonschema", FOLDER)
        group.equal(code, 0, said)
        code, said = said_of("check-jsonschema", broken("release.yml", "runs-on:", "run-on:"))
        group.equal(code, 1, f"a misspelt key: {said}")
    with tally.group("zizmor finds nothing in the workflows, and finds what is put into them") as group:
        code, said = said_of("zizmor", FOLDER)
        group.equal(code, 0, said)
        for old, new, finding in [
            ('"$GITHUB_REF_NAME" != "v$version"', '"${{ github.ref_name }}" != "v$version"', "template-injection"),
            ("permissions:\n      contents: read", "permissions: write-all", "excessive-permissions"),
            ("        with:\n          persist-credentials: false\n", "", "artipacked"),
        ]:
            code, said = said_of("zizmor", broken("release.yml", old, new))
            group.true(code and finding in said, f"{new}: exit {code}, no {finding} in {said}")
    with tally.group("only the draft of a release may write, and it runs nothing of this repository") as group:
        workflow = yaml.safe_load((FOLDER / "release.yml").read_text())
        group.equal(workflow["permissions"], {}, "permissions of the workflow")
        rights = {name: job["permissions"] for name, job in workflow["jobs"].items()}
        writers = {name for name, of in rights.items() if set(of.values()) != {"read"}}
        group.equal(writers, {"draft"}, "jobs that write")
        uses = [step.get("uses", "").partition("@")[0] for step in workflow["jobs"]["draft"]["steps"]]
        group.true("actions/checkout" not in uses, "the draft checks the repository out")
        matrices = {name: job["strategy"]["matrix"]["include"] for name, job in workflow["jobs"].items() if "strategy" in job}
        machines = {name: [row["machine"] for row in rows] for name, rows in matrices.items()}
        group.equal(machines, {"packages": ["x86_64", "aarch64"], "image": ["x86_64", "aarch64"]}, "machines")
        steps = [step.get("run", "") for step in workflow["jobs"]["packages"]["steps"]]
        for wanted in ("cargo build --profile dist --locked", "packaging/make.sh packages target/dist/costlake"):
            group.true(wanted in steps, f"no step is `{wanted}`")


if __name__ == "__main__":
    lake.main(check)
