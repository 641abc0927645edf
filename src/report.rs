//! The report of a run: shown on the terminal, printed as JSON, and stored as the run record.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::cents::Cents;
pub use crate::error::Retry;
use crate::error::{Error, Kind, combined_exit_code};
use crate::request::Operation;
use crate::text::plural;
use crate::unit::Unit;

mod causes;

pub use causes::{Cause, Said, causes};

/// The outcome of one fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new generation is in the lake.
    Committed,
    /// The answer equals what the lake already holds; nothing was written.
    Unchanged,
    /// Nothing was written; the error says why.
    Failed,
    /// A signal stopped it; nothing was written.
    Stopped,
    /// It did not begin, because an earlier failure made it pointless.
    NotStarted,
}

/// An error as stored in records: everything a person needs, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error's kind.
    pub kind: FailureKind,
    /// Message, context, causes and advice.
    pub text: String,
    /// Exit code of this failure alone.
    pub exit_code: u8,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind().into(), text: error.report(), exit_code: error.kind().exit_code() }
    }
}

impl Failure {
    /// What happened in two or three words.
    #[must_use]
    pub fn words(&self) -> String {
        let says = |words: &str| self.text.lines().next().is_some_and(|line| line.contains(words));
        match &self.kind {
            FailureKind::Known(Kind::Config) if says("no longer matches its table") => "job does not fit its table",
            FailureKind::Known(Kind::Auth) if says("there are no ") || says(" is set") => "no credentials",
            FailureKind::Known(kind) => kind.words(),
            FailureKind::Newer(name) => name,
        }
        .replace('_', " ")
    }
}

/// The kind of a stored error; a record of a newer version may have one that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FailureKind {
    /// A kind of this version.
    Known(Kind),
    /// The name of any other.
    Newer(String),
}

impl From<Kind> for FailureKind {
    fn from(kind: Kind) -> Self {
        Self::Known(kind)
    }
}

impl FailureKind {
    /// Whether it is this kind.
    #[must_use]
    pub fn is(&self, kind: Kind) -> bool {
        *self == Self::Known(kind)
    }

    /// Its name in run records and JSON output.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Known(kind) => kind.name(),
            Self::Newer(name) => name,
        }
    }
}

/// Counters of requests and answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestStats {
    /// Requests sent, failed ones included.
    pub requests: u64,
    /// Pages answered.
    pub pages: u64,
    /// Charged pages, at [`Operation::PRICE`] each.
    pub charged_pages: u64,
    /// Requests that were retried.
    pub retries: u64,
    /// Requests that the API throttled.
    pub throttles: u64,
    /// Bytes of all answers.
    pub answer_bytes: u64,
}

impl RequestStats {
    /// The exact cost.
    #[must_use]
    pub fn cost(&self) -> Cents {
        Operation::PRICE.times(self.charged_pages)
    }

    /// Adds another count.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.pages += other.pages;
        self.charged_pages += other.charged_pages;
        self.retries += other.retries;
        self.throttles += other.throttles;
        self.answer_bytes += other.answer_bytes;
    }
}

/// The report of one fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchReport {
    /// Partition value.
    pub partition: String,
    /// Days that were read, as inclusive ranges.
    pub windows: Vec<String>,
    /// Its outcome.
    pub outcome: Outcome,
    /// Generation in the lake afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Rows fetched.
    pub rows: u64,
    /// Slots whose content is new or different.
    pub changed_days: u64,
    /// Bytes of the object written; 0 when none was.
    pub object_bytes: u64,
    /// Requests of this fetch.
    pub asked: RequestStats,
    /// Notes for the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl FetchReport {
    /// The report of a fetch of which only the partition is known yet.
    #[must_use]
    pub fn begin(partition: String, outcome: Outcome) -> Self {
        Self {
            partition,
            windows: Vec::new(),
            outcome,
            epoch: None,
            rows: 0,
            changed_days: 0,
            object_bytes: 0,
            asked: RequestStats::default(),
            notes: Vec::new(),
            failure: None,
        }
    }

    /// Whether committed rows were missing and could not be restored.
    #[must_use]
    pub fn is_displaced(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.kind.is(Kind::Displaced))
    }

    /// Whether rows were quarantined for a person to look at.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.kind.is(Kind::Quarantined))
    }
}

