//! The in-process APIs, mainly Cost Explorer: answers page by page from the bill, with every fault of the real one.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use chrono::NaiveDate;
use costlake::clients::StubApi;
use costlake::error::{Error, Kind, Result};
use costlake::request::{Answer, Operation, Request};

use super::bill::{Day, text};
use super::savings;
use super::world::{Shared, World, lock, pause};

/// The fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    Throttled,
    Unavailable,
    /// No answer for 60 s, then the connection ends.
    Silence,
    /// No answer for 31 min: longer than an observation is valid.
    LongSilence,
    /// The page tokens are lost: pagination must restart.
    TokensLost,
    Cut,
    /// The next token leads to the same page again.
    PageTwice,
    /// The page returns the token it was requested with.
    TokenTwice,
    DayMissing,
    /// A total, or the groups, are a cent off.
    CentOff,
    Denied,
    /// The bill changes between two pages.
    RestatedBetween,
}

pub(super) const FLAWS: [Flaw; 12] = [
    Flaw::Throttled,
    Flaw::Unavailable,
    Flaw::Silence,
    Flaw::LongSilence,
    Flaw::TokensLost,
    Flaw::Cut,
    Flaw::PageTwice,
    Flaw::TokenTwice,
    Flaw::DayMissing,
    Flaw::CentOff,
    Flaw::Denied,
    Flaw::RestatedBetween,
];

/// Groups and empty days on one page.
const PAGE: usize = 3;
const CENT: i64 = 100_000_000;

/// The API as one writer sees it.
pub(super) fn answers(world: &Shared, writer: usize) -> StubApi {
    let world = world.clone();
    StubApi::by(move |request| {
        let world = world.clone();
        Box::pin(async move { answer(&world, writer, request).await })
    })
}

async fn answer(world: &Shared, writer: usize, request: Request) -> Result<Answer> {
    let flaw = {
        let mut world = lock(world);
        world.watch.asked(writer);
        draw(&mut world, &request)
    };
    pause(world, 1_500).await;
    let silence = match flaw {
        Some(Flaw::Silence) => Duration::from_secs(60),
        Some(Flaw::LongSilence) => Duration::from_secs(31 * 60),
        _ => Duration::ZERO,
    };
    if !silence.is_zero() {
        tokio::time::sleep(silence).await;
    }
    let answer = {
        let mut world = lock(world);
        let world = &mut *world;
        if flaw == Some(Flaw::RestatedBetween) {
            world.restate();
        }
        let event = world.event();
        match (failure(flaw), &request) {
            (error, Request::Operation(query)) => {
                world.note(|| {
                    format!("writer {writer} asks {} {:?}: {flaw:?}", query.purpose.window, query.text("NextPageToken"))
                });
                error.map_or_else(|| Ok(page(world, writer, query, flaw, event)), Err)
            }
            (error, Request::Call(get)) => {
                world.note(|| format!("writer {writer} asks {}: {flaw:?}", get.purpose.window));
                error.map_or_else(|| Ok(arriving(savings::answer(&world.bill, get), flaw)), Err)
            }
        }
    };
    pause(world, 200).await;
    answer
}

fn draw(world: &mut World, request: &Request) -> Option<Flaw> {
    if world.rng.u32(0..1_000) >= world.odds.api {
        return None;
    }
    let flaw = FLAWS[world.rng.usize(0..FLAWS.len())];
    // These end a run or outlast it, so only one in four is kept.
    let flaw =
        if matches!(flaw, Flaw::Denied | Flaw::LongSilence) && world.rng.u8(0..4) > 0 { Flaw::Throttled } else { flaw };
    let flaw = if request.is_charged() || savings::fits(flaw) { flaw } else { Flaw::Throttled };
    world.tally.count(format!("api: {flaw:?}"));
    Some(flaw)
}

/// The error in place of an answer.
fn failure(flaw: Option<Flaw>) -> Option<Error> {
    let (kind, words) = match flaw? {
        Flaw::Throttled => (Kind::Throttled, "slow down"),
        Flaw::Unavailable => (Kind::Unavailable, "out of service"),
        Flaw::Silence => (Kind::Unavailable, "no answer in time"),
        Flaw::TokensLost => (Kind::Restart, "the page tokens are lost"),
        Flaw::Denied => (Kind::Auth, "denied"),
        _ => return None,
    };
    Some(Error::new(kind, words))
}

/// The start of a page: a day and a service.
type Place = (NaiveDate, u8);

fn token_of(number: u64, (day, service): Place) -> String {
    format!("{number} {day} {service}")
}

fn place_of(query: &Operation) -> Place {
    let Some(token) = query.text("NextPageToken") else { return (query.purpose.window.start(), 0) };
    let parts: Vec<&str> = token.split(' ').collect();
    (parts[1].parse().expect("a day"), parts[2].parse().expect("a service"))
}

