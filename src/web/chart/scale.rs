//! The vertical scale of a chart: round steps, and the position of a value.

use super::HEIGHT;

/// A scale from its lowest to its highest tick.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    low: f64,
    step: f64,
    steps: u32,
}

/// Target number of steps.
const STEPS: f64 = 4.0;
/// Minimum number of values for cutting outliers.
const CUT_VALUES: usize = 7;
/// The scale is cut if the highest value is this many times that of nine in ten.
const CUT_FACTOR: f64 = 2.0;
/// A scale that is cut ends this much above nine in ten values.
const ROOM: f64 = 1.15;

impl Scale {
    /// A scale that includes zero and all `values`; NaN and infinities are skipped.
    pub(super) fn new(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let high = if high > low { high } else { 1.0 };
        let step = round_step((high - low) / STEPS);
        let below = (low / step).floor();
        let above = (high / step).ceil().max(below + 1.0);
        Self { low: below * step, step, steps: (above - below).clamp(1.0, 20.0) as u32 }
    }

    /// A scale for the highs and lows of many days. With a few outliers, such as the fees on the 1st of a month, it
    /// ends slightly above the other days; the outliers are drawn up to its end.
    pub(super) fn cut(highs: &[f64], lows: &[f64]) -> Self {
        let (usual, highest) = most(highs.iter().copied());
        let is_cut = highs.len() >= CUT_VALUES && usual > 0.0 && highest > usual * CUT_FACTOR;
        let above = if is_cut { usual * ROOM } else { highest };
        // Credits are mostly small beside costs: they are cut only where they would take more room than those.
        let (usual, lowest) = most(lows.iter().map(|low| -low));
        let below = (usual * ROOM).max(above);
        let is_cut = highs.len() >= CUT_VALUES && below > 0.0 && lowest > below * CUT_FACTOR;
        let below = if is_cut { below } else { lowest };
        Self::new(highs.iter().map(|high| high.min(above)).chain(lows.iter().map(|low| low.clamp(-below, 0.0))))
    }

    /// Whether a value is beyond either end.
    pub(super) fn is_beyond(&self, value: f64) -> bool {
        value > self.high() + self.step / 1e6 || value < self.low - self.step / 1e6
    }

    fn high(&self) -> f64 {
        self.low + self.step * f64::from(self.steps)
    }

    /// The ticks from low to high.
    pub(super) fn ticks(&self) -> Vec<f64> {
        (0..=self.steps).map(|index| self.low + f64::from(index) * self.step).map(|tick| self.clean(tick)).collect()
    }

    /// Replaces a value within rounding error of zero by zero.
    fn clean(&self, tick: f64) -> f64 {
        if tick.abs() < self.step / 1e6 { 0.0 } else { tick }
    }

    /// The position of a value in pixels from the top of the plot, clamped to the scale.
    pub(super) fn y(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high());
        HEIGHT - (value - self.low) / (self.step * f64::from(self.steps)) * HEIGHT
    }
}

/// What nine in ten values are at most, and the highest one; neither is below zero.
fn most(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut sorted: Vec<f64> = values.filter(|value| value.is_finite()).map(|value| value.max(0.0)).collect();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted.get(sorted.len().saturating_sub(1) * 9 / 10).copied().unwrap_or(0.0);
    (usual, sorted.last().copied().unwrap_or(0.0))
}

/// Rounds a step up to 1, 2, 2.5, 5 or 10 times a power of ten.
fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0].into_iter().find(|factor| factor * power >= rough * 0.999_999);
    factor.unwrap_or(10.0) * power
}

/// A value at the axis of amounts: `1.5k`, `-20`, `0.05`.
pub(super) fn compact(value: f64) -> String {
    let (scaled, suffix) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "bn"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = format!("{scaled:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{suffix}")
}

/// The same with three digits, for a mark in a chart.
pub(super) fn brief(value: f64) -> String {
    let unit = 10_f64.powf(value.abs().log10().floor() - 2.0);
    compact(if value == 0.0 { 0.0 } else { (value / unit).round() * unit })
}

#[cfg(test)]
mod tests {
    use super::{HEIGHT, Scale, brief, compact, round_step};

    #[test]
    fn ticks_are_round_and_hold_every_value() {
        let ticks = |values: &[f64]| Scale::new(values.iter().copied()).ticks();
        assert_eq!(ticks(&[1_834.0]), [0.0, 500.0, 1_000.0, 1_500.0, 2_000.0]);
        assert_eq!(ticks(&[-120.0, 300.0]), [-200.0, 0.0, 200.0, 400.0]);
        assert_eq!(ticks(&[]), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(ticks(&[0.0, 0.0]).len(), 5);
        assert_eq!(ticks(&[f64::NAN, f64::INFINITY, 4.0]), [0.0, 1.0, 2.0, 3.0, 4.0]);
        for exponent in -12..15 {
            for lead in [1.0, 1.7, 2.3, 4.9, 7.0, 9.99] {
                let value = lead * 10_f64.powi(exponent);
                let ticks = ticks(&[value]);
                let last = *ticks.last().unwrap_or(&0.0);
                assert!(last >= value && (4..=6).contains(&ticks.len()), "{value}: {ticks:?}");
            }
        }
    }

    #[test]
    fn heights_are_proportional() {
        let scale = Scale::new([-100.0, 300.0].into_iter());
        assert_eq!([-100.0, 100.0, 300.0].map(|value| scale.y(value)), [HEIGHT, HEIGHT / 2.0, 0.0]);
    }

    #[test]
    fn a_few_days_that_stand_out_do_not_flatten_the_others() {
        let mut days = vec![100.0; 40];
        assert_eq!(Scale::cut(&days, &[]).ticks().last(), Some(&100.0));
        days[3] = 5_000.0;
        let scale = Scale::cut(&days, &[-10.0, -9_000.0]);
        assert_eq!(scale.ticks(), [-200.0, -100.0, 0.0, 100.0, 200.0]);
        assert!(scale.is_beyond(5_000.0) && scale.is_beyond(-9_000.0) && !scale.is_beyond(100.0));
        assert_eq!((scale.y(5_000.0), scale.y(-9_000.0)), (0.0, HEIGHT), "drawn to the end of the scale");
        days.iter_mut().take(10).for_each(|day| *day = 5_000.0);
        assert!(!Scale::cut(&days, &[]).is_beyond(5_000.0), "a quarter of the days is no exception");
        let month = [[100.0; 10].as_slice(), &[5_000.0], &[100.0; 19]].concat();
        assert!(Scale::cut(&month, &[]).is_beyond(5_000.0), "a month with one first day");
        assert!(!Scale::cut(&[1.0, 1.0, 50.0], &[]).is_beyond(50.0), "three days are not enough to tell");
    }

    #[test]
    fn steps_and_values_are_short() {
        assert_eq!([0.9, 1.0, 1.1, 2.1, 3.0, 6.0].map(round_step), [1.0, 1.0, 2.0, 2.5, 5.0, 10.0]);
        let shown = [0.0, 0.05, 20.0, -1_500.0, 2.5e6, 3e9];
        assert_eq!(shown.map(compact), ["0", "0.05", "20", "-1.5k", "2.5M", "3bn"]);
        assert_eq!([0.0, 5_002.0, -12_345.6, 0.012_34].map(brief), ["0", "5k", "-12.3k", "0.0123"]);
    }
}
