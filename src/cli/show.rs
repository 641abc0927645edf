//! `show`: exact sums of a table's own rows, on the terminal, as JSON or as CSV.

mod accounts;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::answer::{Group, Measure, Order, Question, ROWS, Section};
use crate::ask::{Range, Reply, ask, ask_units, sentence};
use crate::clock::Clock;
use crate::decimal;
use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::job::accounts::Accounts;
use crate::lake::Lake;
use crate::ledger_store::{LedgerStore, TableRecord, stored_accounts};
use crate::status;
use crate::text::plural;
use crate::window::parse_date_argument;

use super::args::{Global, Output, ShowArguments};
use super::fit;
use super::screen::{self, DIM, YELLOW};
use super::unknown::unknown_values;
use super::{clock, demo, figures, missing, open_lake, progress, select, shown, tell_broken, tell_clock};
use crate::status::clock_document;

/// Groups that a terminal shows without `--top`.
const USUAL_TOP: usize = 20;
/// Sections that a terminal shows; units of usage are many.
const MOST_SECTIONS: usize = 6;

/// The unit of a group that mixes units.
const MIXED: &str = "N/A";

/// `costlake show`.
pub(super) async fn show(global: &Global, asked: &ShowArguments) -> Result<u8> {
    progress::start(global);
    let clock = clock()?;
    let (location, lake) = open_lake(global).await?;
    let (jobs, broken) = match select(global, std::slice::from_ref(&asked.table)) {
        Ok(found) => found,
        Err(error) if error.kind() == Kind::Config => {
            (vec![shipped(&lake, &asked.table, clock).await?.ok_or(error)?], Vec::new())
        }
        Err(error) => return Err(error),
    };
    let code = tell_broken(&broken);
    let Some(job) = jobs.first() else {
        if global.output == Output::Json {
            screen::json(&json!({ "table": asked.table, "broken": broken, "exit_code": code }))?;
        }
        return Ok(code);
    };
    // A report of a lake that is not there would be empty, and nobody would be told.
    if let Some(nowhere) = missing(&location, &format!("costlake run {}", job.unit.table)) {
        return Err(Error::new(Kind::Config, nowhere));
    }
    if global.output == Output::Text {
        tell_clock(clock);
        screen::out(&in_text(&lake, job, asked, clock.now()).await?);
        return Ok(code);
    }
    let Found { job, question, reply, notes } = find(&lake, job, asked, clock.now(), asked.top).await?;
    if global.output == Output::Csv {
        tell_clock(clock);
        remarks(&job, &question, &reply, &notes).iter().for_each(|line| screen::tell(line));
        screen::data(&csv(&job, &question, &reply));
        return Ok(code);
    }
    let mut document = document(&job, &question, &reply);
    document["clock"] = clock_document(clock);
    document["notes"] = json!(notes);
    document["exit_code"] = json!(code);
    screen::json(&document)?;
    Ok(code)
}

/// The shipped job of a table that the lake has, from its first day on: what `demo` fills can be asked where there are
/// no job files.
async fn shipped(lake: &Arc<Lake>, table: &str, clock: Clock) -> Result<Option<Job>> {
    let now = clock.now();
    let found = demo::shipped_jobs(now.date_naive())?.into_iter().find(|job| job.unit.table == table);
    let Some(mut job) = found else { return Ok(None) };
    let Some(record) = TableRecord::named(lake, table).await? else { return Ok(None) };
    if record.has_accounts() {
        job.accounts = Some(Arc::new(Accounts::named(stored_accounts(lake, table).await?)));
    }
    let mut first = None;
    for unit in job.units() {
        let (store, _) = LedgerStore::open(Arc::clone(lake), &unit.unit, job.source.grain(), now).await?;
        first = first.into_iter().chain(store.ledger.facts().map(|(slot, _)| slot)).min();
    }
    job.window.begin = job.window.begin.and(first);
    Ok(Some(job))
}

/// The answer for people.
pub(super) async fn in_text(lake: &Arc<Lake>, job: &Job, asked: &ShowArguments, now: DateTime<Utc>) -> Result<String> {
    let found = find(lake, job, asked, now, Some(asked.top.unwrap_or(USUAL_TOP))).await?;
    Ok(text(&found.job, &found.question, &found.reply, &found.notes))
}

/// An answer, with the job as it writes its table.
struct Found<'j> {
    job: Cow<'j, Job>,
    question: Question,
    reply: Reply,
    notes: Vec<String>,
}

