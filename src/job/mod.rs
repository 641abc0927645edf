//! Jobs: the files `jobs/<table>.toml`, validated once and parsed into types.
//!
//! All problems of a file are reported at once, each with its key. After [`parse`] every value is typed and every
//! required key is present.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use crate::cents::Cents;
use crate::encryption::Encryption;
use crate::error::{Error, Kind, Result};
use crate::sources::{self, Source};
use crate::unit::Unit;

pub mod accounts;
mod cron;
pub mod keys;
mod lines;
mod read;
pub mod section;

use accounts::Accounts;
pub use read::is_account;
use section::{Problem, Problems};

/// Which days are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// Days whose totals at the API have changed.
    Probe,
    /// From the 1st of the previous month through the settle day, then from the 1st of this month.
    BillingClose,
    /// The last N days.
    Days(u64),
}

/// What happens when rows do not add up to the API's totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// The day is not committed.
    Enforce,
    /// The difference is recorded.
    Report,
}

/// When the job runs.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The five-field expression as written.
    pub cron: String,
    /// The same, parsed.
    pub parsed: croner::Cron,
    /// Time zone of the trigger.
    pub timezone: chrono_tz::Tz,
}

impl Schedule {
    /// The next `count` firings after `now`.
    #[must_use]
    pub fn next(&self, now: DateTime<Utc>, count: usize) -> Vec<DateTime<chrono_tz::Tz>> {
        let mut at = now.with_timezone(&self.timezone);
        let mut found = Vec::new();
        while found.len() < count {
            match self.parsed.find_next_occurrence(&at, false) {
                Ok(next) => at = next,
                Err(_) => break,
            }
            found.push(at);
        }
        found
    }
}

/// `[window]`.
#[derive(Debug, Clone)]
pub struct WindowRules {
    /// First slot of the table; for MONTHLY the 1st of its month. Snapshots have none.
    pub begin: Option<NaiveDate>,
    /// Which days are read again.
    pub refresh: Refresh,
    /// What happens when rows do not add up to the control sum.
    pub control: Control,
    /// Days after which an open month is read in full again.
    pub full_read_every_days: u64,
    /// Days after which a settled month is read in full again; `None` never.
    pub full_read_settled_every_days: Option<u64>,
    /// Day of the next month after which a month counts as settled.
    pub settle_day: u32,
    /// Whether the table reaches to today.
    pub include_today: bool,
    /// Change of a settled month, or shrinking of a list, above which `--accept` is needed, in millionths of the old.
    pub quarantine_millionths: u64,
    /// Change of a settled month up to which it is never needed, as a count of 10^-12 of its currency.
    pub quarantine_floor: i128,
}

/// `[budget]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetRules {
    /// Requests a run may send; `None`, without limit, for free APIs.
    pub max_requests_per_run: Option<u64>,
    /// What the runs of one calendar month may spend.
    pub max_usd_per_month: Option<Cents>,
}

/// `[limits]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Rate limit per account.
    pub requests_per_second: f64,
    /// Partitions fetched side by side.
    pub fetches_in_flight: usize,
}

/// `[aws]` except the billing view, which belongs to the source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AwsSettings {
    /// Profile of the shared configuration.
    pub profile: Option<String>,
    /// Role to assume.
    pub role_arn: Option<String>,
    /// External id for the role.
    pub external_id: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Account the table belongs to.
    pub account_id: Option<String>,
    /// `aws.verify_account = false`: AWS STS is never asked for the account of the credentials.
    pub unverified: bool,
}

impl AwsSettings {
    /// The note in every output of a job with `aws.verify_account = false`.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let note = "account not verified where the credentials do not tell it: aws.verify_account is false";
        self.unverified.then(|| note.to_owned())
    }
}

/// Files with the two keys of a Datadog organisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyFiles {
    /// Holds the API key.
    pub api: PathBuf,
    /// Holds the application key.
    pub app: PathBuf,
}

/// The account or site that is queried: the part of a table's fingerprint that does not come from the job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// AWS account according to the credentials or AWS STS; never the one that only the job names.
    pub aws_account: Option<String>,
    /// How the account is known, or why it is not.
    pub account_check: AccountCheck,
    /// Datadog site.
    pub datadog_site: Option<String>,
    /// Whether it is the built-in sandbox, whose made-up figures must never be mixed with real ones in a table.
    pub sandbox: bool,
}

