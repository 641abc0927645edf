use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Float64Array, StringArray};
use arrow::datatypes::DataType;
use proptest::collection::vec;
use proptest::{option, prop_assert_eq, proptest};

use super::{Answer, Order, Tally};
use crate::answer::{Grouping, Measure, Question};
use crate::decimal::text;
use crate::table::{Table, parse_schema};
use crate::window::{Window, next_day, parse_day};

const SCHEMA: &str = r#"[
    {"name": "usage_date", "type": "date", "nullable": false, "key": 1, "doc": "day"},
    {"name": "service", "type": "string", "nullable": true, "key": 2, "doc": "group"},
    {"name": "cost", "type": "decimal(38,12)", "nullable": true, "sums": "rows", "doc": "amount"},
    {"name": "value", "type": "double", "nullable": true, "sums": "unit", "doc": "amount"},
    {"name": "currency", "type": "string", "nullable": true, "doc": "unit"}
]"#;

fn table() -> Table {
    Table::new(parse_schema(SCHEMA).unwrap(), &[], &[])
}

fn question(measure: &str, by: &[&str], filters: &[&str]) -> Question {
    let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    Question::parse(&table(), Some(measure), &texts(by), &texts(filters)).unwrap()
}

/// Day of November 2026, service, cost in 10^-12, value, currency.
type Row = (i32, Option<&'static str>, Option<i128>, Option<f64>, Option<&'static str>);

/// 2026-11-01 as Arrow counts days.
const NOVEMBER: i32 = 20_758;

fn columns(question: &Question, rows: &[Row]) -> Vec<ArrayRef> {
    let costs = Decimal128Array::from_iter(rows.iter().map(|row| row.2)).with_data_type(DataType::Decimal128(38, 12));
    let all: [ArrayRef; 5] = [
        Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| NOVEMBER - 1 + row.0))),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1))),
        Arc::new(costs),
        Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.3))),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.4))),
    ];
    question.columns().into_iter().map(|index| Arc::clone(&all[index])).collect()
}

fn days(from: u32, last: u32) -> Window {
    let day = |day: u32| parse_day(&format!("2026-11-{day:02}")).unwrap();
    Window::new(day(from), next_day(day(last))).unwrap()
}

/// All days that rows are of here.
fn all() -> Window {
    Window::new(days(1, 1).start(), parse_day("2027-01-01").unwrap()).unwrap()
}

fn ask(question: &Question, now: Window, before: Option<Window>, most: Option<usize>, batches: &[&[Row]]) -> Answer {
    let mut tally = Tally::new(question, now, before);
    batches.iter().for_each(|rows| tally.add(all(), &columns(question, rows)).unwrap());
    tally.finish(Order { by_key: question.is_by_time(), most }).unwrap()
}

/// The groups of the only section, as `key sum before`.
fn groups(answer: &Answer) -> Vec<String> {
    let [section] = &answer.sections[..] else { panic!("{answer:?}") };
    let key = |key: &Vec<Option<String>>| {
        key.iter().map(|part| part.clone().unwrap_or("NULL".to_owned())).collect::<Vec<_>>().join("/")
    };
    section
        .groups
        .iter()
        .map(|group| format!("{} {} {}", key(&group.key), text(group.sum), text(group.before)))
        .collect()
}

const ONE: i128 = 1_000_000_000_000;

#[test]
fn doubles_are_added_as_the_decimals_that_they_stand_for() {
    let question = question("value", &[], &[]);
    let row = |value: f64| (1, None, None, Some(value), None);
    let rows: Vec<Row> = vec![row(0.1), row(0.2), row(1e-13), row(-5e-13), row(7e20)];
    let answer = ask(&question, days(1, 30), None, None, &[&rows]);
    assert_eq!(groups(&answer), [" 700000000000000000000.299999999999 0"], "0.1 + 0.2 - 10^-12");
    let odd = [row(f64::NAN), row(f64::INFINITY), (1, None, None, None, None), row(2.0)];
    let answer = ask(&question, days(1, 30), None, None, &[&odd]);
    assert_eq!((groups(&answer), answer.unknown_rows), (vec![" 2 0".to_owned()], 3));
}

#[test]
fn two_currencies_are_never_added() {
    let question = question("cost", &["service"], &[]);
    let row = |service, cost, currency| (3, Some(service), Some(cost), None, currency);
    let rows = [
        row("a", ONE, Some("USD")),
        row("a", 5 * ONE, Some("CNY")),
        row("b", 2 * ONE, Some("USD")),
        row("c", ONE, None),
    ];
    let answer = ask(&question, days(1, 30), None, None, &[&rows]);
    let totals: Vec<(Option<&str>, String)> =
        answer.sections.iter().map(|section| (section.of[0].as_deref(), text(section.total))).collect();
    let wanted = [(Some("CNY"), "5"), (Some("USD"), "3"), (None, "1")].map(|(of, sum)| (of, sum.to_owned()));
    assert_eq!(totals, wanted);
}

#[test]
fn an_earlier_range_stands_beside_and_may_overlap() {
    let question = question("cost", &["service"], &[]);
    let row = |day, service, cost: i128| (day, Some(service), Some(cost * ONE), None, Some("USD"));
    let rows = [row(1, "a", 1), row(2, "a", 2), row(3, "b", 4), row(4, "a", 8), row(9, "a", 100)];
    let (first, second) = rows.split_at(2);
    let answer = ask(&question, days(3, 4), Some(days(1, 2)), None, &[first, second]);
    assert_eq!(groups(&answer), ["a 8 3", "b 4 0"]);
    let answer = ask(&question, days(2, 4), Some(days(1, 3)), None, &[&rows]);
    assert_eq!(groups(&answer), ["a 10 3", "b 4 4"]);
    assert_eq!(answer.sections[0].days.values().map(|sum| sum / ONE).collect::<Vec<_>>(), [2, 4, 8]);
}

