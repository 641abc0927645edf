//! Formats text and numbers for the pages. Names, tag values and errors are untrusted: invisible characters are
//! replaced here, markup is escaped by the templates.

use chrono::{DateTime, Utc};

use crate::decimal;
use crate::text::{plural, thousands};

/// Longest label of a group, in characters.
const LABEL: usize = 64;

/// The text with control, zero-width and bidirectional characters replaced by U+FFFD, so that it cannot imitate another
/// text. Newlines and tabs stay.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The text as a label: [`visible`], on one line, truncated to 64 characters.
pub(super) fn label(text: &str) -> String {
    let line = visible(text).replace(['\n', '\t'], " ");
    match line.char_indices().nth(LABEL) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The display name of a unit of amounts.
pub(super) fn unit(unit: &str) -> String {
    if unit == "dollar" { "USD".to_owned() } else { label(unit) }
}

/// The time since or until an instant: `3 h ago`, `in 2 days`.
pub(super) fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let minutes = (now - at).num_minutes();
    let span = match minutes.unsigned_abs() {
        0 => return "just now".to_owned(),
        1..90 => format!("{} min", minutes.unsigned_abs()),
        90..2_160 => format!("{} h", (minutes.unsigned_abs() + 30) / 60),
        far => plural((far + 720) / 1_440, "day"),
    };
    if minutes < 0 { format!("in {span}") } else { format!("{span} ago") }
}

/// The time since an instant: `2 min`, `less than a minute`.
pub(super) fn lasting(since: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if (now - since).num_minutes() < 1 {
        return "less than a minute".to_owned();
    }
    ago(since, now).trim_end_matches(" ago").to_owned()
}

/// An instant to the minute, in UTC.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// An instant for the `datetime` attribute.
pub(super) fn machine(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A duration: `640 ms`, `12.3 s`, `4 min 05 s`.
pub(super) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {:02} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// An exact amount, in units of 10^-12, to two decimals: `-1,234.57`. Halves round away from zero.
pub(super) fn amount(pico: i128) -> String {
    decimal::shown(pico, 2)
}

/// The same as a change: `+1,234.57`.
pub(super) fn signed(pico: i128) -> String {
    format!("{}{}", if pico > 0 { "+" } else { "" }, amount(pico))
}

/// Decimal text with thousands separators, every digit kept: `1,234.5600000001`.
pub(super) fn exact(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return visible(text);
    }
    format!("{sign}{}{}", thousands(whole), visible(rest))
}

/// A float to two decimals with thousands separators.
pub(super) fn float(value: f64) -> String {
    let text = format!("{:.2}", value.abs());
    let sign = if value < 0.0 && text != "0.00" { "-" } else { "" };
    format!("{sign}{}", exact(&text))
}

/// A ratio as percent: `83.4 %`.
pub(super) fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

#[cfg(test)]
mod tests {
    use super::{ago, amount, duration, exact, float, label, percent, visible};
    use chrono::{DateTime, Duration};

    #[test]
    fn what_could_mislead_is_visible() {
        assert_eq!(visible("a\u{202e}b\0c\u{200b}\nd"), "a\u{fffd}b\u{fffd}c\u{fffd}\nd");
        assert_eq!(label("a\nb"), "a b");
        assert_eq!(label(&"é".repeat(10_000)).chars().count(), 65);
        assert_eq!(visible("Größe 日本 🙂"), "Größe 日本 🙂");
    }

    #[test]
    fn times_are_words() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default();
        let before = |minutes| ago(now - Duration::minutes(minutes), now);
        assert_eq!(
            [0, 1, 89, 90, 180, 2_159, 2_160, 20_160, -60, -4_320].map(before),
            [
                "just now",
                "1 min ago",
                "89 min ago",
                "2 h ago",
                "3 h ago",
                "36 h ago",
                "2 days ago",
                "14 days ago",
                "in 60 min",
                "in 3 days"
            ]
        );
        assert_eq!([5, 12_345, 245_000].map(duration), ["5 ms", "12.3 s", "4 min 05 s"]);
    }

    #[test]
    fn amounts_are_readable_and_rounded_like_money() {
        let one = 1_000_000_000_000;
        assert_eq!(
            [0, one, -one / 200 + 1, -one / 200, 1_234_567 * one + one / 200, one / 3].map(amount),
            ["0.00", "1.00", "0.00", "-0.01", "1,234,567.01", "0.33"]
        );
        assert_eq!([exact("-1234.5600000001"), exact("0"), exact("<b>")], ["-1,234.5600000001", "0", "<b>"]);
        assert_eq!([float(-1234.567), float(-0.001), percent(0.8341)], ["-1,234.57", "0.00", "83.4 %"]);
        assert_eq!(float(f64::NAN), "NaN");
    }
}
