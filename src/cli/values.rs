//! `values`: what can stand in a grouping or a filter, as the API of a source knows it.

use std::path::Path;

use serde_json::json;

use crate::cents::Cents;
use crate::clients::Client;
use crate::error::{Error, Kind, Result, printable};
use crate::job::section::nearest;
use crate::job::{self, Job};
use crate::pipeline::Context;
use crate::pipeline::prepare::budget_of;
use crate::pipeline::retry::send_until_answered;
use crate::sources::values::{KnownValue, Listing};
use crate::sources::{self, Entry, REGISTRY};
use crate::text::plural;
use crate::window::{Window, days_before};

use super::args::{Global, Output};
use super::{client_config, context, progress, screen, select, tell_clock};

/// Days whose values are listed.
const DAYS: u64 = 30;
/// Most pages of one listing.
const MAX_PAGES: u64 = 100;

/// `costlake values`.
pub(super) async fn values(global: &Global, what: &str, job: Option<&str>, yes: bool) -> Result<u8> {
    progress::start(global);
    let (entry, key) = parse(what)?;
    let context = context(global, client_config(global), None).await?;
    tell_clock(context.clock);
    let today = context.clock.now().date_naive();
    let window = Window::new(days_before(today, DAYS), today)
        .ok_or_else(|| Error::new(Kind::Internal, "there are no days before today"))?;
    let listing = entry.values.and_then(|listings| (listings.of)(key, window)).ok_or_else(|| unknown(entry, key))?;
    let job = job_of(global, entry, job)?;
    // Of a job with accounts, the first one tells.
    let job = job.units().into_iter().next().unwrap_or(job);
    let most = most_pages(&context, &job).await?;
    if !yes && entry.provider.is_paid() {
        let (name, price) = (entry.provider.name, entry.provider.price_of(1));
        let pages = plural(most, "page");
        let priced = format!("{name} is asked for {key}: {price} USD a page, at most {pages}, which no budget counts.");
        if !screen::can_be_asked() {
            screen::tell(&priced);
        } else if !screen::ask(&format!("{priced} Go on?")) {
            return Ok(0);
        }
    }
    let client = context.clients.open(&job).await?;
    let (mut found, pages) = ask_all(&context, &client, &listing, most).await?;
    found.sort();
    found.dedup();
    let cents = entry.provider.price_of(pages);
    if global.output == Output::Json {
        screen::json(&json!({
            "source": entry.name, "key": key, "from": window.start(), "to": window.last(),
            "values": found, "requests": pages, "usd": cents.to_string(),
        }))?;
    } else {
        show(entry, &found, window, pages, cents);
    }
    Ok(0)
}

/// The source and the key of `SOURCE.KEY`.
fn parse(what: &str) -> Result<(&'static Entry, &str)> {
    let (name, key) = what.split_once('.').unwrap_or((what, ""));
    let listed = || REGISTRY.iter().filter(|entry| entry.values.is_some()).map(|entry| entry.name);
    let Some(entry) = sources::find(name) else {
        let hint = nearest(name, listed());
        let example = listed().next().unwrap_or_default();
        return Err(Error::new(Kind::Config, format!("unknown source `{name}`{hint}"))
            .advise(format!("write the name of a source, a dot and a key, such as {example}.SERVICE")));
    };
    if entry.values.is_none() {
        let names: Vec<&str> = listed().collect();
        return Err(Error::new(
            Kind::Config,
            format!("{name} has no groupings and filters whose values could be listed"),
        )
        .advise(format!("values can be listed of {}", names.join(", "))));
    }
    Ok((entry, key))
}

fn unknown(entry: &Entry, key: &str) -> Error {
    let keys: Vec<String> =
        entry.values.iter().flat_map(|listings| listings.keys).map(|key| format!("{}.{key}", entry.name)).collect();
    let what =
        if key.is_empty() { "the key is missing".to_owned() } else { format!("{} knows no `{key}`", entry.name) };
    Error::new(Kind::Config, what).advise(format!("write one of {}", keys.join(", ")))
}