/// The report of one run of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// Layout version of the record.
    pub format: u32,
    /// Name of the job and its table.
    pub job: String,
    /// Its account, if the job has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Id of the run.
    pub run_id: String,
    /// `run`, `backfill` or `demo`.
    pub command: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// True when the clock was set by `COSTLAKE_NOW`.
    pub clock_is_fixed: bool,
    /// How long it took.
    pub duration_ms: u64,
    /// 0 on success; see the table of exit codes.
    pub exit_code: u8,
    /// All requests of the run.
    pub asked: RequestStats,
    /// Dollars spent on requests.
    pub usd: String,
    /// Rows fetched.
    pub rows: u64,
    /// Objects written.
    pub objects_written: u64,
    /// Whether another worker holds its unit, so that nothing was done. Such a run leaves no record.
    #[serde(skip)]
    pub is_held: bool,
    /// The first day of the table, if it is yet to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins_on: Option<NaiveDate>,
    /// Objects that were found not to be the committed ones.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub objects_displaced: u64,
    /// Requests for totals; jobs with the same query share the answer, and only the first one pays.
    #[serde(default)]
    pub totals_asked: RequestStats,
    /// One entry per partition.
    pub fetches: Vec<FetchReport>,
    /// Notes on the run as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// A failure of the job as a whole: it could not plan, or something waits for a person since an earlier run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

// Serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl JobReport {
    /// A report of a run that has just begun.
    #[must_use]
    pub fn begin(unit: &Unit, run_id: &str, command: &str, started_at: DateTime<Utc>, clock_is_fixed: bool) -> Self {
        Self {
            format: 1,
            job: unit.table.clone(),
            account: unit.account.clone(),
            run_id: run_id.to_owned(),
            command: command.to_owned(),
            started_at,
            clock_is_fixed,
            duration_ms: 0,
            exit_code: 0,
            asked: RequestStats::default(),
            usd: Cents::ZERO.to_string(),
            rows: 0,
            objects_written: 0,
            is_held: false,
            begins_on: None,
            objects_displaced: 0,
            totals_asked: RequestStats::default(),
            fetches: Vec::new(),
            notes: Vec::new(),
            failure: None,
        }
    }

    /// What it was a run of.
    #[must_use]
    pub fn unit(&self) -> Unit {
        Unit { table: self.job.clone(), account: self.account.clone() }
    }

    /// Adds up the fetches and sets the exit code.
    pub fn close(&mut self) {
        self.fetches.sort_by(|a, b| a.partition.cmp(&b.partition));
        self.asked = self.totals_asked;
        for fetch in &self.fetches {
            self.asked.add(&fetch.asked);
        }
        self.usd = self.asked.cost().to_string();
        self.rows = self.fetches.iter().map(|fetch| fetch.rows).sum();
        self.objects_written = self.fetches.iter().filter(|fetch| fetch.outcome == Outcome::Committed).count() as u64;
        let failures = self.fetches.iter().filter_map(|fetch| fetch.failure.as_ref()).chain(self.failure.as_ref());
        self.exit_code = combined_exit_code(failures.map(|failure| failure.exit_code));
    }

    /// Whether a signal stopped it before its end.
    #[must_use]
    pub fn was_interrupted(&self) -> bool {
        self.exit_code == Kind::Interrupted.exit_code()
    }

    /// Whether it ended before its first request because of its configuration or its credentials.
    #[must_use]
    pub fn never_began(&self) -> bool {
        let reasons = [Kind::Config.exit_code(), Kind::Auth.exit_code()];
        self.asked.requests == 0 && reasons.contains(&self.exit_code)
    }

    /// Whether running it again helps: what helps one of its failures most.
    #[must_use]
    pub fn retry(&self) -> Retry {
        if self.is_held {
            return Retry::Later;
        }
        let kinds = self.failures().into_iter().map(|(_, failure)| match failure.kind {
            FailureKind::Known(kind) => kind.retry(),
            FailureKind::Newer(_) => Retry::No,
        });
        kinds.max().unwrap_or(Retry::No)
    }

    /// Its result in words: `up to date`, `begins on 2027-03-01`, `done`, or the failure that decides on the exit code.
    #[must_use]
    pub fn result(&self) -> String {
        if self.exit_code == 0 {
            return match self.begins_on {
                _ if self.is_held => "skipped".to_owned(),
                _ if self.objects_written > 0 => "done".to_owned(),
                Some(first) => format!("begins on {first}"),
                None => "up to date".to_owned(),
            };
        }
        let of_fetches = || self.fetches.iter().filter_map(|fetch| fetch.failure.as_ref());
        let mut all = self.failure.iter().chain(of_fetches());
        let Some(first) = all.find(|failure| failure.exit_code == self.exit_code) else {
            return format!("failed, exit code {}", self.exit_code);
        };
        let months = plural(of_fetches().filter(|failure| failure.kind == first.kind).count().max(1) as u64, "month");
        match first.kind {
            FailureKind::Known(Kind::Quarantined) => format!("{months} held for review"),
            FailureKind::Known(Kind::Unsettled) => format!("{months} not adding up"),
            FailureKind::Known(Kind::Displaced) => format!("{months} replaced from outside"),
            _ => first.words(),
        }
    }

    /// Every failure with what it is said of, for [`causes`].
    pub fn said(&self) -> impl Iterator<Item = Said> {
        let of = |partitions: Vec<String>, failure: &Failure| Said {
            job: self.unit().to_string(),
            partitions,
            text: failure.text.clone(),
        };
        let of_fetches = self
            .fetches
            .iter()
            .filter_map(move |fetch| fetch.failure.as_ref().map(|failure| of(vec![fetch.partition.clone()], failure)));
        self.failure.iter().map(move |failure| of(Vec::new(), failure)).chain(of_fetches)
    }

    /// Every failure with the partitions it concerns, each text once.
    #[must_use]
    pub fn failures(&self) -> Vec<(String, &Failure)> {
        let mut seen: Vec<(String, &Failure)> = Vec::new();
        let all = self.failure.iter().map(|failure| (String::new(), failure));
        let of_fetches =
            self.fetches.iter().filter_map(|f| f.failure.as_ref().map(|failure| (f.partition.clone(), failure)));
        for (partition, failure) in all.chain(of_fetches) {
            match seen.iter_mut().find(|(_, known)| known.text == failure.text) {
                Some((partitions, _)) => {
                    partitions.push_str(", ");
                    partitions.push_str(&partition);
                }
                None => seen.push((partition, failure)),
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, FailureKind, FetchReport, JobReport, Outcome};
    use crate::error::{Error, Kind};

    #[test]
    fn the_kind_of_a_failure_is_stored_by_its_name() {
        let kinds = [
            Kind::Config,
            Kind::Auth,
            Kind::Budget,
            Kind::Superseded,
            Kind::Gap,
            Kind::OutcomeUnknown,
            Kind::Throttled,
            Kind::Unavailable,
            Kind::Restart,
            Kind::Refused,
            Kind::BadAnswer,
            Kind::Unsettled,
            Kind::Quarantined,
            Kind::Displaced,
            Kind::Store,
            Kind::Clock,
            Kind::Interrupted,
            Kind::Internal,
        ];
        for kind in kinds {
            let failure = Failure::from(&Error::new(kind, "it broke"));
            let stored = serde_json::to_value(&failure).unwrap();
            assert_eq!(stored["kind"], kind.name());
            let read: Failure = serde_json::from_value(stored).unwrap();
            assert!(read == failure && read.kind.is(kind), "{read:?}");
        }
    }

    #[test]
    fn a_result_is_said_in_words() {
        let ended = |failures: &[Error]| {
            let mut report = JobReport::begin(&"a".into(), "id", "run", chrono::DateTime::UNIX_EPOCH, false);
            report.fetches = failures
                .iter()
                .map(|error| FetchReport {
                    failure: Some(error.into()),
                    ..FetchReport::begin("2026-10".to_owned(), Outcome::Failed)
                })
                .collect();
            report.close();
            report.result()
        };
        let held = || Error::new(Kind::Quarantined, "the month changed");
        let unknown = || Error::new(Kind::Auth, "there are no AWS credentials to use");
        assert_eq!(ended(&[]), "up to date");
        assert_eq!(ended(&[held()]), "1 month held for review");
        assert_eq!(ended(&[held(), held()]), "2 months held for review");
        assert_eq!(ended(&[held(), unknown()]), "no credentials", "what decides on the exit code");
        assert_eq!(ended(&[Error::new(Kind::Auth, "AWS denies it")]), "access denied");
        assert_eq!(
            ended(&[Error::new(Kind::Config, "job `a` no longer matches its table")]),
            "job does not fit its table"
        );
        assert_eq!(ended(&[Error::new(Kind::Refused, "no")]), "rejected by the API");
    }

    #[test]
    fn a_kind_of_a_newer_version_is_read_and_keeps_its_name() {
        let text = r#"{"kind":"on_strike","text":"it broke","exit_code":1}"#;
        let read: Failure = serde_json::from_str(text).unwrap();
        assert_eq!(read.kind, FailureKind::Newer("on_strike".to_owned()));
        assert_eq!(read.kind.name(), "on_strike");
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(serde_json::from_str::<Failure>(r#"{"kind":7,"text":"it broke","exit_code":1}"#).is_err());
    }
}
