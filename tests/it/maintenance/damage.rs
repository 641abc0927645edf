//! verify distinguishes each kind of damage and writes nothing.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, RecordBatch, StringArray};
use costlake::generation::{decode, encode};
use costlake::maintenance::verify::Depth;
use parquet::arrow::ArrowWriter;

use super::world::{LATER, World, cost_job, open, parse};

const OCTOBER: &str = "billing_period=2026-10/data.parquet";

#[tokio::test]
async fn a_missing_object() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    fs::remove_file(world.object(&job, "2026-10")).expect("removed");
    let checked = world.verify(&job, Depth::Footers).await;
    assert_eq!(open(&checked), [format!("{OCTOBER} missing")]);
    assert_eq!(checked.right, 1, "November is right");
    assert!(checked.findings[0].detail.contains("12 days"), "{checked:?}");
}

#[tokio::test]
async fn an_object_behind_its_ledger() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let old = world.bytes(&job, "2026-10");
    world.set(LATER);
    world.run(&job).await;
    assert_ne!(world.bytes(&job, "2026-10"), old, "the sandbox restates October");
    fs::write(world.object(&job, "2026-10"), old).expect("put back");
    assert_eq!(open(&world.verify(&job, Depth::Footers).await), [format!("{OCTOBER} behind")]);
}

#[tokio::test]
async fn an_object_ahead_of_its_ledger() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let ledger = world.files("_costlake/cost/ledger");
    world.set(LATER);
    world.run(&job).await;
    forget_since(&world, &ledger);
    let expected = [format!("{OCTOBER} ahead"), "billing_period=2026-11/data.parquet ahead".to_owned()];
    assert_eq!(open(&world.verify(&job, Depth::Rows).await), expected);
}

/// Removes the snapshots that came after `ledger`.
pub(super) fn forget_since(world: &World, ledger: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>) {
    for path in world.files("_costlake/cost/ledger").keys().filter(|path| !ledger.contains_key(*path)) {
        fs::remove_file(path).expect("removed");
    }
}

#[tokio::test]
async fn a_damaged_page_is_found_in_full_only() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    world.damage(&job, "2026-10", 0.2);
    assert_eq!(open(&world.verify(&job, Depth::Footers).await), Vec::<String>::new());
    assert_eq!(open(&world.verify(&job, Depth::Rows).await), [format!("{OCTOBER} corrupt")]);
}

#[tokio::test]
async fn rows_that_can_be_read_but_are_not_the_footers() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let (table, footer) = (job.source.table(), world.footer(&job, "2026-10"));
    let rows = decode(table, world.bytes(&job, "2026-10").into()).expect("rows");
    let services = rows.schema().index_of("service").expect("a column");
    let mut columns = rows.columns().to_vec();
    let shouted = rows.column(services).as_string::<i32>().iter().map(|name| name.map(str::to_uppercase));
    columns[services] = Arc::new(shouted.collect::<StringArray>());
    let renamed = RecordBatch::try_new(rows.schema(), columns).expect("rows");
    let mut other_sums = footer.clone();
    other_sums
        .days
        .values_mut()
        .for_each(|facts| facts.sums = facts.sums.iter().map(|(name, sum)| (name, format!("{sum}1"))).collect());
    let mut fewer_days = footer.clone();
    fewer_days.days.pop_last();
    let twice = [rows.slice(0, 1), rows.clone()];
    for (batches, footer, said) in [
        (&[renamed][..], &footer, "are not those its footer was written for"),
        (&[rows.slice(1, rows.num_rows() - 1)], &footer, "but its footer says"),
        (&twice, &footer, "a row stands in it twice"),
        (std::slice::from_ref(&rows), &other_sums, "do not add up to the sums in its footer"),
        (std::slice::from_ref(&rows), &fewer_days, "which its footer does not know"),
    ] {
        let bytes = encode(table, batches.to_vec(), footer).expect("bytes");
        fs::write(world.object(&job, "2026-10"), bytes).expect("a write");
        let checked = world.verify(&job, Depth::Rows).await;
        assert_eq!(open(&checked), [format!("{OCTOBER} corrupt")], "{said}");
        assert!(checked.findings[0].detail.contains(said), "{said}: {}", checked.findings[0].detail);
    }
}

#[tokio::test]
async fn a_damaged_footer() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    world.damage(&job, "2026-10", 0.999);
    let checked = world.verify(&job, Depth::Footers).await;
    assert_eq!(open(&checked), [format!("{OCTOBER} corrupt")]);
    assert!(checked.findings[0].advice.contains("move it out"), "{checked:?}");
}

#[tokio::test]
async fn an_object_cut_short() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let bytes = world.bytes(&job, "2026-10");
    for keep in [0, 5, bytes.len() / 2, bytes.len() - 1] {
        fs::write(world.object(&job, "2026-10"), &bytes[..keep]).expect("a write");
        assert_eq!(open(&world.verify(&job, Depth::Footers).await), [format!("{OCTOBER} corrupt")], "{keep} bytes");
    }
}

