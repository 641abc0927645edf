//! The clock jumps: back before the last run, back an hour, weeks and years ahead. The lake keeps its rows, and the
//! next run at the right time leaves the rows of an undisturbed run; a user must confirm that a clock was ahead.

use std::collections::BTreeMap;

use super::binary::{Tables, said};
use super::limits::Night;

/// Wrong clocks and the exit code of a run with each; the lake's last run was on the 1st of November and today is the
/// 3rd. The API has the right time and refuses requests for periods beyond the next month.
const WRONG: [(&str, &str, i32); 6] = [
    ("an hour before the last run", "2026-11-01T05:00:00Z", 0),
    ("a month before the last run", "2026-10-01T06:00:00Z", 1),
    ("before the table's first day", "2020-01-01T00:00:00Z", 1),
    ("three weeks ahead", "2026-11-24T06:00:00Z", 0),
    ("a year ahead", "2027-11-03T06:00:00Z", 1),
    ("ten years ahead", "2036-11-03T06:00:00Z", 1),
];

/// The rows of the only table, by day.
fn by_day(tables: &Tables) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in tables[0].values().flat_map(|held| &held.rows) {
        found.entry(row[..10].to_owned()).or_default().push(row.clone());
    }
    found
}

#[test]
fn a_clock_that_jumps_harms_nothing() {
    let night = Night::fall();
    let all = night.stage.path("all");
    night.run_well(&all);
    let (undisturbed, whole) = (by_day(&night.new), by_day(&night.tables(&all)));
    assert_eq!(undisturbed.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
    for (number, (what, now, code)) in WRONG.iter().enumerate() {
        let lake = night.lake(&format!("clock{number}"));
        let output = night.shell(&lake, &format!(r#"COSTLAKE_NOW={now} exec "$COSTLAKE" run"#));
        assert_eq!(output.status.code(), Some(*code), "{what}: {}", said(&output));
        assert!(said(&output).contains("clock: fixed to"), "{what}: the clock is not named: {}", said(&output));
        assert!(*code == 0 || said(&output).contains("what to do: "), "{what}: {}", said(&output));
        let found = night.tables(&lake);
        for (partition, old) in &night.old[0] {
            for (day, facts) in &old.footer.days {
                let held = found[0][partition].footer.days.get(day);
                assert!(held.is_some_and(|held| held.rows >= facts.rows), "{what}: rows of {day} are gone");
            }
        }
        if *now > "2026-11-03" {
            let output = night.shell(&lake, r#"exec "$COSTLAKE" run"#);
            assert_eq!(output.status.code(), Some(1), "{what}: {}", said(&output));
            assert!(said(&output).contains("--accept-clock"), "{what}: {}", said(&output));
            let output = night.shell(&lake, r#"exec "$COSTLAKE" run --accept-clock"#);
            assert_eq!(output.status.code(), Some(0), "{what}: {}", said(&output));
        }
        night.run_well(&lake);
        // The run with the wrong clock may have read a day that the undisturbed one did not: it has the API's rows.
        let found = by_day(&night.tables(&lake));
        for day in undisturbed.keys() {
            let rows = found.get(day);
            let as_read = rows == undisturbed.get(day) || rows == whole.get(day);
            assert!(as_read, "{what}: {day} is not as the API ever said it");
        }
        night.assert_books(&lake);
    }
}