/// Reads the lake. Groups in time are all shown, in their order, unless `--top` asks for the largest.
async fn find<'j>(
    lake: &Arc<Lake>,
    job: &'j Job,
    asked: &ShowArguments,
    now: DateTime<Utc>,
    most: Option<usize>,
) -> Result<Found<'j>> {
    let record = TableRecord::kept(lake, &job.unit).await?;
    if let Some(record) = &record {
        record.check_offline(job, None)?;
    }
    let whole = record.as_ref().map_or(Cow::Borrowed(job), |record| record.job_of(job));
    if job.accounts.is_some() {
        return find_in_units(lake, job, whole, record.as_ref(), asked, now, most).await;
    }
    let job = whole;
    let (store, mut notes) = LedgerStore::open_to_show(Arc::clone(lake), &job.unit, job.source.grain(), now).await?;
    if record.as_ref().is_some_and(TableRecord::is_made_up) || store.ledger.made_up == Some(true) {
        notes.push(status::MADE_UP.to_owned());
    }
    let question = Question::parse(job.source.table(), asked.metric.as_deref(), &asked.by, &asked.filters)
        .map_err(|error| error.at("table", &job.unit.table))?;
    let range = range(asked, now.date_naive())?;
    let order = order_of(&question, asked, most, &mut notes);
    let reply = ask(lake, &job, &store.ledger, now, &question, range, order).await?;
    if reply.answer.sections.is_empty() {
        notes.extend(unknown_values(lake, &job, &store.ledger, now, &question, range).await?);
    }
    Ok(Found { job, question, reply, notes })
}

/// As [`find`], in a table with accounts; `whole` is the job as it writes the table.
async fn find_in_units<'j>(
    lake: &Arc<Lake>,
    job: &Job,
    whole: Cow<'j, Job>,
    record: Option<&TableRecord>,
    asked: &ShowArguments,
    now: DateTime<Utc>,
    most: Option<usize>,
) -> Result<Found<'j>> {
    let mut notes = Vec::new();
    if record.is_some_and(TableRecord::is_made_up) {
        notes.push(status::MADE_UP.to_owned());
    }
    let table = whole.source.table();
    let (question, named) = Question::parse_with_accounts(table, asked.metric.as_deref(), &asked.by, &asked.filters)
        .map_err(|error| error.at("table", &whole.unit.table))?;
    let range = range(asked, now.date_naive())?;
    let order = order_of(&question, asked, most, &mut notes);
    let units = accounts::units(lake, job, record, &named).await?;
    let (reply, told) = ask_units(lake, &units, now, &question, range, order).await?;
    notes.extend(told);
    Ok(Found { job: whole, question, reply, notes })
}

/// How groups are ordered, and how many of them are shown.
fn order_of(question: &Question, asked: &ShowArguments, most: Option<usize>, notes: &mut Vec<String>) -> Order {
    let in_time = question.is_by_time() && asked.top.is_none();
    if question.is_by_time() && !in_time {
        notes.push("--top shows the largest first; without it they are in the order of time".to_owned());
    }
    Order { by_key: in_time, most: most.filter(|_| !in_time) }
}

fn range(asked: &ShowArguments, today: NaiveDate) -> Result<Range> {
    let day = |text: Option<&str>, flag| {
        text.map(|text| parse_date_argument(text, today).map_err(|error: Error| error.at("flag", flag))).transpose()
    };
    let from = day(asked.from.as_deref(), "--from")?.map(|(first, _)| first);
    let to = day(asked.to.as_deref(), "--to")?.map(|(_, last)| last);
    if asked.top == Some(0) {
        return Err(Error::new(Kind::Config, "no group would be shown").at("flag", "--top"));
    }
    Ok(Range { from, to, against: asked.against.map(Into::into) })
}

/// The names of the columns that are kept apart, such as `currency`.
fn apart<'j>(job: &'j Job, question: &Question) -> Vec<&'j str> {
    question.apart.iter().map(|index| job.source.table().columns()[*index].name.as_str()).collect()
}

