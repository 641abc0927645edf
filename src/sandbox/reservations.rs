//! Utilization and coverage of the reservations, from the bill.
//!
//! A reservation here is what one account has for one service in one region: the bill has them for databases and caches,
//! and its machines are under savings plans instead. So a question without a filter by SERVICE, which means machines
//! alone, has an empty answer, as has one for any other service.
//!
//! | figure | of the bill |
//! |---|---|
//! | TotalActualHours, TotalActualUnits, ReservedHours | UsageQuantity, NormalizedUsageAmount of DiscountedUsage |
//! | OnDemandCostOfRIHoursUsed | PublicOnDemandCost of DiscountedUsage |
//! | RICostForUnusedHours | a day's part of the month's AmortizedCost of RIFee, which the bill has on the 1st |
//! | TotalAmortizedFee | both, used and unused |
//! | OnDemandHours, OnDemandCost | Usage of the same machines |
//!
//! Purchased hours are known at once; what they were used for arrives over three days, and is unused until then. Names
//! of the attributes of a group are camel-case as public readers of the API expect them; there is no list of them.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate};
use serde_json::{Map, Value, json};

use super::amount::{ONE, percent, share, text};
use super::bill::{Bill, arrived_by, first_of_month, next_month};
use super::catalog::Account;
use super::datadog::programs::{PROGRAMS, Program};
use super::dice::{mix, of_text};
use super::fault::Fault;
use super::lines::{Charge, Line};
use super::meters::{Meter, Rhythm, SERVICES};
use super::question::{Question, SMALL_PAGE, Scope, Span, with_token};
use super::request::Metric;
use super::savings_plans::upfront_percent;

/// What one account has reserved for one service in one region.
#[derive(Debug)]
struct Reservation {
    account: &'static Account,
    service: &'static str,
    region: &'static str,
    meter: &'static Meter,
    /// The program that Datadog lists for such machines.
    program: (u64, &'static Program),
}

impl Reservation {
    /// All reservations of the bill.
    fn all(bill: &Bill) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for line in bill.lines.iter().filter(|line| is_reserved(line) || line.charge == Charge::ReservationFee) {
            let known = found.iter().any(|reservation| reservation.has(line));
            if let (false, Some(meter)) = (known, reserved_meter(line.service))
                && let Some(program) = program(line)
            {
                let (account, service, region) = (line.account, line.service, line.region);
                found.push(Self { account, service, region, meter, program });
            }
        }
        found
    }

    fn has(&self, line: &Line) -> bool {
        line.account.id == self.account.id && line.service == self.service && line.region == self.region
    }

    fn id(&self, seed: u64) -> String {
        let words = [seed, 73, of_text(self.account.id), of_text(self.service), of_text(self.region)];
        format!("{:010}", 1_000_000_000 + mix(&words) % 9_000_000_000)
    }

    fn value<'a>(&'a self, id: &'a str, key: &str) -> &'a str {
        match key {
            "SERVICE" => self.service,
            "LINKED_ACCOUNT" => self.account.id,
            "REGION" => self.region,
            "INSTANCE_TYPE" => self.meter.instance_type(),
            "INSTANCE_TYPE_FAMILY" => self.meter.family(),
            "SUBSCRIPTION_ID" => id,
            _ => "",
        }
    }

    fn attributes(&self, seed: u64, day: NaiveDate) -> Value {
        let (index, program) = self.program;
        let term = program.term_at(day);
        json!({
            "accountId": self.account.id,
            "accountName": self.account.name,
            "averageOnDemandHourlyRate": text(i128::from(self.meter.price)),
            "endDateTime": format!("{}T00:00:00.000Z", term.1),
            "instanceType": self.meter.instance_type(),
            "leaseId": program.id_of_term(seed, index, term),
            "region": self.region,
            "service": self.service,
            "startDateTime": format!("{}T00:00:00.000Z", term.0),
            "subscriptionId": self.id(seed),
            "subscriptionStatus": "Active",
            "subscriptionType": program.purchase,
        })
    }

