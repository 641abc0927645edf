//! Limits of the operating system: file size, open files, memory, permissions of folders and objects, and symbolic
//! links in place of folders.
//!
//! Each limit starts so tight that nothing works and is loosened step by step until a run succeeds, so that every call
//! that can be refused is refused once. After each refused run every object is the old or the new one, whole; the run
//! reports what is wrong and what to do; and the next run without the limit leaves the result of an undisturbed run.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use costlake::job::Job;
use costlake::lake::{Lake, LocalLake};

use super::binary::{Stage, Tables, assert_nothing_staged, assert_old_or_new, copy, runtime, said, tables_of};
use super::world::{EARLY, LATER, assert_ledger_agrees_in, at, parse};

const JOB: &str = r#"
    source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
    window = { begin = "2026-10-30", refresh = "3 days" }
    limits = { requests_per_second = 1000 }
    lake = { keep_raw = true, keep_history = true }
"#;

/// A lake after a run at [`EARLY`], and the result of a run on it at [`LATER`].
pub(super) struct Night {
    pub(super) stage: Stage,
    base: PathBuf,
    jobs: PathBuf,
    job: Job,
    pub(super) old: Tables,
    pub(super) new: Tables,
}

impl Night {
    pub(super) fn fall() -> Self {
        let stage = Stage::start(EARLY);
        let [jobs, base, whole] = ["only", "base", "whole"].map(|name| stage.path(name));
        fs::create_dir(&jobs).expect("a folder");
        fs::write(jobs.join("cost.toml"), JOB).expect("a job");
        let mut night = Self { stage, base, jobs, job: parse("cost", JOB), old: Vec::new(), new: Vec::new() };
        night.run_well(&night.base);
        night.stage.sandbox.set_now(at(LATER));
        copy(&night.base, &whole);
        night.run_well(&whole);
        (night.old, night.new) = (night.tables(&night.base), night.tables(&whole));
        assert_ne!(night.old, night.new, "a run that changes nothing proves nothing");
        night
    }

    pub(super) fn tables(&self, lake: &Path) -> Tables {
        tables_of(lake, std::slice::from_ref(&self.job))
    }

    /// A copy of the lake after the first run.
    pub(super) fn lake(&self, name: &str) -> PathBuf {
        let lake = self.stage.path(name);
        copy(&self.base, &lake);
        lake
    }

