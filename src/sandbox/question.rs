//! A request for an operation other than `GetCostAndUsage`: its members, and the checks that several operations share.

use chrono::{Months, NaiveDate};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::bill::next_month;
use super::expression::{Conditions, Filter, Wire};
use super::fault::Fault;
use super::paging::Token;
use super::request::{Definition, Granularity, check_history, fingerprint};

/// Items per page where the service's default is this small.
pub(super) const SMALL_PAGE: usize = 20;

/// A request.
#[derive(Debug)]
pub(super) struct Question {
    members: Map<String, Value>,
    fingerprint: [u8; 8],
    pub(super) today: NaiveDate,
    pub(super) seed: u64,
}

/// A half-open range of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: NaiveDate,
    pub(super) end: NaiveDate,
}

impl Span {
    /// Its days.
    pub(super) fn days(self) -> impl Iterator<Item = NaiveDate> {
        self.start.iter_days().take_while(move |day| *day < self.end)
    }

    /// The service's form of a range.
    pub(super) fn interval(self) -> Value {
        json!({ "Start": self.start.to_string(), "End": self.end.to_string() })
    }

    /// Its days or months, clipped to it; the whole without a granularity.
    pub(super) fn periods(self, granularity: Option<Granularity>) -> Vec<Self> {
        let mut periods = Vec::new();
        let mut start = self.start;
        while start < self.end {
            let end = match granularity {
                Some(Granularity::Daily | Granularity::Hourly) => start.succ_opt().unwrap_or(self.end),
                Some(Granularity::Monthly) => next_month(start),
                None => self.end,
            };
            periods.push(Self { start, end: end.min(self.end) });
            start = end;
        }
        periods
    }
}

/// What a flat filter admits.
#[derive(Debug)]
pub(super) struct Scope(Conditions);

impl Scope {
    /// True if the values of a thing pass all conditions.
    pub(super) fn admits<'a>(&self, value: impl Fn(&str) -> &'a str) -> bool {
        self.0.iter().all(|(key, values)| values.iter().any(|admitted| admitted == value(key)))
    }

    /// The values that a condition on `key` admits.
    pub(super) fn values(&self, key: &str) -> Option<&[String]> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, values)| values.as_slice())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireInterval {
    start: String,
    end: String,
}

impl Question {
    /// Reads a body.
    pub(super) fn read(body: &[u8], today: NaiveDate, seed: u64) -> Result<Self, Fault> {
        let members: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| Fault::new("SerializationException", error.to_string()))?;
        let mut asked = members.clone();
        asked.retain(|name, _| name != "NextPageToken" && name != "NextToken");
        Ok(Self { members, fingerprint: fingerprint(&Value::Object(asked).to_string()), today, seed })
    }

    /// A member of any shape; `None` if it is absent or null.
    pub(super) fn member<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Fault> {
        let Some(value) = self.members.get(name).filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        let read = serde_json::from_value(value.clone());
        read.map(Some).map_err(|error| Fault::new("SerializationException", format!("{name}: {error}")))
    }

    /// A text; `None` if it is absent or empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        Ok(self.member::<String>(name)?.filter(|text| !text.is_empty()))
    }

    /// The member `TimePeriod`.
    pub(super) fn span(&self) -> Result<Span, Fault> {
        let none = WireInterval { start: String::new(), end: String::new() };
        let interval = self.member("TimePeriod")?.unwrap_or(none);
        let span = Span { start: date(&interval.start)?, end: date(&interval.end)? };
        if span.start >= span.end {
            return Err(Fault::validation("Start date (and hour) should be before end date (and hour)"));
        }
        Ok(span)
    }

    /// The member `TimePeriod`, which has to end before today and begin within the kept history.
    pub(super) fn past_span(&self) -> Result<Span, Fault> {
        let span = self.span()?;
        if span.end > self.today {
            return Err(Fault::no_data());
        }
        check_history(span.start, Granularity::Daily, self.today)?;
        Ok(span)
    }

    /// Days or months; hours are refused.
    pub(super) fn granularity(&self) -> Result<Option<Granularity>, Fault> {
        match self.text("Granularity")?.as_deref() {
            None => Ok(None),
            Some("DAILY") => Ok(Some(Granularity::Daily)),
            Some("MONTHLY") => Ok(Some(Granularity::Monthly)),
            Some(_) => Err(Fault::validation("Granularity should be either 'MONTHLY' or 'DAILY'")),
        }
    }

    /// The keys of `GroupBy`, all of them dimensions among `allowed`.
    pub(super) fn group_keys(&self, allowed: &[&str]) -> Result<Vec<String>, Fault> {
        let definitions: Vec<Definition> = self.member("GroupBy")?.unwrap_or_default();
        let keys = definitions.into_iter().map(|definition| {
            if definition.kind == "DIMENSION" && allowed.contains(&&*definition.key) {
                return Ok(definition.key);
            }
            Err(Fault::validation(format!("GroupBy {} is invalid. Valid keys are: {allowed:?}", definition.key)))
        });
        keys.collect()
    }

    /// The periods of a series; a grouped answer has one, and refuses a granularity. Months are the default.
    pub(super) fn periods(&self, span: Span, grouped: bool) -> Result<Vec<Span>, Fault> {
        match self.granularity()? {
            Some(_) if grouped => Err(Fault::validation("Granularity is not supported when specifying groupBy")),
            None if grouped => Ok(span.periods(None)),
            granularity => Ok(span.periods(Some(granularity.unwrap_or(Granularity::Monthly)))),
        }
    }

    /// The member `Filter` as any expression.
    pub(super) fn filter(&self) -> Result<Option<Filter>, Fault> {
        self.member::<Wire>("Filter")?.map(Wire::checked).transpose()
    }

    /// The member `Filter` as `And` over dimensions among `allowed`.
    pub(super) fn scope(&self, allowed: &[&str]) -> Result<Scope, Fault> {
        let conditions = self.member::<Wire>("Filter")?.map(Wire::flat).transpose()?.unwrap_or_default();
        if let Some((key, _)) = conditions.iter().find(|(key, _)| !allowed.contains(&&**key)) {
            return Err(Fault::validation(format!("Dimension {key} is not allowed in the filter of this operation.")));
        }
        Ok(Scope(conditions))
    }

    /// The asked page of `items`, and the token of the next one; `token` names the member that holds tokens.
    pub(super) fn page<T>(&self, items: Vec<T>, usual: usize, token: &str) -> Result<(Vec<T>, Option<String>), Fault> {
        let size = self.member::<i64>("MaxResults")?.map_or(Ok(usual), |size| usize::try_from(size).or(Ok(0)))?;
        if size == 0 {
            return Err(Fault::validation("MaxResults should be at least 1."));
        }
        let asked = self.text(token)?;
        let page = asked.map(|text| Token::page(&text, self.fingerprint, self.today, self.seed)).transpose()?;
        let page = page.unwrap_or(0);
        let from = page.saturating_mul(size);
        let more = items.len() > from.saturating_add(size);
        let next = u32::try_from(page + 1).ok().filter(|_| more);
        let next = next.map(|page| Token { fingerprint: self.fingerprint, page, today: self.today }.text(self.seed));
        Ok((items.into_iter().skip(from).take(size).collect(), next))
    }
}

