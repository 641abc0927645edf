//! `GetAnomalies`: the spikes of the bill, a meter's cost on one day far above what was expected.
//!
//! An anomaly is found on the day after it began, with what has arrived of it by then, and grows with the bill until all
//! of it has arrived; its identifier stays. Figures are doubles, as the service answers them, in whole cents.
//! Whether `EndDate` belongs to the interval is not documented; here it does.

use chrono::{Days, NaiveDate};
use serde::Deserialize;
use serde_json::{Value, json};

use super::amount::{ONE, share};
use super::bill::Bill;
use super::charges::spike;
use super::dice::uuid;
use super::dice::{chance, hex, mix};
use super::fault::Fault;
use super::lines::Line;
use super::meters::Rhythm;
use super::question::{Question, date, with_token};
use super::request::Metric;

/// Cost above the expected from which a spike is an anomaly, in 1e-10 USD.
const LEAST_IMPACT: i64 = 40 * ONE;

/// Anomalies per page, if not asked otherwise.
const USUAL_PAGE: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireInterval {
    start_date: String,
    end_date: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImpactFilter {
    numeric_operator: String,
    start_value: f64,
    #[serde(default)]
    end_value: f64,
}

impl ImpactFilter {
    fn takes(&self, impact: f64) -> Result<bool, Fault> {
        let start = self.start_value;
        Ok(match self.numeric_operator.as_str() {
            "EQUAL" => impact.total_cmp(&start).is_eq(),
            "GREATER_THAN" => impact > start,
            "GREATER_THAN_OR_EQUAL" => impact >= start,
            "LESS_THAN" => impact < start,
            "LESS_THAN_OR_EQUAL" => impact <= start,
            "BETWEEN" => (start..=self.end_value).contains(&impact),
            other => return Err(Fault::validation(format!("NumericOperator {other} is invalid."))),
        })
    }
}

/// One anomaly: a line on a day.
struct Anomaly<'a> {
    line: &'a Line,
    day: NaiveDate,
    actual: i64,
    expected: i64,
}

impl Anomaly<'_> {
    fn hash(&self, seed: u64, what: u64) -> u64 {
        mix(&[seed, what, self.line.salt, u64::from(chrono::Datelike::num_days_from_ce(&self.day).unsigned_abs())])
    }

    fn feedback(&self, seed: u64) -> Option<&'static str> {
        let hash = self.hash(seed, 82);
        chance(hash, 40).then(|| ["YES", "NO", "PLANNED_ACTIVITY"][usize::try_from(hash % 3).unwrap_or(0)])
    }

    fn impact(&self) -> f64 {
        dollars(self.actual - self.expected)
    }

    fn item(&self, bill: &Bill) -> Value {
        let seed = bill.seed;
        let line = self.line;
        let percentage = share(self.actual - self.expected, 10_000, self.expected);
        let score = decimal(percentage.min(10_000) / 100, 100);
        let mut item = json!({
            "AnomalyId": uuid(&hex(self.hash(seed, 81), 32)),
            "AnomalyStartDate": format!("{}T00:00:00Z", self.day),
            "AnomalyEndDate": format!("{}T00:00:00Z", self.day),
            "DimensionValue": line.service,
            "RootCauses": [{
                "Service": line.service,
                "Region": line.region,
                "LinkedAccount": line.account.id,
                "LinkedAccountName": line.account.name,
                "UsageType": line.usage_type,
                "Impact": { "Contribution": self.impact() },
            }],
            "AnomalyScore": { "MaxScore": score, "CurrentScore": score },
            "Impact": {
                "MaxImpact": self.impact(),
                "TotalImpact": self.impact(),
                "TotalActualSpend": dollars(self.actual),
                "TotalExpectedSpend": dollars(self.expected),
                "TotalImpactPercentage": decimal(percentage, 100),
            },
            "MonitorArn": monitor(bill),
        });
        if let (Some(members), Some(feedback)) = (item.as_object_mut(), self.feedback(seed)) {
            members.insert("Feedback".to_owned(), json!(feedback));
        }
        item
    }
}

/// An amount in whole cents.
fn dollars(amount: i64) -> f64 {
    decimal(share(amount, 100, ONE), 100)
}

