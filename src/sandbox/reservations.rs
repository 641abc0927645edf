//! Utilization and coverage of the reservations, from the bill.
//!
//! A reservation here is what one account has of one type of machine in one region, as Datadog lists it. A question
//! without a filter by SERVICE means machines of EC2 alone; a service without reservations has an empty answer.
//!
//! | figure | of the bill |
//! |---|---|
//! | TotalActualHours, TotalActualUnits, ReservedHours | UsageQuantity, NormalizedUsageAmount of DiscountedUsage |
//! | OnDemandCostOfRIHoursUsed | PublicOnDemandCost of DiscountedUsage |
//! | RICostForUnusedHours | the days of a month add up to AmortizedCost of RIFee, which the bill has on the 1st |
//! | TotalAmortizedFee | both, used and unused |
//! | OnDemandHours, OnDemandCost | Usage of machines paid by the hour |
//!
//! Purchased hours are known at once; what they were used for arrives over three days, and is unused until then. Names
//! of the attributes of a group are camel-case as public readers of the API expect them; there is no list of them.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use serde_json::{Map, Value, json};

use super::amount::{ONE, percent, share, text};
use super::bill::Bill;
use super::commitments::{Bought, Terms, reservation_terms};
use super::dice::{hex, mix};
use super::fault::Fault;
use super::lines::{Charge, Line};
use super::meters::{Meter, SERVICES};
use super::question::{Question, SMALL_PAGE, Scope, Span, with_token};
use super::request::Metric;

/// What one account has reserved of one type of machine in one region.
#[derive(Debug)]
pub(super) struct Reservation<'a> {
    fee: &'a Line,
    pub(super) meter: &'static Meter,
}

impl<'a> Reservation<'a> {
    /// All reservations of the bill.
    pub(super) fn all(bill: &'a Bill) -> impl Iterator<Item = Self> {
        let fees = bill.lines.iter().filter(|line| matches!(line.charge, Charge::ReservationFee { .. }));
        fees.filter_map(|fee| Some(Self { fee, meter: fee.meter? }))
    }

    pub(super) fn service(&self) -> &'static str {
        self.fee.service
    }

    pub(super) fn region(&self) -> &'static str {
        self.fee.region
    }

    pub(super) fn terms(&self) -> Terms {
        reservation_terms(self.fee)
    }

    pub(super) fn bought(&self, day: NaiveDate) -> Bought {
        Bought::reserved(self.fee, self.meter, day)
    }

    /// A number that belongs to this reservation.
    pub(super) fn drawn(&self, seed: u64, what: u64) -> u64 {
        mix(&[seed, what, self.fee.salt])
    }

    fn id(&self, seed: u64) -> String {
        format!("{:010}", 1_000_000_000 + self.drawn(seed, 73) % 9_000_000_000)
    }

    /// Its identifier in the term that begins on a day, which is that of Datadog.
    pub(super) fn lease(&self, seed: u64, begin: NaiveDate) -> String {
        let hash = mix(&[self.drawn(seed, 72), u64::from(begin.year().unsigned_abs())]);
        match self.service() {
            "Amazon Relational Database Service" => format!("ri-rds-{}", hex(hash, 12)),
            "Amazon ElastiCache" => format!("ri-elasticache-{}", hex(hash, 12)),
            _ => format!("ri-{}", hex(hash, 17)),
        }
    }

    fn value<'b>(&self, id: &'b str, key: &str) -> &'b str
    where
        'a: 'b,
    {
        match key {
            "SERVICE" => self.fee.service,
            "LINKED_ACCOUNT" => &self.fee.account.id,
            "REGION" => self.fee.region,
            "INSTANCE_TYPE" => self.meter.instance_type(),
            "INSTANCE_TYPE_FAMILY" => self.meter.family(),
            "SUBSCRIPTION_ID" => id,
            _ => "",
        }
    }

    fn attributes(&self, seed: u64, day: NaiveDate) -> Value {
        let terms = self.terms();
        let (begin, end) = terms.at(day);
        json!({
            "accountId": self.fee.account.id,
            "accountName": self.fee.account.name,
            "averageOnDemandHourlyRate": text(i128::from(self.meter.price)),
            "endDateTime": format!("{end}T00:00:00.000Z"),
            "instanceType": self.meter.instance_type(),
            "leaseId": self.lease(seed, begin),
            "region": self.fee.region,
            "service": self.fee.service,
            "startDateTime": format!("{begin}T00:00:00.000Z"),
            "subscriptionId": self.id(seed),
            "subscriptionStatus": "Active",
            "subscriptionType": terms.purchase,
        })
    }

    /// What was bought for a day, and what is known of its use.
    pub(super) fn used(&self, bill: &Bill, day: NaiveDate, today: NaiveDate) -> Use {
        let known = bill.sum(day, today, |line| is_reserved(line) && line.salt == self.fee.salt);
        let bought = self.bought(day);
        let hours = bought.machines * 24 * ONE;
        let (fee, _) = bought.cost();
        Use {
            hours,
            used_hours: of(&known, Metric::USAGE_QUANTITY),
            units: hours * self.meter.normalized(),
            used_units: of(&known, Metric::NORMALIZED_USAGE),
            on_demand: bought.public_cost(),
            used_on_demand: of(&known, Metric::PUBLIC_ON_DEMAND_COST),
            fee,
            used_fee: of(&known, Metric::AMORTIZED_COST),
            upfront: share(fee, self.terms().upfront_percent(), 100),
        }
    }
}

