//! Fixtures in, rows out. The answers in `fixtures/` are made up, in the API's format.

use std::sync::Arc;

use arrow::util::display::array_value_to_string;
use bytes::Bytes;

use crate::error::{Kind, Result};
use crate::job::section::{Problems, Section};
use crate::request::{Answer, Request};
use crate::sources::{Fetched, Source};
use crate::window::{Window, parse_day};

use super::ENTRY;

const BY_TAG: [&str; 2] = [include_str!("fixtures/by_tag_page_1.json"), include_str!("fixtures/by_tag_page_2.json")];
const MONTHLY: &str = include_str!("fixtures/monthly_totals.json");

fn source(text: &str) -> Arc<dyn Source> {
    let table: toml::Table = text.parse().expect("TOML");
    let problems = Problems::default();
    let source = (ENTRY.build)(&Section::new("source", Some(&table), &problems));
    assert!(problems.is_empty(), "{:?}", problems.into_list());
    source.expect("a source")
}

fn by_tag() -> Arc<dyn Source> {
    source(
        "granularity = 'DAILY'\nmetrics = ['UnblendedCost', 'UsageQuantity']\n\
         group_by = [{ tag = 'team' }, { dimension = 'LINKED_ACCOUNT' }]",
    )
}

fn window(start: &str, end: &str) -> Window {
    Window::new(parse_day(start).expect("a day"), parse_day(end).expect("a day")).expect("a window")
}

/// Reads `pages` as the answers to the source's own requests.
fn read(source: &dyn Source, window: Window, pages: &[&str]) -> Result<Fetched> {
    let mut reader = source.reader(&[window]);
    let mut requests = source.requests(&[window]);
    for page in pages {
        let request = requests.pop().expect("a request for every page");
        let answer = Answer {
            status: 200,
            body: Bytes::copy_from_slice(page.as_bytes()),
            request_id: None,
            date: None,
            made_up: false,
        };
        requests.extend(reader.read(&request, &answer)?);
    }
    assert!(requests.is_empty(), "every request is answered");
    reader.finish()
}

fn shown(fetched: &Fetched) -> Vec<String> {
    let rows = &fetched.rows;
    let row = |row| {
        let cell = |column: &arrow::array::ArrayRef| array_value_to_string(column, row).expect("a value");
        rows.columns().iter().map(cell).collect::<Vec<_>>().join("|")
    };
    (0..rows.num_rows()).map(row).collect()
}

#[test]
fn a_day_cut_over_two_pages_keeps_every_digit_and_every_tag() {
    let source = by_tag();
    let columns: Vec<&str> = source.table().columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(
        columns.join("|"),
        "usage_date|estimated|tag_team|linked_account|linked_account_name|unblended_cost|usage_quantity|currency|usage_quantity_unit"
    );
    let fetched = read(source.as_ref(), window("2026-10-01", "2026-10-04"), &BY_TAG).expect("rows");
    assert_eq!(
        shown(&fetched),
        [
            "2026-10-01|false||000000000012|Twelve|12.345678901200|3.500000000000|USD|N/A",
            "2026-10-01|false|a$b=\"c\" \\ ☃|123456789012|Data \"lake\"|-0.000000000100|0.000000120000|USD|Hrs",
            "2026-10-02|true|web|000000000012|Twelve|1.000000000000|0.000000000000|USD|",
            "2026-10-02|true||123456789012|Data \"lake\"|2.500000000000|4.000000000000|USD|GB",
        ]
    );
    assert_eq!((fetched.slots.len(), fetched.estimated.len(), fetched.page_rows), (3, 2, 3));
}

#[test]
fn the_second_page_is_asked_for_with_the_token_of_the_first() {
    let source = by_tag();
    let window = window("2026-10-01", "2026-10-04");
    let mut reader = source.reader(&[window]);
    let answer = Answer {
        status: 200,
        body: Bytes::from_static(BY_TAG[0].as_bytes()),
        request_id: None,
        date: None,
        made_up: false,
    };
    let next = reader.read(&source.requests(&[window])[0], &answer).expect("a page");
    let [Request::Operation(next)] = &next[..] else { panic!("{next:?}") };
    assert_eq!(next.text("NextPageToken"), Some("made-up-token"));
}

#[test]
fn totals_are_a_row_per_month() {
    let source = source("granularity = 'MONTHLY'\nmetrics = ['UnblendedCost', 'UsageQuantity']");
    let fetched = read(source.as_ref(), window("2026-09-01", "2026-11-01"), &[MONTHLY]).expect("rows");
    assert_eq!(
        shown(&fetched),
        [
            "2026-09-01|false|9312771.098461578000|10.000000000000|USD|N/A",
            "2026-10-01|true|0.000000000000|0.000000000000|USD|N/A",
        ]
    );
}

