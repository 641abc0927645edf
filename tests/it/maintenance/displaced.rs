//! Displaced objects, put by others in place of the committed ones: they are found, never used as a base, and replaced
//! only by rows known to be right.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use costlake::generation::{Footer, decode, encode};
use costlake::job::Job;
use costlake::ledger_store::{LedgerStore, kept_generations};
use costlake::maintenance::verify::{Depth, Finding};
use costlake::pipeline::totals::Prices;
use costlake::pipeline::{plan_job, run_job};
use costlake::plan::{Ask, calendar, range};
use costlake::report::JobReport;
use costlake::window::{parse_day, parse_month};

use super::world::{EARLY, LATER, World, commitments_job, cost_job, parse};

/// A time after October has settled.
const SETTLED: &str = "2026-11-20T06:00:00Z";
/// A time long after October has left the history of both APIs.
const YEARS_LATER: &str = "2028-03-05T06:00:00Z";

/// The number of days that `status` reports as stale, and the reason of the first.
async fn stale(world: &World, job: &Job) -> (usize, String) {
    let context = world.context();
    let now = context.clock.now();
    let (store, _) =
        LedgerStore::open_to_show(context.lake, &job.unit, job.source.grain(), now).await.expect("a ledger");
    let slots = calendar(job, &store.ledger, now);
    let stale: Vec<_> = slots.iter().filter(|slot| slot.gap() == Some("stale")).collect();
    let why = stale.first().and_then(|slot| slot.why(&store.ledger)).unwrap_or_default().to_owned();
    (stale.len(), why)
}

/// The rows of a lake whose only run is at `now`.
async fn read_at_once(job: &Job, now: &str) -> BTreeMap<String, Vec<String>> {
    let world = World::start().await;
    world.set(now);
    world.run(job).await;
    world.rows(job)
}

async fn copies(world: &World, job: &Job) -> usize {
    let kept = kept_generations(&world.context().lake, &job.unit, job.source.grain()).await.expect("a listing");
    kept.iter().filter(|kept| kept.is_displaced).count()
}

async fn run_accepting(world: &World, job: &Job, month: Option<&str>) -> JobReport {
    let month = month.map(|month| (job.unit.clone(), parse_month(month).expect("a month")));
    let context = costlake::pipeline::Context { accepted: Arc::new(month.into_iter().collect()), ..world.context() };
    run_job(&context, job, "run", Ask::Due).await
}

/// The month's object with different content and the generation number of `footer`.
fn with_fewer_rows(world: &World, job: &Job, month: &str, footer: &Footer) -> Vec<u8> {
    let table = job.source.table();
    let rows = decode(table, world.bytes(job, month).into()).expect("rows");
    let mut footer = footer.clone();
    for facts in footer.days.values_mut() {
        facts.digest = format!("{:064x}", 7);
    }
    encode(table, vec![rows.slice(1, rows.num_rows() - 1)], &footer).expect("an object")
}

/// Whatever replaced the committed object, the next run leaves the result of an undisturbed run.
#[tokio::test]
async fn a_replaced_object_is_found_and_read_again_whole() {
    for what in ["put back", "of the same number", "gone", "of a higher number"] {
        let job = cost_job(false);
        let world = World::begun(&job).await;
        let old = world.bytes(&job, "2026-10");
        world.set(LATER);
        world.run(&job).await;
        let (right, known) = (read_at_once(&job, LATER).await, world.footer(&job, "2026-10"));
        let object = world.object(&job, "2026-10");
        match what {
            "put back" => fs::write(&object, &old).expect("a write"),
            "gone" => fs::remove_file(&object).expect("removed"),
            "of the same number" => {
                fs::write(&object, with_fewer_rows(&world, &job, "2026-10", &known)).expect("a write");
            }
            _ => {
                let footer = Footer { epoch: known.epoch + 9, ..known.clone() };
                fs::write(&object, with_fewer_rows(&world, &job, "2026-10", &footer)).expect("a write");
            }
        }
        let (days, why) = stale(&world, &job).await;
        assert_eq!(days, 12, "{what}: all of October is doubted, and nothing else");
        assert!(why.contains("not the one that was committed"), "{what}: {why}");
        let mut prices = Prices::of(std::slice::from_ref(&job), world.context().clock.now(), Ask::Due);
        let (planned, _) = plan_job(&world.context(), &job, Ask::Due, &mut prices).await.expect("a plan");
        let october = planned.fetches.iter().find(|fetch| fetch.partition.to_string() == "2026-10");
        assert_eq!(october.map(|fetch| fetch.slots.len()), Some(12), "{what}: the plan says so");
        let report = world.run(&job).await;
        assert_eq!(report.objects_displaced, 1, "{what}");
        let noted =
            report.notes.iter().any(|note| note.contains("2026-10/data.parquet") && note.contains("read again"));
        assert!(noted, "{what}: {:?}", report.notes);
        assert_eq!(world.rows(&job), right, "{what}");
        let healed = world.footer(&job, "2026-10").epoch;
        let last = if what == "of a higher number" { known.epoch + 9 } else { known.epoch };
        assert_eq!(healed, last + 1, "{what}: above the ledger's and the object's");
        assert_eq!(copies(&world, &job).await, usize::from(what != "gone"), "{what}");
        world.assert_right(&job).await;
        assert_eq!(stale(&world, &job).await.0, 0, "{what}");
        let again = world.run(&job).await;
        assert_eq!((again.objects_displaced, again.objects_written), (0, 0), "{what}: that was all");
    }
}

