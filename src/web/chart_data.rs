//! The data of a table's charts, read from its Parquet: sums by day over the last thirteen months.
//!
//! Objects are read one at a time, and only those whose generation has changed since the last summary: the sums of an
//! object are cached by partition and epoch.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::NaiveDate;

use crate::decimal::ONE;
use crate::error::{Error, Kind, Result};
use crate::generation::decode;
use crate::job::Job;
use crate::lake::Lake;
use crate::ledger::{Ledger, PartitionState};
use crate::ledger_store::data_key;
use crate::window::{Partition, month_start};

mod join;
mod part;
mod steps;

pub(super) use steps::{MOST_POINTS, Shown};

use part::{Part, Shape};

/// Groups that a chart shows separately; the others are one band.
pub const TOP_GROUPS: usize = 8;

/// The figures of a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// What the charts show.
    pub figures: Figures,
    /// Objects that could not be read, and why.
    pub notes: Vec<String>,
    /// The sums of each object, by partition.
    parts: BTreeMap<String, Arc<Part>>,
}

impl Summary {
    /// A summary with these figures, for tests.
    #[cfg(test)]
    pub(super) fn made_up(figures: Figures, notes: Vec<String>) -> Self {
        Self { figures, notes, parts: BTreeMap::new() }
    }
}

/// The figures of a table, by its kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Figures {
    /// Nothing to draw.
    #[default]
    Nothing,
    /// Amounts by day and group, one entry per currency: that of the newest day first.
    Stacked(Vec<Stacked>),
    /// Savings by day, one entry per unit: that of the newest day first.
    Savings(Vec<Savings>),
    /// Utilization of commitments, or coverage by them, by day and kind.
    Utilization(Utilization),
}

/// Amounts that add up, by day and group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stacked {
    /// The summed column, such as `unblended_cost`.
    pub measure: String,
    /// The grouping column, such as `service`; `None` for a table without grouping.
    pub grouping: Option<String>,
    /// Unit, such as `USD`.
    pub unit: String,
    /// The groups, largest first; if there are more than [`TOP_GROUPS`], the last one is all the others.
    pub groups: Vec<Band>,
    /// By day the amount of each group, in units of 10^-12.
    pub days: BTreeMap<NaiveDate, Vec<i128>>,
    /// Whether the values are counts as of each day, so that days must not be added up.
    pub is_count: bool,
}

/// A group of a chart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Band {
    /// Its value in the grouping column; `None` for all others together.
    pub id: Option<String>,
    /// Its name for people.
    pub name: String,
}

impl Stacked {
    /// The total of a day.
    #[must_use]
    pub fn total(&self, day: NaiveDate) -> Option<i128> {
        self.days.get(&day).map(|amounts| amounts.iter().sum())
    }
}

/// Savings by day, as the Datadog API defines them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Savings {
    /// Unit to which all amounts were converted.
    pub unit: String,
    /// By day, summed over providers and products.
    pub days: BTreeMap<NaiveDate, SavingsDay>,
}

/// One day of [`Savings`]; `None` where the API has no value.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SavingsDay {
    /// Actual cost.
    pub actual: Option<f64>,
    /// Cost of the same usage at on-demand prices.
    pub on_demand: Option<f64>,
    /// Savings from commitments.
    pub realized: Option<f64>,
}

impl SavingsDay {
    /// Savings as a share of the on-demand equivalent.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let on_demand = self.on_demand.filter(|cost| *cost != 0.0)?;
        self.realized.map(|saved| saved / on_demand)
    }
}

/// Utilization by day, or coverage: a ratio for each kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Utilization {
    /// What the ratios are, for people.
    pub title: &'static str,
    /// Kinds of commitments, such as `aws ec2 sp`, or products.
    pub kinds: Vec<String>,
    /// By day the ratio of each kind; `None` where there is nothing to be a share of.
    pub days: BTreeMap<NaiveDate, Vec<Option<f64>>>,
}

impl Figures {
    /// One number per day, for a small chart: the sum, the savings or the mean, in the unit of the newest day.
    #[must_use]
    pub fn line(&self) -> Vec<(NaiveDate, f64)> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Stacked(stacked) => {
                let Some(stacked) = stacked.first() else { return Vec::new() };
                let sum = |amounts: &Vec<i128>| amounts.iter().sum::<i128>() as f64 / ONE as f64;
                stacked.days.iter().map(|(day, amounts)| (*day, sum(amounts))).collect()
            }
            Self::Savings(savings) => {
                let Some(savings) = savings.first() else { return Vec::new() };
                savings.days.iter().filter_map(|(day, of_day)| Some((*day, of_day.realized?))).collect()
            }
            Self::Utilization(utilization) => {
                let mean = |ratios: &Vec<Option<f64>>| {
                    let known: Vec<f64> = ratios.iter().flatten().copied().collect();
                    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
                };
                utilization.days.iter().filter_map(|(day, ratios)| Some((*day, mean(ratios)?))).collect()
            }
        }
    }
}

