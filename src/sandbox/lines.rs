//! The lines of a bill: account, service, region and tags of each, and how it is charged.
//!
//! Lines are drawn once from the seed; a day only adds amounts to them. That keeps a year of days small, and a query
//! decides only once per line whether it passes the filter and which group it belongs to.

use std::sync::Arc;

use super::bedrock::{self, Model};
use super::bill::is_usage;
use super::catalog::{Account, GLOBAL, NOWHERE, REGIONS, Region, TEAMS, product};
use super::commitments::{PLANS, Plan};
use super::dice::{between, chance, mix};
use super::meters::{Meter, Rhythm, SERVICES, Service};

/// How a line is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charge {
    /// A meter at its public price; of a fleet of machines, what no commitment covers.
    Usage,
    /// Machines under a savings plan, shown at public price.
    PlanCovered,
    /// The negative line that cancels the public price of the covered machines.
    PlanNegation,
    /// The hourly commitment of a savings plan.
    PlanFee(&'static Plan),
    /// Machines under a reservation.
    Reserved,
    /// The fee of a reservation, booked on the 1st of the month. One that is idle covers nothing.
    ReservationFee { idle: bool },
    /// Tax of the month, booked on the 1st and growing until the invoice.
    Tax,
    /// The support plan, added to the first week of a month after the month's end.
    Support,
    /// A promotional credit consumed daily.
    Credit,
    /// A credit granted after the month is closed.
    LateCredit,
    /// A refund paid after the end of a quarter.
    Refund,
}

/// One line: everything a query can group or filter by.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) account: Arc<Account>,
    pub(super) service: &'static str,
    pub(super) usage_type: String,
    pub(super) region: &'static str,
    pub(super) operation: &'static str,
    pub(super) team: &'static str,
    pub(super) env: &'static str,
    pub(super) product: &'static str,
    pub(super) unit: &'static str,
    pub(super) charge: Charge,
    pub(super) meter: Option<&'static Meter>,
    /// Permille of the fleet of machines bought under savings plans, and reserved.
    pub(super) planned: i64,
    pub(super) reserved: i64,
    /// The product attributes of a line of Amazon Bedrock.
    pub(super) model: Option<&'static Model>,
    /// Hash of the line; lines about the same machines share it.
    pub(super) salt: u64,
    /// Index of the same line with the corrected tag.
    pub(super) corrected: Option<usize>,
    /// True for a line that exists only as the correction of another.
    pub(super) correction: bool,
}

impl Line {
    /// The value of the dimension RECORD_TYPE.
    pub(super) fn record_type(&self) -> &'static str {
        match self.charge {
            Charge::Usage => "Usage",
            Charge::PlanCovered => "SavingsPlanCoveredUsage",
            Charge::PlanNegation => "SavingsPlanNegation",
            Charge::PlanFee(_) => "SavingsPlanRecurringFee",
            Charge::Reserved => "DiscountedUsage",
            Charge::ReservationFee { .. } => "RIFee",
            Charge::Tax => "Tax",
            Charge::Support => "Support",
            Charge::Credit | Charge::LateCredit => "Credit",
            Charge::Refund => "Refund",
        }
    }
}

/// Draws all lines of an organisation with these accounts, the first of which pays.
pub(super) fn draw(seed: u64, accounts: &[Arc<Account>]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (a, account) in accounts.iter().enumerate() {
        for (s, service) in SERVICES.iter().enumerate() {
            let salt = mix(&[seed, a as u64, s as u64]);
            if chance(salt, service.spread) {
                used_service(account, service, salt, &mut lines);
            } else if account.unit.weight > 1_000 {
                idle_reservation(account, service, salt, &mut lines);
            }
        }
        bedrock::draw(account, mix(&[seed, a as u64, 0xA1]), &mut lines);
        account_lines(account, mix(&[seed, a as u64]), &mut lines);
    }
    if let Some(payer) = accounts.first() {
        payer_lines(payer, mix(&[seed, 0xFEE]), &mut lines);
    }
    add_corrections(&mut lines);
    lines
}

