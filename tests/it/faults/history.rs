//! History: revisions in footers and ledger, kept generations, and the retention of both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use chrono::NaiveDate;
use costlake::clock::Clock;
use costlake::generation::{self, Base, FetchedDays, Footer, Owned, encode, rows};
use costlake::job::Job;
use costlake::ledger::History;
use costlake::maintenance::verify::{Defect, Depth, verify};
use costlake::pipeline::{Context, run_job};
use costlake::plan::Ask;
use object_store::memory::InMemory;

use super::failing_store::{Fault, Faults, Verb};
use super::world::{
    EARLY, LATER, LATEST, PREFIX, World, at, begun, contents, cost_job, data_key, held, lake, ledger, october, parse,
    put,
};

/// The time of the third read of October.
const AGAIN: &str = "2026-11-10T06:00:00Z";

/// The last day of October, which the sandbox has restated by [`LATER`] and once more by [`AGAIN`].
fn restated() -> NaiveDate {
    at(EARLY).date_naive() - chrono::Days::new(1)
}

fn of_day(rows: &[String], day: NaiveDate) -> BTreeSet<String> {
    rows.iter().filter(|row| row.starts_with(&day.to_string())).cloned().collect()
}

async fn october_history(store: &Arc<InMemory>, job: &Job) -> History {
    ledger(store, job).await.partitions["2026-10"].history.clone()
}

async fn keys(store: &Arc<InMemory>, folder: &str) -> BTreeSet<String> {
    lake(store).list(folder).await.expect("a listing").into_iter().map(|entry| entry.key).collect()
}

async fn forget_ledger(store: &Arc<InMemory>, job: &Job, kept: usize) {
    let lake = lake(store);
    let snapshots = lake.list(&format!("_costlake/{}/ledger", job.unit.table)).await.expect("a listing");
    for entry in snapshots.into_iter().skip(kept) {
        lake.remove_ledger_snapshot(&entry.key).await.expect("a removal");
    }
}

/// Three generations of October, committed at [`EARLY`], [`LATER`] and [`AGAIN`].
async fn three_generations(job: &Job) -> (World, Arc<InMemory>) {
    let (world, store) = begun(job).await;
    world.run_well(&store, job).await;
    world.set(AGAIN);
    assert_eq!(world.ask(&store, job, october()).await.exit_code, 0);
    assert_eq!(contents(&store, job).await["2026-10"].footer.epoch, 3, "the day is restated once more");
    (world, store)
}

#[tokio::test]
async fn a_footer_says_what_became_of_the_rows_it_replaced() {
    let job = cost_job();
    let (world, store) = begun(&job).await;
    let before = contents(&store, &job).await["2026-10"].clone();
    world.run_well(&store, &job).await;
    let after = contents(&store, &job).await["2026-10"].clone();
    let changes = after.footer.replaced[&restated()].changes.expect("the old rows can be read");
    let (old, new) = (of_day(&before.rows, restated()), of_day(&after.rows, restated()));
    assert!(changes.changed > 0, "{changes:?}");
    assert_eq!(changes.added + changes.changed, new.difference(&old).count() as u64, "{changes:?}");
    assert_eq!(changes.removed + changes.changed, old.difference(&new).count() as u64, "{changes:?}");
    let mut older = serde_json::to_value(&after.footer).expect("JSON");
    let slot = &mut older["replaced"][restated().to_string()];
    slot.as_object_mut().expect("a slot").remove("changes").expect("the counts");
    let older: Footer = serde_json::from_value(older).expect("a footer of an older costlake");
    assert_eq!(older.replaced[&restated()].changes, None);
}