fn of(sums: &[i128], metric: Metric) -> i64 {
    sums.get(metric.0).and_then(|sum| i64::try_from(*sum).ok()).unwrap_or(0)
}

fn is_reserved(line: &Line) -> bool {
    line.charge == Charge::Reserved
}

/// Purchased and used hours, units and money, in 1e-10.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Use {
    hours: i64,
    pub(super) used_hours: i64,
    units: i64,
    used_units: i64,
    on_demand: i64,
    pub(super) used_on_demand: i64,
    pub(super) fee: i64,
    pub(super) used_fee: i64,
    upfront: i64,
}

impl Use {
    fn add(&mut self, other: &Self) {
        self.hours += other.hours;
        self.used_hours += other.used_hours;
        self.units += other.units;
        self.used_units += other.used_units;
        self.on_demand += other.on_demand;
        self.used_on_demand += other.used_on_demand;
        self.fee += other.fee;
        self.used_fee += other.used_fee;
        self.upfront += other.upfront;
    }

    /// The seventeen figures of the API.
    fn members(&self) -> Value {
        let words = |amount: i64| text(i128::from(amount));
        let (realized, all) = (self.used_on_demand - self.used_fee, self.on_demand - self.fee);
        json!({
            "UtilizationPercentage": percent(self.used_hours.into(), self.hours.into()),
            "UtilizationPercentageInUnits": percent(self.used_units.into(), self.units.into()),
            "PurchasedHours": words(self.hours),
            "PurchasedUnits": words(self.units),
            "TotalActualHours": words(self.used_hours),
            "TotalActualUnits": words(self.used_units),
            "UnusedHours": words(self.hours - self.used_hours),
            "UnusedUnits": words(self.units - self.used_units),
            "OnDemandCostOfRIHoursUsed": words(self.used_on_demand),
            "NetRISavings": words(self.used_on_demand - self.fee),
            "TotalPotentialRISavings": words(all),
            "AmortizedUpfrontFee": words(self.upfront),
            "AmortizedRecurringFee": words(self.fee - self.upfront),
            "TotalAmortizedFee": words(self.fee),
            "RICostForUnusedHours": words(self.fee - self.used_fee),
            "RealizedSavings": words(realized),
            "UnrealizedSavings": words(all - realized),
        })
    }
}

const FILTERS: [&str; 10] = [
    "AZ",
    "INSTANCE_TYPE",
    "INSTANCE_TYPE_FAMILY",
    "LINKED_ACCOUNT",
    "PLATFORM",
    "REGION",
    "SERVICE",
    "SCOPE",
    "SUBSCRIPTION_ID",
    "TENANCY",
];