    /// The cost of unused hours of a day: its part of what the month's fees leave unused.
    fn unused_cost(&self, bill: &Bill, day: NaiveDate) -> i64 {
        let first = first_of_month(day);
        let closed = first.checked_add_days(Days::new(70)).unwrap_or(first);
        let fees = bill.sum(first, closed, |line| line.charge == Charge::ReservationFee && self.has(line));
        let month = of(&fees, Metric::AMORTIZED_COST);
        let days = (next_month(day) - first).num_days();
        let number = i64::from(day.day());
        share(month, number, days) - share(month, number - 1, days)
    }

    fn used(&self, bill: &Bill, day: NaiveDate, today: NaiveDate) -> Use {
        let mine = |line: &Line| is_reserved(line) && self.has(line);
        let (known, settled) = (bill.sum(day, today, mine), bill.sum(day, arrived_by(day, today), mine));
        let unused = self.unused_cost(bill, day);
        // A reserved hour costs 62 % of its public price, as in the bill.
        let unused_hours = share(unused, ONE, share(self.meter.price, 62, 100));
        let each = match self.meter.rhythm {
            Rhythm::Reserved(units) => units,
            _ => 0,
        };
        let fee = of(&settled, Metric::AMORTIZED_COST) + unused;
        Use {
            hours: of(&settled, Metric::USAGE_QUANTITY) + unused_hours,
            used_hours: of(&known, Metric::USAGE_QUANTITY),
            units: of(&settled, Metric::NORMALIZED_USAGE) + unused_hours * each,
            used_units: of(&known, Metric::NORMALIZED_USAGE),
            on_demand: of(&settled, Metric::PUBLIC_ON_DEMAND_COST) + share(unused_hours, self.meter.price, ONE),
            used_on_demand: of(&known, Metric::PUBLIC_ON_DEMAND_COST),
            fee,
            used_fee: of(&known, Metric::AMORTIZED_COST),
            upfront: share(fee, upfront_percent(self.program.1.purchase), 100),
        }
    }
}

fn of(sums: &[i128], metric: Metric) -> i64 {
    sums.get(metric.0).and_then(|sum| i64::try_from(*sum).ok()).unwrap_or(0)
}

fn is_reserved(line: &Line) -> bool {
    matches!(line.charge, Charge::Reserved { .. })
}

fn reserved_meter(service: &str) -> Option<&'static Meter> {
    let service = SERVICES.iter().find(|known| known.name == service)?;
    service.meters.iter().find(|meter| matches!(meter.rhythm, Rhythm::Reserved(_)))
}

/// Datadog's program for the machines of a line: the one of its region, else the first of the product.
fn program(line: &Line) -> Option<(u64, &'static Program)> {
    let product = match line.service {
        "Amazon Relational Database Service" => "rds",
        "Amazon ElastiCache" => "elasticache",
        _ => return None,
    };
    let mut known = (0..).zip(PROGRAMS.iter()).filter(|(_, program)| program.product == product);
    known.clone().find(|(_, program)| program.region == line.region).or_else(|| known.next())
}

/// Purchased and used hours, units and money, in 1e-10.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    hours: i64,
    used_hours: i64,
    units: i64,
    used_units: i64,
    on_demand: i64,
    used_on_demand: i64,
    fee: i64,
    used_fee: i64,
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
    scope.values("SERVICE").is_some_and(|values| values.iter().any(|value| value == service))
}

/// `GetReservationUtilization`: one row for each period, or for each reservation of the whole window.
pub(super) fn utilization(question: &Question, bill: &Bill) -> Result<Value, Fault> {
    let span = question.past_span()?;
    let scope = scope(question, &FILTERS, 1)?;
    let grouped = !question.group_keys(&["SUBSCRIPTION_ID"])?.is_empty();
    let periods = question.periods(span, grouped)?;
    let reservations: Vec<(String, Reservation)> = Reservation::all(bill)
        .into_iter()
        .map(|reservation| (reservation.id(bill.seed), reservation))
        .filter(|(id, own)| service_in(&scope, own.service) && scope.admits(|key| own.value(id, key)))
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
        "LINKED_ACCOUNT" => line.account.id,
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
    let kind = line.meter.is_some_and(|meter| matches!(meter.rhythm, Rhythm::Reserved(_)));
    kind && matches!(line.charge, Charge::Reserved { .. } | Charge::Usage { .. })
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
