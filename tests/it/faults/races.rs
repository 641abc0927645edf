//! Two real processes write one window at once, many times.
//!
//! Each writer has a separate API, with clocks a day apart or equal: the two read different rows of the same days, or
//! the same rows. They meet at a barrier in the program after both have observed the object and before either has
//! replaced it, or they run freely.
//!
//! | the writers read | and meet | result |
//! |---|---|---|
//! | different rows | before either writes | one commits; the other ends with 5 and reports that it was superseded |
//! | different rows | freely | the same, or the later one replaces the earlier one's generation by the next |
//! | the same rows | before either writes | one write lands; the other writer finds its own rows in the object |
//! | the same rows | freely | the same, or the later one finds nothing to do |
//!
//! Of four races two are on a table without accounts and one is on the part of one account, with the same results. In
//! the fourth the two write the parts of different accounts of one table, in a lake without it or with the first
//! generation of each: both commit, and nothing but the table's one record is shared.
//!
//! [`RACE_ROUNDS`] is the number of races.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use costlake::job::Job;
use costlake::lake::{Lake, LocalLake};
use costlake::sandbox::{Sandbox, Settings};
use costlake::unit::Unit;
use serde_json::Value;

use crate::sizes::RACE_ROUNDS;
use crate::support::figures::note;
use crate::support::lake::{files, rows, sum};
use crate::support::sandbox::SandboxServer;

use super::binary::{Stage, assert_nothing_staged, copy, runtime, said};
use super::world::{assert_ledger_agrees_in, at, contents_of, parse};

const JOB: &str = r#"
    source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
    window = { begin = "2026-10-30" }
    limits = { requests_per_second = 1000 }
    lake = { keep_history = true }
"#;

/// The same table with a part for each of two accounts.
const ACCOUNTS: [&str; 2] = ["000033334444", "222233334444"];
const OF_ACCOUNTS: &str = r#"
    accounts = { list = [{ id = "000033334444" }, { id = "222233334444" }], role_arn = "arn:aws:iam::{id}:role/costs" }
"#;

/// Clocks of the run before the race and of the two writers. The last day of October has different rows at each.
const CLOCKS: [&str; 3] = ["2026-11-01T06:00:00Z", "2026-11-02T06:00:00Z", "2026-11-03T06:00:00Z"];

/// Crash points between observing the object and writing it, where the writers meet.
const MEETINGS: [&str; 5] = ["after_observe", "after_budget", "after_control", "after_encode", "before_put"];

/// The program at one clock, with a separate API at the same clock.
struct Writer {
    server: SandboxServer,
    stage: Stage,
}

impl Writer {
    fn at(now: &str) -> Self {
        let server = SandboxServer::new(now, 1_000);
        let stage = Stage::asking(server.url(), Sandbox::new(Settings::new(at(now))));
        for other in ["cost", "savings"] {
            fs::remove_file(stage.path(&format!("jobs/{other}.toml"))).expect("a removal");
        }
        fs::write(stage.path("jobs/raced.toml"), JOB).expect("a job");
        fs::write(stage.path("jobs/parted.toml"), format!("{JOB}{OF_ACCOUNTS}")).expect("a job");
        Self { server, stage }
    }

    fn command(&self, lake: &Path, unit: &Unit, order: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_costlake"));
        command.args(["backfill", &unit.table, "--from", "2026-10-30", "--to", "2026-10-31", "--yes"]);
        command.args(["--output", "json"]);
        command.args(unit.account.iter().flat_map(|account| ["--account", account]));
        self.stage.surround(&mut command, lake);
        command.env("AWS_ENDPOINT_URL_STS", self.server.url()).env("COSTLAKE_CRASH", order);
        command
    }

    fn run_well(&self, lake: &Path, unit: &Unit) {
        let ended = Ended::of(&self.command(lake, unit, "").output().expect("the program"));
        assert_eq!(ended.code, 0, "{}", ended.said);
    }

    /// Asserts that the unit's sum is exactly that of this writer's API for its account.
    fn assert_sums(&self, lake: &Path, unit: &Unit) {
        let account = unit.account.as_deref();
        let total = self.server.total_of(account, "DAILY", "2026-10-30", "2026-11-01", "UnblendedCost");
        assert_eq!(sum(&rows(lake, &unit.folder()), "unblended_cost"), total, "{unit}");
    }
}

/// How one writer ended.
struct Ended {
    code: i32,
    said: String,
    outcome: String,
    epoch: Option<u64>,
    failure: Option<String>,
}