/// The scope of a question about at most `services` services; without a filter by service it is machines alone.
fn scope(question: &Question, filters: &[&str], services: usize) -> Result<Scope, Fault> {
    let scope = question.scope(filters)?;
    if scope.values("SERVICE").is_some_and(|values| values.len() > services) {
        return Err(Fault::validation(format!("The number of values of SERVICE should not exceed {services}.")));
    }
    Ok(scope)
}

fn service_in(scope: &Scope, service: &str) -> bool {
    scope.values("SERVICE").map_or(service == SERVICES[0].name, |values| values.iter().any(|value| value == service))
}

/// `GetReservationUtilization`: one row for each period, or for each reservation of the whole window.
pub(super) fn utilization(question: &Question, bill: &Bill) -> Result<Value, Fault> {
    let span = question.past_span()?;
    let scope = scope(question, &FILTERS, 1)?;
    let grouped = !question.group_keys(&["SUBSCRIPTION_ID"])?.is_empty();
    let periods = question.periods(span, grouped)?;
    let reservations: Vec<(String, Reservation<'_>)> = Reservation::all(bill)
        .map(|reservation| (reservation.id(bill.seed), reservation))
        .filter(|(id, own)| service_in(&scope, own.service()) && scope.admits(|key| own.value(id, key)))
        .collect();
    let mut total = Use::default();
    let mut rows = Vec::new();
    for period in periods {
        let mut of_period = Use::default();
        for (id, reservation) in &reservations {
            let mut own = Use::default();
            for day in period.days().filter(|day| *day >= bill.first_day) {
                own.add(&reservation.used(bill, day, question.today));
            }
            of_period.add(&own);
            if grouped {
                rows.push(json!({
                    "Key": "SUBSCRIPTION_ID",
                    "Value": id,
                    "Attributes": reservation.attributes(bill.seed, span.start),
                    "Utilization": own.members(),
                }));
            }
        }
        total.add(&of_period);
        if !grouped && of_period.hours != 0 {
            rows.push(by_time(period, &[], &of_period.members()));
        }
    }
    answer("UtilizationsByTime", question, span, grouped, rows, &total.members())
}

fn by_time(span: Span, groups: &[Value], total: &Value) -> Value {
    json!({ "TimePeriod": span.interval(), "Groups": groups, "Total": total })
}

/// A page of periods, or of the groups of the only period.
fn answer(
    member: &str,
    question: &Question,
    span: Span,
    grouped: bool,
    rows: Vec<Value>,
    total: &Value,
) -> Result<Value, Fault> {
    let (page, token) = question.page(rows, SMALL_PAGE, "NextPageToken")?;
    let page = if grouped && !page.is_empty() { vec![by_time(span, &page, total)] } else { page };
    Ok(with_token(json!({ member: page, "Total": total }), "NextPageToken", token))
}

/// Hours, units and cost of machines that reservations cover or could, in 1e-10: on demand, and reserved.
#[derive(Debug, Clone, Copy, Default)]
struct Running {
    hours: [i64; 2],
    units: [i64; 2],
    cost: i64,
}

impl Running {
    fn members(&self, metrics: &[String]) -> Value {
        let words = |amount: i64| text(i128::from(amount));
        let mut members = Map::new();
        let wants = |name: &str| metrics.iter().any(|metric| metric == name);
        if wants("Hour") {
            let [on_demand, reserved] = self.hours;
            members.insert(
                "CoverageHours".to_owned(),
                json!({
                    "OnDemandHours": words(on_demand),
                    "ReservedHours": words(reserved),
                    "TotalRunningHours": words(on_demand + reserved),
                    "CoverageHoursPercentage": percent(reserved.into(), (on_demand + reserved).into()),
                }),
            );
        }
        if wants("Unit") {
            let [on_demand, reserved] = self.units;
            members.insert(
                "CoverageNormalizedUnits".to_owned(),
                json!({
                    "OnDemandNormalizedUnits": words(on_demand),
                    "ReservedNormalizedUnits": words(reserved),
                    "TotalRunningNormalizedUnits": words(on_demand + reserved),
                    "CoverageNormalizedUnitsPercentage": percent(reserved.into(), (on_demand + reserved).into()),
                }),
            );
        }
        if wants("Cost") {
            members.insert("CoverageCost".to_owned(), json!({ "OnDemandCost": words(self.cost) }));
        }
        Value::Object(members)
    }
}

const COVERAGE_KEYS: [&str; 12] = [
    "AZ",
    "CACHE_ENGINE",
    "DATABASE_ENGINE",
    "DEPLOYMENT_OPTION",
    "INSTANCE_TYPE",
    "INSTANCE_TYPE_FAMILY",
    "LINKED_ACCOUNT",
    "OPERATING_SYSTEM",
    "PLATFORM",
    "REGION",
    "SERVICE",
    "TENANCY",
];

fn value<'a>(line: &'a Line, key: &str) -> &'a str {
    match key {
        "SERVICE" => line.service,
        "LINKED_ACCOUNT" => &line.account.id,
        "REGION" => line.region,
        "INSTANCE_TYPE" => line.meter.map_or("", |meter| meter.instance_type()),
        "INSTANCE_TYPE_FAMILY" => line.meter.map_or("", |meter| meter.family()),
        _ => "",
    }
}

