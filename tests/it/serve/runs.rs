//! The scheduler tick by tick.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use chrono::Duration;
use costlake::pipeline::{Event, Listener};
use costlake::plan::Ask;
use costlake::plan::calendar;
use costlake::scheduler::jobs::Refusal;

use super::world::{CONFIG, COSTS, START, World, at, job_state, last, records, settle, tick, until};

/// A listener that blocks the runs of one job once they are planned, until it is released.
#[derive(Default)]
struct Hold(Arc<Held>);

#[derive(Default)]
struct Held {
    arrived: AtomicBool,
    free: Mutex<bool>,
    turn: Condvar,
}

impl Hold {
    fn listener(&self, name: &'static str) -> Listener {
        let held = self.0.clone();
        Arc::new(move |event| {
            if matches!(&event, Event::Planned { job, .. } if job == name) {
                held.arrived.store(true, Ordering::Relaxed);
                // Tasks queued on this thread move to another one.
                tokio::task::block_in_place(|| {
                    let free = held.free.lock().expect("a lock");
                    drop(held.turn.wait_while(free, |free| !*free).expect("a lock"));
                });
            }
        })
    }

    fn let_go(&self) {
        *self.0.free.lock().expect("a lock") = true;
        self.0.turn.notify_all();
    }

    /// Waits until a run is held.
    async fn holds(&self) {
        until(|| self.0.arrived.load(Ordering::Relaxed)).await;
    }
}