impl Ended {
    fn of(output: &Output) -> Self {
        let said = said(output);
        let code = output.status.code().unwrap_or_else(|| panic!("it died: {said}"));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
        let fetch = &document["jobs"][0]["fetches"][0];
        Self {
            code,
            outcome: fetch["outcome"].as_str().unwrap_or_default().to_owned(),
            epoch: fetch["epoch"].as_u64(),
            failure: fetch["failure"]["kind"].as_str().map(str::to_owned),
            said,
        }
    }

    fn committed(&self) -> Option<u64> {
        self.epoch.filter(|_| self.outcome == "committed")
    }

    fn is_superseded(&self) -> bool {
        let says_so = ["superseded: another writer committed generation", "was replaced since it was observed"];
        self.code == 5
            && self.failure.as_deref() == Some("superseded")
            && says_so.iter().any(|words| self.said.contains(words))
    }
}

/// The objects of a lake, whole.
fn objects(lake: &Path, job: &Job) -> BTreeMap<String, Bytes> {
    let opened = Lake::Local(LocalLake::new(lake.to_owned()));
    let held = runtime().block_on(contents_of(&opened, job));
    held.into_iter().map(|(partition, held)| (partition, held.bytes)).collect()
}

/// Epochs of the kept older generations.
fn kept(lake: &Path, unit: &Unit) -> BTreeSet<u64> {
    let folder = fs::read_dir(lake.join(unit.beside("history/2026-10")));
    let names = folder.into_iter().flatten().map(|entry| entry.expect("an entry").file_name());
    names.map(|name| name.to_string_lossy().trim_end_matches(".parquet").parse().expect("an epoch")).collect()
}

/// Every file of a unit, whole, by its path below the lake.
fn everything_of(lake: &Path, unit: &Unit) -> BTreeMap<PathBuf, Vec<u8>> {
    let folders = [lake.join(unit.folder()), lake.join(unit.beside(""))];
    let paths = folders.iter().flat_map(|folder| files(folder));
    let below = |path: &Path| path.strip_prefix(lake).expect("a file of the lake").to_owned();
    paths.map(|path| (below(&path), fs::read(&path).expect("a file"))).collect()
}

/// What is of both accounts in a table with a part for each, but for its one record, which names neither, and the lock
/// of that.
fn mixed_up(lake: &Path, table: &str) -> Option<String> {
    let mut rest = everything_of(lake, &Unit::from(table));
    for (own, other) in [(ACCOUNTS[0], ACCOUNTS[1]), (ACCOUNTS[1], ACCOUNTS[0])] {
        let held = everything_of(lake, &Unit::of(table, own));
        let names = |bytes: &[u8]| bytes.windows(other.len()).any(|part| part == other.as_bytes());
        if let Some((path, _)) = held.iter().find(|(_, bytes)| names(bytes)) {
            return Some(format!("{other} in {}", path.display()));
        }
        rest.retain(|path, _| !held.contains_key(path));
    }
    let state = Path::new("_costlake").join(table);
    let (lock, record) = (state.join("lock"), state.join("table.json"));
    if !rest.keys().eq([&lock, &record]) {
        return Some(format!("beside the parts: {:?}", rest.keys()));
    }
    let record = String::from_utf8_lossy(&rest[&record]).into_owned();
    ACCOUNTS.iter().any(|account| record.contains(account)).then_some(record)
}

