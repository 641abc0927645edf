//! What is drawn of the figures of a table: the days of a range, added up by week or month where that is asked for.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::web::choice::{Choice, Step};
use crate::window::Grain;

use super::{Figures, Savings, SavingsDay, Stacked, Utilization};

/// Most points of a chart: more days are drawn as weeks, and more weeks as months.
pub(in crate::web) const MOST_POINTS: usize = 400;

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::web) struct Shown {
    /// The figures.
    pub(in crate::web) figures: Figures,
    /// What each point stands for.
    pub(in crate::web) step: Step,
    /// Whether that is longer than what was asked for.
    pub(in crate::web) is_coarser: bool,
}

impl Figures {
    /// Whether days can be added up.
    pub(in crate::web) fn adds_up(&self) -> bool {
        match self {
            Self::Stacked(all) => all.iter().all(|stacked| !stacked.is_count),
            Self::Savings(_) => true,
            Self::Utilization(_) | Self::Nothing => false,
        }
    }

    /// The first and last day.
    fn ends(&self) -> Option<(NaiveDate, NaiveDate)> {
        let ends = |first: Option<&NaiveDate>, last: Option<&NaiveDate>| first.copied().zip(last.copied());
        let of_all = |each: &mut dyn Iterator<Item = Option<(NaiveDate, NaiveDate)>>| {
            each.flatten().reduce(|(first, last), (a, b)| (first.min(a), last.max(b)))
        };
        match self {
            Self::Nothing => None,
            Self::Stacked(all) => {
                of_all(&mut all.iter().map(|of| ends(of.days.keys().next(), of.days.keys().next_back())))
            }
            Self::Savings(all) => {
                of_all(&mut all.iter().map(|of| ends(of.days.keys().next(), of.days.keys().next_back())))
            }
            Self::Utilization(of) => ends(of.days.keys().next(), of.days.keys().next_back()),
        }
    }

    /// What is drawn for a choice.
    pub(in crate::web) fn shown(&self, grain: Grain, choice: &Choice) -> Shown {
        let asked = if self.adds_up() { choice.step(grain) } else { grain.into() };
        let Some((oldest, newest)) = self.ends() else {
            return Shown { figures: self.clone(), step: asked, is_coarser: false };
        };
        let mut step = asked;
        let length = |step: Step| points(choice.first(newest, step).max(oldest), newest, step);
        while self.adds_up() && length(step) > MOST_POINTS && step != Step::Month {
            step = if step == Step::Day { Step::Week } else { Step::Month };
        }
        let first = choice.first(newest, step);
        Shown { figures: self.by(step, first), step, is_coarser: step != asked }
    }

    fn by(&self, step: Step, first: NaiveDate) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::Stacked(all) => {
                Self::Stacked(all.iter().map(|of| of.by(step, first)).filter(|of| !of.days.is_empty()).collect())
            }
            Self::Savings(all) => {
                let of_unit = |of: &Savings| Savings { unit: of.unit.clone(), days: savings(&of.days, step, first) };
                Self::Savings(all.iter().map(of_unit).filter(|of| !of.days.is_empty()).collect())
            }
            Self::Utilization(of) => {
                let days = of.days.range(first..).map(|(day, ratios)| (*day, ratios.clone())).collect();
                Self::Utilization(Utilization { days, ..of.clone() })
            }
        }
    }
}

impl Stacked {
    fn by(&self, step: Step, first: NaiveDate) -> Self {
        let mut days: BTreeMap<NaiveDate, Vec<i128>> = BTreeMap::new();
        for (day, amounts) in self.days.range(first..) {
            let row = days.entry(step.start(*day)).or_insert_with(|| vec![0; amounts.len()]);
            for (sum, amount) in row.iter_mut().zip(amounts) {
                *sum = sum.saturating_add(*amount);
            }
        }
        Self { days, ..self.clone() }
    }
}