#[test]
fn the_value_of_a_product_attribute_is_what_follows_the_first_dollar_sign() {
    let source = source(
        "granularity = 'DAILY'\nmetrics = ['UsageQuantity', 'PublicOnDemandCost', 'UnblendedCost']\n\
         group_by = [{ product_attribute = 'model' }, { product_attribute = 'inferenceType' }]",
    );
    let columns: Vec<&str> = source.table().columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(
        columns.join("|"),
        "usage_date|estimated|product_attribute_model|product_attribute_inferencetype|unblended_cost|\
         public_on_demand_cost|usage_quantity|currency|usage_quantity_unit"
    );
    let group = |model: &str, kind: &str| {
        format!(
            r#"{{"Keys":["{model}","{kind}"],"Metrics":{{"UnblendedCost":{{"Amount":"1.5","Unit":"USD"}},
            "PublicOnDemandCost":{{"Amount":"2","Unit":"USD"}},"UsageQuantity":{{"Amount":"7","Unit":"1K tokens"}}}}}}"#
        )
    };
    let page = |groups: &[String]| {
        format!(
            r#"{{"ResultsByTime":[{{"TimePeriod":{{"Start":"2026-10-01","End":"2026-10-02"}},"Total":{{}},"Groups":[{}],
            "Estimated":true}}],"GroupDefinitions":[{{"Type":"PRODUCT_ATTRIBUTE","Key":"model"}},
            {{"Type":"PRODUCT_ATTRIBUTE","Key":"inferenceType"}}]}}"#,
            groups.join(",")
        )
    };
    let window = window("2026-10-01", "2026-10-02");
    let groups = [
        group("model$Claude Sonnet 5", "inferenceType$Input tokens"),
        group("model$", "inferenceType$"),
        group("model$a$b", "inferenceType$Output tokens"),
    ];
    assert_eq!(
        shown(&read(source.as_ref(), window, &[&page(&groups)]).expect("rows")),
        [
            "2026-10-01|true|Claude Sonnet 5|Input tokens|1.500000000000|2.000000000000|7.000000000000|USD|1K tokens",
            "2026-10-01|true|||1.500000000000|2.000000000000|7.000000000000|USD|1K tokens",
            "2026-10-01|true|a$b|Output tokens|1.500000000000|2.000000000000|7.000000000000|USD|1K tokens",
        ]
    );
    let other = page(&[group("Model$x", "inferenceType$y")]);
    let refused = format!("{:?}", read(source.as_ref(), window, &[&other]).expect_err("a refusal"));
    assert!(refused.contains("is not of the PRODUCT_ATTRIBUTE asked for"), "{refused}");
}

#[test]
fn every_cost_is_money_in_one_currency_and_adds_up_to_the_total() {
    let names: Vec<&str> = super::params::METRICS.iter().map(|metric| metric.name).collect();
    let source = source(&format!("granularity = 'DAILY'\nmetrics = {names:?}"));
    let columns: Vec<&str> = source.table().columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(
        columns.join("|"),
        "usage_date|estimated|unblended_cost|blended_cost|amortized_cost|net_unblended_cost|net_amortized_cost|\
         billed_cost|contracted_cost|list_cost|public_equivalent_billed_cost|public_on_demand_cost|usage_quantity|\
         normalized_usage_amount|currency|usage_quantity_unit|normalized_usage_amount_unit"
    );
    let enforced = source.totals().expect("totals").enforced();
    assert_eq!(enforced, columns[2..12], "all but the two quantities");
    let amounts: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let unit = if index < 10 { "EUR" } else { "Hrs" };
            format!(r#""{name}":{{"Amount":"{index}.5","Unit":"{unit}"}}"#)
        })
        .collect();
    let page = format!(
        r#"{{"ResultsByTime":[{{"TimePeriod":{{"Start":"2026-10-01","End":"2026-10-02"}},"Total":{{{}}},"Estimated":false}}]}}"#,
        amounts.join(",")
    );
    let fetched = read(source.as_ref(), window("2026-10-01", "2026-10-02"), &[&page]).expect("rows");
    let values: Vec<String> = (0..12).map(|index| format!("{index}.500000000000")).collect();
    assert_eq!(shown(&fetched), [format!("2026-10-01|false|{}|EUR|Hrs|Hrs", values.join("|"))]);
}