#[test]
fn what_is_mixed_up_is_noticed() {
    let [one, two] = ACCOUNTS.map(|account| Unit::of("parted", account));
    let data = |unit: &Unit| format!("{}/billing_period=2026-10/data.parquet", unit.folder());
    let (record, lock) = ("_costlake/parted/table.json".to_owned(), "_costlake/parted/lock".to_owned());
    let sound =
        [(data(&one), ACCOUNTS[0]), (two.beside("account.json"), ACCOUNTS[1]), (record.clone(), "{}"), (lock, "")];
    let beside = "parted/billing_period=2026-10/data.parquet".to_owned();
    for (change, wanted) in [
        (None, None),
        (Some((data(&two), ACCOUNTS[0])), Some("000033334444 in parted/account=222233334444/")),
        (
            Some((one.beside("ledger/1.json"), ACCOUNTS[1])),
            Some("222233334444 in _costlake/parted/account=000033334444/"),
        ),
        (Some((beside, "")), Some("beside the parts")),
        (Some((Unit::from("parted").beside("account.json"), "")), Some("beside the parts")),
        (Some((record, ACCOUNTS[1])), Some(ACCOUNTS[1])),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in sound.iter().chain(&change) {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let said = mixed_up(folder.path(), "parted");
        match wanted {
            None => assert_eq!(said, None),
            Some(words) => assert!(said.as_deref().is_some_and(|said| said.contains(words)), "{words}: {said:?}"),
        }
    }
}

/// A lake before the race of a unit, and all valid results.
struct Course {
    job: Job,
    base: PathBuf,
    /// The generation before the race.
    epoch: u64,
    /// The objects, by the writers that committed, in order.
    outcomes: BTreeMap<Vec<usize>, BTreeMap<String, Bytes>>,
}

impl Course {
    fn lay(writers: &[Writer; 2], base: &Path, epoch: u64, job: &Job) -> Self {
        let unit = &job.unit;
        let mut outcomes = BTreeMap::new();
        for order in [vec![0], vec![1], vec![0, 1], vec![1, 0]] {
            let lake = base.with_extension(format!("{}{order:?}", unit.account.as_deref().unwrap_or_default()));
            copy(base, &lake);
            for writer in &order {
                writers[*writer].run_well(&lake, unit);
            }
            writers[order[order.len() - 1]].assert_sums(&lake, unit);
            outcomes.insert(order, objects(&lake, job));
        }
        assert_ne!(outcomes[&vec![0]], outcomes[&vec![1]], "writers that agree cannot get in each other's way");
        Self { job: job.clone(), base: base.to_owned(), epoch, outcomes }
    }

    /// The courses of all units of a job: on an empty lake, and on one with the first generation of each.
    fn lay_all(earlier: &Writer, writers: &[Writer; 2], job: &Job) -> [Vec<Self>; 2] {
        [("empty", 0), ("begun", 1)].map(|(name, epoch)| {
            let base = earlier.stage.path(&format!("{}-{name}", job.unit.table));
            fs::create_dir_all(&base).expect("a folder");
            let units = job.units();
            units.iter().filter(|_| epoch > 0).for_each(|job| earlier.run_well(&base, &job.unit));
            units.iter().map(|job| Self::lay(writers, &base, epoch, job)).collect()
        })
    }
}

/// Counts of each outcome.
#[derive(Debug, Default)]
struct Tally {
    superseded: u32,
    replaced: u32,
    settled_as_own: u32,
    nothing_to_do: u32,
    /// Races on one account's part, which are among the above.
    of_one_account: u32,
    /// Races on two accounts' parts of a new table, and of one that both have begun.
    of_two_accounts: [u32; 2],
}

impl Tally {
    /// The figures of the documents.
    fn note(&self, rounds: u32) {
        let Self { superseded, replaced, settled_as_own, nothing_to_do, of_one_account, of_two_accounts } = self;
        note(
            "races",
            &format!(
                "{rounds} races: {superseded} superseded, {replaced} in turn, {settled_as_own} settled as own, \
                 {nothing_to_do} with nothing to do"
            ),
        );
        let (new, begun) = (of_two_accounts[0], of_two_accounts[1]);
        let both = new + begun;
        note(
            "races-accounts",
            &format!("{both} races of two accounts, {new} for a new table; {of_one_account} of one"),
        );
    }
}

/// One race: the two writers of `pair`, each on its course, on a copy of the one lake of both.
struct Race<'a> {
    writers: &'a [Writer; 2],
    courses: [&'a Course; 2],
    pair: [usize; 2],
    /// Where they meet, if they do.
    place: Option<&'a str>,
    what: String,
}

impl Race<'_> {
    fn run(&self, delay: Duration, tally: &Mutex<Tally>) {
        let folder = tempfile::tempdir().expect("a folder");
        let (lake, met) = (folder.path().join("lake"), folder.path().join("met"));
        copy(&self.courses[0].base, &lake);
        fs::create_dir(&met).expect("a folder");
        let order = self.place.map(|place| format!("{place}:1:meet:{}", met.display())).unwrap_or_default();
        let start = |side: usize| {
            let mut command = self.writers[self.pair[side]].command(&lake, &self.courses[side].job.unit, &order);
            command.spawn().expect("the program")
        };
        let first = start(0);
        if self.place.is_none() {
            std::thread::sleep(delay);
        }
        let both = [first, start(1)].map(|child| Ended::of(&child.wait_with_output().expect("an end")));
        for ended in &both {
            assert!(ended.code == 0 || ended.is_superseded(), "{}: {}", self.what, ended.said);
            assert!(!ended.said.contains("where nobody came"), "{}: they did not meet", self.what);
        }
        if self.courses[0].job.unit != self.courses[1].job.unit {
            self.judge_apart(&lake, &both, tally);
        } else if self.pair[0] == self.pair[1] {
            self.judge_equals(&lake, &both, tally);
        } else {
            self.judge(&lake, &both, tally);
        }
        self.judge_neighbours(&lake, tally);
        assert_nothing_staged(&lake);
        for course in self.courses {
            runtime().block_on(assert_ledger_agrees_in(Lake::Local(LocalLake::new(lake.clone())), &course.job));
        }
    }

    /// Writers of two accounts: each commits what it commits alone.
    fn judge_apart(&self, lake: &Path, both: &[Ended; 2], tally: &Mutex<Tally>) {
        let what = &self.what;
        for ((course, writer), ended) in self.courses.into_iter().zip(self.pair).zip(both) {
            let (unit, next) = (&course.job.unit, course.epoch + 1);
            assert_eq!((ended.code, ended.committed()), (0, Some(next)), "{what}: {unit}: {}", ended.said);
            let alone = &course.outcomes[&vec![writer]];
            assert!(objects(lake, &course.job) == *alone, "{what}: {unit} is not what it is alone");
            assert_eq!(kept(lake, unit), (1..next).collect(), "{what}: {unit}");
            self.writers[writer].assert_sums(lake, unit);
        }
        let begun = usize::from(self.courses[0].epoch > 0);
        tally.lock().expect("a tally").of_two_accounts[begun] += 1;
    }

    /// In a table with accounts: nothing is mixed up, and the part of an account that nobody wrote is as it was.
    fn judge_neighbours(&self, lake: &Path, tally: &Mutex<Tally>) {
        let (what, [one, other]) = (&self.what, self.courses.map(|course| &course.job.unit));
        if one.account.is_none() {
            return;
        }
        assert_eq!(mixed_up(lake, &one.table), None, "{what}");
        for own in
            ACCOUNTS.map(|account| Unit::of(&one.table, account)).iter().filter(|own| ![one, other].contains(own))
        {
            let before = everything_of(&self.courses[0].base, own);
            assert!(everything_of(lake, own) == before, "{what}: {own} was touched");
        }
        if one == other {
            tally.lock().expect("a tally").of_one_account += 1;
        }
    }

    /// Writers of different rows: every commit is a new generation, and the object is that of the last one.
    fn judge(&self, lake: &Path, both: &[Ended; 2], tally: &Mutex<Tally>) {
        let (what, Course { job, epoch: base, outcomes, .. }) = (&self.what, self.courses[0]);
        let mut commits: Vec<(u64, usize)> =
            both.iter().zip(self.pair).filter_map(|(ended, writer)| Some((ended.committed()?, writer))).collect();
        commits.sort_unstable();
        let epochs: Vec<u64> = commits.iter().map(|(epoch, _)| *epoch).collect();
        let wanted: Vec<u64> = (1..=commits.len() as u64).map(|step| base + step).collect();
        assert_eq!(epochs, wanted, "{what}: one commit for each generation");
        let order: Vec<usize> = commits.iter().map(|(_, writer)| *writer).collect();
        let won = outcomes.get(&order).unwrap_or_else(|| panic!("{what}: {order:?} committed"));
        assert!(objects(lake, job) == *won, "{what}: the object is not that of {order:?}, in this order");
        let last = base + commits.len() as u64;
        assert_eq!(kept(lake, &job.unit), (1..last).collect(), "{what}: every replaced generation is kept once");
        self.writers[order[order.len() - 1]].assert_sums(lake, &job.unit);
        let lost = both.iter().filter(|ended| ended.is_superseded()).count();
        assert_eq!(lost + commits.len(), 2, "{what}: each commits or says that it was superseded");
        assert!(self.place.is_none() || lost == 1, "{what}: they met, so that one has to lose");
        let mut tally = tally.lock().expect("a tally");
        if lost == 1 { tally.superseded += 1 } else { tally.replaced += 1 }
    }

    /// Writers of the same rows: there is one new generation, whichever wrote it.
    fn judge_equals(&self, lake: &Path, both: &[Ended; 2], tally: &Mutex<Tally>) {
        let (what, Course { job, epoch, outcomes, .. }) = (&self.what, self.courses[0]);
        let won = &outcomes[&vec![self.pair[0]]];
        assert!(objects(lake, job) == *won, "{what}: not what one of them leaves");
        self.writers[self.pair[0]].assert_sums(lake, &job.unit);
        let next = epoch + 1;
        assert_eq!(kept(lake, &job.unit), (1..next).collect(), "{what}: one generation was replaced");
        assert!(both.iter().all(|ended| ended.committed().is_none_or(|epoch| epoch == next)), "{what}");
        let committed = both.iter().filter(|ended| ended.committed().is_some()).count();
        let unchanged = both.iter().filter(|ended| ended.outcome == "unchanged").count();
        let lost = both.iter().filter(|ended| ended.is_superseded()).count();
        assert_eq!(committed + unchanged + lost, 2, "{what}: {}{}", both[0].said, both[1].said);
        assert!(committed >= 1, "{what}: nobody committed");
        let mut tally = tally.lock().expect("a tally");
        match (committed, unchanged) {
            (2, _) => tally.settled_as_own += 1,
            (_, 1) => tally.nothing_to_do += 1,
            _ => tally.superseded += 1,
        }
    }
}

