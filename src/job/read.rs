//! Reads the tables of a job file into a [`Job`]: one function per section, every mistake noted with its key.

use std::path::Path;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime};

use crate::cents::Cents;
use crate::encryption::Encryption;
use crate::sources::keys;
use crate::sources::provider::AWS_COSTS;
use crate::sources::{self, Source};
use crate::table::Table;
use crate::unit::Unit;
use crate::window::Grain;

use super::accounts::{self, Accounts};
use super::cron;
use super::keys::{DAYS, Key};
use super::section::{Problems, Section, nearest};
use super::{AwsSettings, BudgetRules, Control, Job, Limits, Refresh, Schedule, WindowRules};

/// Most characters of a cron expression: a list of all minutes has 169.
const LONGEST_CRON: usize = 500;

/// Reads a whole job file; `None` when the source is missing or invalid.
pub(super) fn job(file: &Path, name: String, root: &toml::Table, problems: &Problems) -> Option<Job> {
    let section = |name: &'static str| {
        let value = root.get(name);
        if value.is_some_and(|value| !value.is_table()) {
            problems.note(name, format!("must be a table: write [{name}] on a line of its own"));
        }
        Section::new(name, value.and_then(toml::Value::as_table), problems)
    };
    let top = Section::new("", Some(root), problems);
    let source_section = section("source");
    let entry = source_section.required_text("type").and_then(|name| find_source(&source_section, name));
    check_keys(root, entry, problems);

    let description = top.text("description").map(str::to_owned);
    let schedule = read_schedule(&section("schedule"));
    let source = entry.and_then(|entry| (entry.build)(&Section::new("source", Some(&joined(root)), problems)));
    let grain = source.as_ref().map_or(Grain::Daily, |source| source.grain());
    let window = read_window(&section("window"), entry, grain, source.as_deref());
    let budget = read_budget(&section("budget"), entry);
    let limits = read_limits(&section("limits"));
    let aws = read_aws(&section("aws"), root);
    let datadog_site = section("datadog").text("site").map(str::to_owned);
    let accounts_section = section("accounts");
    let accounts = entry.and_then(|entry| read_accounts(&accounts_section, root, file, entry));
    let lake = section("lake");
    let (keep_raw, keep_history) = (lake.boolean("keep_raw"), lake.boolean("keep_history"));
    let keep_history_days = read_days(&lake, "keep_history_for");
    let encryption = read_encryption(&lake);
    let entry = entry?;
    Some(Job {
        unit: Unit::from(name.as_str()),
        accounts: accounts.map(Arc::new),
        file: file.to_owned(),
        description,
        schedule,
        entry,
        source: source?,
        window,
        budget,
        limits,
        aws,
        datadog_site,
        datadog_keys: None,
        keep_raw: keep_raw.unwrap_or(entry.rules.keep_raw),
        keep_history: keep_history.unwrap_or(false),
        keep_history_days: keep_history_days.unwrap_or(400),
        encryption,
        warnings: Vec::new(),
    })
}

fn read_encryption(lake: &Section<'_>) -> Option<Encryption> {
    let read = Encryption::parse(lake.text("sse"), lake.text("kms_key_id"));
    read.unwrap_or_else(|wrong| {
        lake.note(if wrong.is_of_key { "kms_key_id" } else { "sse" }, wrong.what);
        None
    })
}

fn read_accounts(
    section: &Section<'_>,
    root: &toml::Table,
    file: &Path,
    entry: &'static sources::Entry,
) -> Option<Accounts> {
    if !section.is_there() {
        return None;
    }
    accounts::check_others(root, section.problems());
    let with_view = |arn: &str, problems: &Problems| {
        let mut source = joined(root);
        source.insert("billing_view_arn".to_owned(), arn.into());
        (entry.build)(&Section::new("source", Some(&source), problems))
    };
    accounts::read(section, file, entry, with_view)
}

/// `[source]` with `aws.billing_view_arn` added as `billing_view_arn`, because it is part of the request.
fn joined(root: &toml::Table) -> toml::Table {
    let mut source = root.get("source").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    if let Some(arn) = root.get("aws").and_then(|aws| aws.get("billing_view_arn")) {
        source.insert("billing_view_arn".to_owned(), arn.clone());
    }
    source
}

