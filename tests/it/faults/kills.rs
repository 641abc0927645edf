//! The program is killed, stopped by a signal, or run by two processes at once, on a real disk.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use costlake::sandbox::{Sandbox, Settings};

use crate::sizes::KILL_ROUNDS;
use crate::support::figures::gather;

use super::binary::{
    Stage, Tables, assert_ledgers_agree, assert_nothing_staged, assert_old_or_new, copy, said, tables,
};
use super::world::{EARLY, LATER, at};

/// A stage at [`LATER`], and a lake after a run at [`EARLY`].
fn begun() -> (Stage, PathBuf) {
    let stage = Stage::start(EARLY);
    let base = stage.path("base");
    stage.run_well(&base);
    stage.sandbox.set_now(at(LATER));
    (stage, base)
}

/// Asserts the state after a clean run, whatever happened before.
fn assert_complete(lake: &Path, new: &Tables, what: &str) {
    assert!(tables(lake) == *new, "{what}: not what an uninterrupted run leaves");
    assert_ledgers_agree(lake);
    assert_nothing_staged(lake);
}

/// Sends runs a signal at instants spread over their duration. Every partition must be old or new afterwards, and the
/// next run completes them. Returns the exit codes; `None` where the signal itself ended the process.
fn broken_off(rounds: u32, name: fn(u32) -> &'static str) -> Vec<Option<i32>> {
    let (stage, base) = begun();
    let first = stage_new(&stage);
    let old = tables(&base);
    let (new, mut length) = stage.uninterrupted(&base);
    assert!(old[0] != new[0] && old[1] != new[1], "a run that changes nothing proves nothing");
    let mut codes = Vec::new();
    for round in 0..rounds {
        let lake = stage.path(&format!("lake{round}"));
        // Odd rounds start without a lake.
        let old = if round % 2 == 0 { &old } else { &vec![Default::default(); 2] };
        if round % 2 == 0 {
            copy(&base, &lake);
        }
        let new = if round % 2 == 0 { &new } else { &first };
        let wait = length.mul_f64((f64::from(round) + fastrand::f64()) / f64::from(rounds));
        let mut child = stage.command(&lake).spawn().expect("the program");
        std::thread::sleep(wait);
        // Not by its exit code: a signal before its handler is installed is ignored where this test ignores it too.
        let had_ended = child.try_wait().expect("a process").is_some();
        if !had_ended {
            signal(&child, name(round));
        }
        let sent = Instant::now();
        let output = child.wait_with_output().expect("an end");
        let what = format!("{} after {wait:?} of {length:?}: {}", name(round), said(&output));
        assert!(sent.elapsed() < Duration::from_secs(10), "{what}: {:?} to end", sent.elapsed());
        if had_ended {
            // The machine was busier when the duration was measured: runs are shorter now.
            length = length.mul_f64(0.8);
        }
        codes.push(output.status.code());
        assert!(output.status.code() != Some(130) || said(&output).contains("stopping: "), "{what}");
        assert_old_or_new(&tables(&lake), old, new, &what);
        stage.run_well(&lake);
        assert_complete(&lake, new, &what);
        std::fs::remove_dir_all(&lake).expect("a lake");
    }
    codes
}

/// Notes runs that a signal ended.
fn note(kind: &'static str, runs: usize) {
    gather("kills", |counts| {
        counts.add(kind, runs as u64);
        let (killed, stopped, said) = (counts.of("killed"), counts.of("stopped"), counts.of("said"));
        format!("{killed} killed; {stopped} sent a signal, {said} of them in time to say so; 0 differences")
    });
}

/// Number of runs that are sent SIGKILL.
const ROUNDS: u32 = 20;

#[test]
fn a_run_killed_at_any_instant_is_finished_by_the_next() {
    let codes = broken_off(ROUNDS, |_| "-KILL");
    let died = codes.iter().filter(|code| code.is_none()).count();
    assert!(died >= 5, "only {died} of {ROUNDS} runs were killed before they ended: {codes:?}");
    note("killed", died);
}

