//! The command line: parses arguments, calls the library, prints tables or JSON, and returns one exit code.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::clients::{ClientConfig, Clients, Deadlines, aws};
use crate::clock::Clock;
use crate::encryption::Encryption;
use crate::error::{Error, Kind, Result};
use crate::job::section::nearest;
use crate::job::{self, BrokenJob, Job};
use crate::lake::{Lake, LocalLake, Location};
use crate::pipeline::Context;
use crate::pipeline::retry::RetryPolicy;
use crate::redact;
use crate::status::clock_document;

mod args;
mod check;
mod completions;
mod connect;
mod ddl;
mod demo;
mod failures;
mod figures;
mod fit;
mod health;
mod init;
mod man;
mod names;
mod overview;
mod panics;
mod plan;
mod progress;
mod rebuild;
mod run;
mod sandbox;
mod screen;
mod serve;
mod show;
mod status;
mod tables;
mod units;
mod unknown;
mod values;
mod verify;

use args::{Arguments, Color, Command, Global, Output};

/// Variables that hold URLs, which may contain credentials.
const ADDRESSES: [&str; 6] = [
    "COSTLAKE_LAKE",
    "COSTLAKE_DATADOG_URL",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_COST_EXPLORER",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
];

/// Variables that are secrets themselves.
const SECRETS: [&str; 6] = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "DD_API_KEY",
    "DD_APP_KEY",
    "COSTLAKE_WEBHOOK_URL",
];

/// Runs the program on `arguments`, the first of which is its own name.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    Color::among(&arguments).choose();
    panics::tell_without_secrets();
    for name in ADDRESSES {
        std::env::var(name).iter().for_each(|address| redact::remember_address(address));
    }
    for name in SECRETS {
        std::env::var(name).iter().for_each(|secret| redact::remember(secret));
    }
    if let Err(error) = check_environment(std::env::vars_os()) {
        screen::error(&error);
        return ExitCode::from(error.kind().exit_code());
    }
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(mut error) => {
            forget_risky_advice(&mut error);
            advise_backfill(&mut error);
            screen::answer(&error);
            return ExitCode::from(screen::settled(if error.use_stderr() { 2 } else { 0 }));
        }
    };
    let runtime = match runtime(&arguments.command).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            screen::error(&Error::new(Kind::Internal, "cannot start the runtime").because(error));
            return ExitCode::from(1);
        }
    };
    let work = || match runtime.block_on(dispatch(&arguments)) {
        Ok(code) => code,
        Err(error) => {
            report_error(&arguments.global, &error);
            error.kind().exit_code()
        }
    };
    let code = panics::guarded(work, |error| report_error(&arguments.global, error));
    // Work interrupted by a signal may still hold a thread; none of it leaves partial state.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ExitCode::from(screen::settled(code))
}

/// Takes a flag that lifts a safeguard out of the advice on a mistyped one: it is no guess to try.
fn forget_risky_advice(error: &mut clap::Error) {
    const RISKY: [&str; 5] = ["--single-writer", "--allow-http", "--accept-clock", "--accept", "--yes"];
    let advice = error.get(ContextKind::SuggestedArg).map(ToString::to_string);
    if advice.is_some_and(|advice| RISKY.contains(&advice.as_str())) {
        error.remove(ContextKind::SuggestedArg);
    }
}

/// Says which command takes the flags of a range, where they were given to `run`, which reads what is due.
fn advise_backfill(error: &mut clap::Error) {
    const OF_RANGES: [&str; 4] = ["--from", "--to", "--since", "--missing"];
    let text = |kind: ContextKind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    if OF_RANGES.contains(&text(ContextKind::InvalidArg).as_str()) && text(ContextKind::Usage).contains(" run ") {
        let advice = "run reads what is due; a range is read again with backfill: costlake backfill JOB --from 2026-03";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![advice.to_owned().into()]));
    }
}

/// Refuses a setting that is not UTF-8: treated as unset, it would send keys or rows to another host.
fn check_environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<()> {
    for (name, value) in variables {
        let name = name.to_string_lossy();
        if ["COSTLAKE_", "DD_", "AWS_"].iter().any(|prefix| name.starts_with(prefix)) && value.to_str().is_none() {
            let error = Error::new(Kind::Config, "an environment variable is not UTF-8 text").at("variable", &name);
            return Err(error.advise("set it to text, or unset it"));
        }
    }
    Ok(())
}

