//! Reservations and savings plans: those of the bill at AWS, fixed programs at Azure; each renewed at the end of its term.
//!
//! The list, the savings, the utilization and the coverage are computed from the same spend of a day, which at AWS is what
//! GetSavingsPlansUtilization and GetReservationUtilization answer for that day.

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::sandbox::amount::{ONE, share};
use crate::sandbox::bill::Bill;
use crate::sandbox::commitments::{PLANS, Plan, Terms};
use crate::sandbox::dice::chance;
use crate::sandbox::reservations::Reservation;
use crate::sandbox::savings_plans::Commitment;

use super::coverage::MACHINES;
use super::double;
use super::programs::{PROGRAMS, Program, Variant};

/// Which commitments a request selects; texts are compared ignoring case.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    pub(super) provider: &'a str,
    pub(super) product: &'a str,
    /// `ri`, `sp`, or `None` for both.
    pub(super) kind: Option<&'a str>,
}

/// A half-open range of days, and the day of the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) start: NaiveDate,
    pub(super) end: NaiveDate,
    pub(super) today: NaiveDate,
}

impl Window {
    /// The days that have figures: those of the window before today.
    pub(super) fn days(self) -> impl Iterator<Item = NaiveDate> {
        let end = self.end.min(self.today);
        self.start.iter_days().take_while(move |day| *day < end)
    }
}

/// Committed and used spend of one day, and the hours of covered machines, in 1e-10.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spend {
    /// Paid for the commitments, used or not.
    pub(super) actual: i64,
    /// On-demand cost of the used part.
    pub(super) on_demand: i64,
    /// The part of `actual` that was used.
    pub(super) used: i64,
    /// Hours of machines that were covered; 0 for Azure's plans.
    pub(super) hours: i64,
}

impl std::ops::Add for Spend {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            actual: self.actual + other.actual,
            on_demand: self.on_demand + other.on_demand,
            used: self.used + other.used,
            hours: self.hours + other.hours,
        }
    }
}

impl Selection<'_> {
    fn held<'a>(&self, bill: &'a Bill) -> Vec<Held<'a>> {
        let plans = PLANS.iter().map(Held::Plan);
        let reservations = Reservation::all(bill).map(Held::Reservation);
        let all = plans.chain(reservations).chain(PROGRAMS.iter().map(Held::Program));
        all.filter(|held| {
            held.provider().eq_ignore_ascii_case(self.provider)
                && held.product().eq_ignore_ascii_case(self.product)
                && self.kind.is_none_or(|kind| held.kind().eq_ignore_ascii_case(kind))
        })
        .collect()
    }

    /// The commitments that overlap the window or expired within the 30 days before it.
    pub(super) fn list(&self, bill: &Bill, window: Window) -> Vec<Value> {
        let mut list = Vec::new();
        for held in self.held(bill) {
            let last = window.end.pred_opt().unwrap_or(window.end);
            let previous = window.start.iter_days().rev().nth(30).map(|day| held.terms().at(day));
            let mut terms = vec![held.terms().at(window.start), held.terms().at(last)];
            terms.extend(previous);
            terms.sort_unstable();
            terms.dedup();
            list.extend(terms.into_iter().map(|term| held.item(bill, term, window)));
        }
        list
    }

    /// Spend of one day summed over the selected commitments; `None` if there are none.
    pub(super) fn spend(&self, bill: &Bill, day: NaiveDate, today: NaiveDate) -> Option<Spend> {
        self.held(bill).iter().filter_map(|held| held.spend(bill, day, today)).reduce(|a, b| a + b)
    }
}