#[test]
fn a_run_stopped_at_any_instant_says_so_and_is_finished_by_the_next() {
    let rounds = u32::try_from(KILL_ROUNDS.get()).expect("a number");
    let codes = broken_off(rounds, |round| if round % 4 < 2 { "-TERM" } else { "-INT" });
    // A signal ends the process itself until its handler is installed, which takes longer on a busy machine.
    assert!(codes.iter().all(|code| matches!(code, None | Some(0 | 130))), "{codes:?}");
    let stopped = codes.iter().filter(|code| **code == Some(130)).count();
    println!("{stopped} of {rounds} runs were stopped by a signal");
    note("stopped", codes.len());
    note("said", stopped);
    assert!(stopped >= codes.len() / 4, "only {stopped} of {rounds} runs were stopped: {codes:?}");
}

/// The tables after an uninterrupted run on an empty lake.
fn stage_new(stage: &Stage) -> Tables {
    let lake = stage.path("first");
    stage.run_well(&lake);
    tables(&lake)
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
}

fn wait_for(came: impl Fn() -> bool) {
    let begun = Instant::now();
    while !came() {
        assert!(begun.elapsed() < Duration::from_secs(20), "what is waited for does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal to a run once `ready` returns; the run must end within 5 s and report it.
fn stop(stage: &Stage, lake: &Path, name: &str, ready: impl FnOnce()) {
    let child = stage.command(lake).spawn().expect("the program");
    ready();
    signal(&child, name);
    let begun = Instant::now();
    let output = child.wait_with_output().expect("an end");
    assert!(begun.elapsed() < Duration::from_secs(5), "{name} took {:?}", begun.elapsed());
    assert_eq!(output.status.code(), Some(130), "{name}: {}", said(&output));
    assert!(said(&output).contains("stopped by a signal"), "{name}: {}", said(&output));
}

#[test]
fn a_signal_stops_a_run_and_the_next_one_goes_on() {
    let (mut stage, base) = begun();
    let old = tables(&base);
    let (new, _) = stage.uninterrupted(&base);
    for name in ["-TERM", "-INT"] {
        let lake = stage.path(name);
        copy(&base, &lake);
        // One request a second: the signal comes between the first answer and the last.
        stage.set_pace(1.0);
        let first = std::fs::read_dir(base.join("_costlake/cost/ledger")).expect("a folder").count() + 1;
        stop(&stage, &lake, name, || {
            wait_for(|| lake.join(format!("_costlake/cost/ledger/{first:020}.json")).exists())
        });
        assert_old_or_new(&tables(&lake), &old, &new, name);
        stage.set_pace(1_000.0);
        stage.run_well(&lake);
        assert_complete(&lake, &new, name);
    }
}

#[test]
fn a_signal_does_not_wait_for_an_api_that_is_silent() {
    for name in ["-TERM", "-INT"] {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        silent.set_nonblocking(true).expect("a listener");
        let url = format!("http://{}", silent.local_addr().expect("an address"));
        let stage = Stage::asking(url, Sandbox::new(Settings::new(at(LATER))));
        let lake = stage.path("lake");
        // The connection stays open, and no data is ever sent on it.
        let open = OnceCell::new();
        let asked = || silent.accept().is_ok_and(|asked| open.set(asked).is_ok());
        stop(&stage, &lake, name, || wait_for(asked));
        assert!(tables(&lake).iter().all(|table| table.is_empty()));
    }
}

#[test]
fn two_runs_at_once_are_as_good_as_one() {
    let (mut stage, base) = begun();
    let (new, _) = stage.uninterrupted(&base);
    // Slow enough that both observe the objects before either writes.
    stage.set_pace(50.0);
    let mut superseded = 0;
    for round in 0..10 {
        let lake = stage.path(&format!("lake{round}"));
        copy(&base, &lake);
        let both = [(); 2].map(|()| stage.command(&lake).spawn().expect("the program"));
        for child in both {
            let output = child.wait_with_output().expect("an end");
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 5)), "{code:?}: {}", said(&output));
            superseded += u32::from(code == Some(5));
        }
        assert!(tables(&lake) == new, "round {round}: not what one run leaves");
        stage.run_well(&lake);
        assert_complete(&lake, &new, &format!("round {round}"));
    }
    println!("{superseded} of 20 runs were superseded");
}
