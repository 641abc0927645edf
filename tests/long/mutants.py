#!/usr/bin/env python3
"""Mutation testing with one build: see mutants.sh.

The mutants are those of cargo-mutants. They are woven into a copy of the tree (weave/), which is built once; a file then says
which of them a process is to be. What the compiler refuses is left out.
"""
import collections, hashlib, itertools, json, os, re, resource, shutil, signal, subprocess, sys, threading, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "target/long/mutants"
TREE, CHOICE, OMITTED = PLACE / "tree", PLACE / "choice", PLACE / "omitted"
TARGET = PLACE / "target"

# What runs in this process comes first, for all mutants; what starts the program itself after that, for those that are left. The
# first test that fails ends a mutant.
QUICK = [
    ("lib", []),
    ("it", ["sim::", "lakes::settling", "lakes::recovery", "lakes::control", "lakes::generations", "lakes::stores",
            "lakes::history", "care::damage", "care::mending"]),
]
SLOW = [
    ("it", ["answers::commands", "answers::nights", "answers::totals", "answers::budget", "answers::grains",
            "answers::quarantine", "answers::restated", "answers::identity", "answers::refusals", "answers::happy",
            "care::", "lakes::binary", "serve::slots"]),
]
# A schedule of the simulation says as much about a mutant as a thousand of them.
ENVIRONMENT = {"COSTLAKE_SIM_SCHEDULES": "100", "COSTLAKE_FUZZED_INPUTS": "100"}
# Fewer steps of a kind are a module; the order is that of the table.
MODULES = [
    ("plan", r"src/plan/"),
    ("verify", r"src/pipeline/(verify|repair)"),
    ("publish", r"src/pipeline/publish"),
    ("ledger", r"src/ledger"),
    ("fetch", r"src/pipeline/(fetch|renew|control|totals)"),
    ("lake", r"src/lake/"),
]


def said(text):
    print(text, file=sys.stderr, flush=True)


def module_of(name):
    return next(module for module, pattern in MODULES if re.match(pattern, name))


def cargo(arguments, **more):
    environment = dict(os.environ, CARGO_TARGET_DIR=str(TARGET), CARGO_INCREMENTAL="0")
    return subprocess.run(["cargo", *arguments], cwd=TREE, env=environment, stdin=subprocess.DEVNULL, **more)


