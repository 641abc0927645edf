//! The program dies at every crash point of [`costlake::failpoint`], and the next run completes its work.
//!
//! A case is a crash point, the number of the pass at which to die, a job, a lake that is empty or has earlier runs,
//! and the number of fetches in flight. The process kills itself there; nothing is dropped, flushed or unlocked. Then:
//!
//! | when | what holds |
//! |---|---|
//! | after the crash | it died at the crash point and nowhere else; every object is the old or the new one, whole |
//! | after a clean run | every file except ledgers and run records is byte for byte that of an undisturbed run |
//! | | the ledger says the same as that run's, and agrees with every footer; `verify --full` finds nothing |
//! | | nothing is staged |
//!
//! [`CRASH_SEEDS`] is the number of cases for each crash point: a thousand cases in a whole run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use costlake::job::Job;
use costlake::lake::{Lake, LocalLake};
use costlake::ledger::Ledger;
use costlake::maintenance::verify::{Depth, verify};

use crate::sizes::CRASH_SEEDS;
use crate::support::figures::{note, thousands};

use super::binary::{Stage, Tables, assert_nothing_staged, assert_old_or_new, copy, runtime, said, tables_of};
use super::world::{World, assert_ledger_agrees_in, at, ledger_of, parse};

/// Clocks of the runs that fill a begun lake, and of the run that dies.
const BEGUN: [&str; 2] = ["2026-11-01T06:00:00Z", "2026-11-03T06:00:00Z"];
const NOW: &str = "2026-11-06T06:00:00Z";

/// All crash points; the test fails if a run never passes one of them, or passes another one.
const PLACES: [&str; 30] = [
    "table_looked_up",
    "started_written",
    "totals_answered",
    "after_plan",
    "after_observe",
    "after_budget",
    "page_received",
    "after_last_page",
    "after_control",
    "after_verify",
    "table_named",
    "raw_kept",
    "history_kept",
    "after_encode",
    "before_put",
    "lock_taken",
    "tmp_created",
    "tmp_written_unsynced",
    "tmp_synced",
    "folder_made_unsynced",
    "renamed_dir_unsynced",
    "put_sent_no_answer",
    "put_acked",
    "before_ledger",
    "ledger_written",
    "between_partitions",
    "before_record",
    "record_written",
    "snapshot_removed",
    "generation_removed",
];

