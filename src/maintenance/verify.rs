//! Verify: compares the lake with its ledger and its footers. Nothing is written.
//!
//! | an object is | when |
//! |---|---|
//! | right | its footer has the ledger's generation, days and size; in full: its rows match the footer |
//! | missing | the ledger has it, and it is gone |
//! | behind | its generation is older than the ledger's: an old copy was put back |
//! | ahead | its generation is newer than the ledger's: a run died between writing the object and the ledger |
//! | corrupt | its footer cannot be read, its size or days differ from the ledger, or (in full) its rows from the footer |
//! | foreign | it is below the table's folder, but not an object of a partition of this table |
//!
//! In full, kept older generations are checked as well (`verify/history.rs`).
//!
//! A concurrent commit looks like damage for a moment, so every defect is checked again against the newest ledger, in
//! batches, because opening the ledger reads all of it. No API is called, and no API credentials are needed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt};

use crate::error::{Error, Kind, Result};
use crate::generation::{self, footer};
use crate::job::{Identity, Job};
use crate::ledger::{PartitionState, Standing};
use crate::ledger_store::{
    LedgerStore, Look, Observed, TableRecord, as_kept, data_key, keeps_metrics, look, partition_of,
};
use crate::plan::differs_for_good;
use crate::sources::Api;
use crate::window::Partition;

use crate::pipeline::Context;
use crate::pipeline::retry::interrupted;
use crate::text::plural;

mod finding;
mod history;
pub(super) mod rows;

pub use finding::{Defect, Depth, Finding, TableCheck};
use rows::compare_rows;

/// Partitions per batch of the second check: the ledger is opened once for each batch.
const TOGETHER: usize = 250;

/// Compares the objects of a job's table with its ledger.
///
/// # Errors
/// When the lake cannot be read, or the job no longer fits the table; broken objects are findings, not errors.
pub async fn verify(context: &Context, job: &Job, depth: Depth) -> Result<TableCheck> {
    let kept = as_kept(&context.lake, job).await?;
    let job = kept.as_ref();
    let (store, mut notes) = open_store(context, job).await?;
    let (fingerprints, note) = fingerprints(context, job).await?;
    keeps_metrics(job, store.ledger.facts().map(|(_, facts)| facts))?;
    notes.extend(note);
    if depth == Depth::Rows {
        notes.extend(differing(&store));
    }
    let grain = job.source.grain();
    let listed = context.lake.list(&job.unit.folder()).await?;
    let mut partitions: BTreeSet<Partition> =
        store.ledger.partitions.keys().filter_map(|name| grain.parse_partition(name)).collect();
    let mut findings = Vec::new();
    for entry in listed {
        match partition_of(&job.unit, grain, &entry.key) {
            Some(partition) => _ = partitions.insert(partition),
            None => findings.push(stray(job, entry.key)),
        }
    }
    let verifier = Verifier { context, job, depth, fingerprints };
    let judged = verifier.all(partitions, &store).await?;
    let (doubtful, mut judged): (Vec<_>, Vec<_>) = judged.into_iter().partition(|(_, verdict)| seems_wrong(verdict));
    for some in doubtful.chunks(TOGETHER) {
        let (newest, _) = open_store(context, job).await?;
        judged.extend(verifier.all(some.iter().map(|(partition, _)| *partition), &newest).await?);
    }
    let (mut right, mut rows) = (0, 0);
    for (partition, verdict) in judged {
        match verdict.map_err(|error| error.at("partition", partition))? {
            Verdict::Right(in_object) => (right, rows) = (right + 1, rows + in_object),
            Verdict::Nothing => {}
            Verdict::Wrong(wrong) => findings.push(wrong.finding(job, partition)),
        }
    }
    if depth == Depth::Rows {
        findings.extend(history::findings(context, job, &verifier.fingerprints).await?);
    }
    findings.sort_by(|a, b| a.key.cmp(&b.key));
    let full = depth == Depth::Rows;
    Ok(TableCheck { unit: job.unit.clone(), right, rows, full, findings, notes, runs: Vec::new() })
}

/// Days whose rows still differ from the API's total of a metric that is only reported; their objects are sound.
fn differing(store: &LedgerStore) -> impl Iterator<Item = String> {
    let found = store.ledger.differing.iter().filter(|(slot, _)| differs_for_good(&store.ledger, **slot));
    found.map(|(_, found)| format!("differing since {}: {}", found.since.date_naive(), found.why))
}