def copy_tree():
    """The files that git knows, or would take; those that did not change keep their times."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    shutil.rmtree(TREE, ignore_errors=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, TREE / name)


def warm():
    """What `cargo test` has built of other crates is linked to, not built again."""
    built = ROOT / "target/debug"
    if TARGET.exists() or not built.exists():
        return
    TARGET.mkdir(parents=True)
    subprocess.run(["cp", "-al", str(built), str(TARGET / "debug")], check=True)
    own = "costlake-* libcostlake-* it-* model-*".split()
    for pattern in own:
        for folder in ["deps", ".fingerprint", "build", "incremental"]:
            for found in (TARGET / "debug" / folder).glob(pattern):
                shutil.rmtree(found) if found.is_dir() else found.unlink()
    for found in (TARGET / "debug").glob("costlake*"):
        found.unlink()


def weave():
    copy_tree()
    tool = [str(PLACE / "weave/debug/costlake-weave"), str(TREE), str(CHOICE), str(PLACE / "list.json"), str(OMITTED)]
    woven = subprocess.run(tool, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {int(number): name for number, name in (line.split("\t") for line in woven.splitlines())}


def blamed(message):
    """The mutants that a compiler error is about: the last one named before its place, or the first one after it, or the arms
    without which a match is not whole."""
    found = {int(number) for number in re.findall(r"if !crate::mutated\((\d+)\) && true", message["rendered"])}
    for span in message["spans"]:
        while span.get("expansion"):
            span = span["expansion"]["span"]
        path = TREE / span["file_name"]
        if not path.exists() or found:
            continue
        lines = path.read_text().splitlines()
        line = lines[span["line_start"] - 1]
        if (message["code"] or {}).get("code") == "E0004":
            arms = itertools.takewhile(lambda arm: not re.match(r" *}[;)]*$", arm), lines[span["line_start"] :])
            found.update(int(number) for arm in arms for number in re.findall(r"if !crate::mutated\((\d+)\) &&", arm))
            continue
        before = re.findall(r"mutated\((\d+)\)", line[: span["column_start"]])
        after = re.findall(r"mutated\((\d+)\)", line[span["column_start"] - 1 :])
        found.update(int(number) for number in (before[-1:] or after[:1]))
    return found


def viable():
    """Weaves and leaves out what the compiler refuses, until it refuses nothing."""
    OMITTED.write_text("")
    for _ in range(12):
        woven = weave()
        check = cargo(["check", "--locked", "--lib", "--message-format=json"], stdout=subprocess.PIPE,
                      stderr=subprocess.DEVNULL, text=True)
        if check.returncode == 0:
            return woven
        wrong = {}
        for line in check.stdout.splitlines():
            message = json.loads(line).get("message") if line.startswith("{") else None
            if message and message.get("level") == "error":
                wrong.update({number: message["message"] for number in blamed(message)})
                if not blamed(message) and message["spans"]:
                    said(f"nobody is to blame: {message['rendered']}")
        if not wrong:
            sys.exit("the woven tree does not compile, and no mutant is to blame")
        said(f"mutants: {len(wrong)} are refused by the compiler")
        with OMITTED.open("a") as out:
            out.writelines(f"{number} {text}\n" for number, text in sorted(wrong.items()))
    sys.exit("the compiler refuses the woven tree again and again")


def build():
    """The test programs."""
    built = cargo(["test", "--locked", "--lib", "--test", "it", "--no-run", "--message-format=json"],
                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if built.returncode != 0:
        sys.exit("the woven tests do not compile")
    programs = {}
    for line in built.stdout.splitlines():
        artifact = json.loads(line) if line.startswith("{") else {}
        if artifact.get("executable") and artifact["profile"]["test"]:
            programs["lib" if "lib" in artifact["target"]["kind"] else "it"] = artifact["executable"]
    return programs


def run(program, filters, limit):
    """`passed`, `timeout`, or the first test that failed. The limit is of processor time, so that a busy machine makes no
    timeout; what waits for ever without working is ended after ten times as long, or ten minutes."""
    environment = dict(os.environ, CARGO_MANIFEST_DIR=str(TREE), **ENVIRONMENT)
    process = subprocess.Popen([program, *filters], cwd=TREE, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, start_new_session=True,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5)))
    late = threading.Event()

    def end():
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            pass

    timer = threading.Timer(max(600, 10 * limit), lambda: (late.set(), end()))
    timer.start()
    failed = None
    for line in process.stdout:
        if re.match(r"test .* \.\.\. FAILED", line):
            failed = line.split()[1]
            break
    if failed:
        end()
    process.stdout.close()
    code = process.wait()
    timer.cancel()
    end()
    if failed:
        return failed
    if late.is_set() or code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "timeout"
    return "passed" if code == 0 else f"exit code {code}"


def ordered(woven, shard):
    """One mutant of each module after the other; within a module by the digest of its name, which spreads them evenly."""
    part, parts = (int(number) for number in shard.split("/")) if shard else (1, 1)
    groups = collections.defaultdict(list)
    for number, name in woven.items():
        groups[module_of(name)].append((hashlib.sha256(name.encode()).hexdigest(), number, name))
    taken = {module: sorted(all_of)[part - 1 :: parts] for module, all_of in groups.items()}
    while any(taken.values()):
        for module, _ in MODULES:
            if taken.get(module):
                yield taken[module].pop(0)[1:]


def limits(programs, stages):
    """Seconds that each stage may take: it is run without a mutant first, and must pass."""
    CHOICE.write_text("0")
    for program, filters in stages:
        start, used = time.monotonic(), processor_time()
        verdict = run(programs[program], filters, 1800)
        seconds, used = time.monotonic() - start, processor_time() - used
        said(f"mutants: without any, {program} {' '.join(filters)}: {verdict} in {seconds:.1f} s, {used:.1f} s of a processor")
        if verdict != "passed":
            sys.exit("mutants: the tests fail without a mutant")
        yield 30 + 4 * used


def processor_time():
    """What the programs that have ended have used."""
    times = os.times()
    return times.children_user + times.children_system


def judged(programs, stages, allowed):
    """What the stages say of the mutant that is chosen. A test that fails must pass without it."""
    number = CHOICE.read_text()
    for (program, filters), limit in zip(stages, allowed):
        verdict = run(programs[program], filters, limit)
        if "::" in verdict:
            CHOICE.write_text("0")
            if run(programs[program], ["--exact", verdict], limit) != "passed":
                sys.exit(f"mutants: {verdict} fails without a mutant too")
            CHOICE.write_text(number)
        if verdict != "passed":
            return verdict
    return "passed"


def tried(programs, mutants, seconds):
    """How many of each module were caught, ran out of time or were missed, and how long that took."""
    counts = collections.defaultdict(collections.Counter)
    started, left = time.monotonic(), []
    with (PLACE / "results").open("w") as results:
        for stages, goes_on in [(QUICK, True), (SLOW, False)]:
            allowed = list(limits(programs, stages)) if mutants else []
            for number, name in mutants:
                if goes_on and seconds and time.monotonic() - started > seconds:
                    break
                CHOICE.write_text(str(number))
                start = time.monotonic()
                verdict = judged(programs, stages, allowed)
                if verdict == "passed" and goes_on:
                    left.append((number, name))
                    continue
                kind = {"passed": "missed", "timeout": "timeout"}.get(verdict, "caught")
                counts[module_of(name)][kind] += 1
                print(f"{kind}\t{time.monotonic() - start:.1f}\t{name}\t{verdict}", file=results, flush=True)
                if kind != "caught":
                    said(f"{kind}: {name}")
            mutants = left
            if goes_on:
                said(f"mutants: {len(left)} are left for the slower tests after {time.monotonic() - started:.0f} s")
    return counts, time.monotonic() - started


def main():
    shard = sys.argv[1] if len(sys.argv) > 1 else ""
    minutes = float(os.environ.get("COSTLAKE_MUTANT_MINUTES", "0"))
    PLACE.mkdir(parents=True, exist_ok=True)
    CHOICE.write_text("0")
    begun = time.monotonic()
    with (PLACE / "list.json").open("w") as out:
        subprocess.run(["cargo", "mutants", "--list", "--json"], cwd=ROOT, check=True, stdout=out)
    listed = len(json.loads((PLACE / "list.json").read_text()))
    manifest = str(ROOT / "tests/long/weave/Cargo.toml")
    tool = ["cargo", "build", "--locked", "--quiet", "--manifest-path", manifest, "--target-dir", str(PLACE / "weave")]
    subprocess.run(tool, check=True)
    warm()
    woven = viable()
    programs = build()
    said(f"mutants: {listed} listed, {len(woven)} woven; built in {time.monotonic() - begun:.0f} s")
    counts, seconds = tried(programs, list(ordered(woven, shard)), 60 * minutes)
    CHOICE.write_text("0")
    total = collections.Counter()
    print(f"{'module':<10} {'caught':>7} {'timeout':>8} {'missed':>7}")
    for module, _ in MODULES:
        total.update(counts[module])
        print(f"{module:<10} {counts[module]['caught']:>7} {counts[module]['timeout']:>8} {counts[module]['missed']:>7}")
    count = sum(total.values())
    print(f"mutants: {count} of {listed} tried, {listed - len(woven)} not woven or refused by the compiler; {total['caught']} caught, "
          f"{total['timeout']} timed out, {total['missed']} missed; {seconds:.0f} s, {seconds / max(count, 1):.1f} s each")
    sys.exit(total["missed"] * 20 > count)


main()
