//! The command line, as typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::answer::Against;
use crate::cents::Cents;
use crate::sql::Dialect;

use super::units::Shard;

/// A cloud bill as exact, always-current Parquet: AWS Cost Explorer and Datadog to S3 or a local folder.
#[derive(Debug, Parser)]
#[command(name = "costlake", version, propagate_version = true, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Each code with its meaning, divided by semicolons, and in the last line how days are given.
pub(super) const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 some windows failed, nothing lost; 2 usage or configuration; 3 authentication or permission;
4 budget reached; 5 superseded by another run; 6 gaps or defects found (status --check, verify); 7 outcome of a write unknown;
130 interrupted.
Dates are inclusive UTC days: 2026-07-01, 2026-07, today, yesterday, -35d.";

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// Folder of job files.
    #[arg(
        id = "jobs_folder",
        long = "jobs",
        global = true,
        env = "COSTLAKE_JOBS",
        default_value = "jobs",
        value_name = "DIR"
    )]
    pub(super) jobs: PathBuf,
    /// Where the tables are: a folder, file:///folder or s3://bucket/prefix [default: lake; of `demo`: demo-lake].
    #[arg(id = "lake", long = "lake", global = true, env = "COSTLAKE_LAKE", value_name = "URL")]
    pub(super) given_lake: Option<String>,
    /// Encryption that the bucket demands of each write: AES256, aws:kms or aws:kms:dsse [default: the bucket's].
    #[arg(long, global = true, env = "COSTLAKE_LAKE_SSE", value_name = "KIND")]
    pub(super) lake_sse: Option<String>,
    /// Id or ARN of the KMS key for --lake-sse aws:kms [default: the bucket's].
    #[arg(long, global = true, env = "COSTLAKE_LAKE_KMS_KEY_ID", value_name = "KEY")]
    pub(super) lake_kms_key_id: Option<String>,
    /// Write to a store that ignores conditional writes (unsafe): only one costlake may ever run on it.
    #[arg(long, global = true)]
    pub(super) single_writer: bool,
    /// Allow plain http to hosts other than this machine.
    #[arg(long, global = true)]
    pub(super) allow_http: bool,
    /// Result format; json: one document; csv: of `show`.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub(super) output: Output,
    /// Log format (on stderr); json: one JSON object per line.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,
    /// Colours: auto is on a terminal, unless NO_COLOR is set, and where CLICOLOR_FORCE is.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(super) color: Color,
    /// No progress; only errors are logged.
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
    /// Log more on a terminal: what is done; twice, in detail.
    #[arg(long, short, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(super) verbose: u8,
}

impl Global {
    /// The lake as it was given.
    pub(super) fn lake(&self) -> &str {
        self.given_lake.as_deref().unwrap_or("lake")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Text,
    /// For machines.
    Json,
    /// For spreadsheets.
    Csv,
}

/// When outputs have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// The choice for everything that this process prints.
    pub(super) fn choose(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }

    /// The choice among arguments that may be wrong otherwise, for the message about them.
    pub(super) fn among(arguments: &[OsString]) -> Self {
        let texts: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
        let apart = texts.windows(2).find(|pair| pair[0] == "--color").map(|pair| pair[1]);
        let joined = texts.iter().find_map(|text| text.strip_prefix("--color="));
        apart.or(joined).and_then(|text| Self::from_str(text, false).ok()).unwrap_or(Self::Auto)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// [`Against`] as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum AgainstName {
    /// The range before: the month before, or as many days.
    Previous,
    /// The same days a year before.
    LastYear,
}

impl From<AgainstName> for Against {
    fn from(name: AgainstName) -> Self {
        match name {
            AgainstName::Previous => Self::Previous,
            AgainstName::LastYear => Self::LastYear,
        }
    }
}

/// [`Dialect`] as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DialectName {
    /// Amazon Athena.
    Athena,
    /// ClickHouse.
    Clickhouse,
    /// DuckDB.
    Duckdb,
    /// Spark SQL.
    Spark,
    /// Trino with the Hive connector.
    Trino,
}