fn document(job: &Job, question: &Question, reply: &Reply) -> Value {
    let table = job.source.table();
    let has_before = reply.before.is_some();
    let group = |group: &Group, total: i128| {
        let mut found =
            json!({ "sum": decimal::text(group.sum), "rows": group.rows, "share": share(group.sum, total) });
        if has_before {
            found["previous"] = json!(decimal::text(group.before));
            found["change"] = json!(decimal::text(group.sum.saturating_sub(group.before)));
        }
        found
    };
    let section = |section: &Section| {
        let of: serde_json::Map<String, Value> = apart(job, question)
            .into_iter()
            .zip(&section.of)
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        let groups = section.groups.iter().map(|each| {
            let mut found = group(each, section.total);
            let names = question.by_names(table).into_iter().zip(&each.key);
            found["key"] = names.map(|(name, value)| (name.to_owned(), json!(value))).collect();
            found
        });
        let rest = section.rest.as_ref().map(|(count, rest)| {
            let mut found = group(rest, section.total);
            found["groups"] = json!(count);
            found
        });
        let days: serde_json::Map<String, Value> =
            section.days.iter().map(|(day, sum)| (day.to_string(), json!(decimal::text(*sum)))).collect();
        let mut found = json!({
            "of": of, "total": decimal::text(section.total), "groups": groups.collect::<Vec<_>>(), "rest": rest,
            "shown": decimal::text(section.shown()), "shown_share": share(section.shown(), section.total), "days": days,
        });
        if has_before {
            found["previous_total"] = json!(decimal::text(section.before));
        }
        found
    };
    let read = reply.read_at();
    let mut found = json!({
        "table": job.unit.table, "metric": question.measure_name(table), "by": question.by_names(table),
        "from": reply.window.map(|window| window.start()), "to": reply.window.map(|window| window.last()),
        "previous": reply.before.map(|before| json!({ "from": before.start(), "to": before.last() })),
        "read_at": read.map(|(oldest, newest)| json!({ "oldest": oldest, "newest": newest })),
        "days": flagged(reply.flags()), "previous_days": flagged(reply.flags_before()),
        "unknown_rows": reply.answer.unknown_rows, "previous_unknown_rows": reply.answer.unknown_before,
        "sections": reply.answer.sections.iter().map(section).collect::<Vec<_>>(),
    });
    if job.accounts.is_some() {
        found["accounts"] = accounts::documents(reply).into();
    }
    found
}