/// A sandbox says only with its first answer that its figures are made up, which is part of what the table is.
#[test]
fn a_table_that_another_run_makes_between_two_looks_is_the_table() {
    let [slow, fast] = [Writer::at(CLOCKS[2]), Writer::at(CLOCKS[1])];
    let folder = tempfile::tempdir().expect("a folder");
    let (lake, met, unit) = (folder.path().join("lake"), folder.path().join("met"), Unit::from("raced"));
    fs::create_dir(&met).expect("a folder");
    let mut command = slow.command(&lake, &unit, &format!("table_looked_up:1:meet:{}", met.display()));
    let waiting = command.spawn().expect("the program");
    let begun = Instant::now();
    while fs::read_dir(&met).expect("a folder").next().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came to the place");
        std::thread::sleep(Duration::from_millis(10));
    }
    // It dies with its object in the lake, before any ledger has it.
    let dead = fast.command(&lake, &unit, "put_acked:1:die").output().expect("the program");
    assert!(dead.status.code().is_none() && lake.join("raced/billing_period=2026-10/data.parquet").exists());
    fs::write(met.join("another"), "").expect("a file");
    let ended = Ended::of(&waiting.wait_with_output().expect("an end"));
    assert_eq!((ended.code, ended.committed()), (0, Some(2)), "{}", ended.said);
    slow.assert_sums(&lake, &unit);
}

