"""The power goes at any moment of a run on a local lake.

strace writes down every call that changes a file. After each of them the power is cut on an imagined disk (`powercut.py`)
that keeps what it confirmed, and of the rest what chance leaves. What is then on the disk must be sound:

* a file under its own name is whole: torn are staged files alone,
* a partition is its old object or its new one, and what a run entered into the ledger is in the object,
* an object is replaced when its generation is kept, not before,
* when a run has ended well, its objects and its ledger are there,
* the next run, of the real program, leaves what an undisturbed one leaves.

The runs are a table's first, a night's, and those that follow one that died after any of its calls without the power
going: what that one did not sync is still not confirmed while the next one builds on it.
"""

import collections
import json
import os
import random
import shutil
import subprocess

import lake
import powercut
import pyarrow as pa
import pyarrow.parquet as pq

EARLY, LATER = "2026-11-01T06:00:00Z", "2026-11-03T06:00:00Z"
JOB = """source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
window = { begin = "2026-10-30", refresh = "3 days" }
limits = { requests_per_second = 500 }
lake = { keep_raw = true, keep_history = true }
"""
TABLE = "cost"
CUTS = 24
CUTS_AFTER_A_DEATH = 2
RUNS = 120
OLDER_SNAPSHOTS = 20


def traced(program, world):
    """A run on the lake in `world`, and what it did to the files there."""
    log = lake.temporary("trace") / "log"
    command = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", str(1 << 24), "-e", f"trace={powercut.CALLS}", "-o", str(log)]
    command += [str(lake.binary()), "run", TABLE, "--jobs", str(program.jobs), "--lake", str(world / "lake")]
    done = subprocess.run(command, cwd=program.home, env=program.environment, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the traced run ended with {done.returncode}: {done.stderr.decode(errors='replace')[-1500:]}")
    made = list(powercut.calls(log, world))
    shutil.rmtree(log.parent)
    return made


class Sound:
    """What every disk after a cut is held against."""

    def __init__(self, group, old, new):
        self.group, self.old, self.new = group, old, new
        self.cuts, self.ledgers, self.later, self.epochs = 0, 0, [], {}

    def epoch(self, data):
        """The generation that an object says it is."""
        if data not in self.epochs:
            metadata = pq.ParquetFile(pa.BufferReader(data)).metadata.metadata
            self.epochs[data] = json.loads(metadata[b"costlake"])["epoch"]
        return self.epochs[data]

    def look(self, state, what):
        """What can be said of a cut at once; that its files are whole is said when what was written is known."""
        self.cuts += 1
        files = {"/".join(path): found for path, found in state.items() if found[0] is not None}
        self.later += [(name, *found, what) for name, found in files.items() if not name.startswith("lake/_costlake/tmp/")]
        objects = {name: data for name, (data, _) in files.items() if name.startswith(f"lake/{TABLE}/")}
        for name, data in objects.items():
            self.group.true(data in (self.old.get(name), self.new.get(name)), f"{what}: {name} is neither old nor new")
        self.group.true(self.old.keys() <= objects.keys(), f"{what}: an object is gone")
        for name, data in self.old.items():
            if objects.get(name) != data:
                kept = f"lake/_costlake/{TABLE}/history/{name.split('=')[1][:7]}/{self.epoch(data):020}.parquet"
                self.group.true(kept in files and files[kept][0] == data, f"{what}: {name} is replaced, and not kept as {kept}")
        ledgers = sorted(name for name in files if name.startswith(f"lake/_costlake/{TABLE}/ledger/"))
        self.ledgers += bool(ledgers)
        if ledgers and files[ledgers[-1]][0] == files[ledgers[-1]][1].data:
            for partition, entry in json.loads(files[ledgers[-1]][0])["partitions"].items():
                data = objects.get(f"lake/{TABLE}/billing_period={partition}/data.parquet")
                known = entry["epoch"]
                sound = data is not None and data in (*self.old.values(), *self.new.values()) and self.epoch(data) >= known
                self.group.true(sound, f"{what}: the ledger knows generation {known} of {partition}, the object does not")

    def finish(self):
        for name, data, node, what in self.later:
            self.group.true(data == node.data, f"{what}: {name} is torn: {len(data)} of {len(node.data)} bytes")
        self.later = []


def complete(sound, disk, world, chance, what):
    """The imagined disk is the real one, and a run that ended well has left nothing of it to chance."""
    sound.finish()
    real = {"/".join(path.relative_to(world).parts): path.read_bytes() for path in world.rglob("*") if path.is_file()}
    seen = {"/".join(path): node.data for path, node in disk.whole().items() if isinstance(node, powercut.File)}
    sound.group.true(seen == real, f"{what}: the imagined disk is not the real one: {sorted(seen.items() ^ real.items())[:2]}")
    wanted = {name: data for name, data in seen.items() if "/tmp/" not in name and not name.endswith("/lock")}
    for number in range(CUTS):
        state = disk.cut(chance)
        left = {"/".join(path): found[0] for path, found in state.items()}
        for name, data in wanted.items():
            sound.group.true(left.get(name) == data, f"{what}, cut {number}: the run ended well, and {name} is not on the disk")


def follow(group, program, states, new):
    """The real program on what is left after a cut."""
    for what, state in states:
        world = lake.temporary("cut")
        powercut.put_down(state, world)
        try:
            program.run("run", TABLE, lake=world / "lake")
            program.run("verify", TABLE, "--full", lake=world / "lake")
        except AssertionError as error:
            group.true(False, f"{what}: {error}")
        group.true(objects(world) == new, f"{what}: the next run does not leave what an undisturbed one leaves")
        group.equal(list(world.joinpath("lake/_costlake/tmp").glob("*")), [], f"{what}: staged files")
        shutil.rmtree(world)


def objects(world):
    return {f"lake/{name}": data for name, data in lake.Folder(world / "lake").objects(TABLE).items()}


def one_run(tally, program, base, what):
    """Cuts after every call of one run; the calls, and how many there were of what."""
    with tally.group(f"the power goes during {what}") as group:
        world = lake.copied(base, "traced")
        old = objects(base)
        calls = traced(program, world)
        new = objects(world)
        disk, sound, chance, states = powercut.Disk(base), Sound(group, old, new), random.Random(what), {}
        for call in [None, *calls]:
            if call:
                disk.apply(call)
                if call[0] == "begin":
                    continue
            for number in range(CUTS):
                state = disk.cut(chance)
                name = f"cut {number} after call {disk.calls} ({call[0]} {'/'.join(call[1])})" if call else f"cut {number}"
                sound.look(state, name)
                left = {path: data for path, (data, _) in state.items()}
                states.setdefault(frozenset(left.items()), (name, left))
        complete(sound, disk, world, chance, "the end")
        group.true(old != new and disk.syncs > 10 and sound.ledgers > CUTS, f"{disk.syncs} fsyncs, {sound.ledgers} ledgers")
        tried = chance.sample(sorted(states.values(), key=lambda one: one[0]), min(RUNS, len(states)))
        follow(group, program, tried, new)
        counts = collections.Counter(calls=disk.calls, cuts=sound.cuts, disks=len(states), runs=len(tried))
        group.note("{calls} calls, {cuts} cuts, {disks} different disks, {runs} next runs".format(**counts))
        return calls, counts
    return [], collections.Counter()


def after_deaths(tally, program, base, calls, what):
    """A run dies after each of its calls, the next one ends well, and the power goes during it or after it."""
    with tally.group(f"the power goes during the run that follows a death in {what}") as group:
        whole, old = lake.copied(base, "whole"), objects(base)
        program.run("run", TABLE, lake=whole / "lake")
        new, cuts, deaths, chance = objects(whole), 0, 0, random.Random(what)
        for last in range(1, len(calls)):
            if calls[last - 1][0] == "begin" or calls[last][:2] == calls[last - 1][:2] and calls[last][0] == "write":
                continue  # nothing has happened yet, or half of a file that is written in pieces
            deaths += 1
            disk, world = powercut.Disk(base), lake.temporary("died")
            for call in calls[:last]:
                disk.apply(call)
            seen = {path: getattr(node, "data", None) for path, node in disk.whole().items()}
            powercut.put_down(seen, world)
            sound = Sound(group, old, new)
            died = f"died after call {last} ({calls[last - 1][0]} {'/'.join(calls[last - 1][1])})"
            for call in traced(program, world):
                disk.apply(call)
                for number in range(CUTS_AFTER_A_DEATH if call[0] != "begin" else 0):
                    sound.look(disk.cut(chance), f"{died}, cut {number} after call {disk.calls} ({call[0]} {'/'.join(call[1])})")
            complete(sound, disk, world, chance, died)
            group.true(objects(world) == new, f"{died}: the next run does not leave what an undisturbed one leaves")
            cuts += sound.cuts
            shutil.rmtree(world)
        group.note(f"{deaths} deaths, {cuts} cuts")
        return collections.Counter(deaths=deaths, cuts_after=cuts)
    return collections.Counter()


def check(tally, stack):
    if subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False).returncode != 0:
        tally.skip("strace may not trace here: NO POWER WAS CUT", "power", "power.each")
        return
    jobs = lake.temporary("jobs")
    (jobs / f"{TABLE}.toml").write_text(JOB)
    early, later = (
        lake.Costlake(now, jobs=jobs, **lake.against(stack.enter_context(lake.sandbox(now)))) for now in (EARLY, LATER)
    )
    nothing, begun = lake.temporary("nothing"), lake.temporary("begun")
    early.run("run", TABLE, lake=begun / "lake")
    snapshots = sorted(begun.joinpath("lake/_costlake", TABLE, "ledger").iterdir())
    for number in range(OLDER_SNAPSHOTS):  # so that the night has some to remove
        shutil.copy(snapshots[-1], snapshots[-1].with_name(f"{len(snapshots) + number + 1:020}.json"))
    all_of, each = collections.Counter(), []
    for program, base, what in ((early, nothing, "a table's first run"), (later, begun, "a night's run")):
        calls, counts = one_run(tally, program, base, what)
        counts += after_deaths(tally, program, base, calls, what)
        all_of += counts
        each.append(what + ": {calls} calls, {cuts:,} cuts, {disks} different disks, {deaths} deaths".format_map(counts))
    tally.figure("power", "{cuts:,} cuts, {runs} next runs; {deaths} deaths, {cuts_after:,} cuts after them".format_map(all_of))
    tally.figure("power.each", "; ".join(each))


lake.main(check)