/// A backfill of a few days does not keep foreign rows for the other days.
#[tokio::test]
async fn a_backfill_of_a_part_reads_the_displaced_object_whole() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let old = world.bytes(&job, "2026-10");
    world.set(LATER);
    world.run(&job).await;
    let right = read_at_once(&job, LATER).await;
    fs::write(world.object(&job, "2026-10"), old).expect("a write");
    world.backfill(&job, "2026-10-20", "2026-10-20").await;
    assert_eq!(world.rows(&job), right);
}

/// A lake copied file by file counts as the same lake: footers are read once, and no request is sent.
#[tokio::test]
async fn a_copied_lake_costs_nothing() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    for month in ["2026-10", "2026-11"] {
        let bytes = world.bytes(&job, month);
        fs::remove_file(world.object(&job, month)).expect("removed");
        fs::write(world.object(&job, month), bytes).expect("a write");
    }
    let (before, etags) = (world.sandbox.requests(), etags(&world, &job).await);
    let day = |text| parse_day(text).expect("a day");
    let window = range(day("2026-10-20"), day("2026-11-02")).expect("a range");
    let ask = Ask::Range { window, missing_only: true };
    let report = run_job(&world.context(), &job, "backfill", ask).await;
    assert_eq!((report.exit_code, world.sandbox.requests()), (0, before), "{report:#?}");
    assert_ne!(etags_of(&world, &job).await, etags, "they are known under their new names");
    assert_eq!(stale(&world, &job).await.0, 0);
}

async fn etags(world: &World, job: &Job) -> Vec<Option<String>> {
    let (ledger, _) = world.ledger(job).await;
    ledger.partitions.into_values().map(|state| state.etag).collect()
}

async fn etags_of(world: &World, job: &Job) -> Vec<Option<String>> {
    let etags = etags(world, job).await;
    assert!(etags.iter().all(Option::is_some), "{etags:?}");
    etags
}

/// An object of another table is neither read nor overwritten, and the run reports its owner.
#[tokio::test]
async fn an_object_of_another_table_is_never_overwritten() {
    let job = cost_job(false);
    for what in ["another table", "another account", "no Parquet"] {
        let world = World::begun(&job).await;
        let footer = world.footer(&job, "2026-10");
        let rows = decode(job.source.table(), world.bytes(&job, "2026-10").into()).expect("rows");
        let encoded = |footer| encode(job.source.table(), vec![rows.clone()], &footer).expect("an object");
        let theirs = match what {
            "another table" => encoded(Footer { fingerprint: "theirs".to_owned(), ..footer }),
            "another account" => encoded(Footer { account: Some("999999999999".to_owned()), ..footer }),
            _ => b"no Parquet at all".to_vec(),
        };
        if what == "another account" {
            set_account(&world, &job);
        }
        fs::write(world.object(&job, "2026-10"), &theirs).expect("a write");
        world.set(LATER);
        let report = run_accepting(&world, &job, Some("2026-10")).await;
        assert_eq!(report.exit_code, 1, "{what}: {report:#?}");
        let october = report.fetches.iter().find(|fetch| fetch.partition == "2026-10").expect("its fetch");
        let text = &october.failure.as_ref().expect("a failure").text;
        assert!(text.contains("move") && text.contains("away") && october.asked.requests == 0, "{what}: {text}");
        assert_eq!(world.bytes(&job, "2026-10"), theirs, "{what}");
        let november = report.fetches.iter().find(|fetch| fetch.partition == "2026-11").expect("its fetch");
        assert!(november.failure.is_none(), "{what}: the others go on: {november:#?}");
        assert!(stale(&world, &job).await.0 >= 12, "{what}");
    }
}