/// A run has one thread for requests and parsing and one for encoding and writing. More would not be faster, and the
/// allocator keeps freed memory per thread. A health check is one request. Commands that serve or read many objects use
/// several threads.
fn runtime(command: &Command) -> tokio::runtime::Builder {
    if !matches!(command, Command::Run { .. } | Command::Backfill { .. } | Command::Health { .. }) {
        return tokio::runtime::Builder::new_multi_thread();
    }
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.max_blocking_threads(1);
    runtime
}

fn report_error(global: &Global, error: &Error) {
    screen::error(error);
    if global.output == Output::Json {
        let kind = error.kind();
        let document =
            json!({ "error": { "kind": kind.name(), "text": error.report() }, "exit_code": kind.exit_code() });
        let _ = screen::json(&document);
    }
}

async fn dispatch(arguments: &Arguments) -> Result<u8> {
    let global = &arguments.global;
    if global.output == Output::Csv && !matches!(arguments.command, Command::Show(_)) {
        return Err(Error::new(Kind::Config, "csv is for `show` alone").at("flag", "--output").advise("use json"));
    }
    match &arguments.command {
        Command::Completions { shell } => {
            completions::print(*shell);
            Ok(0)
        }
        Command::Man { folder } => man::write(folder).map(|()| 0),
        Command::Names { words } => Ok(names::names(global, words)),
        Command::Init(asked) => init::init(global, asked),
        Command::Sandbox { listen } => sandbox::serve(global, listen).await,
        Command::Health { address } => health::health(global, address).await,
        Command::Demo => demo::demo(global).await,
        Command::Check { jobs, online } => check::check(global, jobs, *online).await,
        Command::Plan { jobs, days, units } => run::plan(global, jobs, days, units).await,
        Command::Run { jobs, units, dry_run: true, .. } => run::plan_due(global, jobs, units).await,
        Command::Run { jobs, accept, accept_clock, units, fleet, .. } => {
            run::run(global, &run::Run { jobs, accept, accept_clock: *accept_clock, units, fleet }).await
        }
        Command::Backfill { jobs, days, missing, accept, units, dry_run, yes } => {
            let asked = run::Backfill { jobs, days, missing: *missing, accept, units, dry_run: *dry_run, yes: *yes };
            run::backfill(global, &asked).await
        }
        Command::Serve { listen, token_file, allow_actions, allowed_hosts, page_url } => {
            let asked = serve::Serve {
                listen,
                token_file: token_file.as_ref(),
                allowed_hosts,
                allow_actions: *allow_actions,
                page_url: page_url.as_deref(),
            };
            serve::serve(global, &asked).await
        }
        Command::Show(asked) => show::show(global, asked).await,
        Command::Status { jobs, check, calendar, units } => {
            status::status(global, &status::Asked { jobs, check: *check, calendar: *calendar, units }).await
        }
        Command::Verify { jobs, full, repair, units } => {
            verify::verify(global, &verify::Asked { jobs, full: *full, repair: *repair, units }).await
        }
        Command::Units { jobs, units } => units::list(global, jobs, units),
        Command::Rebuild { job } => rebuild::rebuild(global, job).await,
        Command::Ddl { jobs, dialect, no_views } => ddl::ddl(global, jobs, (*dialect).into(), !no_views).await,
        Command::Values { what, job, yes } => values::values(global, what, job.as_deref(), *yes).await,
        Command::Connect { out } => connect::connect(global, out.as_deref()).await,
    }
}

/// The clock as the environment sets it.
fn clock() -> Result<Clock> {
    Clock::from_text(std::env::var("COSTLAKE_NOW").ok().as_deref())
}

/// Reports on stderr that the clock is fixed.
fn tell_clock(clock: Clock) {
    if let Some(at) = clock.fixed() {
        screen::tell(&format!("clock: fixed to {} by COSTLAKE_NOW", shown(at)));
    }
}

fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The test timeout for an API or a bucket, in milliseconds: `COSTLAKE_TEST_TIMEOUT_MS`, ignored by release builds.
fn test_timeout() -> Option<Duration> {
    let text = if cfg!(debug_assertions) { std::env::var("COSTLAKE_TEST_TIMEOUT_MS").ok() } else { None };
    text?.parse().ok().map(Duration::from_millis)
}

