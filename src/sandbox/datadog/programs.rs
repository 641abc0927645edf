//! The company's commitments at Azure, whose bill the sandbox does not have: fixed programs, with a utilization drawn for
//! each day.

use chrono::{Datelike, NaiveDate};

use crate::sandbox::amount::ONE;
use crate::sandbox::commitments::Terms;
use crate::sandbox::dice::{between, hex, mix, uuid};

use super::spend::Spend;

/// The fields specific to each kind of commitment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Variant {
    Machine { instance: &'static str, sub_category: &'static str, region: &'static str },
    Plan,
}

/// One program. Ratios in ten thousandths.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) variant: Variant,
    pub(super) terms: Terms,
    count: i64,
    /// Committed cents per hour, for all reservations together.
    pub(super) hourly: i64,
    discount: i64,
    usual_utilization: i64,
}

const fn machine(instance: &'static str, sub_category: &'static str) -> Variant {
    Variant::Machine { instance, sub_category, region: "westeurope" }
}

const fn azure(name: &'static str, variant: Variant, terms: (i32, (u32, u32)), size: (i64, i64, i64, i64)) -> Program {
    let (count, hourly, discount, usual_utilization) = size;
    let terms = Terms { purchase: "", years: terms.0, begins: terms.1 };
    Program { name, variant, terms, count, hourly, discount, usual_utilization }
}

/// All programs.
#[rustfmt::skip]
pub(super) static PROGRAMS: [Program; 3] = [
    azure("core-d4s-weu", machine("Standard_D4s_v5", "Dsv5 Series"), (1, (8, 21)), (12, 172, 3_600, 9_100)),
    azure("db-e8s-weu", machine("Standard_E8s_v5", "Esv5 Series"), (3, (12, 5)), (4, 98, 5_500, 7_700)),
    azure("compute-plan-2", Variant::Plan, (1, (3, 27)), (1, 1_340, 2_600, 9_200)),
];

impl Program {
    pub(super) fn kind(&self) -> &'static str {
        if matches!(self.variant, Variant::Plan) { "sp" } else { "ri" }
    }

    fn hash(&self, seed: u64, what: u64, number: u32) -> u64 {
        mix(&[seed, what, crate::sandbox::dice::of_text(self.name), u64::from(number)])
    }

    /// Utilization of a day in ten thousandths; the last two days have not settled.
    fn utilization(&self, seed: u64, day: NaiveDate, today: NaiveDate) -> i64 {
        let noise = between(self.hash(seed, 71, day.num_days_from_ce().unsigned_abs()), -450, 350);
        let weekend = if day.weekday().num_days_from_monday() >= 5 { 700 } else { 0 };
        let settled = (self.usual_utilization + noise - weekend).clamp(0, 10_000);
        match (today - day).num_days() {
            ..=1 => settled * 91 / 100,
            2 => settled * 97 / 100,
            _ => settled,
        }
    }

    pub(super) fn spend(&self, seed: u64, day: NaiveDate, today: NaiveDate) -> Spend {
        let cents = self.hourly * 24;
        let utilization = self.utilization(seed, day, today);
        let used = cents * utilization / 10_000;
        let on_demand = used * 10_000 / (10_000 - self.discount);
        let hours = if self.kind() == "ri" { self.count * 24 * utilization * (ONE / 10_000) } else { 0 };
        Spend { actual: cents * (ONE / 100), used: used * (ONE / 100), on_demand: on_demand * (ONE / 100), hours }
    }

    /// The identifier of the commitment of the term that begins on a day.
    pub(super) fn id(&self, seed: u64, begin: NaiveDate) -> String {
        let orders = match self.variant {
            Variant::Machine { .. } => "Microsoft.Capacity/reservationOrders",
            Variant::Plan => "Microsoft.BillingBenefits/savingsPlanOrders",
        };
        format!("/providers/{orders}/{}", uuid(&hex(self.hash(seed, 72, begin.year().unsigned_abs()), 32)))
    }
}
