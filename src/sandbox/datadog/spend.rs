//! Reservations and savings plans: a fixed set of programs, each renewed at the end of its term.
//!
//! The list, the savings, the utilization and the coverage are computed from the same programs and the same daily
//! utilization, so they agree: a day's figures follow from the committed amount and how much of it was used.

use chrono::{Datelike, NaiveDate};
use serde_json::{Value, json};

use crate::sandbox::dice::{between, hex, mix, uuid};

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

/// Committed and used spend of one day, in cents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spend {
    /// Paid for the commitments, used or not.
    pub(super) actual: i64,
    /// On-demand cost of the used part.
    pub(super) on_demand: i64,
    /// The part of `actual` that was used.
    pub(super) used: i64,
    /// Hours of reserved machines that were used, in ten thousandths; 0 for plans, which commit to money.
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
    fn programs(&self) -> impl Iterator<Item = (usize, &'static Program)> + '_ {
        PROGRAMS.iter().enumerate().filter(|(_, program)| {
            program.provider.eq_ignore_ascii_case(self.provider)
                && program.product.eq_ignore_ascii_case(self.product)
                && self.kind.is_none_or(|kind| program.kind.eq_ignore_ascii_case(kind))
        })
    }

    /// The commitments that overlap the window or expired within the 30 days before it.
    pub(super) fn list(&self, seed: u64, window: Window) -> Vec<Value> {
        let mut list = Vec::new();
        for (index, program) in self.programs() {
            let last = window.end.pred_opt().unwrap_or(window.end);
            let previous = window.start.iter_days().rev().nth(30).map(|day| program.term_at(day));
            let mut terms = vec![program.term_at(window.start), program.term_at(last)];
            terms.extend(previous);
            terms.sort_unstable();
            terms.dedup();
            list.extend(terms.into_iter().map(|term| program.item(seed, index as u64, term, window)));
        }
        list
    }

    /// Spend of one day summed over the selected commitments; `None` if there are none.
    pub(super) fn spend(&self, seed: u64, day: NaiveDate, today: NaiveDate) -> Option<Spend> {
        self.programs().map(|(index, program)| program.spend(seed, index as u64, day, today)).reduce(|a, b| a + b)
    }
}

impl Program {
    /// Start and end of the term that contains `day`.
    pub(in crate::sandbox) fn term_at(&self, day: NaiveDate) -> (NaiveDate, NaiveDate) {
        let begin = |year| NaiveDate::from_ymd_opt(year, self.begins.0, self.begins.1).unwrap_or(day);
        let year = if day < begin(day.year()) { day.year() - 1 } else { day.year() };
        let year = year - year.rem_euclid(self.term);
        (begin(year), begin(year + self.term))
    }

    /// Utilization of a day in ten thousandths; the last two days have not settled.
    fn utilization(&self, seed: u64, index: u64, day: NaiveDate, today: NaiveDate) -> i64 {
        let noise = between(mix(&[seed, 71, index, u64::from(day.num_days_from_ce().unsigned_abs())]), -450, 350);
        let weekend = if day.weekday().num_days_from_monday() >= 5 { 700 } else { 0 };
        let settled = (self.usual_utilization + noise - weekend).clamp(0, 10_000);
        match (today - day).num_days() {
            ..=1 => settled * 91 / 100,
            2 => settled * 97 / 100,
            _ => settled,
        }
    }

    fn spend(&self, seed: u64, index: u64, day: NaiveDate, today: NaiveDate) -> Spend {
        let actual = self.hourly * 24;
        let utilization = self.utilization(seed, index, day, today);
        let used = actual * utilization / 10_000;
        let hours = if self.kind == "ri" { self.count * 24 * utilization } else { 0 };
        Spend { actual, used, on_demand: used * 10_000 / (10_000 - self.discount), hours }
    }

    /// The identifier of the commitment of a term; `index` is the program's place in [`PROGRAMS`].
    pub(in crate::sandbox) fn id_of_term(&self, seed: u64, index: u64, term: (NaiveDate, NaiveDate)) -> String {
        self.id(mix(&[seed, 72, index, u64::from(term.0.year().unsigned_abs())]))
    }