pub(super) async fn open_store(context: &Context, job: &Job) -> Result<(LedgerStore, Vec<String>)> {
    let opened = LedgerStore::open(context.lake.clone(), &job.unit, job.source.grain(), context.clock.now()).await;
    let (mut store, notes) = opened?;
    store.learn_account().await?;
    Ok((store, notes))
}

/// The fingerprints an object of this table may have. Without a record of the table, only the footers show whether the
/// figures are of the sandbox.
pub(super) async fn fingerprints(context: &Context, job: &Job) -> Result<(Vec<String>, Option<String>)> {
    if let Some(record) = TableRecord::kept(&context.lake, &job.unit).await? {
        record.check_offline(job, None)?;
        return Ok((vec![record.digest()], None));
    }
    let datadog_site = (job.entry.provider.api == Api::Datadog).then(|| context.clients.datadog_site(job));
    let of = |sandbox| {
        TableRecord::of(job, &Identity { datadog_site: datadog_site.clone(), sandbox, ..Identity::default() }).digest()
    };
    let note = "the table has no record of what it holds (table.json): its objects are compared with the job file";
    Ok((vec![of(false), of(true)], Some(note.to_owned())))
}

fn stray(job: &Job, key: String) -> Finding {
    let detail = if key.ends_with(".parquet") {
        "a Parquet file beside the partitions' own: readers count its rows too"
    } else {
        "a file below the table's folder that is not costlake's"
    };
    let (defect, detail) = (Defect::Foreign, detail.to_owned());
    let advice = advice_for(job, defect, false);
    Finding { key, defect, detail, advice, repaired: false, partition: None, replaceable: false }
}

fn advice_for(job: &Job, defect: Defect, replaceable: bool) -> String {
    let (name, table) = (job.unit.as_argument(), &job.unit.table);
    match defect {
        Defect::Foreign => "move it out of the table's folder: costlake never touches what it did not write".to_owned(),
        Defect::Ahead => format!("costlake verify {name} --repair takes it into the ledger, without asking the API"),
        _ if !replaceable => format!(
            "restore it, or move it out of the lake (costlake never overwrites what it cannot read) and then run \
             `costlake verify {name} --repair`"
        ),
        _ if job.entry.rules.snapshot => format!(
            "restore it, or run `costlake rebuild {table}`: {} tells only today's state, so past days cannot be read again",
            job.entry.name
        ),
        _ if job.keep_raw => format!(
            "restore it, or run `costlake rebuild {table}` (from kept raw answers), or `costlake verify {name} --repair` \
             (asks the API again)"
        ),
        _ => format!("restore it, or run `costlake verify {name} --repair`, which asks the API for its days again"),
    }
}

/// The result for one object.
enum Verdict {
    /// Sound, with this number of rows.
    Right(u64),
    /// Neither an object nor an entry in the ledger.
    Nothing,
    Wrong(Wrong),
}

struct Wrong {
    defect: Defect,
    detail: String,
    replaceable: bool,
}

impl Wrong {
    fn finding(self, job: &Job, partition: Partition) -> Finding {
        let Self { defect, detail, replaceable } = self;
        let key = data_key(&job.unit, partition);
        let advice = advice_for(job, defect, replaceable);
        Finding { key, defect, detail, advice, repaired: false, partition: Some(partition), replaceable }
    }
}

fn wrong(defect: Defect, replaceable: bool, detail: impl Into<String>) -> Verdict {
    Verdict::Wrong(Wrong { defect, detail: detail.into(), replaceable })
}

/// Whether a check against the newest ledger may give another result.
fn seems_wrong(verdict: &Result<Verdict>) -> bool {
    match verdict {
        Ok(verdict) => matches!(verdict, Verdict::Wrong(_)),
        Err(error) => error.kind() == Kind::Superseded,
    }
}

struct Verifier<'a> {
    context: &'a Context,
    job: &'a Job,
    depth: Depth,
    fingerprints: Vec<String>,
}