#[test]
fn rows_of_another_partition_are_refused() {
    let (question, rows) = (question("cost", &[], &[]), [(31, None, Some(ONE), None, None)]);
    let mut tally = Tally::new(&question, all(), None);
    let error = tally.add(days(1, 30), &columns(&question, &rows)).expect_err("December in November's object");
    assert!(error.report().contains("rows of 2026-12-01"), "{}", error.report());
}

#[test]
fn time_is_grouped_by_day_week_and_month() {
    let rows = [8, 9, 15, 16, 31].map(|day| (day, None, Some(ONE), None, Some("USD")));
    let by = |grouping| {
        let question = question("cost", &[grouping], &[]);
        let december = Window::new(days(1, 1).start(), parse_day("2027-01-01").unwrap()).unwrap();
        groups(&ask(&question, december, None, None, &[&rows]))
    };
    assert_eq!(by("month"), ["2026-11 4 0", "2026-12 1 0"]);
    assert_eq!(by("week"), ["2026-11-02 1 0", "2026-11-09 2 0", "2026-11-16 1 0", "2026-11-30 1 0"], "from Monday");
    assert_eq!(by("usage_date").first().map(String::as_str), Some("2026-11-08 1 0"));
    assert_eq!(question("cost", &["day"], &[]).by, [Grouping::Day]);
}

#[test]
fn a_filter_keeps_its_values_and_the_empty_one_keeps_null() {
    let row = |service, cost: i128| (1, service, Some(cost * ONE), None, Some("USD"));
    let rows = [row(Some("a"), 1), row(Some(""), 2), row(None, 4), row(Some("b"), 8)];
    for (filters, wanted) in [
        (&["service="][..], "6"),
        (&["service=a"], "1"),
        (&["service=a", "service=b"], "9"),
        (&["service=a", "currency=USD"], "1"),
        (&["service=a", "currency=EUR"], ""),
        (&["usage_date=2026-11-01"], "15"),
    ] {
        let answer = ask(&question("cost", &[], filters), days(1, 30), None, None, &[&rows]);
        let sums: Vec<String> = answer.sections.iter().map(|section| text(section.total)).collect();
        assert_eq!(sums.join(","), wanted, "{filters:?}");
    }
}

#[test]
fn groups_after_the_first_few_are_one() {
    let rows =
        [1, 5, 3, 2].map(|cost| (1, Some(["", "w", "x", "y", "", "z"][cost]), Some(cost as i128 * ONE), None, None));
    let answer = ask(&question("cost", &["service"], &[]), days(1, 30), None, Some(2), &[&rows]);
    assert_eq!(groups(&answer), ["z 5 0", "y 3 0"]);
    let (count, rest) = answer.sections[0].rest.clone().unwrap();
    assert_eq!((count, rest.sum / ONE, answer.sections[0].shown() / ONE), (2, 3, 8));
    let whole = ask(&question("cost", &["service"], &[]), days(1, 30), None, Some(4), &[&rows]);
    assert_eq!(whole.sections[0].rest, None);
}

#[test]
fn a_sum_that_is_too_large_is_an_error() {
    let largest = i128::MAX / 2;
    let rows = [(1, None, Some(largest), None, None), (1, None, Some(1), None, None)];
    let question = question("cost", &[], &[]);
    let mut tally = Tally::new(&question, days(1, 30), None);
    let error = tally.add(all(), &columns(&question, &rows)).expect_err("too large").report();
    assert!(error.contains("a sum is too large"), "{error}");
    let rows = [(1, None, None, Some(1e30), None)];
    let question = Question { measure: Measure::Column(3), apart: Vec::new(), ..question };
    let error = Tally::new(&question, days(1, 30), None).add(all(), &columns(&question, &rows)).expect_err("too large");
    assert!(error.report().contains("1e30"), "{}", error.report());
}

proptest! {
    /// However the rows are cut into batches, every row of the range is in exactly one group.
    #[test]
    fn groups_add_up_to_the_total(
        rows in vec((1..40_i32, option::of(0..4_usize), option::of(-1_000..1_000_i128)), 0..60),
        at in 0..60_usize, most in 0..4_usize,
    ) {
        let names = ["a", "b", "c", ""];
        let rows: Vec<Row> =
            rows.into_iter().map(|(day, name, cost)| (day, name.map(|name| names[name]), cost, None, Some("USD"))).collect();
        let (first, second) = rows.split_at(at.min(rows.len()));
        let answer = ask(&question("cost", &["service", "week"], &[]), days(5, 20), None, Some(most), &[first, second]);
        let inside = || rows.iter().filter(|row| (5..=20).contains(&row.0));
        let wanted: i128 = inside().filter_map(|row| row.2).sum();
        let sums = answer.sections.iter().map(|section| section.total).sum::<i128>();
        prop_assert_eq!(sums, wanted);
        let rest = answer.sections.iter().filter_map(|section| section.rest.as_ref());
        let counted = answer.sections.iter().flat_map(|section| &section.groups).map(|group| group.rows).sum::<u64>();
        let (others, shown) =
            rest.fold((0, 0), |(sum, rows), (_, group)| (sum + group.sum, rows + group.rows));
        prop_assert_eq!(answer.sections.iter().map(|section| section.shown()).sum::<i128>() + others, wanted);
        prop_assert_eq!(counted + shown + answer.unknown_rows, inside().count() as u64);
        let by_day = answer.sections.iter().flat_map(|section| section.days.values()).sum::<i128>();
        prop_assert_eq!(by_day, wanted);
    }
}