/// Tables that were made before there were more metrics are still those of their jobs.
#[test]
fn the_fingerprint_names_metrics_in_the_order_of_the_columns() {
    let seven = "'NormalizedUsageAmount', 'UsageQuantity', 'NetAmortizedCost', 'NetUnblendedCost', 'AmortizedCost', \
                 'BlendedCost', 'UnblendedCost'";
    let source = source(&format!("granularity = 'DAILY'\nmetrics = [{seven}]\ngroup_by = [{{ tag = 'team' }}]"));
    let wanted = [
        ("granularity", "DAILY"),
        (
            "metrics",
            "UnblendedCost,BlendedCost,AmortizedCost,NetUnblendedCost,NetAmortizedCost,UsageQuantity,NormalizedUsageAmount",
        ),
        ("group_by", r#"["TAG:team"]"#),
    ];
    assert_eq!(source.fingerprint(), wanted.map(|(name, text)| (name, text.to_owned())));
}

#[test]
fn a_total_without_groups_is_no_empty_day() {
    let lost = BY_TAG[1].replace("\"Amount\": \"0\", \"Unit\": \"USD\"", "\"Amount\": \"7\", \"Unit\": \"USD\"");
    let refused =
        read(by_tag().as_ref(), window("2026-10-01", "2026-10-04"), &[BY_TAG[0], &lost]).expect_err("a refusal");
    assert_eq!(refused.kind(), Kind::BadAnswer);
    assert!(refused.message().contains("a total but no groups for 2026-10-03"), "{refused}");
}

#[test]
fn a_day_whose_flag_changes_between_two_pages_is_read_again() {
    let torn = BY_TAG[1].replacen("\"Estimated\": true", "\"Estimated\": false", 1);
    assert_ne!(torn, BY_TAG[1]);
    let refused =
        read(by_tag().as_ref(), window("2026-10-01", "2026-10-04"), &[BY_TAG[0], &torn]).expect_err("a refusal");
    assert_eq!(refused.kind(), Kind::Restart);
    assert!(refused.message().contains("2026-10-02 is an estimate on one page and not on another"), "{refused}");
}

#[test]
fn a_day_that_is_missing_or_was_not_asked_for_is_refused() {
    for (start, end, words) in [
        ("2026-10-01", "2026-10-05", "no period for 2026-10-04"),
        ("2026-10-02", "2026-10-04", "has the period 2026-10-01, which was not asked for"),
    ] {
        let refused = read(by_tag().as_ref(), window(start, end), &BY_TAG).expect_err("a refusal");
        assert!(refused.message().contains(words), "{refused}");
    }
}

/// Three days by tag with one group each: its key and currency.
fn days_by_tag(days: [(&str, &str); 3]) -> Result<Fetched> {
    let source = source("granularity = 'DAILY'\nmetrics = ['UnblendedCost']\ngroup_by = [{ tag = 'team' }]");
    let results = days.iter().enumerate().map(|(index, (key, currency))| {
        format!(
            r#"{{"TimePeriod":{{"Start":"2026-10-0{}","End":"2026-10-0{}"}},"Groups":[{{"Keys":["{key}"],
            "Metrics":{{"UnblendedCost":{{"Amount":"0","Unit":"{currency}"}}}}}}],"Estimated":false}}"#,
            index + 1,
            index + 2
        )
    });
    let page = format!(r#"{{"ResultsByTime":[{}]}}"#, results.collect::<Vec<_>>().join(","));
    read(source.as_ref(), window("2026-10-01", "2026-10-04"), &[&page])
}

#[test]
fn a_key_of_another_tag_is_no_value_of_the_one_asked_for() {
    let values = |key| {
        let fetched = days_by_tag([(key, "USD"), ("team$", "USD"), ("team$a$b", "USD")]);
        fetched.map(|fetched| shown(&fetched)[0].split('|').nth(2).expect("a tag").to_owned())
    };
    for (key, value) in [("team$team$x", "team$x"), ("team$$", "$"), ("team$", "")] {
        assert_eq!(values(key).expect("rows"), value, "{key}");
    }
    for key in ["Team$web", "project$web", "web", "team", "", "$web", " team$web", "teams$web"] {
        let refused = values(key).expect_err(key);
        assert_eq!(refused.kind(), Kind::BadAnswer);
        let words = format!("{refused:?}");
        assert!(words.contains("is not of the TAG asked for"), "{words}");
    }
}

#[test]
fn days_of_one_answer_may_have_different_currencies() {
    let currencies = |units: [&'static str; 3]| {
        let fetched = days_by_tag(units.map(|unit| ("team$web", unit))).expect("rows");
        let of_row = |row: &String| row.rsplit('|').next().expect("a currency").to_owned();
        (shown(&fetched).iter().map(of_row).collect::<Vec<_>>(), fetched.currencies.len())
    };
    assert_eq!(currencies(["USD", "EUR", "EUR"]), (vec!["USD".to_owned(), "EUR".to_owned(), "EUR".to_owned()], 3));
    let filled = currencies(["N/A", "USD", "N/A"]);
    assert_eq!(filled, (vec!["USD".to_owned(); 3], 1), "a day that names none has that of the nearest one");
}

#[test]
fn one_day_has_one_currency() {
    let torn = BY_TAG[1].replacen("USD", "EUR", 1);
    let refused =
        read(by_tag().as_ref(), window("2026-10-01", "2026-10-04"), &[BY_TAG[0], &torn]).expect_err("a refusal");
    assert_eq!(refused.kind(), Kind::BadAnswer);
    assert!(refused.message().contains("the costs of 2026-10-02 are in USD and in EUR"), "{refused}");
}