/// `GetReservationCoverage`: one row for each period, or for each group of the whole window.
pub(super) fn coverage(question: &Question, bill: &Bill) -> Result<Value, Fault> {
    let span = question.past_span()?;
    let scope = scope(question, &COVERAGE_KEYS, 2)?;
    let keys = question.group_keys(&COVERAGE_KEYS)?;
    let metrics = metrics(question)?;
    let mut total = Running::default();
    let mut rows = Vec::new();
    for period in question.periods(span, !keys.is_empty())? {
        let mut groups: BTreeMap<Vec<&str>, Running> = BTreeMap::new();
        for day in period.days() {
            for item in bill.day(day, question.today).iter() {
                let Some(line) = bill.lines.get(item.line).filter(|line| is_coverable(line)) else { continue };
                if !(service_in(&scope, line.service) && scope.admits(|key| value(line, key))) {
                    continue;
                }
                let group = groups.entry(keys.iter().map(|key| value(line, key)).collect()).or_default();
                for sums in [group, &mut total] {
                    let at = usize::from(is_reserved(line));
                    let amount = |metric: Metric| item.amounts.get(metric.0).copied().unwrap_or(0);
                    sums.hours[at] += amount(Metric::USAGE_QUANTITY);
                    sums.units[at] += amount(Metric::NORMALIZED_USAGE);
                    sums.cost += amount(Metric::UNBLENDED_COST);
                }
            }
        }
        rows.extend(groups.into_iter().map(|(group, running)| {
            if keys.is_empty() {
                return by_time(period, &[], &running.members(&metrics));
            }
            let attributes = keys.iter().zip(group).map(|(key, value)| (camel(key), json!(value)));
            let attributes: Map<String, Value> = attributes.collect();
            json!({ "Attributes": attributes, "Coverage": running.members(&metrics) })
        }));
    }
    answer("CoveragesByTime", question, span, !keys.is_empty(), rows, &total.members(&metrics))
}

fn metrics(question: &Question) -> Result<Vec<String>, Fault> {
    let asked: Vec<String> = question.member("Metrics")?.unwrap_or_default();
    if let Some(other) = asked.iter().find(|metric| !["Hour", "Unit", "Cost"].contains(&&***metric)) {
        return Err(Fault::validation(format!("Metric {other} is invalid. Valid metrics are: Hour, Unit, Cost")));
    }
    Ok(if asked.is_empty() { vec!["Hour".to_owned()] } else { asked })
}

fn is_coverable(line: &Line) -> bool {
    let machine = line.meter.is_some_and(|meter| !meter.instance_type().is_empty());
    machine && matches!(line.charge, Charge::Reserved | Charge::Usage)
}

/// `INSTANCE_TYPE` as `instanceType`.
fn camel(key: &str) -> String {
    let mut name = String::new();
    for (index, word) in key.split('_').enumerate() {
        let lower = word.to_ascii_lowercase();
        let (first, rest) = lower.split_at_checked(1).unwrap_or(("", ""));
        name.push_str(&if index == 0 { lower.clone() } else { format!("{}{rest}", first.to_ascii_uppercase()) });
    }
    name
}

#[cfg(test)]
mod tests;