fn page(world: &mut World, writer: usize, query: &Operation, flaw: Option<Flaw>, event: u64) -> Answer {
    let body = if query.body.get("GroupBy").is_none() {
        totals(world, writer, query, flaw)
    } else {
        groups(world, writer, query, flaw, event)
    };
    arriving(body, flaw)
}

/// The part of an answer that arrives.
fn arriving(body: String, flaw: Option<Flaw>) -> Answer {
    let keep = if flaw == Some(Flaw::Cut) { body.len() / 2 } else { body.len() };
    Answer { status: 200, body: Bytes::from(body).slice(..keep), request_id: None, date: None, made_up: false }
}

fn period(day: NaiveDate, total: &str, groups: &str, estimated: bool) -> String {
    let next = day.succ_opt().expect("a next day");
    format!(
        r#"{{"TimePeriod":{{"Start":"{day}","End":"{next}"}},"Total":{{{total}}},"Groups":[{groups}],"Estimated":{estimated}}}"#
    )
}

fn cost(amount: i64) -> String {
    format!(r#""UnblendedCost":{{"Amount":"{}","Unit":"USD"}}"#, text(amount))
}

fn days(query: &Operation) -> impl Iterator<Item = NaiveDate> {
    let end = query.purpose.window.end();
    query.purpose.window.start().iter_days().take_while(move |day| *day < end)
}

fn totals(world: &mut World, writer: usize, query: &Operation, flaw: Option<Flaw>) -> String {
    let odd = (flaw == Some(Flaw::CentOff)).then(|| world.rng.usize(0..3));
    let missing = (flaw == Some(Flaw::DayMissing)).then(|| world.rng.usize(0..days(query).count()));
    let mut periods = Vec::new();
    for (index, day) in days(query).enumerate().filter(|(index, _)| Some(*index) != missing) {
        let now = world.tells(writer, day);
        // Off in the opposite direction to groups: the same fault in both answers would be undetectable.
        let total = now.total() - if odd == Some(index) { CENT } else { 0 };
        if !matches!(flaw, Some(Flaw::Cut | Flaw::DayMissing)) {
            world.watch.told_total(writer, day, total);
        }
        periods.push(period(day, &cost(total), "", now.estimated));
    }
    format!(r#"{{"ResultsByTime":[{}]}}"#, periods.join(","))
}

/// These days on one page of groups.
pub(super) fn told(days: &BTreeMap<NaiveDate, Day>) -> String {
    let all = days.iter().map(|(day, Day { costs, estimated })| {
        let shown: Vec<String> = costs.iter().map(|(service, amount)| group(*service, *amount, false)).collect();
        period(*day, "", &shown.join(","), *estimated)
    });
    body(&all.collect::<Vec<_>>(), "")
}

fn body(periods: &[String], token: &str) -> String {
    format!(
        r#"{{"GroupDefinitions":[{{"Type":"DIMENSION","Key":"SERVICE"}}],"ResultsByTime":[{}],"DimensionValueAttributes":[]{token}}}"#,
        periods.join(",")
    )
}

/// One page of groups. The next page starts at a day and service, so a day may span two pages.
fn groups(world: &mut World, writer: usize, query: &Operation, flaw: Option<Flaw>, event: u64) -> String {
    let begins = place_of(query);
    let odd = flaw == Some(Flaw::CentOff) || world.odds.disagrees;
    let mut room = PAGE;
    let mut next: Option<Place> = None;
    let mut periods = Vec::new();
    for day in days(query).skip_while(|day| *day < begins.0) {
        if room == 0 {
            next = Some((day, 0));
            break;
        }
        let Day { costs, estimated } = world.tells(writer, day);
        let from = if day == begins.0 { begins.1 } else { 0 };
        let mut rest = costs.range(from..);
        let shown: Vec<String> =
            rest.by_ref().take(room).map(|(service, amount)| group(*service, *amount, odd)).collect();
        room -= shown.len().max(1);
        periods.push(period(day, "", &shown.join(","), estimated));
        if let Some((service, _)) = rest.next() {
            next = Some((day, *service));
            break;
        }
    }
    let next = match flaw {
        Some(Flaw::PageTwice) => Some(begins),
        _ => next,
    };
    if flaw == Some(Flaw::DayMissing) {
        periods.pop();
    }
    let token = match (query.text("NextPageToken"), flaw) {
        (Some(token), Some(Flaw::TokenTwice)) => Some(token.to_owned()),
        _ => next.map(|next| token_of(event, next)),
    };
    world.watch.series(writer, query.purpose.window, token.is_some());
    let token = token.map(|token| format!(r#","NextPageToken":"{token}""#)).unwrap_or_default();
    body(&periods, &token)
}

fn group(service: u8, amount: i64, odd: bool) -> String {
    format!(r#"{{"Keys":["S{service}"],"Metrics":{{{}}}}}"#, cost(amount + if odd { CENT } else { 0 }))
}