fn savings(days: &BTreeMap<NaiveDate, SavingsDay>, step: Step, first: NaiveDate) -> BTreeMap<NaiveDate, SavingsDay> {
    let plus = |sum: Option<f64>, more: Option<f64>| match (sum, more) {
        (Some(sum), Some(more)) => Some(sum + more),
        (known, None) | (None, known) => known,
    };
    let mut found: BTreeMap<NaiveDate, SavingsDay> = BTreeMap::new();
    for (day, of_day) in days.range(first..) {
        let sum = found.entry(step.start(*day)).or_default();
        sum.actual = plus(sum.actual, of_day.actual);
        sum.on_demand = plus(sum.on_demand, of_day.on_demand);
        sum.realized = plus(sum.realized, of_day.realized);
    }
    found
}

fn points(first: NaiveDate, last: NaiveDate, step: Step) -> usize {
    let days = usize::try_from((last - first).num_days().max(0)).unwrap_or(usize::MAX);
    match step {
        Step::Day => days.saturating_add(1),
        Step::Week => days / 7 + 1,
        Step::Month => days / 28 + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Band, Figures, Savings, SavingsDay, Stacked};
    use super::MOST_POINTS;
    use crate::web::choice::{Choice, Range, Step};
    use crate::window::{Grain, days_after, parse_day};
    use std::collections::BTreeMap;

    const ONE: i128 = 1_000_000_000_000;

    fn stacked(days: u64) -> Figures {
        let first = parse_day("2026-10-01").expect("a day");
        Figures::Stacked(vec![Stacked {
            groups: vec![Band::default(), Band::default()],
            days: (0..days).map(|day| (days_after(first, day), vec![ONE, -ONE / 2])).collect(),
            ..Stacked::default()
        }])
    }

    fn days(figures: &Figures) -> BTreeMap<String, i128> {
        let Figures::Stacked(all) = figures else { panic!("{figures:?}") };
        all[0].days.iter().map(|(day, row)| (day.to_string(), row[0])).collect()
    }

    #[test]
    fn weeks_and_months_are_the_sums_of_their_days() {
        let choice = |range, step| Choice { range, step, ..Choice::default() };
        let shown = |range, step| stacked(50).shown(Grain::Daily, &choice(range, step));
        let weeks = days(&shown(Range::Months13, Some(Step::Week)).figures);
        assert_eq!((weeks.len(), weeks["2026-09-28"], weeks["2026-10-05"]), (8, 4 * ONE, 7 * ONE));
        let months = days(&shown(Range::Months13, Some(Step::Month)).figures);
        assert_eq!((months["2026-10-01"], months["2026-11-01"]), (31 * ONE, 19 * ONE));
        assert_eq!(months.values().sum::<i128>(), 50 * ONE, "nothing is lost");
        assert_eq!(days(&shown(Range::Days30, None).figures).len(), 30);
    }

    #[test]
    fn what_is_too_long_is_drawn_in_longer_steps_and_says_so() {
        let all = Choice { range: Range::All, ..Choice::default() };
        let shown = stacked(401).shown(Grain::Daily, &all);
        assert_eq!((shown.step, shown.is_coarser), (Step::Week, true));
        let shown = stacked(400).shown(Grain::Daily, &all);
        assert_eq!((shown.step, shown.is_coarser, days(&shown.figures).len()), (Step::Day, false, MOST_POINTS));
        assert_eq!(stacked(4_000).shown(Grain::Daily, &all).step, Step::Month);
    }

    #[test]
    fn counts_are_not_added_up_and_savings_are() {
        let Figures::Stacked(mut all) = stacked(10) else { panic!("amounts") };
        all[0].is_count = true;
        let monthly = Choice { step: Some(Step::Month), ..Choice::default() };
        assert_eq!(Figures::Stacked(all).shown(Grain::Daily, &monthly).step, Step::Day);
        let day = |text| parse_day(text).expect("a day");
        let of = |actual| SavingsDay { actual, ..SavingsDay::default() };
        let days = BTreeMap::from([
            (day("2026-10-01"), of(Some(1.5))),
            (day("2026-10-02"), of(Some(2.0))),
            (day("2026-10-03"), of(None)),
        ]);
        let savings = Figures::Savings(vec![Savings { unit: "dollar".to_owned(), days }]);
        let Figures::Savings(months) = savings.shown(Grain::Daily, &monthly).figures else { panic!("savings") };
        assert_eq!(months[0].days[&day("2026-10-01")], of(Some(3.5)));
        assert_eq!(Figures::Nothing.shown(Grain::Daily, &monthly).figures, Figures::Nothing);
    }
}
