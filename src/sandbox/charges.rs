//! The amounts of a line on a day: quantities with a weekly pattern and growth, and the metrics of each charge.
//!
//! The five newest metrics have no public definition beyond their names, so these are the sandbox's own:
//!
//! | charge | BilledCost | ContractedCost | ListCost | PublicEquivalentBilledCost | PublicOnDemandCost |
//! |---|---|---|---|---|---|
//! | usage at public price | net | net | public | public | public |
//! | usage under a commitment | 0 | net of the public price | public | 0 | public |
//! | fee of a commitment | net | net | fee | fee | 0 |
//! | negation of covered usage | 0 | 0 | 0 | 0 | 0 |
//! | tax, support, credit, refund | amount | amount | amount | amount | 0 |
//!
//! So BilledCost adds up to NetUnblendedCost and PublicEquivalentBilledCost to UnblendedCost, day by day.

use chrono::{Datelike, NaiveDate};

use super::amount::{ONE, share};
use super::bedrock::FIRST_DAY;
use super::bill::{Amounts, Stage, is_usage, next_month};
use super::commitments::{Bought, Plan, Terms, reservation_terms};
use super::dice::{between, chance, mix};
use super::lines::{Charge, Line};
use super::meters::{Meter, Rhythm};

/// The amounts of `line` on `day` at `stage`; `None` if the line has no charge that day.
pub(super) fn amounts(line: &Line, day: NaiveDate, stage: Stage) -> Option<Amounts> {
    if line.model.is_some() && day < FIRST_DAY {
        return None;
    }
    if is_usage(line.charge) {
        return line.meter.and_then(|meter| usage(line, meter, day, stage));
    }
    fixed(line, day, stage)
}

