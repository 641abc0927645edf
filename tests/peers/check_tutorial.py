"""docs/tutorial.md, executed as printed in one shell, from top to bottom; a `text` block behind commands is what they print.

The ports are others than printed, since checks run beside each other. COSTLAKE_BLESS=1 writes the answers anew.
"""

import os
import re
import subprocess

import lake

DOCUMENT = lake.REPOSITORY / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```sh\n(?P<code>.*?)^```\n(?:(?P<between>\n)```text\n(?P<answer>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
PRINTED = "127.0.0.1:8090"


def played(blocks, home, here):
    """What each block prints; a command that fails ends the shell, and the blocks behind it have printed nothing."""
    script = ["set -eu -o pipefail", "set -m"]
    for number, block in enumerate(blocks):
        (home / f"{number}.sh").write_text(block["code"].replace(PRINTED, here))
        script.append(f". {home}/{number}.sh >{home}/{number}.out 2>{home}/{number}.err")
    path = f"{lake.binary().parent}:{os.path.dirname(os.sys.executable)}:{os.environ['PATH']}"
    environment = lake.clean_environment(home) | {"PATH": path, "COLUMNS": "80", "LC_ALL": "C.UTF-8"}
    shell = subprocess.Popen(["bash", "-c", "\n".join(script)], cwd=home, env=environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    lake.mark(shell).touch()
    try:
        out, _ = shell.communicate(timeout=300)
    finally:
        with lake.contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, lake.signal.SIGKILL)
        lake.mark(shell).unlink(missing_ok=True)
    read = lambda number, kind: path.read_text() if (path := home / f"{number}.{kind}").exists() else ""  # noqa: E731
    return shell.returncode, out, [(read(number, "out").replace(here, PRINTED), read(number, "err")) for number in range(len(blocks))]


def check(tally, stack):
    text = DOCUMENT.read_text()
    blocks = list(BLOCK.finditer(text))
    (port,) = lake.free_ports(1)
    with tally.group(f"every command does what is printed ({len(blocks)} blocks)") as group:
        group.equal(len(blocks), text.count("```sh\n"), "blocks that were found")
        group.equal(len([b for b in blocks if b["answer"] is not None]), text.count("```text\n"), "answers that were found")
        code, out, printed = played(blocks, lake.temporary("tutorial"), f"127.0.0.1:{port}")
        group.equal(code, 0, f"exit code of the shell: {out[-500:]} {[err[-500:] for _, err in printed if err][-1:]}")
        for block, (answer, _) in zip(reversed(blocks), reversed(printed), strict=True):
            if block["answer"] is None:
                continue
            if os.environ.get("COSTLAKE_BLESS"):
                text = text[:block.start("answer")] + answer + text[block.end("answer"):]
            else:
                group.equal(answer, block["answer"], block["code"].strip().splitlines()[0])
    if os.environ.get("COSTLAKE_BLESS"):
        DOCUMENT.write_text(text)


if __name__ == "__main__":
    lake.main(check)