/// Sets an account in the newest ledger snapshot.
fn set_account(world: &World, job: &Job) {
    let path = world.files(&format!("_costlake/{}/ledger", job.unit.table)).into_keys().max().expect("a snapshot");
    let text = fs::read_to_string(&path).expect("a snapshot");
    let mut ledger: serde_json::Value = serde_json::from_str(&text).expect("a ledger");
    ledger["account"] = "111111111111".into();
    fs::write(path, ledger.to_string()).expect("a write");
}

/// For days outside the API's history, the committed rows are restored from any kept copy.
#[tokio::test]
async fn days_out_of_reach_are_restored_from_what_was_kept() {
    let job = commitments_job(&["ri", "sp"]);
    let world = World::start().await;
    world.set(SETTLED);
    world.run(&job).await;
    let right = world.rows(&job)["billing_period=2026-10"].clone();
    world.set(YEARS_LATER);
    fs::remove_file(world.object(&job, "2026-10")).expect("removed");
    world.run(&job).await;
    assert_eq!(world.rows(&job)["billing_period=2026-10"], right, "from kept raw answers");
    assert!(world.footer(&job, "2026-10").epoch > 1);

    let job = parse(
        "cost",
        r#"
        source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
        window = { begin = "2026-10-20", refresh = "8 days" }
        lake = { keep_history = true }
        "#,
    );
    let world = World::begun(&job).await;
    world.set(SETTLED);
    world.run(&job).await;
    let (newer, right) = (world.bytes(&job, "2026-10"), world.rows(&job)["billing_period=2026-10"].clone());
    // A user moved the committed generation aside and put an older one in its place.
    let kept = world.path("_costlake/cost/history/2026-10");
    let older = world.files("_costlake/cost/history/2026-10").into_values().next().expect("a kept generation");
    fs::write(kept.join(format!("{:020}.parquet", world.footer(&job, "2026-10").epoch)), &newer).expect("a write");
    fs::write(world.object(&job, "2026-10"), older).expect("a write");
    world.set(YEARS_LATER);
    let report = world.run(&job).await;
    assert_eq!(world.rows(&job)["billing_period=2026-10"], right, "from a kept generation: {:?}", report.fetches[0]);
}

/// Days that cannot be restored stay as they are, are reported as stale, fail each run, and are accepted when a user
/// says so.
#[tokio::test]
async fn what_cannot_be_restored_waits_for_a_person() {
    for gone in [false, true] {
        let job = cost_job(false);
        let world = World::start().await;
        world.set(SETTLED);
        world.run(&job).await;
        if gone {
            fs::remove_file(world.object(&job, "2026-10")).expect("removed");
        } else {
            let earlier = World::begun(&job).await;
            fs::write(world.object(&job, "2026-10"), earlier.bytes(&job, "2026-10")).expect("a write");
        }
        world.set(YEARS_LATER);
        for _ in 0..2 {
            let report = run_accepting(&world, &job, None).await;
            let failure = report.failures().iter().map(|(_, failure)| failure.text.clone()).collect::<String>();
            assert_eq!(report.exit_code, 1, "gone: {gone}: {report:#?}");
            assert!(failure.contains("--accept cost:2026-10") && failure.contains("2026-10-20"), "{failure}");
            assert!(stale(&world, &job).await.0 > 0, "gone: {gone}");
        }
        let report = run_accepting(&world, &job, Some("2026-10")).await;
        assert_eq!(report.exit_code, 0, "gone: {gone}: {report:#?}");
        assert_eq!(stale(&world, &job).await.0, 0, "gone: {gone}");
        assert_eq!(world.object(&job, "2026-10").exists(), !gone);
        let report = world.run(&job).await;
        assert_eq!(report.objects_displaced, 0, "gone: {gone}: it is taken for good");
        let checked = world.verify(&job, Depth::Rows).await;
        assert!(checked.findings.is_empty(), "gone: {gone}: {checked:#?}");
    }
}