impl From<DialectName> for Dialect {
    fn from(name: DialectName) -> Self {
        match name {
            DialectName::Athena => Self::Athena,
            DialectName::Clickhouse => Self::Clickhouse,
            DialectName::Duckdb => Self::Duckdb,
            DialectName::Spark => Self::Spark,
            DialectName::Trino => Self::Trino,
        }
    }
}

/// The arguments of `show`.
#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// The table.
    pub(super) table: String,
    /// Group by a column, or by day, week or month (repeatable, or with commas; at most three).
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub(super) by: Vec<String>,
    /// First day (default: the table's first; of a snapshot its newest).
    #[arg(long, allow_hyphen_values = true, value_name = "DATE")]
    pub(super) from: Option<String>,
    /// Last day (default: the table's last).
    #[arg(long, allow_hyphen_values = true, value_name = "DATE")]
    pub(super) to: Option<String>,
    /// Show the N largest groups, and the others as one.
    #[arg(long, value_name = "N")]
    pub(super) top: Option<usize>,
    /// What is added up: a column (unblended_cost), the API's name (UnblendedCost), or rows.
    #[arg(long, value_name = "METRIC")]
    pub(super) metric: Option<String>,
    /// Only rows with this value; several of one column are alternatives, an empty one finds what has none.
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    pub(super) filters: Vec<String>,
    /// Put the same sums of an earlier range beside them.
    #[arg(long, value_enum)]
    pub(super) against: Option<AgainstName>,
}

/// The arguments of `init`.
#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// Name of the job, of its file and of its table.
    pub(super) name: Option<String>,
    /// The same as NAME.
    #[arg(long = "name", value_name = "NAME", conflicts_with = "name")]
    pub(super) named: Option<String>,
    /// What to read, such as aws_cost_and_usage.
    #[arg(long, value_name = "SOURCE")]
    pub(super) source: Option<String>,
    /// Group by service, tag:team, cost_category:x, product_attribute:model, …; Datadog: by a tag; none: totals (repeatable).
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    pub(super) group_by: Vec<String>,
    /// The API's name of a metric, such as UnblendedCost (repeatable).
    #[arg(long = "metric", value_name = "METRIC", value_delimiter = ',')]
    pub(super) metrics: Vec<String>,
    /// Replace a job file that is already there.
    #[arg(long)]
    pub(super) force: bool,
}

/// Which units of the jobs, as typed.
#[derive(Debug, Clone, Args)]
pub(super) struct UnitArguments {
    /// Only these accounts, by id, or by name at Datadog (repeatable).
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(super) account: Vec<String>,
    /// Only part I of N of all units, I from 0; units of one account are in the same part.
    #[arg(long, value_name = "I/N", value_parser = Shard::parse)]
    pub(super) shard: Option<Shard>,
    /// Units worked on side by side.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..))]
    pub(super) parallel: u8,
}

/// What a worker among others needs, as typed.
#[derive(Debug, Clone, Args)]
pub(super) struct FleetArguments {
    /// Skip units that another worker has taken and not ended, for at most this long, such as 2h, 90m or 1d.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) lease: Option<Duration>,
    /// Dollars that this process may spend on requests, over all units.
    #[arg(long, value_name = "USD", value_parser = parse_dollars)]
    pub(super) max_usd: Option<Cents>,
    /// End with a line of JSON that says of each unit whether to run it again: yes, no or later.
    #[arg(long)]
    pub(super) exit_detail: bool,
}

/// A time such as `2h`, `90m` or `1d`.
fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time such as 2h, 90m or 1d");
    let (count, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let seconds: u64 = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = count.parse().ok().filter(|count| (1..=10_000).contains(count)).ok_or_else(wrong)?;
    Ok(Duration::from_secs(count * seconds))
}

/// Dollars with at most two decimals.
fn parse_dollars(text: &str) -> Result<Cents, String> {
    let wrong = || format!("`{text}` is not an amount of dollars such as 5 or 2.50");
    let (whole, cents) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || cents.len() > 2 || !is_number(whole) || !is_number(cents) {
        return Err(wrong());
    }
    let number: u64 = format!("{whole}{cents:0<2}").parse().map_err(|_| wrong())?;
    Ok(Cents(number))
}