impl Identity {
    /// The error that the account cannot be verified against `what`, if AWS STS was asked without success; `None` if
    /// the account is known or AWS STS was not asked.
    #[must_use]
    pub fn unknown_account(&self, what: &str) -> Option<Error> {
        let AccountCheck::InVain { kind, why, .. } = &self.account_check else { return None };
        let advice = if *kind == Kind::Auth {
            "allow sts:GetCallerIdentity, or set aws.verify_account = false in the job"
        } else {
            "run again; where AWS STS cannot be reached at all, name an endpoint of it that can be (AWS_ENDPOINT_URL_STS), \
             or set aws.verify_account = false in the job"
        };
        let message =
            format!("it is not known which AWS account the credentials belong to, so {what} cannot be verified");
        Some(Error::new(*kind, message).because(why.clone()).advise(advice))
    }
}

/// How the AWS account behind the credentials is known, or why it is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AccountCheck {
    /// There is no AWS account: the source is Datadog, or the sandbox of `demo`.
    #[default]
    None,
    /// The credentials name it.
    Told,
    /// AWS STS returned it.
    RequestStats,
    /// AWS STS was not asked, for this reason.
    NotAsked(&'static str),
    /// AWS STS was asked without success.
    InVain {
        /// The kind of the error, which decides the advice.
        kind: Kind,
        /// The reason of the failure.
        why: String,
        /// Whether AWS rejected the credentials themselves, not only the request.
        are_refused: bool,
    },
}

impl AccountCheck {
    /// The note in every output if the account is not verified.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        match self {
            Self::None | Self::Told | Self::RequestStats => None,
            Self::NotAsked(why) => Some(not_verified(why)),
            Self::InVain { why, .. } => Some(not_verified(why)),
        }
    }
}

fn not_verified(why: &str) -> String {
    format!("account not verified: {why}")
}

/// One job.
#[derive(Debug, Clone)]
pub struct Job {
    /// The part of its table that it writes: the whole of it, or that of one account. The table has the job's name.
    pub unit: Unit,
    /// `[accounts]`: [`Job::units`] are the jobs to run.
    pub accounts: Option<Arc<Accounts>>,
    /// The file it came from.
    pub file: PathBuf,
    /// `description`.
    pub description: Option<String>,
    /// `[schedule]`.
    pub schedule: Option<Schedule>,
    /// The source's registry entry.
    pub entry: &'static sources::Entry,
    /// The configured source.
    pub source: Arc<dyn Source>,
    /// `[window]`.
    pub window: WindowRules,
    /// `[budget]`.
    pub budget: BudgetRules,
    /// `[limits]`.
    pub limits: Limits,
    /// `[aws]`.
    pub aws: AwsSettings,
    /// `datadog.site`.
    pub datadog_site: Option<String>,
    /// Files with the keys of its Datadog organisation, instead of the environment's.
    pub datadog_keys: Option<KeyFiles>,
    /// `lake.keep_raw`.
    pub keep_raw: bool,
    /// `lake.keep_history`.
    pub keep_history: bool,
    /// `lake.keep_history_for`, in days.
    pub keep_history_days: u64,
    /// `lake.sse` and `lake.kms_key_id`: what each write in a bucket names, in place of what the command line says.
    pub encryption: Option<Encryption>,
    /// Warnings: suspicious keys that may still be right.
    pub warnings: Vec<Problem>,
}

/// Whether `name` may name a job and a table: `[a-z][a-z0-9_]{0,62}`.
#[must_use]
pub fn is_table_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_')
}

/// What [`is_table_name`] asks for, in words.
pub const TABLE_NAME_RULE: &str = "it takes a-z first, then a-z, 0-9 and _, 63 at most";