/// A test that fails must not wait for a run that it holds.
impl Drop for Hold {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_job_runs_at_once_and_then_at_its_slots() {
    let world = World::new(&[("config", CONFIG)]);
    let scheduler = world.scheduler();
    world.pass(&scheduler, "2026-11-10T09:00:00Z").await;
    assert_eq!(records(&world, "config").await.len(), 1, "it never ran: it runs at once");
    for quiet in ["2026-11-10T09:00:01Z", "2026-11-11T06:29:59Z"] {
        world.pass(&scheduler, quiet).await;
    }
    assert_eq!(records(&world, "config").await.len(), 1);
    world.pass(&scheduler, "2026-11-11T06:30:00Z").await;
    world.pass(&scheduler, "2026-11-11T06:30:01Z").await;
    assert_eq!(records(&world, "config").await.len(), 2);
    assert_eq!(last(&scheduler, "config").started_at, at("2026-11-11T06:30:00Z"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn downtime_is_made_up_for_by_one_run() {
    let world = World::new(&[("config", CONFIG), ("often", &CONFIG.replace("30 6", "*/5 *"))]);
    world.pass(&world.scheduler(), "2026-11-10T09:00:00Z").await;
    // Four days later, in a new process.
    let scheduler = world.scheduler();
    world.pass(&scheduler, "2026-11-14T08:00:30Z").await;
    world.pass(&scheduler, "2026-11-14T08:00:31Z").await;
    for name in ["config", "often"] {
        let started: Vec<_> = records(&world, name).await.iter().map(|run| run.started_at).collect();
        assert_eq!(started, [at("2026-11-14T08:00:30Z"), at("2026-11-10T09:00:00Z")], "{name}");
    }
    // A restart without a firing in between runs nothing.
    world.pass(&world.scheduler(), "2026-11-14T08:02:00Z").await;
    assert_eq!(records(&world, "config").await.len(), 2);
    // Neither does a clock that is set back a little.
    world.pass(&scheduler, "2026-11-15T06:30:00Z").await;
    world.pass(&scheduler, "2026-11-15T06:29:58Z").await;
    world.pass(&scheduler, "2026-11-15T06:30:01Z").await;
    assert_eq!(records(&world, "config").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_that_a_signal_stopped_has_not_done_its_slot() {
    let world = World::new(&[("config", CONFIG)]);
    world.pass(&world.scheduler(), START).await;
    let hold = Hold::default();
    let scheduler = world.scheduler_heard_by(Some(hold.listener("config")));
    tick(&scheduler, "2026-11-11T06:30:00Z").await;
    hold.holds().await;
    scheduler.context().cancel.cancel();
    hold.let_go();
    settle(&scheduler).await;
    assert_eq!(records(&world, "config").await[0].exit_code, 130);
    world.pass(&world.scheduler(), "2026-11-11T06:40:00Z").await;
    assert_eq!(records(&world, "config").await[0].exit_code, 0);
    assert_eq!(records(&world, "config").await[0].started_at, at("2026-11-11T06:40:00Z"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runs_of_a_job_never_overlap() {
    let world = World::new(&[("often", &CONFIG.replace("30 6", "*/5 *")), ("other", CONFIG)]);
    let hold = Hold::default();
    let scheduler = world.scheduler_heard_by(Some(hold.listener("often")));
    tick(&scheduler, "2026-11-10T09:00:00Z").await;
    until(|| job_state(&scheduler, "other").last.is_some()).await;
    assert!(job_state(&scheduler, "often").live.is_some(), "it is held");
    for now in ["2026-11-10T09:05:00Z", "2026-11-10T09:10:00Z", "2026-11-10T09:15:10Z"] {
        tick(&scheduler, now).await;
    }
    let shown = job_state(&scheduler, "often");
    assert_eq!(shown.outlasted, Some(at("2026-11-10T09:15:00Z")), "the slot that passed is shown");
    assert_eq!(shown.counters.outlasted, 3);
    assert_eq!(scheduler.start(&"often".into(), "backfill", Ask::Due), Err(Refusal::Busy));
    hold.let_go();
    settle(&scheduler).await;
    world.pass(&scheduler, "2026-11-10T09:16:00Z").await;
    world.pass(&scheduler, "2026-11-10T09:16:01Z").await;
    let started: Vec<_> = records(&world, "often").await.iter().map(|run| run.started_at).collect();
    assert_eq!(started, [at("2026-11-10T09:16:00Z"), at("2026-11-10T09:00:00Z")], "one run for three slots");
    assert_eq!(job_state(&scheduler, "often").outlasted, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_panic_is_a_failed_run_of_that_job_alone() {
    let world = World::new(&[("breaks", CONFIG), ("config", CONFIG), ("costs", COSTS)]);
    let listener: Listener = Arc::new(|event| {
        let breaks = matches!(&event, Event::Planned { job, .. } if job == "breaks");
        assert!(!breaks, "a made-up bug");
    });
    let scheduler = world.scheduler_heard_by(Some(listener));
    for now in [START, "2026-11-11T06:30:00Z"] {
        world.pass(&scheduler, now).await;
        let broken = last(&scheduler, "breaks");
        let failure = broken.failure.as_ref().expect("a failure");
        assert_eq!((failure.kind.name(), broken.exit_code), ("internal", 1));
        assert!(failure.text.contains("a made-up bug"), "{}", failure.text);
        assert_eq!(broken.started_at, at(now));
        for well in ["config", "costs"] {
            assert_eq!((last(&scheduler, well).exit_code, last(&scheduler, well).started_at), (0, at(now)), "{well}");
        }
    }
    assert_eq!(records(&world, "breaks").await.len(), 2, "the failure is in the records");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failing_job_is_tried_again_at_its_next_slot() {
    // The sandbox has no such commitments.
    let fails = CONFIG
        .replace("datadog_ccm_config\"", "datadog_savings\", queries = [{ provider = \"x\", product = \"y\" }]")
        + "window = { begin = \"2026-11-01\" }\n";
    let world = World::new(&[("config", CONFIG), ("fails", &fails)]);
    let scheduler = world.scheduler();
    for now in [START, "2026-11-11T06:30:00Z"] {
        world.pass(&scheduler, now).await;
        assert_ne!(last(&scheduler, "fails").exit_code, 0);
        assert_eq!(last(&scheduler, "config").exit_code, 0);
    }
    assert_eq!(job_state(&scheduler, "fails").counters.runs["failed"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_that_are_due_together_share_the_question_for_totals() {
    let by_account = COSTS.replace("SERVICE", "LINKED_ACCOUNT");
    let world = World::new(&[("costs", COSTS), ("costs_by_account", &by_account)]);
    let scheduler = world.scheduler();
    world.pass(&scheduler, START).await;
    let requests = world.sandbox.requests().cost_explorer;
    world.pass(&scheduler, "2026-11-11T06:30:00Z").await;
    let (a, b) = (last(&scheduler, "costs"), last(&scheduler, "costs_by_account"));
    assert_eq!((a.exit_code, b.exit_code), (0, 0));
    assert_eq!(a.totals_asked.requests + b.totals_asked.requests, 1);
    assert_eq!(world.sandbox.requests().cost_explorer - requests, a.asked.requests + b.asked.requests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn weeks_pass_and_every_table_is_current() {
    let world = World::new(&[("config", CONFIG), ("costs", COSTS)]);
    let scheduler = world.scheduler();
    for days in 0..21 {
        let now = at(START) + Duration::days(days);
        world.pass(&scheduler, &now.to_rfc3339()).await;
        for name in ["config", "costs"] {
            let shown = job_state(&scheduler, name);
            assert_eq!((last(&scheduler, name).exit_code, last(&scheduler, name).started_at), (0, now), "{name}");
            let (lake, grain) = (world.lake(), shown.job.source.grain());
            let opened = costlake::ledger_store::LedgerStore::open(lake, &name.into(), grain, now).await;
            let slots = calendar(&shown.job, &opened.expect("store").0.ledger, now);
            let due: Vec<_> = slots.iter().filter(|slot| slot.known.is_none() || slot.stale).collect();
            assert!(due.is_empty(), "{name} at {now}: {due:?}");
        }
    }
    assert_eq!(records(&world, "costs").await.len(), 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn job_files_may_change_while_it_runs() {
    let world = World::new(&[("a", CONFIG), ("broken", "source = 1\n")]);
    let scheduler = world.scheduler();
    world.pass(&scheduler, START).await;
    assert_eq!(scheduler.jobs.broken().len(), 1);

    // Broken: the last good version stays in use, and the error is shown.
    world.job("a", "schedule = { cron = \"boom\" }\n");
    world.job("b", CONFIG);
    scheduler.look_again();
    world.pass(&scheduler, "2026-11-11T06:30:00Z").await;
    assert_eq!(last(&scheduler, "a").started_at, at("2026-11-11T06:30:00Z"));
    assert!(job_state(&scheduler, "a").file_error.expect("an error").contains("boom"));
    assert_eq!(last(&scheduler, "b").started_at, at("2026-11-11T06:30:00Z"), "a new job runs at once");

    // Fixed, with another schedule: it counts from now, so this morning's firing is not made up for.
    world.job("a", &CONFIG.replace("30 6", "0 5"));
    scheduler.look_again();
    world.pass(&scheduler, "2026-11-11T08:00:00Z").await;
    assert_eq!(job_state(&scheduler, "a").file_error, None);
    assert_eq!(last(&scheduler, "a").started_at, at("2026-11-11T06:30:00Z"));
    world.pass(&scheduler, "2026-11-12T05:00:00Z").await;
    assert_eq!(last(&scheduler, "a").started_at, at("2026-11-12T05:00:00Z"));

    // Deleted: no longer a job.
    fs::remove_file(world.job_file("b")).expect("a file");
    fs::remove_file(world.job_file("broken")).expect("a file");
    scheduler.look_again();
    world.pass(&scheduler, "2026-11-12T06:30:00Z").await;
    let names: Vec<String> = scheduler.jobs.states().iter().map(|current| current.job.unit.table.clone()).collect();
    assert_eq!(names, ["a"]);
    assert!(scheduler.jobs.broken().is_empty());
    assert_eq!(records(&world, "b").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_outlives_its_job_file() {
    let world = World::new(&[("a", CONFIG)]);
    let hold = Hold::default();
    let scheduler = world.scheduler_heard_by(Some(hold.listener("a")));
    tick(&scheduler, START).await;
    hold.holds().await;
    fs::remove_file(world.job_file("a")).expect("a file");
    scheduler.look_again();
    tick(&scheduler, "2026-11-10T06:31:00Z").await;
    assert_eq!(scheduler.jobs.running(), ["a".into()]);
    assert_eq!(scheduler.start(&"a".into(), "backfill", Ask::Due), Err(Refusal::Unknown));
    hold.let_go();
    settle(&scheduler).await;
    assert_eq!(records(&world, "a").await.len(), 1);
    assert!(scheduler.jobs.states().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_starts_once_the_end_has_begun() {
    let world = World::new(&[("config", CONFIG)]);
    let scheduler = world.scheduler();
    world.pass(&scheduler, START).await;
    scheduler.context().cancel.cancel();
    scheduler.tick(costlake::clock::Clock::Fixed(at("2026-11-12T06:30:00Z")));
    assert!(scheduler.jobs.running().is_empty());
    assert_eq!(scheduler.start(&"config".into(), "backfill", Ask::Due), Err(Refusal::Stopping));
    assert!(scheduler.ended(std::time::Duration::from_secs(20)).await);
}