#[tokio::test]
async fn of_rows_that_cannot_be_read_nothing_is_counted() {
    let job = cost_job();
    let (_, store) = begun(&job).await;
    let old = contents(&store, &job).await["2026-10"].clone();
    let (table, grain) = (job.source.table(), job.source.grain());
    let whole = generation::decode(table, old.bytes.clone()).expect("rows");
    let mut by_day = rows::split_by_slot(table, grain, &whole).expect("days");
    let fetched = || -> FetchedDays {
        let empty = whole.slice(0, 0);
        let days = old.footer.days.iter();
        days.map(|(day, facts)| {
            let digest = generation::digest::of_rows(table, &empty, &facts.read_for).expect("a digest");
            let sums = rows::sums(table, &empty, &facts.read_for).expect("sums");
            (*day, (empty.clone(), generation::DayFacts { rows: 0, digest, sums, ..facts.clone() }))
        })
        .collect()
    };
    let partition = grain.partition_of(restated());
    let replaced = |bytes: Bytes| {
        let base = Base { footer: old.footer.clone(), bytes };
        let built = generation::build(table, grain, partition, &Owned::default(), Some(&base), 0, fetched())
            .expect("a generation");
        held(&job, built.bytes.into()).footer.replaced[&restated()].changes
    };
    let rows_of_day = by_day.remove(&restated()).expect("rows").num_rows() as u64;
    let counted = replaced(old.bytes.clone()).expect("readable rows");
    assert_eq!((counted.added, counted.removed, counted.changed), (0, rows_of_day, 0));
    let others = encode(table, vec![whole.slice(0, whole.num_rows() - 1)], &old.footer).expect("an object");
    for unreadable in [Bytes::new(), old.bytes.slice(..40), others.into()] {
        assert_eq!(replaced(unreadable), None, "no zero is made up");
    }
    // Whichever byte is flipped, even where the decoder panics: the counts are those of the footer's rows, or absent.
    let told = (0..old.bytes.len()).filter_map(|byte| {
        let mut flipped = old.bytes.to_vec();
        flipped[byte] ^= 0xff;
        replaced(flipped.into())
    });
    assert!(told.map(|changes| assert_eq!(changes, counted)).count() < old.bytes.len());
}

#[tokio::test]
async fn the_ledger_keeps_every_revision_and_when_generations_were_committed() {
    let job = cost_job();
    let (_, store) = three_generations(&job).await;
    let history = october_history(&store, &job).await;
    assert_eq!(history.generations, BTreeMap::from([(1, at(EARLY)), (2, at(LATER)), (3, at(AGAIN))]));
    assert!(history.revisions.values().all(|of| !of.contains_key(&1)), "a first read is no revision");
    let revisions = &history.revisions[&restated()];
    let footer = &contents(&store, &job).await["2026-10"].footer;
    assert_eq!(revisions.keys().collect::<Vec<_>>(), [&2, &3]);
    assert_eq!(revisions[&2].sums, revisions[&3].sums_before, "each goes on from the one before");
    assert_eq!(revisions[&3].sums, footer.days[&restated()].sums);
    assert_eq!(revisions[&3].changes, footer.replaced[&restated()].changes);
    assert!(revisions[&3].changes.is_some());
}

/// October's history after a run died between data and ledger and the next one committed another generation; the first
/// read of the object by that next run may fail.
async fn history_after_a_death(first_look_fails: bool) -> History {
    let job = cost_job();
    let (world, base) = begun(&job).await;
    let of_first = keys(&base, "_costlake/cost/ledger").await.len();
    world.run_well(&base, &job).await;
    forget_ledger(&base, &job, of_first).await;
    assert_eq!(october_history(&base, &job).await.generations.len(), 1, "the ledger is behind now");
    world.set(AGAIN);
    let store = Faults::over(&base);
    let looks = AtomicUsize::new(usize::from(!first_look_fails));
    store.script(move |call| {
        let is_look = call.verb == Verb::Get && call.key == data_key(&cost_job(), "2026-10");
        (is_look && looks.fetch_add(1, Ordering::Relaxed) == 0).then_some(Fault::Before)
    });
    let report = world.ask(&store, &job, october()).await;
    assert_eq!((report.exit_code, report.objects_written), (0, 1), "{report:#?}");
    october_history(&store.inner, &job).await
}

