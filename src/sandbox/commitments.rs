//! What the company has committed to: savings plans, and reservations of machines.
//!
//! A commitment is bought at the beginning of a term for a share of a fleet as it was then, and stays the same until the
//! term ends. The fleet grows and shrinks; what it needs beyond its commitments runs on demand. Some hours stay unused,
//! more of them at weekends. The bill's covered lines and fees are computed from this, the answers of both APIs from the
//! bill. What is paid at the beginning of a term is not in the bill, only what recurs.

use chrono::{Datelike, NaiveDate};

use super::amount::{ONE, share};
use super::bill::Bill;
use super::charges::{day_hash, fleet};
use super::dice::{between, chance, hex, mix, uuid};
use super::lines::{Charge, Line};
use super::meters::Meter;

/// How a commitment is paid, and when its terms begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) purchase: &'static str,
    pub(super) years: i32,
    /// Month and day.
    pub(super) begins: (u32, u32),
}

impl Terms {
    /// Start and end of the term that contains `day`.
    pub(super) fn at(self, day: NaiveDate) -> (NaiveDate, NaiveDate) {
        let begin = |year| NaiveDate::from_ymd_opt(year, self.begins.0, self.begins.1).unwrap_or(day);
        let year = if day < begin(day.year()) { day.year() - 1 } else { day.year() };
        let year = year - year.rem_euclid(self.years);
        (begin(year), begin(year + self.years))
    }

    /// The part of a commitment that is paid at the beginning of its term, in percent.
    pub(super) fn upfront_percent(self) -> i64 {
        match self.purchase {
            "All Upfront" => 100,
            "Partial Upfront" => 50,
            _ => 0,
        }
    }

    /// What a reserved hour costs in percent of its public price.
    fn reserved_percent(self) -> i64 {
        match (self.years, self.upfront_percent()) {
            (1, 0) => 66,
            (1, 50) => 63,
            (1, _) => 62,
            (_, 0) => 47,
            (_, 50) => 44,
            _ => 43,
        }
    }
}

/// A savings plan.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) kind: &'static str,
    /// The usage type of its fee.
    pub(super) usage_type: &'static str,
    pub(super) terms: Terms,
    /// What a covered hour costs in percent of its public price.
    percent: i64,
}

/// The company's savings plans.
pub(super) static PLANS: [Plan; 2] = [
    Plan {
        kind: "ComputeSavingsPlans",
        usage_type: "ComputeSP:1yrNoUpfront",
        terms: Terms { purchase: "No Upfront", years: 1, begins: (5, 2) },
        percent: 72,
    },
    Plan {
        kind: "EC2InstanceSavingsPlans",
        usage_type: "EC2InstanceSP:3yrPartialUpfront",
        terms: Terms { purchase: "Partial Upfront", years: 3, begins: (10, 12) },
        percent: 53,
    },
];

impl Plan {
    /// The plan that covers machines of a family in a region.
    pub(super) fn of(meter: &Meter, region: &str) -> &'static Self {
        let [compute, instances] = &PLANS;
        if (meter.family(), region) == ("r6i", "eu-west-1") { instances } else { compute }
    }

    pub(super) fn covers(&self, line: &Line) -> bool {
        let of_line = || line.meter.map(|meter| Self::of(meter, line.region));
        matches!(line.charge, Charge::PlanCovered) && of_line() == Some(self)
    }

    /// Its ARN in the term that begins on a day.
    pub(super) fn arn(&self, bill: &Bill, begin: NaiveDate) -> String {
        let hash = mix(&[bill.seed, 72, u64::from(self.terms.begins.0), u64::from(begin.year().unsigned_abs())]);
        format!("arn:aws:savingsplans::{}:savingsplan/{}", bill.payer(), uuid(&hex(hash, 32)))
    }

    /// What it commits to on a day, and the part that stays unused once all usage has arrived, in 1e-10 USD.
    pub(super) fn on(&self, lines: &[Line], day: NaiveDate) -> (i64, i64) {
        let own = lines.iter().filter(|line| !line.correction && self.covers(line));
        let each = own.filter_map(|line| Some(Bought::under_plan(line, line.meter?, day).cost()));
        each.fold((0, 0), |sum, (fee, used)| (sum.0 + fee, sum.1 + fee - used))
    }
}

/// Machines of one fleet that are bought ahead, on one day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bought {
    pub(super) machines: i64,
    pub(super) used_hours: i64,
    /// Public price of an hour in 1e-10 USD, and what it costs in percent of that.
    price: i64,
    pub(super) percent: i64,
}

impl Bought {
    pub(super) fn under_plan(line: &Line, meter: &Meter, day: NaiveDate) -> Self {
        let plan = Plan::of(meter, line.region);
        let machines = bought(line, meter, line.planned, plan.terms, day);
        Self::new(line, meter, (machines, plan.percent), day, 48)
    }