/// The company's only monitor.
fn monitor(bill: &Bill) -> String {
    format!("arn:aws:ce::{}:anomalymonitor/{}", bill.payer(), uuid(&hex(mix(&[bill.seed, 83]), 32)))
}

/// The anomalies of a day as of `today`, which is a later day.
fn of_day(bill: &Bill, day: NaiveDate, today: NaiveDate) -> Vec<Anomaly<'_>> {
    let items = bill.day(day, today);
    let found = items.iter().filter_map(|item| {
        let line = bill.lines.get(item.line)?;
        let busy = line.meter.is_some_and(|meter| matches!(meter.rhythm, Rhythm::Busy | Rhythm::Rare));
        let factor = if busy { spike(line, day) } else { 1_000 };
        let actual = item.amounts.get(Metric::UNBLENDED_COST.0).copied().unwrap_or(0);
        let expected = share(actual, 1_000, factor);
        (actual - expected >= LEAST_IMPACT).then_some(Anomaly { line, day, actual, expected })
    });
    found.collect()
}

/// Answers the operation.
pub(super) fn anomalies(question: &Question, bill: &Bill) -> Result<Value, Fault> {
    let today = question.today;
    let interval: WireInterval =
        question.member("DateInterval")?.ok_or_else(|| Fault::validation("DateInterval should not be empty."))?;
    let start = date(&interval.start_date)?;
    let end = interval.end_date.filter(|end| !end.is_empty()).map_or(Ok(today), |end| date(&end))?;
    if start > end {
        return Err(Fault::validation("Start date should not be after end date"));
    }
    if start < today.checked_sub_days(Days::new(90)).unwrap_or(start) {
        return Err(Fault::validation("Start date should be at most 90 days ago."));
    }
    let feedback = question.text("Feedback")?;
    let other_monitor = question.text("MonitorArn")?.is_some_and(|arn| arn != monitor(bill));
    let impact: Option<ImpactFilter> = question.member("TotalImpact")?;
    let mut found = Vec::new();
    for day in start.iter_days().take_while(|day| *day <= end && *day < today && !other_monitor) {
        for anomaly in of_day(bill, day, today) {
            let taken = impact.as_ref().map_or(Ok(true), |filter| filter.takes(anomaly.impact()))?;
            if taken && feedback.as_deref().is_none_or(|asked| anomaly.feedback(bill.seed) == Some(asked)) {
                found.push(anomaly.item(bill));
            }
        }
    }
    let (page, token) = question.page(found, USUAL_PAGE, "NextPageToken")?;
    Ok(with_token(json!({ "Anomalies": page }), "NextPageToken", token))
}

