//! Wrong clocks: this machine's, an earlier run's, and one set by COSTLAKE_NOW.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::cost_explorer::{DAILY, day, page};
use crate::support::done::Done;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};
use crate::support::ungrouped::periods;

/// One dollar a day, for every request.
fn answer(question: &Value) -> Reply {
    let results: Vec<Value> = periods(question).iter().map(|(start, _)| day(start, &[("EC2", "1")])).collect();
    let mut page = page(&results, None);
    if question["GroupBy"].is_null() {
        page["GroupDefinitions"] = json!([]);
        page["ResultsByTime"].as_array_mut().expect("results").iter_mut().for_each(|result| {
            result["Groups"] = json!([]);
            result["Total"] = json!({ "UnblendedCost": { "Amount": "1", "Unit": "USD" } });
        });
    }
    Reply::good(&page)
}

/// A lakehouse whose server dates every answer `ahead` of this machine's clock.
fn house(ahead: Option<TimeDelta>, begin: NaiveDate, refresh: &str) -> (Script, Lakehouse) {
    let script = Script::answering(move |asked| {
        let reply = answer(&asked.json());
        let date = |ahead: TimeDelta| (Utc::now() + ahead).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        ahead.map(date).iter().fold(reply, |reply, date| reply.with("date", date))
    })
    .with_totals();
    let mut house = Lakehouse::new(script.url(), "");
    house.unset("COSTLAKE_NOW");
    let window = format!("begin = \"{begin}\"\nrefresh = \"{refresh}\"");
    house.job("costs", &DAILY.replace("begin = \"2026-11-01\"\nrefresh = \"billing-close\"", &window));
    (script, house)
}

fn days_ago(count: u64) -> NaiveDate {
    Utc::now().date_naive() - chrono::Days::new(count)
}