/// A range of days, as typed.
#[derive(Debug, Clone, Args)]
pub(super) struct Days {
    /// First day of a range.
    #[arg(long, allow_hyphen_values = true, value_name = "DATE")]
    pub(super) from: Option<String>,
    /// Last day of the range (default: yesterday).
    #[arg(long, requires = "from", allow_hyphen_values = true, value_name = "DATE")]
    pub(super) to: Option<String>,
    /// The last days up to yesterday, such as 7d: the same as --from -7d.
    #[arg(long, conflicts_with_all = ["from", "to"], value_name = "DAYS")]
    pub(super) since: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the shipped jobs against the built-in sandbox: no credentials, no cost.
    Demo,
    /// Write a commented job file: from flags, or asks on a terminal.
    Init(InitArguments),
    /// Validate job files; reports all problems at once.
    Check {
        /// Jobs, by name, pattern ('aws_*') or file (default: all jobs).
        jobs: Vec<String>,
        /// Also test the credentials and the lake (makes no billable request).
        #[arg(long)]
        online: bool,
    },
    /// Preview the API requests and cost of a run (dry run).
    Plan {
        /// Jobs, by name, pattern ('aws_*') or file (default: all jobs).
        jobs: Vec<String>,
        #[command(flatten)]
        days: Days,
        #[command(flatten)]
        units: UnitArguments,
    },
    /// Fetch everything that is due (use this in cron).
    Run {
        /// Jobs, by name, pattern ('aws_*') or file (default: all jobs).
        jobs: Vec<String>,
        /// Accept the held figures of a month (repeatable).
        #[arg(long, value_name = "JOB:YYYY-MM")]
        accept: Vec<String>,
        /// If this clock is behind a table's newest run: treat that run's clock as wrong, and its days as never read.
        #[arg(long)]
        accept_clock: bool,
        #[command(flatten)]
        units: UnitArguments,
        #[command(flatten)]
        fleet: FleetArguments,
        /// Show the plan and stop: the same as `plan`.
        #[arg(long, conflicts_with_all = ["accept", "accept_clock"])]
        dry_run: bool,
    },
    /// Re-fetch a date range.
    Backfill {
        /// Jobs, by name, pattern ('aws_*') or file.
        #[arg(required = true)]
        jobs: Vec<String>,
        #[command(flatten)]
        days: Days,
        /// Only days never read.
        #[arg(long)]
        missing: bool,
        #[command(flatten)]
        units: UnitArguments,
        /// Accept the figures of a month even if they would be held (repeatable).
        #[arg(long, value_name = "JOB:YYYY-MM")]
        accept: Vec<String>,
        /// Show the plan and stop.
        #[arg(long)]
        dry_run: bool,
        /// Do not ask before spending.
        #[arg(long, short)]
        yes: bool,
    },
    /// Run jobs when they are due, and serve the status page and metrics; until a signal.
    Serve {
        /// Address of the page; another one than 127.0.0.1 needs --token-file.
        #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
        listen: String,
        /// File with the access token required from every client.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        /// Let the page start backfills and accept held figures; needs --token-file.
        #[arg(long)]
        allow_actions: bool,
        /// Additional host name accepted in the Host header (repeatable).
        #[arg(long = "allowed-host", value_name = "NAME")]
        allowed_hosts: Vec<String>,
        /// Address of the page as people open it, for links in messages to the webhook.
        #[arg(long, value_name = "URL", env = "COSTLAKE_PAGE_URL", hide_env_values = true)]
        page_url: Option<String>,
    },
    /// List the units of the jobs: a table and an account each, for engines that deal out work; asks nothing.
    Units {
        /// Jobs, by name, pattern ('aws_*') or file (default: all jobs).
        jobs: Vec<String>,
        #[command(flatten)]
        units: UnitArguments,
    },
    /// Show exact sums of a table: by service, account, day …; reads the lake, asks no API.
    Show(ShowArguments),
    /// Show the state of the tables: a line each, what is not well first; of a single one its days.
    Status {
        /// Jobs, by name, pattern ('aws_*') or file (default: all jobs).
        jobs: Vec<String>,
        /// Exit with 6 when days are missing or stale, or the last run failed.
        #[arg(long)]
        check: bool,
        /// Show every day of every table.
        #[arg(long)]
        calendar: bool,
        #[command(flatten)]
        units: UnitArguments,
    },
    /// Compare the lake with its ledger and footers; exit with 6 on any defect.
    Verify {
        /// Jobs, by name, pattern ('aws_*') or file (default: all jobs).
        jobs: Vec<String>,
        /// Read every row and compare digests and sums.
        #[arg(long)]
        full: bool,
        /// Adopt newer files, re-fetch missing and corrupt ones; never touches unknown files.
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        units: UnitArguments,
    },
    /// Rebuild a table from stored raw responses, without calling the API.
    Rebuild {
        /// The job.
        job: String,
    },
    /// List what can stand in a grouping or filter, such as aws_cost_and_usage.SERVICE (0.01 USD a page at AWS).
    Values {
        /// Source and key: SERVICE, tags, tag.team … of aws_cost_and_usage; a metric of datadog_cost.
        #[arg(value_name = "SOURCE.KEY")]
        what: String,
        /// Use the account and credentials of this job (default: the first job of the source).
        #[arg(long)]
        job: Option<String>,
        /// Do not ask before spending.
        #[arg(long, short)]
        yes: bool,
    },
    /// Print table definitions and views for a query engine.
    Ddl {
        /// Jobs, by name, pattern ('aws_*') or file (default: all jobs).
        jobs: Vec<String>,
        /// The engine.
        #[arg(long, value_enum)]
        dialect: DialectName,
        /// Only the tables.
        #[arg(long)]
        no_views: bool,
    },
    /// Print a DuckDB script with a view per table: costlake connect > lake.sql; duckdb -init lake.sql
    Connect {
        /// Write the script to this file, as UTF-8 (where the shell's > does not, such as Windows PowerShell).
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Run a local mock of the AWS and Datadog APIs.
    Sandbox {
        /// Address to listen on.
        #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
        listen: String,
    },
    /// Ask a running `serve` or `sandbox` whether it is ready: exit with 0 if it is, else with 1 and the reason.
    Health {
        /// Its address, such as http://127.0.0.1:8080: the path is asked, or /readyz if there is none.
        #[arg(value_name = "URL")]
        address: String,
    },
    /// Print shell completions, of the names of jobs and tables too.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder, for packages.
    #[command(hide = true)]
    Man {
        /// The folder; it is made where it is missing.
        folder: PathBuf,
    },
    /// Print the names that can stand at the cursor, for completions.
    #[command(hide = true)]
    Names {
        /// The words before the cursor.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Arguments, parse_dollars, parse_time};
    use crate::cents::Cents;
    use clap::{CommandFactory, Parser};

    #[test]
    fn times_and_dollars_are_read() {
        assert_eq!(parse_time("90m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse_time("1d"), Ok(Duration::from_secs(86_400)));
        for text in ["", "2", "h", "0h", "2w", "-2h", "2.5h", "99999999999999999999h"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
        assert_eq!(
            [parse_dollars("5"), parse_dollars("2.5"), parse_dollars("0.01")],
            [Ok(Cents(500)), Ok(Cents(250)), Ok(Cents(1))]
        );
        for text in ["", ".", "-1", "1.234", "1e3", "1,5", "9999999999"] {
            assert!(parse_dollars(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
        let typed = ["costlake", "run", "a_job", "--jobs", "elsewhere", "--lake", "s3://b/p"];
        let read = Arguments::try_parse_from(typed).expect("a command");
        assert_eq!(read.global.jobs, std::path::Path::new("elsewhere"));
        assert_eq!(read.global.lake(), "s3://b/p");
    }
}
