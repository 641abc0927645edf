//! Datadog's cost endpoints: from parameters to an answer; only `routes` knows HTTP.
//!
//! | file | answers |
//! |---|---|
//! | `commitments` | list, savings and utilization of reservations and savings plans, from `spend` and `programs` |
//! | `coverage` | what of the machines ran under them, and where it did not |
//! | `query`, of texts that `cube` reads | cost by day and tag |
//! | `tags` | the keys that a query may group and filter by |
//! | `budgets` | the year's budgets beside what was spent and what is expected |
//! | `anomalies` | jumps of the bill |
//! | `integration`, `cost_accounts` | which accounts are set up, and how |
//!
//! Costs are those of the bill that Cost Explorer answers, as of the same clock, and so are the commitments at AWS: what
//! one API says of a savings plan or of reserved machines, the other says, too. Commitments at Azure, where there is no
//! bill, are a fixed set of programs; their spend is the same in all endpoints about commitments.

mod anomalies;
#[cfg(test)]
mod both_sides;
mod budgets;
mod commitments;
mod cost_accounts;
mod coverage;
mod cube;
mod integration;
mod programs;
mod query;
pub(super) mod routes;
mod spend;
mod tags;

use std::collections::HashMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use serde_json::{Value, json};

use crate::sandbox::amount;
use crate::sandbox::bill::Bill;
use crate::sandbox::catalog::COMPANY;
use crate::sandbox::dice::mix;

/// Query parameters by name; the values of a repeated one are joined by commas.
pub(super) type Parameters = HashMap<String, String>;

/// The company as a request finds it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Company<'a> {
    pub(super) bill: &'a Bill,
    pub(super) now: DateTime<Utc>,
}

impl Company<'_> {
    fn seed(&self) -> u64 {
        self.bill.seed
    }

    /// What tells the numbers of this organisation from the company's, whose is 0.
    fn number(&self) -> u64 {
        if self.bill.payer() == COMPANY { 0 } else { 1 + mix(&[self.seed(), 86]) % 8_999_999 }
    }

    fn today(&self) -> NaiveDate {
        self.now.date_naive()
    }
}

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// `None` for errors that are plain texts.
    title: Option<&'static str>,
    detail: Option<String>,
}

impl Refusal {
    /// An error in the JSON:API shape.
    pub(super) fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title: Some(title), detail: Some(detail.into()) }
    }

    fn invalid(detail: impl Into<String>) -> Self {
        Self::new(400, "Invalid Parameter", detail)
    }

    /// A 404 that says nothing more.
    fn not_found() -> Self {
        Self { status: 404, title: Some("Not Found"), detail: None }
    }

    /// A 400 whose errors are plain texts.
    fn plain(words: impl Into<String>) -> Self {
        Self { status: 400, title: None, detail: Some(words.into()) }
    }

    /// What is wrong, in words.
    fn words(self) -> String {
        self.detail.unwrap_or_default()
    }

    /// The error's body.
    pub(super) fn body(&self) -> Value {
        let detail = self.detail.as_deref();
        match (self.title, detail) {
            (None, words) => json!({ "errors": [words.unwrap_or_default()] }),
            (Some(title), None) => json!({ "errors": [{ "status": self.status.to_string(), "title": title }] }),
            (Some(title), Some(detail)) => {
                json!({ "errors": [{ "status": self.status.to_string(), "title": title, "detail": detail }] })
            }
        }
    }
}

/// A parameter's value; `None` if it is absent or empty.
fn optional<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