    pub(super) fn reserved(line: &Line, meter: &Meter, day: NaiveDate) -> Self {
        let terms = reservation_terms(line);
        let machines = bought(line, meter, line.reserved, terms, day);
        let own = Self::new(line, meter, (machines, terms.reserved_percent()), day, 49);
        let idle = line.charge == Charge::ReservationFee { idle: true };
        if idle { Self { used_hours: 0, ..own } } else { own }
    }

    fn new(line: &Line, meter: &Meter, (machines, percent): (i64, i64), day: NaiveDate, what: u64) -> Self {
        let weekend = if day.weekday().num_days_from_monday() >= 5 { 50 } else { 0 };
        let idle = between(day_hash(line, day, what), 5, 50) + weekend;
        let hours = machines * 24;
        Self { machines, used_hours: hours - hours * idle / 1_000, price: meter.price, percent }
    }

    /// What all hours cost, and the used ones.
    pub(super) fn cost(self) -> (i64, i64) {
        let of = |hours: i64| share(share(hours * ONE, self.price, ONE), self.percent, 100);
        (of(self.machines * 24), of(self.used_hours))
    }

    /// What all hours would cost at the public price.
    pub(super) fn public_cost(self) -> i64 {
        self.machines * 24 * self.price
    }
}

/// The machines bought at the beginning of the term of `day`: permille of the fleet then, and at least one.
fn bought(line: &Line, meter: &Meter, permille: i64, terms: Terms, day: NaiveDate) -> i64 {
    if permille == 0 { 0 } else { fleet(line, meter, terms.at(day).0, permille).max(1) }
}

/// How a reservation of the machines of a line is paid.
pub(super) fn reservation_terms(line: &Line) -> Terms {
    let drawn = |what| mix(&[line.salt, what]);
    let purchase = match drawn(75) % 3 {
        0 => "No Upfront",
        1 => "Partial Upfront",
        _ => "All Upfront",
    };
    let years = if chance(drawn(76), 30) { 3 } else { 1 };
    let number = |what, high| u32::try_from(between(drawn(what), 1, high)).unwrap_or(1);
    Terms { purchase, years, begins: (number(77, 12), number(78, 28)) }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::{PLANS, Terms};
    use crate::sandbox::bill::Bill;
    use crate::sandbox::reader::day;
    use crate::sandbox::reservations::Reservation;

    /// What is bought on every 20th day from one to another.
    fn every_20th<T>(from: NaiveDate, to: NaiveDate, bought: impl Fn(NaiveDate) -> T) -> Vec<T> {
        from.iter_days().take_while(|day| *day < to).step_by(20).map(bought).collect()
    }

    #[test]
    fn a_commitment_is_the_same_on_every_day_of_its_term_and_renewed_to_the_fleet() {
        let bill = Bill::new(42, day("2025-10-01"));
        for plan in &PLANS {
            let (begin, end) = plan.terms.at(day("2026-11-20"));
            let on = |day| plan.on(&bill.lines, day);
            let days = every_20th(begin, end, on);
            assert!(days.iter().all(|(all, unused)| *all == days[0].0 && (0..*all).contains(unused)), "{days:?}");
            assert!(on(end).0 > days[0].0, "{}", plan.kind);
        }
        let reservations: Vec<_> = Reservation::all(&bill).collect();
        let mut grown = 0;
        for own in &reservations {
            let (begin, end) = own.terms().at(day("2026-11-20"));
            let machines = every_20th(begin, end, |day| own.bought(day).machines);
            assert!(machines.iter().all(|all| *all == machines[0] && *all > 0), "{machines:?}");
            grown += i32::from(own.bought(end).machines > machines[0]);
        }
        assert!(grown > 3, "{grown} of {}", reservations.len());
    }

    #[test]
    fn a_term_begins_in_a_year_that_its_length_divides() {
        let terms = Terms { purchase: "", years: 3, begins: (10, 12) };
        let (before, after) = (terms.at(day("2025-10-11")), terms.at(day("2025-10-12")));
        assert_eq!(before, (day("2022-10-12"), day("2025-10-12")));
        assert_eq!(after, (day("2025-10-12"), day("2028-10-12")));
    }

    #[test]
    fn machines_of_all_products_are_reserved_whatever_the_seed() {
        for seed in [1, 7, 42, 1_234] {
            let bill = Bill::new(seed, day("2025-10-01"));
            for service in ["Compute", "Database", "Cache"] {
                let own: Vec<_> = Reservation::all(&bill).filter(|own| own.service().contains(service)).collect();
                let used = own.iter().filter(|own| own.bought(day("2026-11-18")).used_hours > 0).count();
                assert!(used > 0, "{service} with seed {seed}");
            }
        }
    }
}