/// Adds a token to an answer that has a next page.
pub(super) fn with_token(mut answer: Value, member: &str, token: Option<String>) -> Value {
    if let (Some(members), Some(token)) = (answer.as_object_mut(), token) {
        members.insert(member.to_owned(), Value::String(token));
    }
    answer
}

/// A day written as `2026-10-05`.
pub(super) fn date(text: &str) -> Result<NaiveDate, Fault> {
    let parsed = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
    parsed.ok_or_else(|| Fault::validation(format!("Time {text} is invalid. Valid format is: yyyy-MM-dd.")))
}

/// The day `count` months after `day`.
pub(super) fn months_after(day: NaiveDate, count: u32) -> NaiveDate {
    day.checked_add_months(Months::new(count)).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value, json};

    use super::Question;
    use crate::sandbox::reader::day;

    fn question(body: &Value) -> Question {
        Question::read(body.to_string().as_bytes(), day("2026-11-21"), 42).unwrap()
    }

    #[test]
    fn pages_hold_every_item_once() {
        let mut body = json!({ "MaxResults": 3 });
        let mut met = Vec::new();
        loop {
            let (page, token) = question(&body).page((0..7).collect(), 20, "NextToken").unwrap();
            met.extend(page);
            let Some(token) = token else { break };
            body["NextToken"] = json!(token);
        }
        assert_eq!(met, [0, 1, 2, 3, 4, 5, 6]);
        body["MaxResults"] = json!(4);
        let refused = question(&body).page(vec![0; 7], 20, "NextToken").unwrap_err();
        assert_eq!(refused.code, "RequestChangedException");
        body["NextToken"] = json!("of nobody");
        assert_eq!(question(&body).page(vec![0], 20, "NextToken").unwrap_err().code, "InvalidNextTokenException");
        for size in [0, -1] {
            let refused = question(&json!({ "MaxResults": size })).page(vec![0], 20, "NextToken").unwrap_err();
            assert_eq!(refused.code, "ValidationException");
        }
    }

    #[test]
    fn what_an_operation_does_not_know_is_refused() {
        let dimension = |key: &str| json!({ "Dimensions": { "Key": key, "Values": ["x"] } });
        let cases = [
            json!({ "Or": [dimension("REGION")] }),
            json!({ "Not": dimension("REGION") }),
            json!({ "And": [{ "And": [dimension("REGION")] }] }),
            json!({ "Tags": { "Key": "team", "Values": ["x"] } }),
            dimension("USAGE_TYPE"),
        ];
        for filter in cases {
            let refused = question(&json!({ "Filter": filter })).scope(&["REGION"]).unwrap_err();
            assert_eq!(refused.code, "ValidationException", "{filter}");
        }
        let scope = question(&json!({ "Filter": { "And": [dimension("REGION")] } })).scope(&["REGION"]).unwrap();
        assert!(scope.admits(|_| "x") && !scope.admits(|_| "y"));
        let by_tag = json!({ "GroupBy": [{ "Type": "TAG", "Key": "REGION" }] });
        assert_eq!(question(&by_tag).group_keys(&["REGION"]).unwrap_err().code, "ValidationException");
        let hourly = json!({ "Granularity": "HOURLY" });
        assert_eq!(question(&hourly).granularity().unwrap_err().code, "ValidationException");
        assert_eq!(
            question(&json!({ "MaxResults": "x" })).page(vec![0], 1, "").unwrap_err().code,
            "SerializationException"
        );
    }
}
