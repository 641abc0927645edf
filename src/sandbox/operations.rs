//! The operations of Cost Explorer that the sandbox answers, by the name in the request's target.

use chrono::{DateTime, Utc};

use super::cost_explorer::CostExplorer;
use super::fault::Fault;
use super::question::Question;
use super::{anomalies, forecast, reservations, savings_plans, values};

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    CostAndUsage,
    SavingsPlansUtilization,
    SavingsPlansCoverage,
    ReservationUtilization,
    ReservationCoverage,
    CostForecast,
    Anomalies,
    DimensionValues,
    Tags,
    CostCategories,
}

impl Operation {
    /// The operation of a header `X-Amz-Target`.
    pub(super) fn of_target(target: &str) -> Option<Self> {
        match target.strip_prefix("AWSInsightsIndexService.Get")? {
            "CostAndUsage" => Some(Self::CostAndUsage),
            "SavingsPlansUtilization" => Some(Self::SavingsPlansUtilization),
            "SavingsPlansCoverage" => Some(Self::SavingsPlansCoverage),
            "ReservationUtilization" => Some(Self::ReservationUtilization),
            "ReservationCoverage" => Some(Self::ReservationCoverage),
            "CostForecast" => Some(Self::CostForecast),
            "Anomalies" => Some(Self::Anomalies),
            "DimensionValues" => Some(Self::DimensionValues),
            "Tags" => Some(Self::Tags),
            "CostCategories" => Some(Self::CostCategories),
            _ => None,
        }
    }
}

impl CostExplorer {
    /// Answers a request for any operation as of `now`.
    pub(super) fn perform(&self, operation: Operation, body: &[u8], now: DateTime<Utc>) -> Result<Vec<u8>, Fault> {
        if operation == Operation::CostAndUsage {
            return self.answer(body, now);
        }
        let question = Question::read(body, now.date_naive(), self.bill.seed)?;
        if question.today < self.bill.first_day && operation != Operation::CostForecast {
            return Err(Fault::no_data());
        }
        let bill = &self.bill;
        let answer = match operation {
            Operation::CostAndUsage => return self.answer(body, now),
            Operation::SavingsPlansUtilization => savings_plans::utilization(&question, bill),
            Operation::SavingsPlansCoverage => savings_plans::coverage(&question, bill),
            Operation::ReservationUtilization => reservations::utilization(&question, bill),
            Operation::ReservationCoverage => reservations::coverage(&question, bill),
            Operation::CostForecast => forecast::forecast(&question, bill),
            Operation::Anomalies => anomalies::anomalies(&question, bill),
            Operation::DimensionValues => values::of_dimension(&question, bill),
            Operation::Tags => values::of_tags(&question, bill),
            Operation::CostCategories => values::of_categories(&question, bill),
        }?;
        serde_json::to_vec(&answer).map_err(|error| Fault::new("InternalServerError", error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Operation;
    use crate::sandbox::reader::{NOW, refusal, service};

    #[test]
    fn only_known_targets_are_operations() {
        assert_eq!(Operation::of_target("AWSInsightsIndexService.GetTags"), Some(Operation::Tags));
        for target in ["", "GetTags", "AWSInsightsIndexService.ListTags", "AWSInsightsIndexService.GetUsageForecast"] {
            assert_eq!(Operation::of_target(target), None, "{target}");
        }
    }

    #[test]
    fn before_the_companys_first_day_there_is_no_data() {
        let ce = service(1_000);
        let question = json!({
            "TimePeriod": { "Start": "2025-09-01", "End": "2025-09-02" },
            "DateInterval": { "StartDate": "2025-08-01" },
            "Dimension": "SERVICE",
            "Granularity": "DAILY",
        });
        for operation in ["GetSavingsPlansUtilization", "GetReservationCoverage", "GetAnomalies", "GetDimensionValues"]
        {
            let refused = refusal(&ce, operation, &question, "2025-09-03T00:00:00Z");
            assert_eq!(refused.0, "DataUnavailableException", "{operation}");
        }
        assert!(refusal(&ce, "GetTags", &json!({}), NOW).1.starts_with("Time  is invalid"));
    }
}
