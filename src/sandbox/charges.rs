//! The amounts of a line on a day: quantities with a weekly pattern and growth, and the seven metrics of each charge.

use chrono::{Datelike, NaiveDate};

use super::amount::{ONE, share};
use super::bill::{Amounts, Stage, is_usage, next_month};
use super::dice::{between, chance, mix};
use super::lines::{Charge, Line};
use super::meters::{Meter, Rhythm};

/// The amounts of `line` on `day` at `stage`; `None` if the line has no charge that day.
pub(super) fn amounts(line: &Line, day: NaiveDate, stage: Stage) -> Option<Amounts> {
    if is_usage(line.charge) {
        return line.meter.and_then(|meter| usage(line, meter, day, stage));
    }
    fixed(line, day, stage)
}

fn day_hash(line: &Line, day: NaiveDate, what: u64) -> u64 {
    mix(&[line.salt, what, u64::from(day.num_days_from_ce().unsigned_abs())])
}

/// Size of the business in permille of the start of 2026; grows by about 18 % a year.
fn growth(day: NaiveDate) -> i64 {
    let since = i64::from(day.num_days_from_ce()) - 739_617;
    (1_000 + since / 2).clamp(350, 2_000)
}

/// Usage of a weekday in permille of a normal working day.
fn weekday(day: NaiveDate) -> i64 {
    [1_000, 1_030, 1_045, 1_020, 960, 640, 600][day.weekday().num_days_from_monday() as usize]
}

/// Factor of a spike in permille: a launch or a runaway job on one meter for one day, a few times a month in total.
fn spike(line: &Line, day: NaiveDate) -> i64 {
    let hash = day_hash(line, day, 41);
    if hash.is_multiple_of(1_201) { between(mix(&[hash]), 2_000, 6_000) } else { 1_000 }
}

/// The quantity of a meter before it is split between charges, in 1e-10 units.
fn quantity(line: &Line, meter: &Meter, day: NaiveDate, fleet_share: i64) -> i64 {
    let size = between(mix(&[line.salt, 42]), 550, 1_500);
    let thousandths = share(share(meter.quantity, line.account.weight, 1_000), size, 1_000);
    let grown = share(thousandths, growth(day), 1_000);
    match meter.rhythm {
        Rhythm::Planned(_) | Rhythm::Reserved(_) => {
            let machines = share(grown, fleet_share, 1_000_000).max(1);
            let evening = i64::from(day.weekday().num_days_from_monday() >= 5 && machines > 6);
            (machines - evening * machines / 5) * 24 * ONE
        }
        Rhythm::Steady => share(grown, 10_000_000 + between(day_hash(line, day, 43), -40_000, 40_000), 1),
        Rhythm::Busy | Rhythm::Rare => {
            let noise = between(day_hash(line, day, 44), 880_000_000, 1_120_000_000);
            let busy = share(grown, noise, 1_000);
            share(share(busy, weekday(day), 100), spike(line, day), 1_000)
        }
    }
}

fn usage(line: &Line, meter: &Meter, day: NaiveDate, stage: Stage) -> Option<Amounts> {
    if meter.rhythm == Rhythm::Rare && !chance(day_hash(line, day, 45), 35) {
        return None;
    }
    // At first some lines are missing entirely; the others have arrived in about the same proportion.
    if stage.arrived < 60 && chance(day_hash(line, day, 46), 12) {
        return None;
    }
    let fleet_share = match line.charge {
        Charge::Usage { share } | Charge::PlanCovered { share } | Charge::PlanNegation { share } => share,
        Charge::Reserved { share } => share,
        _ => return None,
    };
    let units = share(quantity(line, meter, day, fleet_share), stage.arrived, 100);
    let cost = share(units, meter.price, ONE);
    let normalized = match meter.rhythm {
        Rhythm::Planned(each) | Rhythm::Reserved(each) => units.saturating_mul(each),
        _ => 0,
    };
    Some(match line.charge {
        Charge::PlanCovered { .. } => row(cost, cost, share(cost, 72, 100), units, normalized),
        Charge::PlanNegation { .. } => row(-cost, -cost, 0, 0, 0),
        Charge::Reserved { .. } => row(0, share(cost, 58, 100), share(cost, 62, 100), units, normalized),
        _ => row(cost, blended(meter, cost), cost, units, normalized),
    })
}

/// Blended rates differ from unblended ones only where reservations are shared.
fn blended(meter: &Meter, cost: i64) -> i64 {
    if matches!(meter.rhythm, Rhythm::Reserved(_)) { share(cost, 937, 1_000) } else { cost }
}

/// Unblended, blended, amortized, net unblended, net amortized, quantity, normalized: net is 3.5 % below public price.
fn row(unblended: i64, blended: i64, amortized: i64, units: i64, normalized: i64) -> Amounts {
    [unblended, blended, amortized, share(unblended, 965, 1_000), share(amortized, 965, 1_000), units, normalized]
}

fn fixed(line: &Line, day: NaiveDate, stage: Stage) -> Option<Amounts> {
    // A dollar amount for a typical account, scaled by account size and growth, with noise of ±`spread` permille.
    let about = |dollars: i64, spread: i64| {
        let sized = share(dollars * ONE, line.account.weight, 1_000);
        let noise = between(day_hash(line, day, 51), -100 * spread, 100 * spread);
        share(share(sized, growth(day), 1_000), 100_000 + noise, 100_000)
    };
    let first = stage.accrued > 0;
    match line.charge {
        Charge::PlanFee => {
            let fee = share(1_560 * ONE, growth(day) / 40, 25);
            let unused = between(day_hash(line, day, 52), 12, 60);
            Some(row(fee, fee, share(fee, unused, 1_000), 24 * ONE, 0))
        }
        Charge::ReservationFee if first => {
            let hours = (next_month(day) - day).num_days() * 24;
            let fee = share(about(3, 0), hours, 1);
            let unused = share(share(fee, 7, 100), stage.accrued, 1_000);
            Some(row(fee, fee, unused, hours * ONE, 0))
        }
        Charge::Tax if first => Some(gross(share(about(2_100, 60), stage.accrued, 1_000))),
        Charge::Support if stage.support => Some(gross(about(5_600, 10))),
        Charge::Credit => Some(gross(-about(31, 300))),
        Charge::LateCredit if stage.late_credit => Some(gross(-about(640, 200))),
        Charge::Refund if stage.refund => Some(gross(-about(210, 200))),
        _ => None,
    }
}

/// Taxes, support, credits and refunds: no discount, no quantity.
fn gross(amount: i64) -> Amounts {
    [amount, amount, amount, amount, amount, 0, 0]
}