    /// Runs an `sh` script in which `$COSTLAKE` is the program.
    pub(super) fn shell(&self, lake: &Path, script: &str) -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -c 0; {script}")]);
        self.stage.surround(&mut command, lake);
        command.env("COSTLAKE_JOBS", &self.jobs).env("COSTLAKE", env!("CARGO_BIN_EXE_costlake"));
        command.output().expect("a shell")
    }

    pub(super) fn run_well(&self, lake: &Path) {
        let output = self.shell(lake, r#"exec "$COSTLAKE" run"#);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }

    /// Asserts that every object is old or new after a refused run, and that the next run completes them.
    pub(super) fn assert_heals(&self, lake: &Path, what: &str) {
        assert_old_or_new(&self.tables(lake), &self.old, &self.new, what);
        self.run_well(lake);
        self.assert_complete(lake, what);
    }

    pub(super) fn assert_complete(&self, lake: &Path, what: &str) {
        assert!(self.tables(lake) == self.new, "{what}: not what an uninterrupted run leaves");
        self.assert_books(lake);
    }

    /// Asserts that the ledger agrees with the objects and nothing is staged.
    pub(super) fn assert_books(&self, lake: &Path) {
        runtime().block_on(assert_ledger_agrees_in(Lake::Local(LocalLake::new(lake.to_owned())), &self.job));
        assert_nothing_staged(lake);
    }

    /// Runs under each limit in turn until a run succeeds; returns how many did not. `judge` checks those.
    fn loosen(&self, limits: impl Iterator<Item = String>, judge: impl Fn(&Output, &str)) -> usize {
        for (refused, limit) in limits.enumerate() {
            let lake = self.lake(&format!("limited{refused}"));
            let output = self.shell(&lake, &format!(r#"{limit}; exec "$COSTLAKE" run"#));
            let is_loose = output.status.code() == Some(0);
            if is_loose {
                self.assert_complete(&lake, &limit);
            } else {
                judge(&output, &limit);
                self.assert_heals(&lake, &limit);
            }
            fs::remove_dir_all(&lake).expect("a removal");
            if is_loose {
                return refused;
            }
        }
        panic!("no limit was loose enough");
    }
}

/// Asserts that a run ended with exit code 1 and printed what to do.
#[track_caller]
fn assert_advised(output: &Output, what: &str) {
    assert_eq!(output.status.code(), Some(1), "{what}: {}", said(output));
    assert!(said(output).contains("what to do: "), "{what}: {}", said(output));
}

#[test]
fn files_that_may_not_grow_are_an_error_that_harms_nothing() {
    let night = Night::fall();
    // Blocks of 512 bytes. If SIGXFSZ is ignored, the write itself fails; otherwise the process is killed in the write.
    let steps = |trap: &'static str| (0..200).map(move |blocks| format!("{trap}ulimit -f {blocks}"));
    let refused = night.loosen(steps("trap '' XFSZ; "), |output, what| {
        assert_advised(output, what);
        assert!(said(output).contains("File too large"), "{what}: {}", said(output));
    });
    let killed = night.loosen(steps(""), |output, what| {
        assert_eq!(output.status.code(), None, "{what}: {}", said(output));
    });
    println!("file sizes: {refused} limits refused a write, {killed} killed the run in it");
    assert!(refused > 3 && killed == refused, "{refused} and {killed}");
}

#[test]
fn files_that_may_not_be_opened_are_an_error_that_harms_nothing() {
    let night = Night::fall();
    // Connections that cannot be opened are retried for minutes, so such a run is stopped by a signal.
    let limits = (4..100).map(|files| format!(r#"ulimit -n {files}; set -- timeout 2; "$@" "$COSTLAKE" run; exit"#));
    let refused = night.loosen(limits, |output, what| {
        let code = output.status.code();
        // 127 comes from the loader, 101 from the runtime, which needs five files before anything else.
        assert!(matches!(code, Some(1 | 2 | 101 | 124 | 127 | 130)), "{what}: {code:?}: {}", said(output));
        let says_so = said(output).contains("oo many open files");
        assert!(says_so || !matches!(code, Some(1 | 2 | 101)), "{what}: {}", said(output));
    });
    println!("open files: {refused} limits were too low");
    assert!(refused > 3, "{refused}");
}

#[test]
fn memory_that_ends_harms_nothing() {
    let night = Night::fall();
    let limits = (0..100).map(|step| format!("ulimit -v {}", 20_000 + step * 4_000));
    let refused = night.loosen(limits, |output, what| {
        assert_ne!(output.status.code(), Some(0), "{what}");
    });
    println!("address space: {refused} limits were too low");
    assert!(refused > 0);
}

/// The command prefix under which permissions apply to this user: for root it drops all capabilities.
pub(super) fn bound_by_permissions() -> Option<&'static str> {
    let root = String::from_utf8_lossy(&Command::new("id").arg("-u").output().expect("id").stdout).trim() == "0";
    let setpriv = "setpriv --bounding-set=-all --inh-caps=-all";
    let works = || Command::new("sh").args(["-c", &format!("{setpriv} true")]).output();
    match root {
        false => Some(""),
        true => works().is_ok_and(|output| output.status.success()).then_some(setpriv),
    }
}

/// Every folder and file of a lake.
fn entries(lake: &Path) -> Vec<PathBuf> {
    let mut found = vec![lake.to_owned()];
    for path in crate::support::lake::files(lake) {
        found.extend(path.ancestors().skip(1).take_while(|folder| *folder != lake).map(Path::to_owned));
        found.push(path);
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn whatever_may_not_be_touched_is_named() {
    let night = Night::fall();
    let Some(bound) = bound_by_permissions() else {
        println!("skipped: permissions cannot be made to bind this user");
        return;
    };
    let (mut refused, mut untouched) = (0, 0);
    for (number, entry) in entries(&night.base).iter().enumerate() {
        let lake = night.lake(&format!("denied{number}"));
        let path = lake.join(entry.strip_prefix(&night.base).expect("an entry of the lake"));
        let what = format!("denied: {}", path.display());
        let was = fs::metadata(&path).expect("an entry").permissions();
        let denied = if path.is_dir() { 0o555 } else { 0o000 };
        fs::set_permissions(&path, fs::Permissions::from_mode(denied)).expect("permissions");
        let output = night.shell(&lake, &format!(r#"exec {bound} "$COSTLAKE" run"#));
        fs::set_permissions(&path, was).expect("permissions");
        if output.status.code() == Some(0) {
            untouched += 1;
            night.assert_complete(&lake, &what);
        } else {
            refused += 1;
            assert_advised(&output, &what);
            assert!(said(&output).contains(&path.display().to_string()), "{what}: not named: {}", said(&output));
            assert!(said(&output).contains("the right to read and write the lake"), "{what}: {}", said(&output));
            night.assert_heals(&lake, &what);
        }
    }
    println!("permissions: {refused} folders and files refused the run, {untouched} are not needed by it");
    assert!(refused >= 6, "{refused}");
}

/// A file, or every file of a folder, with its bytes.
fn contents(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = if path.is_file() { vec![path.to_owned()] } else { crate::support::lake::files(path) };
    files.into_iter().map(|file| (file.clone(), fs::read(file).expect("a file"))).collect()
}

/// Paths that are moved elsewhere and replaced by a link.
const LINKED: [&str; 6] = [
    "cost",
    "cost/billing_period=2026-10",
    "cost/billing_period=2026-10/data.parquet",
    "_costlake",
    "_costlake/cost",
    "_costlake/cost/ledger",
];

#[test]
fn links_inside_the_lake_are_refused_and_a_link_to_it_is_followed() {
    let night = Night::fall();
    for (number, inside) in LINKED.iter().enumerate() {
        let lake = night.lake(&format!("linked{number}"));
        let (path, elsewhere) = (lake.join(inside), night.stage.path(&format!("elsewhere{number}")));
        fs::rename(&path, &elsewhere).expect("a move");
        symlink(&elsewhere, &path).expect("a link");
        let before = contents(&elsewhere);
        let output = night.shell(&lake, r#"exec "$COSTLAKE" run"#);
        assert_advised(&output, inside);
        assert!(said(&output).contains("there is a symbolic link inside the lake"), "{inside}: {}", said(&output));
        assert!(said(&output).contains(&path.display().to_string()), "{inside}: {}", said(&output));
        assert!(contents(&elsewhere) == before, "{inside}: something was written through the link");
        fs::remove_file(&path).expect("a removal");
        fs::rename(&elsewhere, &path).expect("a move");
        night.assert_heals(&lake, inside);
    }
    let (lake, link) = (night.lake("target"), night.stage.path("link"));
    symlink(&lake, &link).expect("a link");
    night.run_well(&link);
    night.assert_complete(&lake, "through a link");
    assert!(fs::symlink_metadata(&link).expect("the link").is_symlink(), "the link is still one");
}