impl Verifier<'_> {
    /// Checks partitions against this ledger, some in parallel; a signal stops it.
    async fn all(
        &self,
        partitions: impl IntoIterator<Item = Partition>,
        store: &LedgerStore,
    ) -> Result<Vec<(Partition, Result<Verdict>)>> {
        let side_by_side = if self.depth == Depth::Rows { 2 } else { 8 };
        let judged = futures::stream::iter(partitions).map(|partition| async move {
            if self.context.cancel.is_cancelled() {
                return Err(interrupted());
            }
            Ok((partition, self.judge(partition, store).await))
        });
        judged.buffered(side_by_side).try_collect().await
    }

    async fn judge(&self, partition: Partition, store: &LedgerStore) -> Result<Verdict> {
        let known = store.ledger.partitions.get(&partition.to_string());
        let seen = match look(&self.context.lake, &self.job.unit, partition).await? {
            Look::Absent => return Ok(known.filter(|known| !known.days.is_empty()).map_or(Verdict::Nothing, missing)),
            Look::Unreadable { error, .. } if error.advice() == Some(footer::UPDATE) => return Err(error),
            Look::Unreadable { foreign: false, error } if known.is_some() || store.is_rebuilt() => {
                return Ok(wrong(Defect::Corrupt, false, error.message()));
            }
            Look::Unreadable { error, .. } => return Ok(wrong(Defect::Foreign, false, error.message())),
            Look::Whole(seen) => seen,
        };
        if !self.fingerprints.contains(&seen.footer.fingerprint) {
            return Ok(wrong(Defect::Foreign, false, "written for another table: its fingerprint is another one"));
        }
        if seen.footer.partition != partition.to_string() {
            let detail = format!("the object of partition {}, in the wrong folder", seen.footer.partition);
            return Ok(wrong(Defect::Foreign, false, detail));
        }
        if let (Some(theirs), Some(ours)) = (&seen.footer.account, &store.ledger.account)
            && theirs != ours
        {
            return Ok(wrong(Defect::Foreign, false, format!("of AWS account {theirs}, but the table is of {ours}")));
        }
        if self.depth == Depth::Rows
            && let Err(detail) = self.rows(partition, &seen).await?
        {
            return Ok(wrong(Defect::Corrupt, true, detail));
        }
        Ok(against_ledger(&seen, known))
    }

    /// Reads every row; the inner error names the difference from the footer.
    async fn rows(&self, partition: Partition, seen: &Observed) -> Result<Result<(), String>> {
        let key = data_key(&self.job.unit, partition);
        let object = self.context.lake.read(&key, Some(&seen.tag)).await?;
        let object = object.ok_or_else(|| Error::new(Kind::Superseded, "the object was removed meanwhile"))?;
        Ok(compare_rows(&self.job.source, object.bytes, &seen.footer).await)
    }
}

fn missing(known: &PartitionState) -> Verdict {
    let rows: u64 = known.days.values().map(|day| day.facts.rows).sum();
    let (days, rows) = (plural(known.days.len() as u64, "day"), plural(rows, "row"));
    wrong(Defect::Missing, true, format!("the ledger knows generation {}: {days}, {rows}", known.epoch))
}

fn against_ledger(seen: &Observed, known: Option<&PartitionState>) -> Verdict {
    let (epoch, known_epoch) = (seen.footer.epoch, known.map_or(0, |known| known.epoch));
    let generations = format!("generation {epoch}, but the ledger knows {known_epoch}");
    if let (Standing::Other(why), true) = (Standing::of(known, &seen.footer), epoch > known_epoch) {
        return wrong(Defect::Corrupt, true, format!("another object than the committed one: {why}"));
    }
    let same_epoch = match (epoch.cmp(&known_epoch), known) {
        (std::cmp::Ordering::Greater, _) => return wrong(Defect::Ahead, true, generations),
        (std::cmp::Ordering::Equal, Some(known)) => known,
        _ => return wrong(Defect::Behind, true, generations),
    };
    if same_epoch.bytes != seen.size {
        let detail = format!("{} bytes, but the ledger knows {}", seen.size, same_epoch.bytes);
        return wrong(Defect::Corrupt, true, detail);
    }
    let content = |facts: &generation::DayFacts| (facts.rows, facts.digest.clone());
    let in_footer: BTreeMap<_, _> = seen.footer.days.iter().map(|(day, facts)| (*day, content(facts))).collect();
    let in_ledger: BTreeMap<_, _> = same_epoch.days.iter().map(|(day, state)| (*day, content(&state.facts))).collect();
    if let Some(day) = first_difference(&in_footer, &in_ledger) {
        let detail = format!("other content of {day} than the ledger knows of the same generation");
        return wrong(Defect::Corrupt, true, detail);
    }
    Verdict::Right(seen.footer.days.values().map(|facts| facts.rows).sum())
}

fn first_difference<V: PartialEq>(a: &BTreeMap<NaiveDate, V>, b: &BTreeMap<NaiveDate, V>) -> Option<NaiveDate> {
    a.keys().chain(b.keys()).copied().filter(|day| a.get(day) != b.get(day)).min()
}