/// The retry policy; with a test timeout 2 attempts, 1 ms apart.
fn retries() -> RetryPolicy {
    let moment = Duration::from_millis(1);
    test_timeout().map_or_else(RetryPolicy::default, |_| RetryPolicy {
        attempts: 2,
        first_wait: moment,
        longest_wait: moment,
    })
}

/// The timeout of one response of an API or a bucket.
fn deadlines() -> Deadlines {
    test_timeout().map_or_else(Deadlines::default, |answer| Deadlines { answer, ..Deadlines::default() })
}

fn client_config(global: &Global) -> ClientConfig {
    let set = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
    ClientConfig {
        allow_http: global.allow_http,
        datadog_url: set("COSTLAKE_DATADOG_URL"),
        datadog_site: set("DD_SITE"),
        sandbox: None,
        deadlines: deadlines(),
    }
}

/// Opens the lake of `--lake`.
async fn open_lake(global: &Global) -> Result<(Location, Arc<Lake>)> {
    let location = Location::parse(global.lake())?;
    let lake = match &location {
        Location::Folder(path) => {
            let path = std::path::absolute(path).map_err(|error| {
                Error::new(Kind::Config, "cannot tell where the lake is").at("lake", global.lake()).because(error)
            })?;
            Lake::Local(LocalLake::new(path))
        }
        Location::Bucket { bucket, prefix } => {
            let encryption = encryption_of(global)?;
            Lake::S3(aws::open_bucket(bucket, prefix, encryption, global.allow_http, deadlines()).await?)
        }
    };
    Ok((location, Arc::new(lake)))
}

/// What `--lake-sse` and `--lake-kms-key-id` say.
fn encryption_of(global: &Global) -> Result<Option<Encryption>> {
    Encryption::parse(global.lake_sse.as_deref(), global.lake_kms_key_id.as_deref()).map_err(|wrong| {
        let flag = if wrong.is_of_key { "--lake-kms-key-id" } else { "--lake-sse" };
        let variable = if wrong.is_of_key { "COSTLAKE_LAKE_KMS_KEY_ID" } else { "COSTLAKE_LAKE_SSE" };
        Error::new(Kind::Config, format!("{flag} ({variable}) {}", wrong.what))
    })
}

/// Everything a run needs.
async fn context(
    global: &Global,
    client_config: ClientConfig,
    listener: Option<crate::pipeline::Listener>,
) -> Result<Context> {
    context_until(global, client_config, listener, Kind::Interrupted.exit_code()).await
}

/// Everything a run needs, in a process that exits with `code` at a second signal.
async fn context_until(
    global: &Global,
    client_config: ClientConfig,
    listener: Option<crate::pipeline::Listener>,
    code: u8,
) -> Result<Context> {
    let clock = clock()?;
    let (_, lake) = open_lake(global).await?;
    Ok(Context {
        retries: retries(),
        cancel: cancelled_by_signals(code),
        single_writer: global.single_writer,
        listener,
        ..Context::new(Arc::new(Clients::new(client_config)), lake, clock)
    })
}

/// A token cancelled by the first Ctrl-C or SIGTERM; a second one ends the process at once, with `code`.
fn cancelled_by_signals(code: u8) -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        wait_for_signal().await;
        cancel.cancel();
        screen::tell("stopping: what is being written is finished first; press Ctrl-C again to stop at once");
        wait_for_signal().await;
        std::process::exit(code.into());
    });
    token
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

/// The jobs named on the command line, or all of them, and the broken job files among these.
fn select(global: &Global, names: &[String]) -> Result<(Vec<Job>, Vec<BrokenJob>)> {
    if let Some(found) = by_name(global, names) {
        return Ok(found);
    }
    let (jobs, broken) = job::load_all(&global.jobs)?;
    if names.is_empty() && jobs.is_empty() && broken.is_empty() {
        return Err(Error::new(Kind::Config, "there are no job files")
            .at("folder", global.jobs.display())
            .advise("`costlake init` writes one; a job is a file <table>.toml in that folder"));
    }
    chosen(global, jobs, broken, names)
}