/// An object without an ETag in the ledger (format 1 had none) is checked by the first run, but not by `status`.
#[tokio::test]
async fn an_object_without_a_known_identity_is_looked_at_once() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let path = world.files("_costlake/cost/ledger").into_keys().max().expect("a snapshot");
    let mut ledger: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).expect("a snapshot")).expect("a ledger");
    ledger["format"] = 1.into();
    for state in ledger["partitions"].as_object_mut().expect("partitions").values_mut() {
        state.as_object_mut().expect("a partition").remove("etag");
    }
    fs::write(path, ledger.to_string()).expect("a write");
    assert_eq!(stale(&world, &job).await.0, 0);
    world.set(EARLY);
    world.run(&job).await;
    etags_of(&world, &job).await;
}

/// While other rows stay in place, the ledger still expects the committed ones, and nothing else.
#[tokio::test]
async fn committed_rows_that_come_back_are_taken_for_what_they_are() {
    let job = cost_job(false);
    let world = World::start().await;
    world.set(SETTLED);
    world.run(&job).await;
    let (right, rows) = (world.bytes(&job, "2026-10"), world.rows(&job));
    let foreign = with_fewer_rows(&world, &job, "2026-10", &world.footer(&job, "2026-10"));
    let earlier = World::begun(&job).await;
    world.set(YEARS_LATER);
    for (theirs, is_right_again) in [(foreign, false), (earlier.bytes(&job, "2026-10"), false), (right, true)] {
        fs::write(world.object(&job, "2026-10"), theirs).expect("a write");
        let report = run_accepting(&world, &job, None).await;
        assert_eq!(report.exit_code == 0, is_right_again, "{report:#?}");
        assert_eq!(stale(&world, &job).await.0 == 0, is_right_again);
    }
    assert_eq!(world.rows(&job)["billing_period=2026-10"], rows["billing_period=2026-10"]);
}

/// A partial heal writes unverified rows into a new generation, whose facts must not become the committed ones.
#[tokio::test]
async fn rows_that_had_to_stay_do_not_become_what_was_committed() {
    let job = commitments_job(&["ri", "sp"]);
    let world = World::start().await;
    world.set(SETTLED);
    world.run(&job).await;
    let (right, rows) = (world.bytes(&job, "2026-10"), world.rows(&job));
    let answers = world.path(&format!("_costlake/{}/raw/2026-10", job.unit.table));
    fs::rename(&answers, world.path("aside")).expect("set aside");
    // One day of the month is foreign; the others are restored from the object in place.
    let foreign = with_another_day(&world, &job, "2026-10");
    world.set(YEARS_LATER);
    fs::write(world.object(&job, "2026-10"), foreign).expect("a write");
    let report = run_accepting(&world, &job, None).await;
    let october = report.fetches.iter().find(|fetch| fetch.partition == "2026-10").expect("its fetch");
    assert_eq!((report.exit_code, october.changed_days), (1, 1), "{october:#?}");
    assert_eq!(world.ledger(&job).await.0.committed.len(), 1);
    // The next object put there is compared with the committed facts, and so are stored raw responses.
    fs::rename(world.path("aside"), &answers).expect("put back");
    fs::write(world.object(&job, "2026-10"), right).expect("a write");
    let report = run_accepting(&world, &job, None).await;
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert_eq!(world.rows(&job)["billing_period=2026-10"], rows["billing_period=2026-10"]);
    assert_eq!(stale(&world, &job).await.0, 0);
    let (ledger, _) = world.ledger(&job).await;
    assert!(ledger.committed.is_empty() && ledger.displaced.is_empty(), "{ledger:#?}");
}