fn instant(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[test]
fn a_clock_that_is_off_from_the_answers_pays_for_nothing_more() {
    for refresh in ["3 days", "probe"] {
        for (minutes, side) in [(120, "behind"), (-120, "ahead of")] {
            let (script, house) = house(Some(TimeDelta::minutes(minutes)), days_ago(3), refresh);
            let done = house.json(&["run"]);
            done.exits(1).says(side).says("the API's").says("set the clock");
            assert_eq!(script.take_asked().len(), 1, "{refresh}: nothing is asked after the first answer: {done}");
            assert!(house.objects().is_empty());
            let kind = &done.report()["fetches"][0]["failure"]["kind"];
            assert_eq!(kind, "clock", "{done}");
        }
    }
    for minutes in [50, -50] {
        house(Some(TimeDelta::minutes(minutes)), days_ago(3), "3 days").1.run_well();
    }
    let (_, mut house) = house(Some(TimeDelta::minutes(120)), days_ago(3), "3 days");
    house.set("COSTLAKE_NOW", &instant(Utc::now()));
    house.run_well();
}

#[test]
fn a_run_whose_only_answer_shows_a_wrong_clock_says_so() {
    let (script, house) = house(Some(TimeDelta::minutes(-120)), days_ago(3), "3 days");
    let ungrouped = "group_by = [{ dimension = \"SERVICE\" }]\n";
    let window = format!("begin = \"{}\"\nrefresh = \"3 days\"", days_ago(3));
    let text = DAILY.replace("begin = \"2026-11-01\"\nrefresh = \"billing-close\"", &window).replace(ungrouped, "");
    house.job("costs", &text);
    let done = house.json(&["run"]);
    assert!(script.take_asked().len() <= 2, "{done}");
    done.exits(1).says("ahead of the API's");
}

#[test]
fn a_table_of_real_runs_refuses_a_clock_that_is_set_ahead() {
    let (script, mut house) = house(None, days_ago(3), "3 days");
    house.run_well();
    let before = house.objects();
    script.take_asked();
    for ahead in [TimeDelta::hours(2), TimeDelta::days(900)] {
        house.set("COSTLAKE_NOW", &instant(Utc::now() + ahead));
        for command in [&["run"][..], &["backfill", "costs", "--from", "-3d", "--to", "-1d", "--yes"]] {
            let done = house.json(command);
            done.exits(2).says("COSTLAKE_NOW is").says("unset COSTLAKE_NOW, or try it on another --lake");
        }
    }
    assert_eq!((house.objects(), script.take_asked().len()), (before, 0), "nothing was asked or written");
    house.set("COSTLAKE_NOW", &instant(Utc::now() + TimeDelta::minutes(20)));
    house.run_well();
    house.set("COSTLAKE_NOW", &instant(Utc::now() + TimeDelta::days(2)));
    house.run_well();
}

fn at(house: &mut Lakehouse, now: &str, more: &[&str]) -> Done {
    house.set("COSTLAKE_NOW", now);
    house.json(&[&["run"], more].concat())
}

#[test]
fn a_clock_that_is_behind_reads_nothing_final_again_until_somebody_accepts_it() {
    for refresh in ["3 days", "probe"] {
        let (script, mut house) = house(None, "2026-08-01".parse().expect("a day"), refresh);
        at(&mut house, "2026-11-20T06:00:00Z", &[]).exits(0);
        script.take_asked();
        let behind = at(&mut house, "2026-10-16T06:00:00Z", &[]);
        behind
            .exits(1)
            .says("the table's newest run was at 2026-11-20T06:00:00Z")
            .says("costlake run costs --accept-clock");
        assert!(behind.report()["fetches"].as_array().expect("fetches").is_empty(), "{behind}");
        assert_eq!(behind.report()["failure"]["kind"], "clock", "{behind}");
        at(&mut house, "2026-10-17T06:00:00Z", &[]).exits(1);

        let accepted = at(&mut house, "2026-10-18T06:00:00Z", &["--accept-clock"]);
        accepted.exits(0).says("count as never");
        let read: u64 = accepted.report()["fetches"]
            .as_array()
            .expect("fetches")
            .iter()
            .map(|fetch| fetch["windows"].as_array().expect("windows").len() as u64)
            .sum();
        assert!(read >= 3, "August to October are read again: {accepted}");
        house.set("COSTLAKE_NOW", "2026-10-18T07:00:00Z");
        house.json(&["status", "--check"]).exits(0);
        let again = at(&mut house, "2026-10-01T06:00:00Z", &[]);
        again.exits(1).says("the table's newest run was at 2026-10-18T06:00:00Z");
        at(&mut house, "2026-10-19T06:00:00Z", &[]).exits(0);
        at(&mut house, "2026-11-21T06:00:00Z", &[]).exits(0);
    }
}

#[test]
fn what_a_clock_ahead_has_read_is_stale_and_read_again_by_the_right_one() {
    let (script, mut house) = house(None, "2026-10-01".parse().expect("a day"), "probe");
    at(&mut house, "2026-10-20T06:00:00Z", &[]).exits(0);
    at(&mut house, "2027-10-20T06:00:00Z", &[]).exits(0);
    house.set("COSTLAKE_NOW", "2026-10-21T06:00:00Z");
    house.json(&["status", "--check"]).exits(6).says("stale");
    script.take_asked();
    at(&mut house, "2026-10-21T06:00:00Z", &[]).exits(1);
    at(&mut house, "2026-10-21T06:00:00Z", &["--accept-clock"]).exits(0);
    house.json(&["status", "--check"]).exits(0);
    let read = |now: &str, house: &mut Lakehouse| at(house, now, &[]).exits(0).report()["fetches"].to_string();
    assert!(!read("2026-10-22T06:00:00Z", &mut house).contains("2026-10-01.."), "nothing is read twice");
    assert!(
        read("2026-10-28T06:00:00Z", &mut house).contains("2026-10-01.."),
        "the full read of the open month is back"
    );
}

#[test]
fn a_run_that_is_refused_for_its_clock_leaves_no_record_also_without_credentials() {
    let (_, mut house) = house(None, days_ago(3), "3 days");
    house.run_well();
    let ahead = instant(Utc::now() + TimeDelta::days(800));
    house.set("COSTLAKE_NOW", &ahead);
    house.unset("AWS_ACCESS_KEY_ID");
    let records = || {
        let days = std::fs::read_dir(house.lake().join("_costlake/costs/runs")).expect("a folder");
        let files = days.flat_map(|day| std::fs::read_dir(day.expect("a day").path()).expect("a folder"));
        files.count()
    };
    let before = records();
    for command in [&["run"][..], &["run"], &["plan"], &["check", "--online"]] {
        house.json(command).exits(2).says("the table's last run was made by the real clock");
        assert_eq!(records(), before, "{command:?}");
    }
}

#[test]
fn the_last_run_is_not_one_whose_clock_was_wrong_by_a_persons_word() {
    let (_, mut house) = house(None, "2026-10-01".parse().expect("a day"), "probe");
    at(&mut house, "2026-10-20T06:00:00Z", &[]).exits(0);
    at(&mut house, "2027-02-20T06:00:00Z", &[]).exits(0);
    at(&mut house, "2026-10-21T06:00:00Z", &["--accept-clock"]).exits(0);
    house.json(&["status", "--check"]).exits(0);
    house.set("COSTLAKE_NOW", "2026-10-21T07:00:00Z");
    house.unset("AWS_ACCESS_KEY_ID");
    house.json(&["run"]).exits(3);
    house.json(&["status", "--check"]).exits(6).says("its last run failed");
}