fn flagged(flags: Vec<(&'static str, Vec<NaiveDate>)>) -> Value {
    flags.into_iter().map(|(flag, days)| (flag.to_owned(), json!(days))).collect::<serde_json::Map<_, _>>().into()
}

/// A share of a total as decimal text with four decimals; `None` of nothing.
fn share(part: i128, total: i128) -> Option<String> {
    const DECIMALS: u32 = 4;
    decimal::ratio(part, total, DECIMALS).map(|share| decimal::text(share * 10_i128.pow(decimal::SCALE - DECIMALS)))
}

/// One line for each group; `others` is empty but in the line of all others together, where it says how many they are.
fn csv(job: &Job, question: &Question, reply: &Reply) -> String {
    let table = job.source.table();
    let mut header: Vec<&str> = question.by_names(table);
    let named: BTreeSet<&str> = header.iter().copied().collect();
    let is_new: Vec<bool> = apart(job, question).iter().map(|name| !named.contains(name)).collect();
    header.extend(apart(job, question).into_iter().filter(|name| !named.contains(name)));
    header.push(question.measure_name(table));
    if reply.before.is_some() {
        header.push("previous");
    }
    header.push(if question.measure == Measure::Rows { "row_count" } else { ROWS });
    header.push("others");
    let mut lines = vec![header.join(",")];
    for section in &reply.answer.sections {
        let line = |keys: Vec<String>, group: &Group, others: String| {
            let of =
                section.of.iter().zip(&is_new).filter(|(_, is_new)| **is_new).map(|(value, _)| field(value.as_deref()));
            let mut cells: Vec<String> = keys.into_iter().chain(of).collect();
            cells.push(decimal::text(group.sum));
            if reply.before.is_some() {
                cells.push(decimal::text(group.before));
            }
            cells.extend([group.rows.to_string(), others]);
            cells.join(",")
        };
        for group in &section.groups {
            let keys = group.key.iter().map(|value| field(value.as_deref())).collect();
            lines.push(line(keys, group, String::new()));
        }
        if let Some((count, rest)) = &section.rest {
            lines.push(line(vec![String::new(); question.by.len()], rest, count.to_string()));
        }
    }
    lines.join("\n")
}

/// A field as RFC 4180 writes it; NULL is nothing, the empty text is quoted.
fn field(text: Option<&str>) -> String {
    let Some(text) = text else { return String::new() };
    let is_plain = !text.is_empty() && !text.contains([',', '"', '\n', '\r']);
    if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

fn text(job: &Job, question: &Question, reply: &Reply, notes: &[String]) -> String {
    let table = job.source.table();
    let by = question.by_names(table);
    let by = if by.is_empty() { String::new() } else { format!(" by {}", by.join(", ")) };
    let Some(window) = reply.window else {
        let nothing = format!("{}  no data yet: `costlake run {}` fills it", job.unit.table, job.unit.table);
        let lines = painted(anstyle::Style::new(), &nothing).into_iter();
        return lines.chain(remarks(job, question, reply, notes)).collect::<Vec<_>>().join("\n");
    };
    let (first, last) = (window.start(), window.last());
    let days = if first == last { first.to_string() } else { format!("{first} to {last}") };
    let what = format!("{}{by}, {days}", question.measure_name(table));
    let mut lines = vec![screen::titled(&job.unit.table, &what)];
    if let Some(before) = reply.before {
        lines.push(format!("{DIM}earlier: {} to {}{DIM:#}", before.start(), before.last()));
    }
    for section in reply.answer.sections.iter().take(MOST_SECTIONS) {
        lines.push(String::new());
        lines.extend(figures::section(question, job, section, reply.before));
    }
    let more = reply.answer.sections.len().saturating_sub(MOST_SECTIONS);
    if more > 0 {
        let name = apart(job, question).first().copied().unwrap_or_default();
        lines.push(String::new());
        let said = format!("{more} more values of {name}: --where {name}=VALUE shows one");
        lines.extend(painted(anstyle::Style::new(), &said));
    }
    if reply.answer.sections.is_empty() {
        lines.push("\nno rows match".to_owned());
    }
    lines.push(String::new());
    lines.extend(remarks(job, question, reply, notes));
    lines.join("\n")
}

/// What an answer rests on: when its days were read, and which of them are not final and current.
fn remarks(job: &Job, question: &Question, reply: &Reply, notes: &[String]) -> Vec<String> {
    let grain = job.source.grain();
    let mut lines = Vec::new();
    if let Some((oldest, newest)) = reply.read_at() {
        let (oldest, newest) = (shown(oldest), shown(newest));
        let since = if oldest == newest { String::new() } else { format!("; its oldest day {oldest}") };
        lines.push(format!("{DIM}read {newest}{since}{DIM:#}"));
    }
    let (now, earlier) = if job.accounts.is_some() {
        (accounts::sentences(job, reply, false), accounts::sentences(job, reply, true))
    } else {
        let said = |(flag, days): &(&str, Vec<NaiveDate>)| sentence(grain, flag, days);
        let earlier = reply.flags_before();
        let earlier = earlier.iter().filter(|(flag, _)| *flag != "estimated").map(said).collect();
        (reply.flags().iter().map(said).collect(), earlier)
    };
    lines.extend(now.iter().flat_map(|said| painted(YELLOW, said)));
    lines.extend(earlier.iter().flat_map(|said| painted(YELLOW, &format!("of the earlier range: {said}"))));
    if reply.answer.unknown_rows > 0 {
        let measure = question.measure_name(job.source.table());
        let rows = plural(reply.answer.unknown_rows, "row");
        lines.extend(painted(anstyle::Style::new(), &format!("{rows} without a value of {measure}")));
    }
    if reply.answer.unknown_before > 0 {
        lines.push(format!("of the earlier range: {} without a value", plural(reply.answer.unknown_before, "row")));
    }
    if reply.answer.sections.iter().any(|section| section.of.first().is_some_and(|of| of.as_deref() == Some(MIXED))) {
        lines.push(format!("{YELLOW}{MIXED} is AWS's word for mixed units: such a sum means nothing{YELLOW:#}"));
    }
    lines.extend(notes.iter().flat_map(|note| painted(DIM, &format!("note: {note}"))));
    lines
}

/// The lines of a sentence.
fn painted(style: anstyle::Style, text: &str) -> Vec<String> {
    let lines = fit::fold(text, screen::width(), 2);
    lines.into_iter().map(|line| format!("{style}{line}{style:#}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{field, share};

    #[test]
    fn shares_are_rounded_to_four_decimals() {
        for (part, total, wanted) in [(1, 3, "0.3333"), (2, 3, "0.6667"), (-1, 3, "-0.3333"), (5, 5, "1"), (0, 7, "0")]
        {
            assert_eq!(share(part, total).as_deref(), Some(wanted), "{part} of {total}");
        }
        assert_eq!(share(1, 0), None);
    }

    #[test]
    fn fields_of_csv_are_quoted_where_they_must_be() {
        for (text, wanted) in [("a b", "a b"), ("a,b", "\"a,b\""), ("say \"x\"", "\"say \"\"x\"\"\""), ("", "\"\"")] {
            assert_eq!(field(Some(text)), wanted);
        }
        assert_eq!(field(None), "");
    }
}