/// `backfill --missing` fetches days that the ledger has but the lake does not.
#[tokio::test]
async fn a_backfill_of_what_is_missing_reads_what_is_gone_from_the_lake() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let rows = world.rows(&job);
    fs::remove_file(world.object(&job, "2026-10")).expect("removed");
    let day = |text| parse_day(text).expect("a day");
    let window = range(day("2026-10-20"), day("2026-10-31")).expect("a range");
    let ask = Ask::Range { window, missing_only: true };
    let report = run_job(&world.context(), &job, "backfill", ask).await;
    assert_eq!((report.exit_code, report.objects_written), (0, 1), "{report:#?}");
    assert_eq!(world.rows(&job), rows);
}

/// The month's object, with only one row left on the first day.
fn with_another_day(world: &World, job: &Job, month: &str) -> Vec<u8> {
    let (table, mut footer) = (job.source.table(), world.footer(job, month));
    let whole = decode(table, world.bytes(job, month).into()).expect("rows");
    let mut days = costlake::generation::rows::split_by_slot(table, job.source.grain(), &whole).expect("days");
    let first = *footer.days.keys().next().expect("a day");
    let cut = days.remove(&first).expect("its rows").slice(0, 1);
    let facts = footer.days.get_mut(&first).expect("its facts");
    facts.digest = costlake::generation::digest::of_rows(table, &cut, &facts.read_for).expect("a digest");
    facts.rows = 1;
    let batches: Vec<_> = [cut].into_iter().chain(days.into_values()).collect();
    encode(table, batches, &footer).expect("an object")
}

/// An object of another account with other rows, in a table whose account is recorded.
async fn with_anothers_october(job: &Job) -> (World, Vec<u8>) {
    let world = World::begun(job).await;
    let record = r#"{ "format": 1, "account": "111111111111" }"#;
    fs::write(world.path(&format!("_costlake/{}/account.json", job.unit.table)), record).expect("a write");
    set_account(&world, job);
    let footer = world.footer(job, "2026-10");
    let footer = Footer { account: Some("999999999999".to_owned()), epoch: footer.epoch + 1, ..footer };
    let theirs = with_fewer_rows(&world, job, "2026-10", &footer);
    fs::write(world.object(job, "2026-10"), &theirs).expect("a write");
    (world, theirs)
}

#[tokio::test]
async fn rebuilding_never_overwrites_an_object_of_another_account() {
    let job = cost_job(true);
    for has_ledger in [true, false] {
        let (world, theirs) = with_anothers_october(&job).await;
        if !has_ledger {
            world.remove_all("_costlake/cost/ledger");
        }
        let report = world.rebuild(&job).await;
        assert!(world.bytes(&job, "2026-10") == theirs, "overwritten, ledger: {has_ledger}");
        assert_eq!(report.exit_code, 1, "{report:#?}");
        let october = report.fetches.iter().find(|fetch| fetch.partition == "2026-10").expect("a report");
        let text = &october.failure.as_ref().expect("a failure").text;
        assert!(text.contains("AWS account 999999999999") && text.contains("move it away"), "{text}");
        assert_eq!(epoch_in_ledger(&world, &job), has_ledger.then_some(1));
    }
}

#[tokio::test]
async fn verifying_tells_an_object_of_another_account_without_a_ledger_too() {
    let job = cost_job(false);
    for has_ledger in [true, false] {
        let (world, theirs) = with_anothers_october(&job).await;
        if !has_ledger {
            world.remove_all("_costlake/cost/ledger");
        }
        for check in [world.verify(&job, Depth::Rows).await, world.repair(&job, Depth::Rows).await] {
            let says = |finding: &Finding| finding.detail.contains("999999999999");
            assert!(check.findings.iter().any(says), "{has_ledger}: {:#?}", check.findings);
        }
        assert!(world.bytes(&job, "2026-10") == theirs, "overwritten, ledger: {has_ledger}");
        assert_eq!(epoch_in_ledger(&world, &job), has_ledger.then_some(1));
    }
}

/// The epoch of October in the newest snapshot.
fn epoch_in_ledger(world: &World, job: &Job) -> Option<u64> {
    let newest =
        world.files(&format!("_costlake/{}/ledger", job.unit.table)).into_values().next_back().expect("a snapshot");
    let ledger: serde_json::Value = serde_json::from_slice(&newest).expect("a ledger");
    ledger["partitions"]["2026-10"]["epoch"].as_u64()
}