fn find_source(section: &Section<'_>, name: &str) -> Option<&'static sources::Entry> {
    let entry = sources::find(name);
    if entry.is_none() {
        let known: Vec<&str> = sources::REGISTRY.iter().map(|entry| entry.name).collect();
        let hint = nearest(name, known.iter().copied());
        section.note("type", format!("unknown source `{name}`{hint}; available: {}", known.join(", ")));
    }
    entry
}

/// Notes unknown keys with the nearest known one, and keys of other sources.
fn check_keys(root: &toml::Table, entry: Option<&'static sources::Entry>, problems: &Problems) {
    for (name, value) in root {
        let known_section = keys::is_section(name);
        match value.as_table() {
            Some(table) if known_section => {
                for key in table.keys() {
                    check_key(&format!("{name}.{key}"), key, entry, problems);
                }
            }
            _ if known_section => {}
            _ if is_section_like(value) && keys::sources_of(name).is_empty() => {
                let sections: Vec<String> = keys::sections().iter().map(|known| format!("[{known}]")).collect();
                let hint = nearest(&format!("[{name}]"), sections.iter().map(String::as_str));
                problems.note(name, format!("is not a section of a job file{hint}"));
            }
            _ => check_key(name, name, entry, problems),
        }
    }
}

/// Whether a value was written as `[name]` or `[[name]]`.
fn is_section_like(value: &toml::Value) -> bool {
    value.is_table() || value.as_array().and_then(|list| list.first()).is_some_and(toml::Value::is_table)
}

fn check_key(path: &str, name: &str, entry: Option<&'static sources::Entry>, problems: &Problems) {
    if entry.is_some_and(|entry| entry.keys().any(|key| key.path == path)) {
        return;
    }
    let of = keys::sources_of(path);
    if of.is_empty() {
        if problems.is_full() {
            // The message is not shown, and a hint is a comparison with every key.
            problems.note(path, "");
            return;
        }
        let all = keys::all();
        let same_name = all.iter().find(|key| key.path.rsplit('.').next() == Some(name));
        let nearest = || nearest(path, all.iter().map(|key| key.path));
        let hint = same_name.map_or_else(nearest, |key| format!(" (did you mean `{}`?)", key.path));
        problems.note(path, format!("is not a key of a job file{hint}"));
        return;
    }
    let Some(entry) = entry else { return };
    // A table of the current state begins today, whatever its job says.
    let is_ignored = entry.rules.snapshot && path == "window.begin";
    if entry.rules.snapshot && DAYS.iter().any(|key| key.path == path) && !is_ignored {
        problems.note(path, format!("has no use for {}, which only tells today's state; remove it", entry.name));
    } else if !is_ignored {
        let names: Vec<&str> = of.iter().map(|known| known.name).collect();
        let is_like = |key: &&Key| key.path.starts_with(path) || path.starts_with(key.path);
        let own = entry.keys().find(is_like).map(|key| format!(" (did you mean `{}`?)", key.path));
        let hint = own.unwrap_or_default();
        let (of, job) = (names.join(", "), entry.name);
        problems.note(path, format!("only applies to {of}; remove it from this job of {job}{hint}"));
    }
}

fn read_schedule(section: &Section<'_>) -> Option<Schedule> {
    let timezone = section.text("timezone").and_then(|name| {
        let zone = name.parse::<chrono_tz::Tz>().ok();
        if zone.is_none() {
            section.note("timezone", format!("unknown time zone `{name}`{}", zone_meant(name)));
        }
        zone
    });
    let cron = section.text("cron")?;
    if cron.len() > LONGEST_CRON {
        section.note("cron", format!("has {} characters; {LONGEST_CRON} are the most", cron.len()));
        return None;
    }
    if cron.split_whitespace().any(|field| field.split(',').any(str::is_empty)) {
        section.note("cron", format!("\"{cron}\" has a list with an empty item"));
        return None;
    }
    let parsed = match cron::parse(cron) {
        Ok(parsed) => parsed,
        Err(fault) => {
            section.note("cron", format!("\"{cron}\" is not a five-field cron expression: {fault}"));
            return None;
        }
    };
    // The search ends with the year 5000. A cron that ever fires does so within the 40 years before: within 28 years
    // with a leap day every fourth, each day of the year falls on each weekday.
    let late = NaiveDate::from_ymd_opt(4960, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN).and_utc();
    let never = parsed.find_next_occurrence(&late, false).is_err();
    if never {
        section.note("cron", format!("\"{cron}\" never fires"));
    }
    (!never).then(|| Schedule { cron: cron.to_owned(), parsed, timezone: timezone.unwrap_or(chrono_tz::UTC) })
}

/// What may be meant by an unknown time zone. An abbreviation such as IST is three zones, and near to none of them.
fn zone_meant(name: &str) -> String {
    if (2..=5).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return ": abbreviations are ambiguous; write a region and a city, such as Asia/Kolkata".to_owned();
    }
    nearest(name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()))
}