/// What is read of a table for its charts; what it usually draws, over the last thirteen months, without a choice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Drawn {
    /// One of [`metrics`].
    pub metric: Option<String>,
    /// The only group.
    pub group: Option<String>,
    /// Whether older months are read, too.
    pub is_all: bool,
}

/// The columns of a table that can be drawn, the usual one first; none where there is no choice.
#[must_use]
pub fn metrics(job: &Job) -> Vec<String> {
    let table = job.source.table();
    let mut found: Vec<_> = part::amounts(table).collect();
    if let Some(usual) = found.iter().position(|column| column.chart.is_some()) {
        found[..=usual].rotate_right(1);
    }
    let is_drawn_so = matches!(Shape::of(job, &Drawn::default()), Shape::Amounts { .. });
    found.into_iter().map(|column| column.name.clone()).filter(|_| is_drawn_so).collect()
}

/// Whether the charts of a table are by group.
#[must_use]
pub fn can_filter(job: &Job) -> bool {
    Shape::of(job, &Drawn::default()).grouping().is_some()
}

/// Brings the summary of a table up to date with its ledger. An object that cannot be decoded is left out and noted.
///
/// # Errors
/// When the lake cannot be read.
pub async fn refresh(lake: &Lake, job: &Job, ledger: &Ledger, previous: Option<Arc<Summary>>) -> Result<Arc<Summary>> {
    refresh_drawn(lake, job, ledger, &Drawn::default(), previous).await
}

/// The same of a choice; `previous` is an earlier summary of the same choice.
///
/// # Errors
/// When the lake cannot be read.
pub async fn refresh_drawn(
    lake: &Lake,
    job: &Job,
    ledger: &Ledger,
    drawn: &Drawn,
    previous: Option<Arc<Summary>>,
) -> Result<Arc<Summary>> {
    let shape = Arc::new(Shape::of(job, drawn));
    let wanted = partitions(job, ledger, drawn.is_all);
    let (mut parts, mut notes) = (BTreeMap::new(), Vec::new());
    for (partition, state) in &wanted {
        let name = partition.to_string();
        let known = previous.as_ref().and_then(|summary| summary.parts.get(&name));
        if let Some(part) = known.filter(|part| part.epoch == state.epoch) {
            parts.insert(name, Arc::clone(part));
            continue;
        }
        let key = data_key(&job.unit, *partition);
        let Some(object) = lake.read(&key, None).await? else {
            notes.push(format!("{name}: the object is gone"));
            continue;
        };
        match read(job, Arc::clone(&shape), object.bytes, state.epoch).await? {
            Ok(part) => {
                parts.insert(name, Arc::new(part));
            }
            Err(error) => notes.push(format!("{name}: {error}")),
        }
    }
    if let Some(previous) = previous.filter(|summary| same(&summary.parts, &parts) && summary.notes == notes) {
        return Ok(previous);
    }
    let joined = tokio::task::spawn_blocking(move || {
        let figures = join::figures(&shape, parts.values().map(AsRef::as_ref));
        Arc::new(Summary { figures, notes, parts })
    });
    joined.await.map_err(stopped)
}

/// Whether both hold the same parts, by pointer.
fn same(a: &BTreeMap<String, Arc<Part>>, b: &BTreeMap<String, Arc<Part>>) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((name, a), (other, b))| name == other && Arc::ptr_eq(a, b))
}

/// Decodes and sums an object on a blocking thread.
async fn read(job: &Job, shape: Arc<Shape>, bytes: Bytes, epoch: u64) -> Result<Result<Part>> {
    let (table, grain) = (Arc::clone(job.source.table()), job.source.grain());
    let work = move || decode(&table, bytes).and_then(|rows| part::read(&shape, &table, grain, &rows, epoch));
    tokio::task::spawn_blocking(work).await.map_err(stopped)
}

fn stopped(error: tokio::task::JoinError) -> Error {
    Error::new(Kind::Internal, "the charts of a table could not be made").because(error)
}

/// The partitions of the last thirteen months that the table has, or all of them, oldest first.
fn partitions<'a>(job: &Job, ledger: &'a Ledger, is_all: bool) -> Vec<(Partition, &'a PartitionState)> {
    let grain = job.source.grain();
    let mut found: Vec<_> = ledger
        .partitions
        .iter()
        .filter_map(|(name, state)| grain.parse_partition(name).map(|partition| (partition, state)))
        .collect();
    found.sort_by_key(|(partition, _)| *partition);
    let first = found.last().map(|(partition, _)| month_start(partition.window().start(), -12)).filter(|_| !is_all);
    found.retain(|(partition, _)| Some(partition.window().start()) >= first);
    found
}
