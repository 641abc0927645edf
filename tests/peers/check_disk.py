"""A disk that fails to make things durable, by strace: every fsync of a run fails once, in turn. And what a release must
not have: places at which a test lets it die. And how much memory a first load takes.
"""

import os
import pathlib
import re
import shutil
import subprocess

import lake

EARLY, LATER = "2026-11-01T06:00:00Z", "2026-11-03T06:00:00Z"
TABLE = "cost"
JOB = """source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
window = { begin = "2026-10-30", refresh = "3 days" }
limits = { requests_per_second = 500 }
lake = { keep_raw = true, keep_history = true }
"""
LOAD = """source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost", "UsageQuantity"], group_by = [{ dimension = "SERVICE" }, { dimension = "USAGE_TYPE" }] }
window = { begin = "2025-11-01" }
limits = { requests_per_second = 500 }
"""
SYNCS = "fsync,fdatasync"
MOST_MEMORY_MB = 160


def traced(costlake, root, *flags):
    """A run under strace: its exit code, what it said, and the trace."""
    log = lake.temporary("trace") / "log"
    command = ["strace", "-f", "-y", "-s", "256", "-o", str(log), *flags, str(lake.binary()), "run", "--jobs", str(costlake.jobs), "--lake", str(root)]
    done = subprocess.run(command, cwd=costlake.home, env=costlake.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr, log.read_text()


def every_sync(tally, costlake, base, whole):
    old, new = lake.Folder(base).objects(TABLE), lake.Folder(whole).objects(TABLE)
    code, said, trace = traced(costlake, lake.copied(base, "counted"), "-e", f"trace={SYNCS}")
    syncs = len(re.findall(r"\b(?:fsync|fdatasync)\(", trace))
    with tally.group("every fsync of a run fails once: the run fails, says why, and asks no second time") as group:
        group.equal(code, 0, said)
        group.true(syncs > 10 and old != new, f"only {syncs} fsyncs")
        for number in range(1, syncs + 1):
            root = lake.copied(base, "failing")
            code, said, trace = traced(costlake, root, "-e", f"trace={SYNCS}", "-e", f"inject={SYNCS}:error=EIO:when={number}")
            what = f"fsync {number} of {syncs}"
            failed = re.findall(r"<([^>]*)>\)\s*= -1 EIO", trace)
            group.equal((code, len(failed)), (1, 1), f"{what}: exit code and failures: {said[-800:]}")
            group.true("Input/output error" in said and "what to do: " in said, f"{what}: {said[-800:]}")
            group.true(any(path in said for path in failed), f"{what}: {failed} is not named: {said[-800:]}")
            after = trace.split("EIO", 1)[1]
            # A folder may be synced again for another entry of it; a file may not, as the disk forgets what it could not write.
            group.true(not any(f"<{path}>" in after for path in failed if "/_costlake/tmp/" in path), f"{what}: asked again")
            found = lake.Folder(root).objects(TABLE)
            for name, data in found.items():
                group.true(data in (old.get(name), new.get(name)), f"{what}: {name} is neither old nor new")
            costlake.run("run", lake=root)
            group.equal(lake.Folder(root).objects(TABLE) == new, True, f"{what}: the next run completes")
            group.equal(costlake.run("verify", "--full", lake=root).code, 0, f"{what}: verify")
            shutil.rmtree(root)
        group.note(f"{syncs} fsyncs")
    return f"{syncs} fsyncs fail once: {syncs} runs fail and say so"


def taken_over(tally, costlake, base, whole):
    with tally.group("an object that a dead process left ahead of the ledger is made durable before the ledger knows it") as group:
        root = lake.copied(whole, "ahead")
        known = {path.name for path in (base / "_costlake" / TABLE / "ledger").iterdir()}
        for path in (root / "_costlake" / TABLE / "ledger").iterdir():
            if path.name not in known:
                path.unlink()
        code, said, trace = traced(costlake, root, "-e", f"trace={SYNCS},rename,renameat,renameat2")
        group.equal(code, 0, said)
        synced = [trace.find(f"<{root}/{TABLE}/billing_period={month}>)") for month in ("2026-10", "2026-11")]
        ledger = trace.find(f'"{root}/_costlake/{TABLE}/ledger/')
        group.true(all(0 <= at < ledger for at in synced), f"folders synced at {synced}, ledger written at {ledger}: {trace[:3000]}")


def no_places(tally, costlake, base):
    if "/debug/" in str(lake.binary()):
        tally.skip("the program is a debug build, which has places to die at")
        return
    with tally.group("a release has no places to die at") as group:
        data = pathlib.Path(lake.binary()).read_bytes()
        for text in (b"COSTLAKE_CRASH", b"renamed_dir_unsynced", b"put_sent_no_answer"):
            group.true(text not in data, f"{text.decode()} is in the program")
        group.true(b"COSTLAKE_NOW" in data, "the texts of the program cannot be found, so that nothing is shown")
        costlake.run("run", lake=lake.copied(base, "unharmed"), COSTLAKE_CRASH="after_plan:1:die")


def memory(tally, costlake):
    with tally.group("peak memory of a first load of a year") as group:
        (costlake.jobs / "load.toml").write_text(LOAD)
        process = costlake.start("run", "load", lake=lake.temporary("load"))
        _, status, usage = os.wait4(process.pid, 0)  # what it prints fits into its pipes
        process.stdout.close()
        process.stderr.close()
        process.returncode = os.waitstatus_to_exitcode(status)
        lake.mark(process).unlink(missing_ok=True)
        (costlake.jobs / "load.toml").unlink()
        group.true(process.returncode in (0, 4), f"exit {process.returncode}")
        peak = usage.ru_maxrss / 1024
        group.true("/debug/" in str(lake.binary()) or peak < MOST_MEMORY_MB, f"{peak:.0f} MB, more than {MOST_MEMORY_MB}")
        group.note(f"{peak:.0f} MB")
        return f"a first load of a year in {peak:.0f} MB"
    return None


def check(tally, stack):
    jobs = lake.temporary("jobs")
    (jobs / f"{TABLE}.toml").write_text(JOB)
    base = lake.temporary("base")
    early, later = (stack.enter_context(lake.sandbox(now)) for now in (EARLY, LATER))
    lake.Costlake(EARLY, jobs=jobs, **lake.against(early)).run("run", lake=base)
    costlake = lake.Costlake(LATER, jobs=jobs, **lake.against(later))
    whole = lake.copied(base, "whole")
    costlake.run("run", lake=whole)
    said = None
    if subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False).returncode != 0:
        tally.skip("strace may not trace here", "disk")
    else:
        said = every_sync(tally, costlake, base, whole)
        taken_over(tally, costlake, base, whole)
    no_places(tally, costlake, base)
    loaded = memory(tally, costlake)
    if said:
        tally.figure("disk", f"{said}; {loaded}")


lake.main(check)
