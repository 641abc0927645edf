//! Cron firings in every time zone: none lost and none doubled across changes of the local clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use costlake::job::{Schedule, parse};
use costlake::scheduler::cron::{due, firings, next};

fn schedule(cron: &str, zone: &str) -> Schedule {
    let text = format!(
        "schedule = {{ cron = \"{cron}\", timezone = \"{zone}\" }}\nsource = {{ type = \"datadog_ccm_config\" }}\n"
    );
    parse(Path::new("a_job.toml"), &text).expect("a job").schedule.expect("a schedule")
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn offset(zone: Tz, at: DateTime<Utc>) -> i32 {
    zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()
}

/// One change of a zone's UTC offset.
struct Change {
    zone: Tz,
    at: DateTime<Utc>,
}

/// The changes of every zone's clock in these years, without duplicates: zones with the same local time and the same
/// step count once.
fn changes(years: std::ops::Range<i32>) -> Vec<Change> {
    let mut found: BTreeMap<(NaiveDateTime, i32, i32), Change> = BTreeMap::new();
    let instant = |year| NaiveDate::from_ymd_opt(year, 1, 1).expect("a day").and_time(chrono::NaiveTime::MIN).and_utc();
    for zone in chrono_tz::TZ_VARIANTS {
        let (mut day, end) = (instant(years.start), instant(years.end));
        while day < end {
            let (before, after) = (offset(zone, day), offset(zone, day + Duration::days(1)));
            if before != after {
                let quarters = (1..=96).map(|quarter| day + Duration::minutes(15 * quarter));
                let first = quarters.into_iter().find(|at| offset(zone, *at) != before).expect("the change");
                let reading = first.naive_utc() + Duration::seconds(before.into());
                let fraction = before.rem_euclid(3600);
                found.entry((reading, after - before, fraction)).or_insert(Change { zone, at: first });
            }
            day += Duration::days(1);
        }
    }
    found.into_values().collect()
}

fn days_of(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> BTreeSet<NaiveDate> {
    let hours = (0..=(to - from).num_hours()).map(|hour| from + Duration::hours(hour));
    hours.map(|at| at.with_timezone(&zone).date_naive()).collect()
}

/// A fixed time fires once every local day, at the given time if the clock shows that time on the day.
fn check_fixed(change: &Change, cron: &str, time: chrono::NaiveTime) {
    let schedule = schedule(cron, change.zone.name());
    let (from, to) = (change.at - Duration::days(2), change.at + Duration::days(2));
    let found: Vec<DateTime<Tz>> = firings(&schedule, from, to).collect();
    assert!(found.is_sorted_by(|a, b| a < b), "{} {cron} at {}: {found:?}", change.zone, change.at);
    let days: Vec<NaiveDate> = found.iter().map(DateTime::date_naive).collect();
    let mut whole = days_of(change.zone, from, to);
    let (first, last) = (whole.pop_first(), whole.pop_last());
    let inner: Vec<NaiveDate> = days.iter().copied().filter(|day| Some(*day) != first && Some(*day) != last).collect();
    assert_eq!(inner, whole.into_iter().collect::<Vec<_>>(), "{} {cron} at {}", change.zone, change.at);
    for slot in found {
        let wanted = change.zone.from_local_datetime(&slot.date_naive().and_time(time)).earliest();
        if let Some(wanted) = wanted {
            assert_eq!(slot, wanted, "{} {cron}", change.zone);
        }
    }
}

/// A repeating expression fires at every instant whose local time matches, and at no other.
fn check_repeating(change: &Change) {
    let schedule = schedule("*/30 * * * *", change.zone.name());
    let (from, to) = (change.at - Duration::hours(4), change.at + Duration::hours(4));
    let found: Vec<DateTime<Utc>> = firings(&schedule, from, to).map(|at| at.to_utc()).collect();
    let minutes = (1..=(to - from).num_minutes()).map(|minute| from + Duration::minutes(minute));
    let wanted: Vec<DateTime<Utc>> = minutes
        .filter(|at| {
            let shown = at.with_timezone(&change.zone);
            shown.minute() % 30 == 0 && shown.second() == 0
        })
        .collect();
    assert_eq!(found, wanted, "{} at {}", change.zone, change.at);
}

#[test]
fn no_change_of_any_clock_loses_or_doubles_a_slot() {
    let changes = changes(2018..2038);
    assert!(changes.len() > 50, "only {} changes", changes.len());
    eprintln!("{} changes", changes.len());
    for change in &changes {
        check_fixed(change, "30 2 * * *", chrono::NaiveTime::from_hms_opt(2, 30, 0).expect("a time"));
        check_fixed(change, "0 0 * * *", chrono::NaiveTime::MIN);
        check_repeating(change);
    }
}

#[test]
fn the_gap_and_the_repeated_hour_of_new_york() {
    let fixed = schedule("30 2 * * *", "America/New_York");
    let told = |from: &str, to: &str, schedule: &Schedule| -> Vec<String> {
        firings(schedule, at(from), at(to)).map(|at| at.format("%m-%d %H:%M%:z").to_string()).collect()
    };
    let spring = told("2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z", &fixed);
    assert_eq!(spring, ["03-08 03:00-04:00", "03-09 02:30-04:00"]);
    let both = told("2026-11-01T04:30:00Z", "2026-11-01T07:00:00Z", &schedule("*/30 * * * *", "America/New_York"));
    assert_eq!(
        both,
        ["11-01 01:00-04:00", "11-01 01:30-04:00", "11-01 01:00-05:00", "11-01 01:30-05:00", "11-01 02:00-05:00"]
    );
    let once = told("2026-10-31T12:00:00Z", "2026-11-02T05:00:00Z", &schedule("30 1 * * *", "America/New_York"));
    assert_eq!(once, ["11-01 01:30-04:00"]);
}

#[test]
fn missed_slots_are_one() {
    let nightly = schedule("30 6 * * *", "Europe/Berlin");
    let newest = due(&nightly, at("2026-01-01T00:00:00Z"), at("2026-11-20T05:30:00Z"));
    assert_eq!(newest.map(|slot| slot.to_utc()), Some(at("2026-11-20T05:30:00Z")));
    assert_eq!(due(&nightly, at("2026-11-20T05:30:00Z"), at("2026-11-21T05:29:59Z")), None);
    assert_eq!(next(&nightly, at("2026-11-20T05:30:00Z")), Some(at("2026-11-21T05:30:00Z")));
    // Two years of a schedule of every minute are not iterated: that would take minutes.
    let often = schedule("* * * * *", "UTC");
    let newest = due(&often, at("2024-11-20T00:00:00Z"), at("2026-11-20T05:30:30Z"));
    assert_eq!(newest.map(|slot| slot.to_utc()), Some(at("2026-11-20T05:30:00Z")));
    let yearly = schedule("0 0 29 2 *", "UTC");
    let newest = due(&yearly, at("2020-01-01T00:00:00Z"), at("2026-11-20T05:30:00Z"));
    assert_eq!(newest.map(|slot| slot.to_utc()), Some(at("2024-02-29T00:00:00Z")));
}