#[tokio::test]
async fn a_run_that_died_before_the_ledger_loses_no_revision() {
    for first_look_fails in [false, true] {
        let history = history_after_a_death(first_look_fails).await;
        assert_eq!(history.generations.keys().collect::<Vec<_>>(), [&1, &2, &3]);
        assert_eq!(history.revisions[&restated()].keys().collect::<Vec<_>>(), [&2, &3]);
    }
}

#[tokio::test]
async fn a_lost_ledger_gets_its_revisions_back_from_footers_and_kept_generations() {
    let job = cost_job();
    let (world, store) = three_generations(&job).await;
    let known = october_history(&store, &job).await;
    forget_ledger(&store, &job, 0).await;
    let rebuilt = october_history(&store, &job).await;
    assert_eq!(rebuilt.revisions, known.revisions);
    assert_eq!(rebuilt.generations.keys().collect::<Vec<_>>(), [&2, &3], "nothing tells when the first was committed");
    put(&store, &format!("{PREFIX}/_costlake/cost/history/2026-10/{:020}.parquet", 2), "damaged").await;
    let rebuilt = october_history(&store, &job).await;
    assert_eq!(rebuilt.revisions[&restated()].keys().collect::<Vec<_>>(), [&3]);
    let report = world.run_well(&store, &job).await;
    for said in ["older revisions than those of the objects", "is left out of the history"] {
        assert!(report.notes.iter().any(|note| note.contains(said)), "{report:#?}");
    }
}

#[tokio::test]
async fn a_ledger_without_times_is_dated_by_its_reads_and_says_so() {
    let job = cost_job();
    let (_, store) = begun(&job).await;
    let newest = lake(&store).list("_costlake/cost/ledger").await.expect("a listing").pop().expect("a snapshot").key;
    let text = lake(&store).read(&newest, None).await.expect("a read").expect("a snapshot").bytes;
    let mut old: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    old["partitions"]["2026-10"].as_object_mut().expect("a partition").remove("history").expect("a history");
    put(&store, &format!("{PREFIX}/{newest}"), old.to_string()).await;
    let history = october_history(&store, &job).await;
    assert_eq!((history.generations, history.known_since), ([(1, at(EARLY))].into(), Some(at(EARLY))));
}

#[tokio::test]
async fn history_is_let_go_after_its_time_and_nothing_else_is() {
    let text = r#"
        source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
        window = { begin = "2026-10-30", refresh = "3 days" }
        limits = { fetches_in_flight = 1 }
        lake = { keep_raw = true, keep_history = true, keep_history_for = "2 days" }
    "#;
    let job = parse("cost", text);
    let (world, store) = begun(&job).await;
    for now in [LATER, LATEST] {
        world.set(now);
        world.run_well(&store, &job).await;
    }
    let kept = |month: &str| format!("_costlake/cost/history/{month}/{:020}.parquet", 1);
    // Not a name that costlake writes: it stays, however old it is.
    put(&store, &format!("{PREFIX}/_costlake/cost/history/2026-10/notes.txt"), "mine").await;
    put(&store, &format!("{PREFIX}/_costlake/cost/history/2026-10/2.parquet"), "mine").await;
    let before: BTreeSet<_> = keys(&store, "cost").await.into_iter().chain(keys(&store, "_costlake").await).collect();
    assert!(before.contains(&kept("2026-10")) && before.contains(&kept("2026-11")));
    // October's first generation was replaced at LATER, November's at LATEST: exactly two days before this run.
    world.set("2026-11-06T06:00:00Z");
    world.run_well(&store, &job).await;
    let after: BTreeSet<_> = keys(&store, "cost").await.into_iter().chain(keys(&store, "_costlake").await).collect();
    assert_eq!(before.difference(&after).collect::<Vec<_>>(), [&kept("2026-10")]);
    let known = ledger(&store, &job).await;
    let october = &known.partitions["2026-10"];
    assert_eq!(october.history.generations.keys().collect::<Vec<_>>(), [&2], "the current one stays");
    assert!(october.history.revisions.is_empty() && october.days.len() == 2);
    let november = &known.partitions["2026-11"].history;
    assert!(november.generations.contains_key(&1) && november.revisions.values().any(|of| of.contains_key(&2)));
    super::world::assert_ledger_agrees(&store, &job).await;
}