/// `parts / of` as a double, as the amounts of this operation are.
#[expect(clippy::cast_precision_loss, reason = "the parts are far below 2^53")]
fn decimal(parts: i64, of: i64) -> f64 {
    parts as f64 / of as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value, json};

    use crate::sandbox::reader::{NOW, billed, performed, refusal, service};

    fn asked(start: &str, end: &str) -> Value {
        json!({ "DateInterval": { "StartDate": start, "EndDate": end } })
    }

    fn listed(question: &Value, now: &str) -> Vec<Value> {
        performed(&service(1_000), "GetAnomalies", question, now).unwrap()["Anomalies"].as_array().unwrap().clone()
    }

    #[test]
    fn anomalies_are_few_and_agree_with_the_bill() {
        let ce = service(1_000);
        let all = listed(&asked("2026-08-23", "2026-11-21"), NOW);
        assert!((2..=15).contains(&all.len()), "{} anomalies", all.len());
        for anomaly in &all {
            let day = &anomaly["AnomalyEndDate"].as_str().unwrap()[..10];
            let next = day.parse::<chrono::NaiveDate>().unwrap().succ_opt().unwrap().to_string();
            let cause = &anomaly["RootCauses"][0];
            assert!(!cause["LinkedAccountName"].as_str().unwrap().is_empty());
            let only = |key: &str, value: &Value| json!({ "Dimensions": { "Key": key, "Values": [value] } });
            let filter = json!({ "And": [
                only("SERVICE", &cause["Service"]),
                only("LINKED_ACCOUNT", &cause["LinkedAccount"]),
                only("USAGE_TYPE", &cause["UsageType"]),
            ] });
            let cost = billed(&ce, (day, &next), "UnblendedCost", &filter, NOW) / 100_000_000;
            let impact = &anomaly["Impact"];
            let cents = |name: &str| (impact[name].as_f64().unwrap() * 100.0).round();
            assert_eq!(cents("TotalActualSpend").to_string(), cost.to_string(), "{anomaly}");
            let parts = cents("TotalExpectedSpend") + cents("TotalImpact");
            assert!((parts - cents("TotalActualSpend")).abs() <= 1.0, "{anomaly}");
            assert!(impact["TotalImpactPercentage"].as_f64().unwrap() > 90.0);
            assert!(anomaly["AnomalyScore"]["MaxScore"].is_f64() && cause["Impact"]["Contribution"].is_f64());
        }
    }

    #[test]
    fn an_anomaly_grows_with_the_bill_and_keeps_its_identifier() {
        let last = listed(&asked("2026-08-23", "2026-11-18"), NOW).pop().unwrap();
        let day: chrono::NaiveDate = last["AnomalyEndDate"].as_str().unwrap()[..10].parse().unwrap();
        let read = |days: u64| {
            let now = format!("{}T04:00:00Z", day + chrono::Days::new(days));
            let found = listed(&asked(&day.to_string(), &day.to_string()), &now);
            found.into_iter().find(|anomaly| anomaly["AnomalyId"] == last["AnomalyId"])
        };
        let impact = |days: u64| read(days).map(|anomaly| anomaly["Impact"]["TotalImpact"].as_f64().unwrap());
        assert_eq!(read(0), None, "not yet found on its day");
        assert!(impact(2).unwrap() < impact(3).unwrap());
        assert_eq!(read(3), Some(last.clone()));
    }

    #[test]
    fn filters_and_pages_of_anomalies() {
        let question = asked("2026-08-23", "2026-11-21");
        let all = listed(&question, NOW);
        let with = |name: &str, value: Value| {
            let mut question = question.clone();
            question[name] = value;
            question
        };
        let of = |feedback: &str| listed(&with("Feedback", json!(feedback)), NOW).len();
        let judged = all.iter().filter(|anomaly| anomaly["Feedback"].is_string()).count();
        assert_eq!(of("YES") + of("NO") + of("PLANNED_ACTIVITY"), judged);
        assert_eq!(listed(&with("MonitorArn", json!("arn:aws:ce::1:anomalymonitor/other")), NOW), Vec::<Value>::new());
        assert_eq!(listed(&with("MonitorArn", all[0]["MonitorArn"].clone()), NOW), all);
        let bound = all[0]["Impact"]["TotalImpact"].as_f64().unwrap();
        let count = |operator: &str| {
            listed(
                &with("TotalImpact", json!({ "NumericOperator": operator, "StartValue": bound, "EndValue": bound })),
                NOW,
            )
            .len()
        };
        assert_eq!(count("LESS_THAN") + count("GREATER_THAN_OR_EQUAL"), all.len());
        assert_eq!(count("LESS_THAN_OR_EQUAL") + count("GREATER_THAN"), all.len());
        assert!(count("EQUAL") == count("BETWEEN") && count("EQUAL") > 0);
        let ce = service(1_000);
        let first = performed(&ce, "GetAnomalies", &with("MaxResults", json!(1)), NOW).unwrap();
        let mut next = with("MaxResults", json!(1));
        next["NextPageToken"] = first["NextPageToken"].clone();
        let second = performed(&ce, "GetAnomalies", &next, NOW).unwrap();
        assert_eq!([&first, &second].map(|page| &page["Anomalies"][0]), [&all[0], &all[1]]);
    }

    #[test]
    fn refusals_of_anomalies() {
        let ce = service(1_000);
        let mut operator = asked("2026-08-23", "2026-11-21");
        operator["TotalImpact"] = json!({ "NumericOperator": "NEAR", "StartValue": 1.0 });
        for (question, words) in [
            (asked("2026-08-22", "2026-11-21"), "Start date should be at most 90 days ago"),
            (asked("2026-11-02", "2026-11-01"), "Start date should not be after end date"),
            (json!({}), "DateInterval should not be empty"),
            (asked("yesterday", ""), "Time yesterday is invalid"),
            (operator, "NumericOperator NEAR is invalid"),
        ] {
            let (code, message) = refusal(&ce, "GetAnomalies", &question, NOW);
            assert!(code == "ValidationException" && message.starts_with(words), "{message}");
        }
    }
}