#[test]
fn of_two_writers_at_once_each_commits_alone_or_says_that_it_lost() {
    let began = Instant::now();
    let rounds = u32::try_from(RACE_ROUNDS.get()).expect("a number");
    let (raced, parted) = (parse("raced", JOB), parse("parted", &format!("{JOB}{OF_ACCOUNTS}")));
    let earlier = Writer::at(CLOCKS[0]);
    let writers = [Writer::at(CLOCKS[1]), Writer::at(CLOCKS[2])];
    let [of_table, of_accounts] = [&raced, &parted].map(|job| Course::lay_all(&earlier, &writers, job));
    let alone = Instant::now();
    let probe = earlier.stage.path("probe");
    writers[0].run_well(&probe, &raced.unit);
    let length = alone.elapsed();
    let (next, tally) = (AtomicU32::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let round = next.fetch_add(1, Ordering::Relaxed);
                if round >= rounds {
                    return;
                }
                let mut rng = fastrand::Rng::with_seed(u64::from(round));
                // One round in four they run freely.
                let place = (round % 4 != 3).then(|| MEETINGS[rng.usize(0..MEETINGS.len())]);
                let pair = [[0, 1], [1, 0], [1, 1]][rng.usize(0..3)];
                let epoch = rng.usize(0..2);
                let delay = length.mul_f64(rng.f64() * 2.0);
                let (parts, first) = (&of_accounts[epoch], rng.usize(0..2));
                let courses = match rng.u8(0..4) {
                    0 | 1 => [&of_table[epoch][0]; 2],
                    2 => [&parts[first]; 2],
                    _ => [&parts[first], &parts[1 - first]],
                };
                let units = courses.map(|course| course.job.unit.to_string());
                let what = format!("round {round}: writers {pair:?} of {units:?}, meeting {place:?}, epoch {epoch}");
                Race { writers: &writers, courses, pair, place, what }.run(delay, &tally);
            }
        };
        let workers = [(); 2].map(|()| scope.spawn(work));
        for worker in workers {
            if let Err(panic) = worker.join() {
                next.store(rounds, Ordering::Relaxed);
                std::panic::resume_unwind(panic);
            }
        }
    });
    let tally = tally.into_inner().expect("a tally");
    println!("{rounds} races of two processes: {tally:?}, {:.1} s", began.elapsed().as_secs_f64());
    tally.note(rounds);
    if !RACE_ROUNDS.proves() {
        return;
    }
    assert!(tally.superseded > 0 && tally.settled_as_own > 0, "{tally:?}");
    assert!(tally.replaced > 0 && tally.nothing_to_do > 0, "{tally:?}: nobody came later");
    assert!(tally.of_one_account > 0 && tally.of_two_accounts.iter().all(|count| *count > 0), "{tally:?}");
}