/// Jobs of every granularity and both APIs, small enough to be run a thousand times.
const JOBS: [(&str, &str); 5] = [
    (
        "daily",
        r#"
        source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
        window = { begin = "2026-10-30", refresh = "3 days" }
        lake = { keep_raw = true, keep_history = true, keep_history_for = "2 days" }
        "#,
    ),
    (
        "monthly",
        r#"
        source = { type = "aws_cost_and_usage", granularity = "MONTHLY", metrics = ["UnblendedCost", "UsageQuantity"] }
        window = { begin = "2026-09-01" }
        lake = { keep_raw = true }
        "#,
    ),
    (
        "hourly",
        r#"
        source = { type = "aws_cost_and_usage", granularity = "HOURLY", metrics = ["UnblendedCost"] }
        window = { begin = "2026-11-01" }
        "#,
    ),
    (
        "savings",
        r#"
        source = { type = "datadog_savings", queries = [{ provider = "aws", product = "ec2" }] }
        window = { begin = "2026-10-28", refresh = "7 days" }
        lake = { keep_history = true }
        "#,
    ),
    ("accounts", r#"source = { type = "datadog_ccm_config" }"#),
];

/// One job on one kind of lake, with the result of an undisturbed run.
struct Scene {
    job: Job,
    /// Folders of the job file, for one to four fetches in flight.
    jobs: Vec<PathBuf>,
    base: PathBuf,
    old: Tables,
    new: Tables,
    files: BTreeMap<PathBuf, Vec<u8>>,
    ledger: Ledger,
    /// How often a run passes each crash point.
    passings: BTreeMap<String, usize>,
}

/// Every file of a lake that is the same after two runs of the same day: all except ledgers, run records and the lock.
fn lasting_files(lake: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let relative = |path: PathBuf| path.strip_prefix(lake).expect("a file of the lake").to_owned();
    let passing = |path: &Path| ["ledger", "runs", "lock"].iter().any(|part| path.iter().any(|own| own == *part));
    let paths = crate::support::lake::files(lake).into_iter();
    paths
        .map(|path| (fs::read(&path).expect("a file"), relative(path)))
        .filter(|(_, path)| !passing(path))
        .map(|(bytes, path)| (path, bytes))
        .collect()
}

/// The ledger of the table without its run id and the learnt answer sizes.
fn ledger_in(lake: &Path, job: &Job) -> Ledger {
    let lake = Lake::Local(LocalLake::new(lake.to_owned()));
    let mut ledger = runtime().block_on(ledger_of(lake.into(), job));
    // ETags of local files differ between two lakes, and a run that found the table made remembers its record.
    ledger.partitions.values_mut().for_each(|state| state.etag = None);
    Ledger { run_id: String::new(), learnt: Default::default(), table_record: None, ..ledger }
}

fn command(stage: &Stage, lake: &Path, jobs: &Path) -> Command {
    // An abort would dump core unless that is disabled.
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -c 0; exec "$0" run"#, env!("CARGO_BIN_EXE_costlake")]);
    stage.surround(&mut command, lake);
    command.env("COSTLAKE_JOBS", jobs);
    command
}

fn run_well(stage: &Stage, lake: &Path, jobs: &Path, order: &str) -> String {
    let output = command(stage, lake, jobs).env("COSTLAKE_CRASH", order).output().expect("the program");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    said(&output)
}

impl Scene {
    /// Writes the job files and creates the lake: with two days of runs, or empty.
    fn set(stage: &Stage, name: &str, text: &str, begun: bool) -> Self {
        let kind = if begun { "begun" } else { "empty" };
        let folder = |flight: usize| stage.path(&format!("{name}-{kind}-{flight}"));
        let limits = |flight: usize| format!("limits = {{ requests_per_second = 1000, fetches_in_flight = {flight} }}");
        let jobs: Vec<PathBuf> = (1..=4).map(folder).collect();
        for (jobs, flight) in jobs.iter().zip(1..) {
            fs::create_dir(jobs).expect("a folder");
            fs::write(jobs.join(format!("{name}.toml")), format!("{text}\n{}\n", limits(flight))).expect("a job");
        }
        let base = stage.path(&format!("{name}-{kind}-base"));
        fs::create_dir(&base).expect("a folder");
        if begun {
            Self::begin(stage, name, &base, &jobs[0]);
        }
        stage.sandbox.set_now(at(NOW));
        let lake = stage.path(&format!("{name}-{kind}-new"));
        copy(&base, &lake);
        let passed = run_well(stage, &lake, &jobs[0], "trace");
        let mut passings = BTreeMap::new();
        for place in passed.lines().filter_map(|line| line.strip_prefix("crash point ")) {
            *passings.entry(place.to_owned()).or_default() += 1;
        }
        let job = parse(name, text);
        let [old, new] = [&base, &lake].map(|lake| tables_of(lake, std::slice::from_ref(&job)));
        assert_ne!(old, new, "{name}: a run that changes nothing proves nothing");
        let (files, ledger) = (lasting_files(&lake), ledger_in(&lake, &job));
        Self { job, jobs, base, old, new, files, ledger, passings }
    }

    /// Two days of runs, and more until old ledger snapshots are removed.
    fn begin(stage: &Stage, name: &str, base: &Path, jobs: &Path) {
        for now in BEGUN {
            stage.sandbox.set_now(at(now));
            run_well(stage, base, jobs, "");
        }
        let snapshots = || fs::read_dir(base.join(format!("_costlake/{name}/ledger"))).expect("a folder").count();
        while name == "daily" && snapshots() < 20 {
            run_well(stage, base, jobs, "");
        }
    }

    fn one_case(&self, stage: &Stage, place: &str, rng: &mut fastrand::Rng) {
        let passing = rng.usize(1..=self.passings[place]);
        let jobs = &self.jobs[rng.usize(0..self.jobs.len())];
        let what = format!("{place}, passing {passing}, {}", jobs.display());
        let lake = tempfile::tempdir_in(stage.folder.path()).expect("a folder");
        let lake = lake.path();
        copy(&self.base, lake);
        let died = command(stage, lake, jobs)
            .env("COSTLAKE_CRASH", format!("{place}:{passing}:die"))
            .output()
            .expect("the program");
        assert_eq!(died.status.signal(), Some(6), "{what}: it did not die: {}", said(&died));
        assert_eq!(said(&died).trim_end().lines().last(), Some(format!("crash point {place}").as_str()), "{what}");
        assert_old_or_new(&tables_of(lake, std::slice::from_ref(&self.job)), &self.old, &self.new, &what);
        run_well(stage, lake, jobs, "");
        let found = lasting_files(lake);
        let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&found), names(&self.files), "{what}: other files than an uninterrupted run leaves");
        for (name, bytes) in &self.files {
            assert!(found[name] == *bytes, "{what}: {} is not as an uninterrupted run leaves it", name.display());
        }
        assert_eq!(ledger_in(lake, &self.job), self.ledger, "{what}");
        assert_nothing_staged(lake);
        runtime().block_on(async {
            let open = || Lake::Local(LocalLake::new(lake.to_owned()));
            assert_ledger_agrees_in(open(), &self.job).await;
            let context = World::over("http://127.0.0.1:1", NOW).context(open());
            let checked = verify(&context, &self.job, Depth::Rows).await.expect("a check");
            assert_eq!(checked.open().count(), 0, "{what}: {:?}", checked.findings);
        });
    }
}