pub(super) fn day_hash(line: &Line, day: NaiveDate, what: u64) -> u64 {
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
pub(super) fn spike(line: &Line, day: NaiveDate) -> i64 {
    let hash = day_hash(line, day, 41);
    if hash.is_multiple_of(1_201) { between(mix(&[hash]), 2_000, 6_000) } else { 1_000 }
}

/// The size of a meter on a day, in thousandths of a unit.
fn grown(line: &Line, meter: &Meter, day: NaiveDate) -> i64 {
    let size = between(mix(&[line.salt, 42]), 550, 1_500);
    let thousandths = share(share(meter.quantity, line.account.weight, 1_000), size, 1_000);
    share(thousandths, growth(day), 1_000)
}

/// Permille of the machines of a fleet on a day.
pub(super) fn fleet(line: &Line, meter: &Meter, day: NaiveDate, permille: i64) -> i64 {
    share(grown(line, meter, day), permille, 1_000_000)
}

/// The quantity of a line once it has arrived, in 1e-10 units.
fn quantity(line: &Line, meter: &Meter, day: NaiveDate) -> i64 {
    match (line.charge, meter.rhythm) {
        (Charge::PlanCovered | Charge::PlanNegation, _) => Bought::under_plan(line, meter, day).used_hours * ONE,
        (Charge::Reserved, _) => Bought::reserved(line, meter, day).used_hours * ONE,
        (_, Rhythm::Planned(_) | Rhythm::Reserved(_)) => {
            let machines = fleet(line, meter, day, 1_000);
            let evening = i64::from(day.weekday().num_days_from_monday() >= 5 && machines > 6);
            let hours = (machines - evening * machines / 5) * 24;
            let covered = [Bought::under_plan, Bought::reserved].map(|bought| bought(line, meter, day).used_hours);
            (hours - covered.iter().sum::<i64>()).max(24) * ONE
        }
        (_, Rhythm::Steady) => {
            share(grown(line, meter, day), 10_000_000 + between(day_hash(line, day, 43), -40_000, 40_000), 1)
        }
        (_, Rhythm::Busy | Rhythm::Rare) => {
            let noise = between(day_hash(line, day, 44), 880_000_000, 1_120_000_000);
            let busy = share(grown(line, meter, day), noise, 1_000);
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
    let units = share(quantity(line, meter, day), stage.arrived, 100);
    let cost = share(units, meter.price, ONE);
    let normalized = units.saturating_mul(meter.normalized());
    Some(match line.charge {
        Charge::PlanCovered => {
            let used = share(cost, Bought::under_plan(line, meter, day).percent, 100);
            analysed(row(cost, cost, used, units, normalized), [0, net(cost), cost, 0, cost])
        }
        Charge::PlanNegation => analysed(row(-cost, -cost, 0, 0, 0), [0; 5]),
        Charge::Reserved => {
            let used = share(cost, Bought::reserved(line, meter, day).percent, 100);
            let old = row(0, share(cost, 58, 100), used, units, normalized);
            analysed(old, [0, net(cost), cost, 0, cost])
        }
        _ => {
            let old = row(cost, blended(meter, cost), cost, units, normalized);
            analysed(old, [net(cost), net(cost), cost, cost, cost])
        }
    })
}

/// Blended rates differ from unblended ones only where reservations are shared.
fn blended(meter: &Meter, cost: i64) -> i64 {
    if matches!(meter.rhythm, Rhythm::Reserved(_)) { share(cost, 937, 1_000) } else { cost }
}

/// Net is 3.5 % below public price.
fn net(cost: i64) -> i64 {
    share(cost, 965, 1_000)
}

/// Unblended, blended, amortized, net unblended, net amortized, quantity, normalized.
fn row(unblended: i64, blended: i64, amortized: i64, units: i64, normalized: i64) -> [i64; 7] {
    [unblended, blended, amortized, net(unblended), net(amortized), units, normalized]
}

/// All amounts: those of a row; then billed, contracted, list, public equivalent of billed, public on demand.
fn analysed(row: [i64; 7], newest: [i64; 5]) -> Amounts {
    std::array::from_fn(|index| row.iter().chain(&newest).nth(index).copied().unwrap_or(0))
}

/// The fee of a commitment, with the part of it that was not used.
fn fee(fee: i64, unused: i64, hours: i64) -> Amounts {
    analysed(row(fee, fee, unused, hours, 0), [net(fee), net(fee), fee, fee, 0])
}

/// The amounts of the line of a savings plan's fee.
pub(super) fn plan_fee(lines: &[Line], plan: &Plan, day: NaiveDate) -> Amounts {
    let (committed, unused) = plan.on(lines, day);
    fee(recurring(committed, plan.terms), unused, 24 * ONE)
}

/// The fee of a reservation for the month that begins on `first`; its unused part grows with the month.
fn reservation_fee(line: &Line, meter: &Meter, first: NaiveDate, accrued: i64) -> Amounts {
    let (mut paid, mut unused, mut hours) = (0, 0, 0);
    for day in first.iter_days().take_while(|day| *day < next_month(first)) {
        let bought = Bought::reserved(line, meter, day);
        let (all, used) = bought.cost();
        paid += recurring(all, reservation_terms(line));
        unused += all - used;
        hours += bought.machines * 24;
    }
    fee(paid, share(unused, accrued, 1_000), hours * ONE)
}

/// What of a commitment is not paid at the beginning of its term.
fn recurring(committed: i64, terms: Terms) -> i64 {
    committed - share(committed, terms.upfront_percent(), 100)
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
        Charge::ReservationFee { .. } if first => {
            line.meter.map(|meter| reservation_fee(line, meter, day, stage.accrued))
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
    analysed([amount, amount, amount, amount, amount, 0, 0], [amount, amount, amount, amount, 0])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::sandbox::reader::{NOW, query, read, service};
    use crate::sandbox::request::NAMES;

    #[test]
    fn the_newest_metrics_are_consistent_with_the_old_ones() {
        let ce = service(1_000);
        let by_type = json!([{ "Type": "DIMENSION", "Key": "RECORD_TYPE" }, { "Type": "DIMENSION", "Key": "SERVICE" }]);
        let mut query = query("2026-09-20", "2026-11-15", "MONTHLY", &by_type);
        query["Metrics"] = json!(NAMES.map(|(_, snake)| snake));
        let mut totals = [0; 4];
        for ((_, keys), sums) in read(&ce, &query, NOW) {
            let of = |name: &str| sums[name];
            assert!(of("ListCost") >= of("ContractedCost"), "{keys:?}");
            assert!(of("ContractedCost") >= of("BilledCost"), "{keys:?}");
            if ["SavingsPlanCoveredUsage", "DiscountedUsage"].contains(&&*keys[0]) {
                assert!(of("PublicOnDemandCost") > of("AmortizedCost") && of("BilledCost") == 0, "{keys:?}");
            }
            let compared = ["BilledCost", "NetUnblendedCost", "PublicEquivalentBilledCost", "UnblendedCost"];
            for (total, name) in totals.iter_mut().zip(compared) {
                *total += of(name);
            }
        }
        assert!(totals[0] > 0);
        assert_eq!(totals[0], totals[1], "what was billed");
        assert_eq!(totals[2], totals[3], "what it would be without the private discount");
    }
}