/// The name of a table that is nearest to a text: `aws_cost` for `AWS-Cost`; `None` if the text has no letter.
#[must_use]
pub fn table_name_like(text: &str) -> Option<String> {
    let mut name = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_ascii_lowercase() || (c.is_ascii_digit() && !name.is_empty()) {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    name.truncate(63);
    let name = name.trim_end_matches('_');
    (!name.is_empty()).then(|| name.to_owned())
}

/// Parses the `text` of a job file at the path `file`.
///
/// # Errors
/// Every problem of the file at once, in the order of the file's sections.
pub fn parse(file: &Path, text: &str) -> Result<Job, Vec<Problem>> {
    let problems = Problems::default();
    let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    if !is_table_name(&name) {
        let instead = table_name_like(&name).map(|near| format!("; call it {near}.toml")).unwrap_or_default();
        problems.note("", format!("the file name `{name}` cannot name a table: {TABLE_NAME_RULE}{instead}"));
    }
    let root = match text.parse::<toml::Table>() {
        Ok(root) => root,
        Err(error) => {
            // The message quotes the line, which may be as long as the file.
            let begin = |line: &str| line.chars().take(160).collect::<String>();
            let lines: Vec<String> = error.to_string().trim_end().lines().map(begin).collect();
            let mut broken = Problem::new("", format!("is not valid TOML: {}", lines.join("\n    ")));
            broken.line = error.span().map(|span| lines::line_at(text, span.start));
            return Err(problems.into_list().into_iter().chain([broken]).collect());
        }
    };
    if accounts::is_list(&root) {
        return Err(vec![accounts::no_job()]);
    }
    let job = read::job(file, name, &root, &problems);
    let numbered = |mut list: Vec<Problem>| {
        lines::number(text, &mut list);
        list
    };
    match job {
        Some(job) if problems.is_empty() => Ok(Job { warnings: numbered(problems.into_warnings()), ..job }),
        _ => Err(numbered(problems.into_list())),
    }
}

/// A job file that could not be loaded, with all its problems.
#[derive(Debug, Clone, serde::Serialize)]
pub struct BrokenJob {
    /// The file.
    pub file: PathBuf,
    /// Its problems.
    pub problems: Vec<Problem>,
}

impl BrokenJob {
    /// Whether the file is no job at all, but a list of accounts that stands among the job files.
    #[must_use]
    pub fn is_list_of_accounts(&self) -> bool {
        self.problems == [accounts::no_job()]
    }

    /// The table name by its file name; empty if there is none.
    #[must_use]
    pub fn name(&self) -> String {
        self.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// One line per problem, with the line in the file: `jobs/x.toml:7: window.begin: is missing`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let file = self.file.display();
        let place = |problem: &Problem| problem.line.map(|line| format!(":{line}")).unwrap_or_default();
        self.problems.iter().map(|problem| format!("{file}{}: {problem}", place(problem))).collect()
    }
}

/// Every `*.toml` of `folder`, sorted by name.
///
/// # Errors
/// [`Kind::Config`] when the folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error: std::io::Error| {
        Error::new(Kind::Config, "cannot read the folder of jobs")
            .at("folder", folder.display())
            .because(error)
            .advise("name the folder with --jobs or COSTLAKE_JOBS, or write a first job with `costlake init`")
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Longest hand-written file that is accepted, in bytes.
pub const MAX_TEXT: u64 = 1 << 20;

/// Reads a hand-written file: a job, a key, a token. The length is limited, because the path may be an endless device.
///
/// # Errors
/// When it cannot be read, is not UTF-8, or is longer than [`MAX_TEXT`].
pub fn read_text(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = std::fs::File::open(file)?.take(MAX_TEXT + 1).read_to_string(&mut text)? as u64;
    if read > MAX_TEXT {
        let message = format!("it is longer than {} MiB, which no such file is", MAX_TEXT >> 20);
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

/// Reads one job file.
///
/// # Errors
/// All problems of the file.
pub fn load(file: &Path) -> Result<Job, BrokenJob> {
    let parsed = match read_text(file) {
        Ok(text) => parse(file, &text),
        Err(error) => Err(vec![Problem::new("", format!("cannot be read: {error}"))]),
    };
    parsed.map_err(|problems| BrokenJob { file: file.to_owned(), problems })
}

/// Reads every `*.toml` of `folder`, sorted by name.
///
/// # Errors
/// [`Kind::Config`] when the folder cannot be read; broken files are returned next to the valid jobs.
pub fn load_all(folder: &Path) -> Result<(Vec<Job>, Vec<BrokenJob>)> {
    Ok(load_each(&files(folder)?))
}

/// Reads these files. Broken ones are returned next to the valid jobs, lists of accounts are left out.
#[must_use]
pub fn load_each(files: &[PathBuf]) -> (Vec<Job>, Vec<BrokenJob>) {
    let (mut jobs, mut broken) = (Vec::new(), Vec::new());
    for file in files {
        match load(file) {
            Ok(job) => jobs.push(job),
            Err(problems) if problems.is_list_of_accounts() => {}
            Err(problems) => broken.push(problems),
        }
    }
    (jobs, broken)
}