fn scenes(stage: &Stage) -> Vec<Scene> {
    let kinds = JOBS.iter().flat_map(|(name, text)| [false, true].map(|begun| (name, text, begun)));
    kinds.map(|(name, text, begun)| Scene::set(stage, name, text, begun)).collect()
}

#[test]
fn a_run_that_dies_anywhere_is_finished_by_the_next() {
    let began = Instant::now();
    let seeds = usize::try_from(CRASH_SEEDS.get()).expect("a number");
    let stage = Stage::start(BEGUN[0]);
    let scenes = scenes(&stage);
    let passed: BTreeSet<&str> = scenes.iter().flat_map(|scene| scene.passings.keys()).map(String::as_str).collect();
    assert_eq!(passed, PLACES.into(), "the places that are passed are not those that are known");
    let set = began.elapsed();
    let places: Vec<&str> = passed.into_iter().collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let case = next.fetch_add(1, Ordering::Relaxed);
                let Some(place) = places.get(case / seeds) else { return };
                let mut rng = fastrand::Rng::with_seed(case as u64);
                let passing: Vec<&Scene> = scenes.iter().filter(|scene| scene.passings.contains_key(*place)).collect();
                passing[case % seeds % passing.len()].one_case(&stage, place, &mut rng);
            }
        };
        let workers = [(); 2].map(|()| scope.spawn(work));
        for worker in workers {
            if let Err(panic) = worker.join() {
                next.store(usize::MAX / 2, Ordering::Relaxed);
                std::panic::resume_unwind(panic);
            }
        }
    });
    let deaths = thousands((seeds * places.len()) as u64);
    note("deaths", &format!("{deaths} deaths at {} places, 0 differences", places.len()));
    println!(
        "{} deaths at {} places in {:.1} s, after {:.1} s of setting up",
        seeds * places.len(),
        places.len(),
        (began.elapsed() - set).as_secs_f64(),
        set.as_secs_f64()
    );
}