fn used_service(account: &Arc<Account>, service: &'static Service, salt: u64, lines: &mut Vec<Line>) {
    if service.global {
        return used_meters(account, service, GLOBAL, salt, lines);
    }
    used_meters(account, service, account.unit.region, salt, lines);
    let second = REGIONS[usize::try_from(mix(&[salt, 2]) % 4).unwrap_or(0)];
    if second != account.unit.region && chance(mix(&[salt, 3]), 35) {
        used_meters(account, service, second, mix(&[salt, 4]), lines);
    }
}

fn used_meters(account: &Arc<Account>, service: &'static Service, region: Region, salt: u64, lines: &mut Vec<Line>) {
    let team = TEAMS[usize::try_from(mix(&[salt, 5]) % TEAMS.len() as u64).unwrap_or(0)];
    for (m, meter) in service.meters.iter().enumerate() {
        let salt = mix(&[salt, 6, m as u64]);
        if m > 1 && !chance(salt, 80) {
            continue;
        }
        let (planned, reserved) = commitments_of(meter, account, region, salt);
        let usage = Line {
            account: Arc::clone(account),
            service: service.name,
            usage_type: format!("{}{}", region.prefix, meter.usage_type),
            region: region.name,
            operation: if meter.operation.is_empty() { "NoOperation" } else { meter.operation },
            team,
            env: if team.is_empty() { "" } else { account.unit.env },
            product: product(team),
            unit: meter.unit,
            charge: Charge::Usage,
            meter: Some(meter),
            planned,
            reserved,
            model: None,
            salt,
            corrected: None,
            correction: false,
        };
        let covered = [
            (planned, Charge::PlanCovered),
            (planned, Charge::PlanNegation),
            (reserved, Charge::Reserved),
            (reserved, Charge::ReservationFee { idle: false }),
        ];
        lines.push(usage.clone());
        let covered = covered.into_iter().filter(|(permille, _)| *permille > 0);
        lines.extend(covered.map(|(_, charge)| match charge {
            Charge::ReservationFee { .. } => {
                // Fees have no tags.
                let usage_type = format!("{}HeavyUsage:{}", region.prefix, meter.instance_type());
                Line { usage_type, charge, team: "", env: "", product: "", ..usage.clone() }
            }
            _ => Line { charge, ..usage.clone() },
        }));
    }
}

/// A large account keeps the reservations of machines that it does not run.
fn idle_reservation(account: &Arc<Account>, service: &'static Service, salt: u64, lines: &mut Vec<Line>) {
    let mut former = Vec::new();
    used_meters(account, service, account.unit.region, salt, &mut former);
    let fees = former.into_iter().filter(|line| matches!(line.charge, Charge::ReservationFee { .. }));
    lines.extend(fees.map(|line| Line { charge: Charge::ReservationFee { idle: true }, ..line }));
}

/// The machines that production accounts have reserved beside what their savings plans cover.
const RESERVED_MACHINES: [(&str, &str); 3] =
    [("harbor-web-prod", "m6i.xlarge"), ("harbor-data-prod", "c6i.2xlarge"), ("harbor-mobile-prod", "r6i.2xlarge")];

/// Permille of a fleet that are under savings plans, and reserved.
fn commitments_of(meter: &Meter, account: &Account, region: Region, salt: u64) -> (i64, i64) {
    let permille = between(mix(&[salt, 7]), 350, 700);
    match meter.rhythm {
        Rhythm::Planned(_) => {
            let known = RESERVED_MACHINES.contains(&(account.unit.name, meter.instance_type()));
            if known && region == account.unit.region { (permille - 150, 150) } else { (permille, 0) }
        }
        Rhythm::Reserved(_) => (0, permille),
        Rhythm::Busy | Rhythm::Steady | Rhythm::Rare => (0, 0),
    }
}