fn required<'a>(parameters: &'a Parameters, name: &str) -> Result<&'a str, Refusal> {
    optional(parameters, name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Refusal {
    Refusal::invalid(format!("missing required parameter \"{name}\" in \"query\""))
}

fn one_of(known: &[&str], name: &str, value: &str) -> Result<(), Refusal> {
    if known.iter().any(|known| known.eq_ignore_ascii_case(value)) {
        return Ok(());
    }
    Err(Refusal::invalid(format!("invalid parameter \"{name}\" in \"query\"; got {value:?}")))
}

/// The first UTC midnight at or after an instant in epoch milliseconds; `None` far from the present.
fn first_day_at_or_after(milliseconds: i64) -> Option<NaiveDate> {
    let instant = DateTime::from_timestamp_millis(milliseconds)?;
    let day = instant.date_naive();
    let whole = instant.time() == NaiveTime::MIN;
    let day = if whole { day } else { day.checked_add_days(Days::new(1))? };
    (1_990..2_200).contains(&chrono::Datelike::year(&day)).then_some(day)
}

/// The day of a parameter in epoch milliseconds.
fn day_of(text: &str, name: &str) -> Result<NaiveDate, Refusal> {
    text.parse().ok().and_then(first_day_at_or_after).ok_or_else(|| {
        Refusal::invalid(format!("invalid parameter \"{name}\" in \"query\"; expected Unix milliseconds, got {text:?}"))
    })
}

/// The days of the parameters `start` and `end`; `None` if both are absent, refused if one is.
fn window(parameters: &Parameters) -> Result<Option<(NaiveDate, NaiveDate)>, Refusal> {
    if optional(parameters, "start").is_none() && optional(parameters, "end").is_none() {
        return Ok(None);
    }
    let start = day_of(required(parameters, "start")?, "start")?;
    let end = day_of(required(parameters, "end")?, "end")?;
    if start >= end {
        return Err(Refusal::invalid("\"start\" must be before \"end\""));
    }
    Ok(Some((start, end)))
}

/// Midnight of a day in epoch milliseconds.
fn milliseconds(day: NaiveDate) -> i64 {
    day.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
}

/// The day some days before another.
fn days_before(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_sub_days(Days::new(days)).unwrap_or(day)
}

/// An amount in 1e-10 as the double nearest to it.
fn double(amount: i128) -> f64 {
    amount::text(amount).parse().unwrap_or_default()
}

fn dollars() -> Value {
    unit("money", 1, "dollar", "dollars", "$")
}

fn percent() -> Value {
    unit("percentage", 17, "percent", "percent", "%")
}

fn unit(family: &str, id: i64, name: &str, plural: &str, short_name: &str) -> Value {
    json!({ "family": family, "id": id, "name": name, "plural": plural, "scale_factor": 1.0, "short_name": short_name })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::{Company, Parameters, Refusal, window};
    use crate::sandbox::cost_explorer::CostExplorer;
    use crate::sandbox::reader::{at, day, read};

    /// The company of a Cost Explorer at a time.
    pub(super) fn company<'a>(ce: &'a CostExplorer, now: &str) -> Company<'a> {
        Company { bill: &ce.bill, now: at(now) }
    }

    pub(super) fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Midnight of a day in milliseconds, as text.
    pub(super) fn ms(text: &str) -> String {
        super::milliseconds(day(text)).to_string()
    }

    pub(super) fn numbers(values: &Value) -> Vec<f64> {
        values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    }

    /// Cost Explorer's sums of one metric by day and keys, as doubles.
    pub(super) fn billed(ce: &CostExplorer, query: &Value, now: &str, metric: &str) -> BTreeMap<(String, String), f64> {
        let sums = read(ce, query, now).into_iter();
        sums.map(|((start, keys), figures)| ((start, keys.join("|")), super::double(figures[metric]))).collect()
    }

    #[test]
    fn errors_have_the_three_shapes_of_the_real_ones() {
        let texts =
            [Refusal::new(400, "T", "d"), Refusal::not_found(), Refusal::plain("w")].map(|r| r.body().to_string());
        assert_eq!(
            texts,
            [
                r#"{"errors":[{"detail":"d","status":"400","title":"T"}]}"#,
                r#"{"errors":[{"status":"404","title":"Not Found"}]}"#,
                r#"{"errors":["w"]}"#,
            ]
        );
    }

    #[test]
    fn a_window_has_both_ends_in_order() {
        assert_eq!(window(&parameters(&[])).unwrap(), None);
        let (first, last) = (ms("2026-10-05"), ms("2026-10-07"));
        let whole = window(&parameters(&[("start", &first), ("end", &last)])).unwrap();
        assert_eq!(whole, Some((day("2026-10-05"), day("2026-10-07"))));
        for wrong in [
            vec![("start", &*first)],
            vec![("end", &*last)],
            vec![("start", &*last), ("end", &*first)],
            vec![("start", "soon"), ("end", &*last)],
            vec![("start", "1.7e12"), ("end", &*last)],
        ] {
            assert_eq!(window(&parameters(&wrong)).unwrap_err().status, 400, "{wrong:?}");
        }
    }
}