#[tokio::test]
async fn an_object_of_another_size() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let mut bytes = world.bytes(&job, "2026-10");
    bytes.splice(4..4, *b"surplus");
    fs::write(world.object(&job, "2026-10"), &bytes).expect("a write");
    let checked = world.verify(&job, Depth::Footers).await;
    assert_eq!(open(&checked), [format!("{OCTOBER} corrupt")]);
    assert!(checked.findings[0].detail.contains(&format!("{} bytes", bytes.len())), "{checked:?}");
}

#[tokio::test]
async fn files_that_are_not_costlakes() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let (notes, second) = ("cost/notes.txt", "cost/billing_period=2026-10/part-0.parquet");
    fs::write(world.path(notes), "mine").expect("a write");
    fs::copy(world.object(&job, "2026-10"), world.path(second)).expect("a copy");
    let month = "cost/billing_period=2026-1/data.parquet";
    fs::create_dir_all(world.path("cost/billing_period=2026-1")).expect("a folder");
    fs::copy(world.object(&job, "2026-10"), world.path(month)).expect("a copy");
    let expected = ["billing_period=2026-1/data.parquet", "billing_period=2026-10/part-0.parquet", "notes.txt"];
    let checked = world.verify(&job, Depth::Footers).await;
    assert_eq!(open(&checked), expected.map(|key| format!("{key} foreign")));
    assert_eq!(checked.right, 2, "the table's own objects are right");
}

#[tokio::test]
async fn somebody_elses_parquet_in_the_place_of_an_object() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let column = Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("n", column)]).expect("a batch");
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    fs::write(world.object(&job, "2026-10"), writer.into_inner().expect("bytes")).expect("a write");
    assert_eq!(open(&world.verify(&job, Depth::Footers).await), [format!("{OCTOBER} foreign")]);
}

#[tokio::test]
async fn an_object_of_another_table_or_month() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let other = parse(
        "other",
        r#"
        source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"] }
        window = { begin = "2026-10-20" }
        "#,
    );
    world.run(&other).await;
    fs::copy(world.object(&other, "2026-10"), world.object(&job, "2026-10")).expect("a copy");
    assert_eq!(open(&world.verify(&job, Depth::Footers).await), [format!("{OCTOBER} foreign")]);
    fs::copy(world.object(&job, "2026-11"), world.object(&job, "2026-10")).expect("a copy");
    let checked = world.verify(&job, Depth::Footers).await;
    assert_eq!(open(&checked), [format!("{OCTOBER} foreign")]);
    assert!(checked.findings[0].detail.contains("2026-11"), "{checked:?}");
}

#[tokio::test]
async fn looking_writes_nothing_and_asks_nobody() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    world.damage(&job, "2026-10", 0.2);
    let (asked, ledger, object) =
        (world.sandbox.requests(), world.files("_costlake/cost/ledger"), world.bytes(&job, "2026-10"));
    world.verify(&job, Depth::Rows).await;
    assert_eq!(world.sandbox.requests(), asked);
    assert_eq!(world.files("_costlake/cost/ledger"), ledger);
    assert_eq!(world.bytes(&job, "2026-10"), object);
}

#[tokio::test]
async fn a_lost_ledger_is_told_and_read_from_the_footers() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let before = world.ledger(&job).await.0;
    world.remove_all("_costlake/cost/ledger");
    let checked = world.verify(&job, Depth::Footers).await;
    assert_eq!(open(&checked), Vec::<String>::new());
    let notes = checked.notes.join("\n");
    assert!(notes.contains("there is no ledger") && notes.contains("gone with the ledger"), "{notes}");
    // One object was written long ago, the others later than the run's clock.
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let october = fs::File::options().write(true).open(world.object(&job, "2026-10")).expect("an object");
    october.set_modified(long_ago).expect("a time");
    let (rebuilt, _) = world.ledger(&job).await;
    let now = world.context().clock.now();
    for (month, state) in &rebuilt.partitions {
        assert_eq!(state.epoch, before.partitions[month].epoch);
        for (day, known) in &state.days {
            assert_eq!(known.facts, before.partitions[month].days[day].facts);
            let read_at = if month == "2026-10" { long_ago.into() } else { now };
            assert_eq!(known.read_at, read_at, "when it was written, but never later than now");
        }
    }
}

#[tokio::test]
async fn a_lost_ledger_beside_a_broken_object() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    world.damage(&job, "2026-10", 0.999);
    world.remove_all("_costlake/cost/ledger");
    let checked = world.verify(&job, Depth::Footers).await;
    assert_eq!(open(&checked), [format!("{OCTOBER} corrupt")]);
    assert_eq!(checked.right, 1, "what can be read is not lost with what cannot");
}

#[tokio::test]
async fn a_changed_job_is_refused() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let changed = parse(
        "cost",
        r#"
        source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["BlendedCost"] }
        window = { begin = "2026-10-20" }
        "#,
    );
    let refused = costlake::maintenance::verify::verify(&world.context(), &changed, Depth::Footers).await;
    assert!(refused.is_err_and(|error| error.kind() == costlake::error::Kind::Config));
}
