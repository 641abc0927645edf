"""Every file call of a run on a local lake fails once, and from there on: strace makes the kernel say so.

The calls are taken from a run to which nothing happens, by thread, as strace counts them. After each broken run every
partition is the old object or the new one, byte for byte; the clean run that follows leaves the very bytes that an
uninterrupted run leaves, and `costlake verify --full` finds nothing.
"""

import collections
import concurrent.futures
import pathlib
import re
import shutil
import subprocess

import lake

EARLY, LATER = "2026-11-01T06:00:00Z", "2026-11-03T06:00:00Z"
JOB = """[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost"]
group_by = [{ dimension = "SERVICE" }]
[window]
begin = "2026-10-30"
refresh = "3 days"
[limits]
requests_per_second = 1000
fetches_in_flight = 1
[lake]
keep_raw = true
keep_history = true
"""
# What is made to fail, and with what. Not write: strace counts by thread, so that the k-th write of the thread that works
# on the lake is another thread's wake-up call, which no disk can refuse.
CALLS = {
    "openat": "EIO",
    "read": "EIO",
    "fsync": "EIO",
    "rename": "EIO",
    "mkdir": "EACCES",
    "flock": "ENOLCK",
    "statx": "EIO",
    "getdents64": "EIO",
}
# What a disk that stays broken refuses; a broken read fails the run at its first one either way.
LASTING = ("fsync", "rename", "mkdir")
AT_ONCE = 4


def strace(program, root, *options, log="/dev/null"):
    """One run under strace; the exit code and what was said."""
    command = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-o", str(log), *options, str(lake.binary()), "run", "cost",
               "--jobs", str(program.jobs), "--lake", str(root)]
    done = subprocess.run(command, cwd=program.home, env=program.environment, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=120, check=False)
    return done.returncode, done.stderr.decode(errors="replace")


def lake_calls(program, base):
    """For each call the ordinals, counted by thread as strace does, at which it touches the lake."""
    root, log = lake.temporary("traced") / "lake", lake.temporary("trace") / "log"
    shutil.copytree(base, root)
    code, said = strace(program, root, "-e", "trace=" + ",".join(CALLS), log=log)
    if code != 0:
        raise RuntimeError(f"the traced run ended with {code}: {said[-800:]}")
    counts, found = collections.Counter(), collections.defaultdict(set)
    for line in log.read_text(errors="replace").splitlines():
        call = re.match(r"(\d+) +(\w+)\(", line)
        if call and call[2] in CALLS:
            counts[call[1], call[2]] += 1
            if str(root) in line:
                found[call[2]].add(counts[call[1], call[2]])
    return {name: sorted(found[name]) for name in CALLS}


def objects(root):
    """The data objects of the table, byte for byte."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted((root / "cost").rglob("*")) if path.is_file()}


def check(tally, stack):
    if not shutil.which("strace"):
        tally.skip("strace is not installed: NO FILE CALL WAS MADE TO FAIL", "file_calls", "file_calls.each")
        return
    jobs = lake.temporary("jobs")
    (jobs / "cost.toml").write_text(JOB)
    early, later = (
        lake.Costlake(now, jobs=jobs, **lake.against(stack.enter_context(lake.sandbox(now)))) for now in (EARLY, LATER)
    )
    base = lake.temporary("base") / "lake"
    early.run("run", "cost", lake=base)
    whole = lake.temporary("whole") / "lake"
    shutil.copytree(base, whole)
    later.run("run", "cost", lake=whole)
    old, new = objects(base), objects(whole)
    calls = lake_calls(later, base)
    pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(AT_ONCE))
    failed = {"once": {}, "from there on": {}}
    for name, error in CALLS.items():
        for when, how in (("{}", "once"), ("{}+", "from there on")):
            if how == "from there on" and name not in LASTING:
                continue
            with tally.group(f"{name} fails with {error}, {how}") as group:
                codes = collections.Counter()
                case = lambda k: one(later, base, (old, new), name, error, when.format(k))  # noqa: E731
                for code, own in pool.map(case, calls[name]):
                    codes[code] += 1
                    group.compared += own.compared
                    group.differences += own.differences
                failed[how][name] = sum(codes.values())
                group.note(f"{sum(codes.values())} calls, exit codes {dict(sorted(codes.items()))}")
                if name != "statx":
                    group.true(any(code != 0 for code in codes), "no run noticed anything")
    once, lasting = (sum(failed[how].values()) for how in failed)
    tally.figure("file_calls", f"{once} calls failed once, {lasting} from there on")
    each = {how: ", ".join(f"{count} {name}" for name, count in calls.items()) for how, calls in failed.items()}
    tally.figure("file_calls.each", "; ".join(f"{how}: {calls}" for how, calls in each.items()))


def one(program, base, generations, name, error, when):
    """A run with one broken call: its exit code, and what was compared of what has to hold afterwards."""
    group = lake.Group()
    old, new = generations
    what = f"{name} {error} when={when}"
    root = lake.temporary("broken") / "lake"
    shutil.copytree(base, root)
    code, said = strace(program, root, "-e", f"trace={name}", "-e", f"inject={name}:error={error}:when={when}")
    group.true("panicked" not in said and code != 101, f"{what}: a panic: {said[-600:]}")
    for key, found in objects(root).items():
        group.true(found in (old.get(key), new.get(key)), f"{what}: {key} is neither old nor new")
    group.true(old.keys() <= objects(root).keys(), f"{what}: an object is gone")
    if code == 0:
        group.true(objects(root) == new, f"{what}: ended well without the new rows")
    program.run("run", "cost", lake=root)
    group.true(objects(root) == new, f"{what}: the next run does not leave what an uninterrupted run leaves")
    program.run("verify", "cost", "--full", lake=root)
    left = [str(path) for path in pathlib.Path(root, "_costlake/tmp").glob("*")]
    group.equal(left, [], f"{what}: staged files")
    shutil.rmtree(root.parent)
    return code, group


lake.main(check)