/// The store uses this machine's clock, which is many years behind that of the run.
#[tokio::test]
async fn a_clock_that_is_ahead_lets_nothing_go_before_its_time_by_the_stores_own() {
    let job = parse(
        "cost",
        r#"
        source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
        window = { begin = "2026-10-30", refresh = "3 days" }
        lake = { keep_history = true, keep_history_for = "1200 days" }
        "#,
    );
    let (world, store) = begun(&job).await;
    world.set(LATER);
    world.run_well(&store, &job).await;
    let kept = || keys(&store, "_costlake/cost/history");
    let (before, known) = (kept().await, october_history(&store, &job).await);
    assert!(!before.is_empty() && !known.revisions.is_empty());
    let ahead = Context { clock: Clock::Fixed(at("2099-01-01T06:00:00Z")), ..world.context(lake(&store)) };
    let report = run_job(&ahead, &job, "run", Ask::Due).await;
    assert!(report.notes.iter().all(|note| !note.contains("history past its time")), "{report:#?}");
    assert_eq!((kept().await, october_history(&store, &job).await), (before, known));
}

#[tokio::test]
async fn only_kept_generations_can_be_removed_as_such() {
    let job = cost_job();
    let (world, store) = begun(&job).await;
    world.run_well(&store, &job).await;
    let lake = lake(&store);
    let kept = format!("_costlake/cost/history/2026-10/{:020}.parquet", 1);
    let others = [
        "cost/billing_period=2026-10/data.parquet".to_owned(),
        kept.replace("history", "ledger"),
        kept.replace("history", "raw"),
        kept.replace("_costlake/", ""),
        kept.replace("_costlake", "cost"),
        kept.replace(".parquet", ".json"),
        kept.replace("2026-10/0", "2026-10/x"),
        kept.replace("2026-10/", ""),
        format!("{kept}/more"),
        format!("a/{kept}"),
    ];
    for key in others {
        assert!(lake.remove_kept_generation(&key).await.is_err(), "{key}");
    }
    assert!(lake.read(&kept, None).await.expect("a read").is_some());
    lake.remove_kept_generation(&kept).await.expect("a removal");
    assert!(lake.read(&kept, None).await.expect("a read").is_none());
}

#[tokio::test]
async fn verify_in_full_looks_at_kept_generations() {
    let job = cost_job();
    let (world, store) = three_generations(&job).await;
    let context = world.context(lake(&store));
    let full = verify(&context, &job, Depth::Rows).await.expect("a check");
    assert_eq!(full.findings, [], "all is well");
    let folder = format!("{PREFIX}/_costlake/cost/history/2026-10");
    let first = contents(&store, &job).await["2026-11"].bytes.clone();
    let mut second = lake(&store)
        .read(&format!("_costlake/cost/history/2026-10/{:020}.parquet", 2), None)
        .await
        .expect("a read")
        .expect("an object")
        .bytes
        .to_vec();
    second[40] ^= 0x10;
    put(&store, &format!("{folder}/{:020}.parquet", 1), first).await;
    put(&store, &format!("{folder}/{:020}.parquet", 2), second).await;
    put(&store, &format!("{folder}/notes.txt"), "mine").await;
    let full = verify(&context, &job, Depth::Rows).await.expect("a check");
    let troubles: Vec<Defect> = full.findings.iter().map(|finding| finding.defect).collect();
    assert_eq!(troubles, [Defect::Foreign, Defect::Corrupt, Defect::Foreign], "{:#?}", full.findings);
    assert_eq!(full.right, 2, "the table itself is right");
    let quick = verify(&context, &job, Depth::Footers).await.expect("a check");
    assert_eq!(quick.findings, []);
}