    fn item(&self, seed: u64, index: u64, term: (NaiveDate, NaiveDate), window: Window) -> Value {
        let active = window.days().filter(|day| (term.0..term.1).contains(day));
        let used: Vec<i64> = active.map(|day| self.utilization(seed, index, day, window.today)).collect();
        let days = i64::try_from(used.len()).unwrap_or(0);
        let utilization = used.iter().sum::<i64>().checked_div(days).map(|mean| decimal(mean, 10_000));
        let mut item = json!({
            "commitment_id": self.id_of_term(seed, index, term),
            "start_date": format!("{}T00:00:00Z", term.0),
            "expiration_date": format!("{}T00:00:00Z", term.1),
            "term_length": self.term,
            "utilization": utilization,
        });
        let own = self.own_fields(term.1, window.today);
        if let (Value::Object(item), Value::Object(own)) = (&mut item, own) {
            item.extend(own);
            // Fields a commitment does not have are omitted, never null.
            item.retain(|_, value| !value.is_null());
        }
        item
    }

    /// The fields specific to this kind of commitment; null if this one lacks a field.
    fn own_fields(&self, expires: NaiveDate, today: NaiveDate) -> Value {
        let (region, purchase_option, count) = (self.region, self.purchase, self.count);
        let spend = decimal(self.hourly, 100);
        match self.variant {
            Variant::Ec2 { instance, system, class, zone } => json!({
                "region": region, "purchase_option": purchase_option, "instance_type": instance,
                "operating_system": system, "offering_class": class, "availability_zone": zone,
                "number_of_reservations": count,
                "number_of_nfus": count * if instance.ends_with(".2xlarge") { 16 } else { 8 },
            }),
            Variant::Rds { instance, engine, multi_az } => json!({
                "region": region, "purchase_option": purchase_option, "instance_type": instance,
                "database_engine": engine, "is_multi_az": multi_az, "number_of_reservations": count,
                "number_of_nfus": multi_az.map(|multi_az| count * if multi_az { 16 } else { 8 }),
            }),
            Variant::Cache { instance, engine } => json!({
                "region": region, "purchase_option": purchase_option, "instance_type": instance,
                "cache_engine": engine, "number_of_reservations": count,
            }),
            Variant::AwsPlan { plan } => json!({
                "purchase_option": purchase_option, "savings_plan_type": plan,
                "committed_spend_per_hour": spend,
            }),
            Variant::AzureMachine { instance, sub_category, name } => json!({
                "region": region, "instance_type": instance, "meter_sub_category": sub_category,
                "benefit_name": name, "status": if today < expires { "running" } else { "expired" },
            }),
            Variant::AzurePlan { name } => json!({
                "benefit_name": name, "committed_spend_per_hour": spend,
            }),
        }
    }

    fn id(&self, hash: u64) -> String {
        let (word, long) = (hex(hash, 17), hex(hash, 32));
        let dashed = uuid(&long);
        match self.variant {
            Variant::AwsPlan { .. } => {
                format!("arn:aws:savingsplans::000123456789:savingsplan/{dashed}")
            }
            Variant::AzureMachine { .. } => {
                format!("/providers/Microsoft.Capacity/reservationOrders/{dashed}")
            }
            Variant::AzurePlan { .. } => {
                format!("/providers/Microsoft.BillingBenefits/savingsPlanOrders/{dashed}")
            }
            Variant::Ec2 { .. } => format!("ri-{word}"),
            Variant::Rds { .. } | Variant::Cache { .. } => {
                format!("ri-{}-{}", self.product, hex(hash, 12))
            }
        }
    }
}

/// `parts / of` as a double, the number type of this API.
#[expect(clippy::cast_precision_loss, reason = "Datadog answers doubles; the parts are far below 2^53")]
pub(in crate::sandbox) fn decimal(parts: i64, of: i64) -> f64 {
    parts as f64 / of as f64
}