fn read_window(
    section: &Section<'_>,
    entry: Option<&'static sources::Entry>,
    grain: Grain,
    source: Option<&dyn Source>,
) -> WindowRules {
    let rules = entry.map_or(&AWS_COSTS, |entry| entry.rules);
    let snapshot = rules.snapshot;
    if !snapshot && section.value("begin").is_none() {
        section.note("begin", "is missing: the first day of the table, such as \"2025-11-01\"");
    }
    let begin = section.day("begin").map(|day| grain.slot_of(day)).filter(|_| !snapshot);
    let table = source.map(|source| source.table().as_ref());
    let default_refresh = rules.refresh_days_of(grain, table).map_or(Refresh::Probe, Refresh::Days);
    let has_totals = rules.has_totals;
    let refresh = section
        .text("refresh")
        .and_then(|text| read_refresh(section, text, has_totals, grain))
        .unwrap_or(default_refresh);
    let control = match section.text("control") {
        None | Some("enforce") => Control::Enforce,
        Some("report") => Control::Report,
        Some(other) => {
            section.note("control", format!("must be \"enforce\" or \"report\", not \"{other}\""));
            Control::Enforce
        }
    };
    let by_tag = table.is_some_and(Table::has_assigned);
    let full = read_days(section, "full_read_every");
    let settled = read_days_or_never(section, "full_read_settled_every");
    WindowRules {
        begin,
        refresh,
        control,
        full_read_every_days: full.unwrap_or(if by_tag { 1 } else { 7 }),
        full_read_settled_every_days: settled.unwrap_or((has_totals && by_tag).then_some(90)),
        settle_day: section.whole("settle_day", 1, 28).and_then(|day| u32::try_from(day).ok()).unwrap_or(15),
        include_today: read_include_today(section, rules.has_today || snapshot),
        quarantine_millionths: millionths(section.number("quarantine_share", 0.0, 1_000.0).unwrap_or(0.2)),
        quarantine_floor: floor(section.number("quarantine_floor", 0.0, 1e9).unwrap_or(1.0)),
    }
}

fn read_include_today(section: &Section<'_>, has_today: bool) -> bool {
    let wanted = section.boolean("include_today").unwrap_or(false);
    if wanted && !has_today {
        section.note("include_today", "must be false: this API has data only of days that are over");
    }
    wanted
}

/// A share of 0 to 1000 in millionths.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn millionths(share: f64) -> u64 {
    (share * 1_000_000.0).round() as u64
}

/// An amount of up to 10^9, rounded to millionths, as a count of 10^-12.
#[allow(clippy::cast_possible_truncation)]
fn floor(amount: f64) -> i128 {
    i128::from((amount * 1_000_000.0).round() as i64) * 1_000_000
}

fn read_refresh(section: &Section<'_>, text: &str, has_totals: bool, grain: Grain) -> Option<Refresh> {
    let refresh = match text {
        "probe" => Some(Refresh::Probe),
        "billing-close" => Some(Refresh::BillingClose),
        _ => parse_days(text).map(Refresh::Days),
    };
    match refresh {
        None => section.note(
            "refresh",
            format!("must be \"probe\", \"billing-close\" or \"N days\", not \"{text}\"{}", days_meant(text)),
        ),
        Some(Refresh::Probe) if !has_totals => {
            section.note("refresh", "\"probe\" needs the totals that only Cost Explorer answers")
        }
        Some(Refresh::Probe) if grain == Grain::Hourly => section.note("refresh", "\"probe\" is for DAILY and MONTHLY"),
        Some(_) => {}
    }
    refresh
}

fn read_days(section: &Section<'_>, key: &str) -> Option<u64> {
    let text = section.text(key)?;
    let days = parse_days(text);
    if days.is_none() {
        section.note(key, format!("must be \"N days\", not \"{text}\"{}", days_meant(text)));
    }
    days
}

/// `None` when the key is absent or invalid, `Some(None)` for `"never"`.
fn read_days_or_never(section: &Section<'_>, key: &str) -> Option<Option<u64>> {
    match section.text(key)? {
        "never" => Some(None),
        text => {
            let days = parse_days(text);
            if days.is_none() {
                section.note(key, format!("must be \"N days\" or \"never\", not \"{text}\"{}", days_meant(text)));
            }
            days.map(Some)
        }
    }
}

/// Reads `7 days` or `1 day`.
fn parse_days(text: &str) -> Option<u64> {
    let (count, unit) = text.split_once(' ')?;
    let count = count.parse::<u64>().ok().filter(|count| (1..=1200).contains(count))?;
    (unit == "days" || (unit == "day" && count == 1)).then_some(count)
}