/// A line that is not usage: without region, operation and tags.
fn charge_line(account: &Arc<Account>, service: &'static str, usage_type: &str, charge: Charge, salt: u64) -> Line {
    Line {
        account: Arc::clone(account),
        service,
        usage_type: usage_type.to_owned(),
        region: NOWHERE.name,
        operation: "NoOperation",
        team: "",
        env: "",
        product: "",
        unit: "",
        charge,
        meter: None,
        planned: 0,
        reserved: 0,
        model: None,
        salt,
        corrected: None,
        correction: false,
    }
}

/// Lines of every account other than usage.
fn account_lines(account: &Arc<Account>, salt: u64, lines: &mut Vec<Line>) {
    let line =
        |service, usage_type: &str, charge, what| charge_line(account, service, usage_type, charge, mix(&[salt, what]));
    let home = account.unit.region;
    let mut at_home = |line: Line, operation| {
        let usage_type = format!("{}{}", home.prefix, line.usage_type);
        lines.push(Line { usage_type, region: home.name, operation, ..line });
    };
    if account.unit.weight > 1_000 {
        let late = line(SERVICES[0].name, "BoxUsage:m6i.xlarge", Charge::LateCredit, 13);
        at_home(late, "RunInstances");
    }
    if account.unit.env == "dev" || account.unit.env.is_empty() {
        at_home(line("AWS Lambda", "Lambda-GB-Second", Charge::Credit, 14), "Invoke");
    }
    if account.unit.weight > 2_000 {
        let refund = line("AWS Data Transfer", "DataTransfer-Out-Bytes", Charge::Refund, 15);
        at_home(refund, "RunInstances");
    }
    lines.push(line("Tax", "NoUsageType", Charge::Tax, 11));
}

/// Lines of the payer account only.
fn payer_lines(payer: &Arc<Account>, salt: u64, lines: &mut Vec<Line>) {
    for (plan, what) in PLANS.iter().zip([1, 3]) {
        let service = "Savings Plans for AWS Compute usage";
        let fee = charge_line(payer, service, plan.usage_type, Charge::PlanFee(plan), mix(&[salt, what]));
        lines.push(Line { region: GLOBAL.name, ..fee });
    }
    lines.push(charge_line(payer, "AWS Support (Business)", "Dollar", Charge::Support, mix(&[salt, 2])));
}

/// Adds a tagged copy of some untagged usage lines, which replaces them once the tag is corrected.
fn add_corrections(lines: &mut Vec<Line>) {
    let untagged: Vec<usize> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| {
            line.meter.is_some() && is_usage(line.charge) && line.team.is_empty() && chance(mix(&[line.salt, 21]), 40)
        })
        .map(|(index, _)| index)
        .collect();
    for index in untagged {
        let twin_at = lines.len();
        let Some(line) = lines.get_mut(index) else {
            continue;
        };
        line.corrected = Some(twin_at);
        let twin = Line {
            team: "platform",
            env: line.account.unit.env,
            product: product("platform"),
            corrected: None,
            correction: true,
            ..line.clone()
        };
        lines.push(twin);
    }
}

#[cfg(test)]
mod tests {
    use super::Charge;
    use crate::sandbox::bill::Bill;
    use crate::sandbox::catalog::ODD_TEAM;
    use crate::sandbox::reader::day;

    #[test]
    fn lines_are_many_and_varied_but_not_too_many() {
        for seed in [1, 7, 42] {
            let lines = Bill::new(seed, day("2025-10-01")).lines;
            let own = lines.iter().filter(|line| !line.correction).count();
            assert!((150..=480).contains(&own), "{own} lines for seed {seed}");
            assert!(lines.iter().any(|line| line.team.is_empty()));
            assert!(lines.iter().any(|line| line.corrected.is_some()), "seed {seed}");
            assert!(lines.iter().any(|line| line.team == ODD_TEAM), "seed {seed}");
            assert!(lines.iter().any(|line| line.charge == Charge::Tax));
        }
    }
}