/// The job whose account is asked: the named one, else the first of the source, else one without settings.
fn job_of(global: &Global, entry: &'static Entry, name: Option<&str>) -> Result<Job> {
    if let Some(name) = name {
        let (jobs, broken) = select(global, &[name.to_owned()])?;
        if let Some(broken) = broken.first() {
            return Err(Error::new(Kind::Config, broken.lines().join("; ")));
        }
        let job = jobs.into_iter().next().ok_or_else(|| Error::new(Kind::Config, format!("there is no job {name}")))?;
        if job.entry.provider.api != entry.provider.api {
            let words = format!("{name} reads {}, not {}", job.entry.provider.name, entry.provider.name);
            return Err(Error::new(Kind::Config, words).advise("name a job of the same API, or leave --job out"));
        }
        return Ok(job);
    }
    let own = own_job(global, entry)?;
    match (own, entry.jobs.first()) {
        (Some(job), _) => {
            screen::tell(&format!("asked with the settings of the job {}", job.unit.table));
            Ok(job)
        }
        (None, Some((name, text))) => job::parse(&Path::new("jobs").join(format!("{name}.toml")), text)
            .map_err(|_| Error::new(Kind::Internal, "a shipped job is broken")),
        (None, None) => Err(Error::new(Kind::Internal, "a source without a job")),
    }
}

/// The first job of a source in the jobs folder; none if there is no such folder.
fn own_job(global: &Global, entry: &Entry) -> Result<Option<Job>> {
    if !global.jobs.is_dir() {
        return Ok(None);
    }
    let (jobs, _) = job::load_all(&global.jobs)?;
    Ok(jobs.into_iter().find(|job| job.entry.name == entry.name))
}

/// The most pages that one listing may have: no more requests than a run of the job may send now.
async fn most_pages(context: &Context, job: &Job) -> Result<u64> {
    let budget = budget_of(context, job, context.clock.now()).await?;
    Ok(budget.cap().map_or(MAX_PAGES, |cap| cap.min(MAX_PAGES)))
}

async fn ask_all(context: &Context, client: &Client, listing: &Listing, most: u64) -> Result<(Vec<KnownValue>, u64)> {
    let (mut found, mut asked, mut pages) = (Vec::new(), Vec::new(), 0);
    let mut next = Some(listing.first.clone());
    while let Some(request) = next.take() {
        if pages == most {
            let words = format!("there are more values than {} can hold", plural(most, "page"));
            return Err(if most < MAX_PAGES {
                Error::new(Kind::Budget, words).advise("raise the `budget` of the job, or name another one with --job")
            } else {
                Error::new(Kind::BadAnswer, words).at("request", &request)
            });
        }
        let paid = |error: Error| if pages == 0 { error } else { error.at("pages read", pages) };
        let sent = send_until_answered(client, context.retries, &context.cancel, &request).await;
        let answer = sent.map_err(paid)?;
        pages += 1;
        let (values, following) = (listing.read)(&request, &answer).map_err(|error| error.at("request", &request))?;
        found.extend(values);
        asked.push(request);
        if following.as_ref().is_some_and(|next| asked.contains(next)) {
            return Err(Error::new(Kind::BadAnswer, "the pages of the values lead in a circle"));
        }
        next = following;
    }
    Ok((found, pages))
}

fn show(entry: &Entry, found: &[KnownValue], window: Window, pages: u64, cents: Cents) {
    for known in found {
        let value = if known.value.is_empty() { "(empty: without one)" } else { &known.value };
        match &known.description {
            Some(description) => screen::folded(&printable(&format!("{value}  {description}")), 4),
            None => screen::out(&printable(value)),
        }
    }
    let price = if entry.provider.is_paid() { format!(", {cents} USD") } else { String::new() };
    let pages = plural(pages, "request");
    screen::tell(&format!("{} of {window} ({pages}{price})", plural(found.len() as u64, "value")));
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_source_without_listings_and_an_unknown_one_are_told() {
        for (what, wanted) in [
            ("aws_cost_and_usag.SERVICE", "unknown source `aws_cost_and_usag` (did you mean `aws_cost_and_usage`?)"),
            ("datadog_savings.x", "datadog_savings has no groupings and filters whose values could be listed"),
        ] {
            assert_eq!(parse(what).expect_err(what).message(), wanted);
        }
        let (entry, key) = parse("aws_cost_and_usage.tag.a.b").expect("a key");
        assert_eq!((entry.name, key), ("aws_cost_and_usage", "tag.a.b"));
    }
}