/// The right form of a number of days in another one, such as `7d`, `7 d` or `2w`.
fn days_meant(text: &str) -> String {
    let text = text.trim().to_lowercase();
    let (count, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let days = match unit.trim_start() {
        "" | "d" | "day" | "days" => 1,
        "w" | "week" | "weeks" => 7,
        _ => return String::new(),
    };
    let count = count.parse::<u64>().ok().and_then(|count| count.checked_mul(days));
    let right = count.map(|count| if count == 1 { "1 day".to_owned() } else { format!("{count} days") });
    right.filter(|right| parse_days(right).is_some()).map(|right| format!(": write \"{right}\"")).unwrap_or_default()
}

fn read_budget(section: &Section<'_>, entry: Option<&'static sources::Entry>) -> BudgetRules {
    let paid = entry.is_some_and(|entry| entry.provider.is_paid());
    let requests = section.whole("max_requests_per_run", 1, 1_000_000);
    let usd = section.number("max_usd_per_month", 0.01, 1_000_000.0);
    BudgetRules {
        max_requests_per_run: paid.then(|| requests.unwrap_or(500)),
        // A cap in dollars, at most a million: whole cents fit exactly.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        max_usd_per_month: usd.map(|usd| Cents((usd * 100.0).round() as u64)),
    }
}

fn read_limits(section: &Section<'_>) -> Limits {
    let in_flight = section.whole("fetches_in_flight", 1, 64).and_then(|n| usize::try_from(n).ok());
    Limits {
        requests_per_second: section.number("requests_per_second", 0.01, 1_000.0).unwrap_or(5.0),
        fetches_in_flight: in_flight.unwrap_or(4),
    }
}

fn read_aws(section: &Section<'_>, root: &toml::Table) -> AwsSettings {
    let text = |key: &str| section.text(key).map(str::to_owned);
    if text("external_id").is_some() && text("role_arn").is_none() && !root.contains_key("accounts") {
        section.note("external_id", "means nothing without aws.role_arn");
    }
    let account_id = text("account_id");
    if let Some(id) = &account_id
        && !is_account(id)
    {
        section.note("account_id", format!("must be twelve digits in quotes, not \"{id}\""));
    }
    check_credentials(section, "arn:aws:iam::123456789012:role/costs");
    AwsSettings {
        profile: text("profile"),
        role_arn: text("role_arn"),
        external_id: text("external_id"),
        region: text("region"),
        account_id,
        unverified: section.boolean("verify_account") == Some(false),
    }
}

/// Notes what is wrong with the names of credentials, of a job or of one of its accounts; `role` is an example of a role.
pub(super) fn check_credentials(section: &Section<'_>, role: &str) {
    let is_key = |value: &str| value.starts_with("AKIA") || value.starts_with("ASIA");
    for key in ["profile", "role_arn", "external_id", "region"] {
        if section.text(key).is_some_and(is_key) {
            section.note(key, "looks like an access key: keys never belong into a job file");
        }
    }
    for key in ["profile", "external_id", "region"] {
        match section.text(key) {
            Some(value) if value.trim().is_empty() => section.note(key, "must not be empty: leave it out"),
            Some(value) if value.chars().any(char::is_control) => {
                section.note(key, "holds a control character, such as a line end");
            }
            _ => {}
        }
    }
    if let Some(arn) = section.text("role_arn").filter(|arn| !is_role(arn) && !is_key(arn)) {
        section.note("role_arn", format!("must be as \"{role}\", not \"{arn}\""));
    }
}

/// Whether a text is the id of an AWS account.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text is the ARN of a role, in any partition of AWS:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns>
pub(super) fn is_role(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [arn, partition, "iam", "", account, resource] = parts[..] else { return false };
    arn == "arn"
        && partition.starts_with("aws")
        && is_account(account)
        && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty() && !name.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_rarest_days_are_found() {
        let is_sound = |cron: &str| {
            let text = format!("[schedule]\ncron = \"{cron}\"\n[source]\ntype = \"datadog_ccm_config\"\n");
            crate::job::parse(Path::new("rare.toml"), &text).is_ok()
        };
        for weekday in 0..7 {
            for cron in
                [format!("0 0 29 2 +{weekday}"), format!("59 23 * 2 {weekday}#5"), format!("0 0 31 12 +{weekday}")]
            {
                assert!(is_sound(&cron), "{cron}");
            }
        }
        for cron in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 8 * +1#1"] {
            assert!(!is_sound(cron), "{cron}");
        }
    }
}