/// The jobs of these names alone, whose files are read and no others; `None` unless each is the name of a job file.
fn by_name(global: &Global, names: &[String]) -> Option<(Vec<Job>, Vec<BrokenJob>)> {
    let files: BTreeSet<PathBuf> = names.iter().map(|name| global.jobs.join(format!("{name}.toml"))).collect();
    let is_named = |name: &String| job::is_table_name(name);
    if names.is_empty() || !names.iter().all(is_named) || !files.iter().all(|file| file.is_file()) {
        return None;
    }
    let found = job::load_each(&files.iter().cloned().collect::<Vec<_>>());
    (found.0.len() + found.1.len() == files.len()).then_some(found)
}

/// Those of the jobs that `names` mean; all of them without names.
fn chosen(
    global: &Global,
    jobs: Vec<Job>,
    broken: Vec<BrokenJob>,
    names: &[String],
) -> Result<(Vec<Job>, Vec<BrokenJob>)> {
    if names.is_empty() {
        return Ok((jobs, broken));
    }
    let known: Vec<String> =
        jobs.iter().map(|job| job.unit.table.clone()).chain(broken.iter().map(BrokenJob::name)).collect();
    let mut wanted = BTreeSet::new();
    for name in names {
        wanted.extend(named(global, &known, name)?);
    }
    let jobs = jobs.into_iter().filter(|job| wanted.contains(&job.unit.table)).collect();
    let broken = broken.into_iter().filter(|broken| wanted.contains(&broken.name())).collect();
    Ok((jobs, broken))
}

/// The names among `known` that a person means by a name, a pattern with `*` and `?`, or a file.
fn named(global: &Global, known: &[String], given: &str) -> Result<Vec<String>> {
    let folder = || global.jobs.display();
    if given.contains(['*', '?']) {
        let found: Vec<String> = known.iter().filter(|name| is_like(given, name)).cloned().collect();
        return if found.is_empty() {
            Err(Error::new(Kind::Config, format!("no job is like `{given}`")).at("folder", folder()))
        } else {
            Ok(found)
        };
    }
    let path = Path::new(given);
    let name = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some(stem) if path.extension().is_some_and(|extension| extension == "toml") => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            if parent.is_some_and(|parent| !is_same_folder(parent, &global.jobs)) {
                return Err(Error::new(Kind::Config, format!("`{given}` is not in the folder of jobs"))
                    .at("folder", folder())
                    .advise("name its folder with --jobs"));
            }
            stem
        }
        _ => given,
    };
    if known.iter().any(|known| known == name) {
        return Ok(vec![name.to_owned()]);
    }
    let hint = nearest(name, known.iter().map(String::as_str));
    Err(Error::new(Kind::Config, format!("there is no job `{name}`{hint}")).at("folder", folder()))
}

fn is_same_folder(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(one) == real(other)
}

/// Whether a name fits a pattern, in which `*` is any text and `?` any one character.
fn is_like(pattern: &str, name: &str) -> bool {
    let mut patterns = pattern.chars();
    match patterns.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = patterns.as_str().trim_start_matches('*');
            (0..=name.len()).filter_map(|from| name.get(from..)).any(|name| is_like(rest, name))
        }
        Some(first) => {
            let mut names = name.chars();
            names.next().is_some_and(|next| first == '?' || first == next) && is_like(patterns.as_str(), names.as_str())
        }
    }
}

/// Reports broken job files on stderr; returns their exit code.
fn tell_broken(broken: &[BrokenJob]) -> u8 {
    let failures = failures::Failures::of(broken);
    failures.tell();
    failures.code()
}

/// The sentence on a lake that is not there; a bucket is never said to be missing.
fn missing(lake: &Location, command: &str) -> Option<String> {
    let Location::Folder(path) = lake else { return None };
    let is_missing = path.try_exists().is_ok_and(|exists| !exists);
    is_missing.then(|| format!("the lake {lake} does not exist yet: check --lake, or make it with `{command}`"))
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn a_pattern_has_two_signs() {
        for (pattern, name, wanted) in [
            ("aws_*", "aws_cost", true),
            ("aws_*", "datadog_cost", false),
            ("*cost*", "aws_cost_monthly", true),
            ("*_?ost", "aws_cost", true),
            ("*_?ost", "aws_ost", false),
            ("**", "a", true),
            ("a?", "a", false),
        ] {
            assert_eq!(is_like(pattern, name), wanted, "{pattern} {name}");
        }
    }
}