/// A commitment of the company.
#[derive(Debug)]
enum Held<'a> {
    Plan(&'static Plan),
    Reservation(Reservation<'a>),
    Program(&'static Program),
}

impl Held<'_> {
    fn provider(&self) -> &'static str {
        if matches!(self, Self::Program(_)) { "azure" } else { "aws" }
    }

    fn product(&self) -> &'static str {
        match self {
            Self::Plan(_) => "ec2",
            Self::Reservation(own) => {
                MACHINES.iter().find(|(_, service, _)| *service == own.service()).map_or("", |(product, _, _)| product)
            }
            Self::Program(_) => "virtualmachines",
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Plan(_) => "sp",
            Self::Reservation(_) => "ri",
            Self::Program(program) => program.kind(),
        }
    }

    fn terms(&self) -> Terms {
        match self {
            Self::Plan(plan) => plan.terms,
            Self::Reservation(own) => own.terms(),
            Self::Program(program) => program.terms,
        }
    }

    /// Its spend of a day; `None` on days before the bill.
    fn spend(&self, bill: &Bill, day: NaiveDate, today: NaiveDate) -> Option<Spend> {
        let known = matches!(self, Self::Program(_)) || day >= bill.first_day;
        known.then(|| match self {
            Self::Plan(plan) => {
                let Commitment { total: actual, on_demand, used, used_hours: hours, .. } =
                    Commitment::of(bill, plan, day, today);
                Spend { actual, on_demand, used, hours }
            }
            Self::Reservation(own) => {
                let figures = own.used(bill, day, today);
                let (on_demand, used, hours) = (figures.used_on_demand, figures.used_fee, figures.used_hours);
                Spend { actual: figures.fee, on_demand, used, hours }
            }
            Self::Program(program) => program.spend(bill.seed, day, today),
        })
    }

    fn item(&self, bill: &Bill, term: (NaiveDate, NaiveDate), window: Window) -> Value {
        let active = window.days().filter(|day| (term.0..term.1).contains(day));
        let spend = active.filter_map(|day| self.spend(bill, day, window.today)).reduce(|a, b| a + b);
        let id = match self {
            Self::Plan(plan) => plan.arn(bill, term.0),
            Self::Reservation(own) => own.lease(bill.seed, term.0),
            Self::Program(program) => program.id(bill.seed, term.0),
        };
        let mut item = json!({
            "commitment_id": id,
            "start_date": format!("{}T00:00:00Z", term.0),
            "expiration_date": format!("{}T00:00:00Z", term.1),
            "term_length": self.terms().years,
            "utilization": spend.map(|spend| ratio(spend.used, spend.actual)),
        });
        let own = match self {
            Self::Plan(plan) => json!({
                "purchase_option": plan.terms.purchase, "savings_plan_type": plan.kind,
                "committed_spend_per_hour": double((plan.on(&bill.lines, term.0).0 / 24).into()),
            }),
            Self::Reservation(own) => reserved_fields(own, bill.seed, term.0),
            Self::Program(program) => program_fields(program, term.1, window.today),
        };
        if let (Value::Object(item), Value::Object(own)) = (&mut item, own) {
            item.extend(own);
            // Fields a commitment does not have are omitted, never null.
            item.retain(|_, value| !value.is_null());
        }
        item
    }
}

/// The fields of a reservation of a product in the term that begins on a day; null if it lacks a field.
fn reserved_fields(own: &Reservation<'_>, seed: u64, begin: NaiveDate) -> Value {
    let count = own.bought(begin).machines;
    let mut fields = json!({
        "region": own.region(), "purchase_option": own.terms().purchase, "instance_type": own.meter.instance_type(),
        "number_of_reservations": count, "number_of_nfus": count * own.meter.normalized(),
    });
    let drawn = own.drawn(seed, 79);
    let special = match own.service() {
        "Amazon Relational Database Service" => json!({
            "database_engine": "PostgreSQL", "is_multi_az": if chance(drawn, 70) { json!(false) } else { Value::Null },
        }),
        "Amazon ElastiCache" => json!({ "cache_engine": "Redis", "number_of_nfus": null }),
        _ => json!({
            "operating_system": if own.meter.operation == "RunInstances" { "Linux" } else { "RHEL" },
            "offering_class": if chance(drawn, 50) { "standard" } else { "convertible" },
            "availability_zone": if drawn.is_multiple_of(3) { json!(format!("{}c", own.region())) } else { Value::Null },
        }),
    };
    if let (Value::Object(fields), Value::Object(special)) = (&mut fields, special) {
        fields.extend(special);
    }
    fields
}

fn program_fields(program: &Program, expires: NaiveDate, today: NaiveDate) -> Value {
    match program.variant {
        Variant::Machine { instance, sub_category, region } => json!({
            "region": region, "instance_type": instance, "meter_sub_category": sub_category,
            "benefit_name": program.name, "status": if today < expires { "running" } else { "expired" },
        }),
        Variant::Plan => json!({
            "benefit_name": program.name,
            "committed_spend_per_hour": double(i128::from(program.hourly) * i128::from(ONE / 100)),
        }),
    }
}

/// A part of a whole as a double, to ten digits; 0 of nothing.
pub(super) fn ratio(part: i64, whole: i64) -> f64 {
    double(share(part, ONE, whole).into())
}
