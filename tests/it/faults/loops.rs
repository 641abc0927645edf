//! Every call to the store fails: call k = 1, 2, … of a run, for all of its calls.
//!
//! After each such run every partition is old or new, never in between; the next run succeeds and leaves the same
//! bytes as an uninterrupted run, and a ledger that agrees.

use std::collections::BTreeMap;
use std::sync::Arc;

use costlake::job::Job;
use object_store::memory::InMemory;

use crate::support::figures::gather;

use super::failing_store::{Call, Fault, Faults, Verb};
use super::world::{EARLY, Held, World, assert_ledger_agrees, begun, contents, cost_job, savings_job};

/// How many calls in a row fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    Once,
    /// Also the next call, which reads the object back.
    Twice,
    /// All calls from there on.
    ForGood,
}

/// The state a loop starts from and the state it must end in.
struct Loop<'a> {
    world: &'a World,
    job: &'a Job,
    base: &'a InMemory,
    old: BTreeMap<String, Held>,
    new: BTreeMap<String, Held>,
    /// The calls of a run without faults.
    calls: Vec<Call>,
}

impl<'a> Loop<'a> {
    async fn over(world: &'a World, job: &'a Job, base: &'a InMemory) -> Self {
        let store = Faults::over(base);
        let old = contents(&store.inner, job).await;
        store.heal();
        world.run_well(&store, job).await;
        let new = contents(&store.inner, job).await;
        assert_ne!(old, new, "a run that changes nothing proves nothing");
        Self { world, job, base, old, new, calls: store.calls() }
    }

    async fn every_call(&self, fault: Fault, span: Span) {
        for call in &self.calls {
            // For reads, the faults of writes are the same as `Before`.
            if call.verb == Verb::Put || fault == Fault::Before {
                self.one_call(call, fault.clone(), span).await;
            }
        }
    }

    async fn one_call(&self, call: &Call, fault: Fault, span: Span) {
        let what = format!("{fault:?} {span:?} at {call:?}");
        let store = Faults::over(self.base);
        let (first, last) = match span {
            Span::Once => (call.number, call.number),
            Span::Twice => (call.number, call.number + 1),
            Span::ForGood => (call.number, usize::MAX),
        };
        let scripted = fault.clone();
        store.script(move |call| (first..=last).contains(&call.number).then(|| scripted.clone()));
        let report = self.world.run(&store, self.job).await;
        assert!(self.allowed(call, &fault, span).contains(&report.exit_code), "{what}: {report:#?}");
        let now = contents(&store.inner, self.job).await;
        assert!(now.keys().all(|partition| self.new.contains_key(partition)), "{what}: {:?}", now.keys());
        for (partition, new) in &self.new {
            let found = now.get(partition);
            assert!(
                found == Some(new) || found == self.old.get(partition),
                "{what}: {partition} is neither old nor new"
            );
        }
        if report.exit_code == 0 {
            assert!(now == self.new, "{what}: ended well without the new rows");
        }
        store.land().await;
        store.heal();
        self.clean_run(&store, &what).await;
        gather("store-calls", |counts| {
            counts.add("runs", 1);
            format!("{} runs with a call that fails, 0 differences", counts.of("runs"))
        });
    }

    /// The exit codes a run may end with. A single failed write is settled, unless it belongs to the store's probe.
    fn allowed(&self, call: &Call, fault: &Fault, span: Span) -> &'static [u8] {
        let proof = call.key.contains("_costlake/probe/");
        let last_list = self.calls.iter().rfind(|call| call.verb == Verb::List);
        match (call.verb, span) {
            (_, Span::ForGood) if *fault == Fault::Conflict && proof => &[1, 2],
            (_, Span::ForGood) => &[1, 7],
            (Verb::Put, _) if !proof => &[0],
            (Verb::Put, _) if matches!(fault, Fault::Landed | Fault::Conflict) => &[0, 1, 2],
            (Verb::Put, _) => &[0, 1],
            // The listings for expired history and for old ledger snapshots come last, and both may stay.
            (Verb::List, _) if last_list == Some(call) || call.key.ends_with("/history") => &[0],
            // A read by the comparison may fail: the fetch reads again, and only that one counts.
            (Verb::Get, _) if self.is_first_look(call) => &[0, 1],
            _ => &[1],
        }
    }

    fn is_first_look(&self, call: &Call) -> bool {
        let of_object = |other: &&Call| other.verb == Verb::Get && other.key == call.key;
        call.key.ends_with("/data.parquet") && self.calls.iter().find(of_object) == Some(call)
    }

    /// The next run, without faults.
    async fn clean_run(&self, store: &Arc<Faults>, what: &str) {
        let report = self.world.run(store, self.job).await;
        assert_eq!(report.exit_code, 0, "{what}: {report:#?}");
        assert!(contents(&store.inner, self.job).await == self.new, "{what}: not what an uninterrupted run leaves");
        assert_ledger_agrees(&store.inner, self.job).await;
        assert_eq!(store.forbidden(), Vec::<String>::new(), "{what}");
        let mut epochs: BTreeMap<String, u64> = BTreeMap::new();
        for (key, epoch) in store.written() {
            let before = epochs.insert(key.clone(), epoch);
            assert!(before.is_none_or(|before| before < epoch), "{what}: {key} went from {before:?} to {epoch}");
        }
    }
}

const WRITE_FAULTS: [Fault; 5] = [Fault::Before, Fault::After, Fault::Landed, Fault::Conflict, Fault::Late];

#[tokio::test]
async fn a_first_run_survives_any_call_that_fails() {
    let (world, job, base) = (World::start(EARLY).await, cost_job(), InMemory::new());
    let each = Loop::over(&world, &job, &base).await;
    assert!(each.calls.len() > 15, "{:?}", each.calls);
    for fault in WRITE_FAULTS {
        each.every_call(fault, Span::Once).await;
    }
    each.every_call(Fault::Before, Span::ForGood).await;
}

#[tokio::test]
async fn a_nightly_run_survives_any_call_that_fails() {
    let job = cost_job();
    let (world, base) = begun(&job).await;
    let each = Loop::over(&world, &job, &base).await;
    let puts = each.calls.iter().filter(|call| call.puts_data()).count();
    assert_eq!((each.old.len(), puts), (1, 2), "October is replaced and November is new");
    for fault in WRITE_FAULTS {
        each.every_call(fault, Span::Once).await;
    }
}

#[tokio::test]
async fn a_nightly_run_survives_failures_that_last() {
    let job = cost_job();
    let (world, base) = begun(&job).await;
    let each = Loop::over(&world, &job, &base).await;
    for fault in [Fault::Before, Fault::After, Fault::Late] {
        each.every_call(fault.clone(), Span::Twice).await;
        each.every_call(fault, Span::ForGood).await;
    }
    each.every_call(Fault::Conflict, Span::ForGood).await;
}

#[tokio::test]
async fn a_datadog_run_survives_any_call_that_fails() {
    let job = savings_job();
    let (world, base) = begun(&job).await;
    let each = Loop::over(&world, &job, &base).await;
    for fault in [Fault::Before, Fault::After, Fault::Landed] {
        each.every_call(fault, Span::Once).await;
    }
}
