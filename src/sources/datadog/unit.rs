//! Units of amounts: the text of a unit column, and the conversion of amounts in different units to one scale.
//!
//! Amounts are stored as received; the unit column beside them has the unit's name. If an answer gives the unit a
//! scale other than the one its name implies, the column has that scale in front of the name:
//!
//! | `name` | `scale_factor` | column | an amount of 5 is |
//! |---|---|---|---|
//! | `dollar` | 1, or none | `dollar` | 5 dollars |
//! | `cent` | 0.01, or none | `cent` | 0.05 dollars |
//! | `dollar` | 0.01 | `0.01 dollar` | 0.05 dollars |
//! | an unknown name | 1, or none | the name | 5 of them |
//! | an unknown name | 60 | the name and `(scale 60)` | 5 of them |

use serde_json::Value;

/// Unit names, each with its factor and base unit.
pub const SCALES: [(&str, f64, &str); 11] = [
    ("dollar", 1.0, "dollar"),
    ("dollars", 1.0, "dollar"),
    ("$", 1.0, "dollar"),
    ("cent", 0.01, "dollar"),
    ("cents", 0.01, "dollar"),
    ("¢", 0.01, "dollar"),
    ("millidollar", 1e-3, "dollar"),
    ("microdollar", 1e-6, "dollar"),
    ("nanodollar", 1e-9, "dollar"),
    ("percent", 1.0, "percent"),
    ("%", 1.0, "percent"),
];

/// The text of the unit column for a unit of any shape.
pub(in crate::sources) fn unit_name(unit: &Value) -> Option<String> {
    match unit {
        Value::Object(fields) => {
            let texts = ["name", "short_name", "plural"].into_iter().filter_map(|key| fields.get(key)?.as_str());
            let name = texts.map(str::trim).find(|text| !text.is_empty())?;
            Some(scaled(name, fields.get("scale_factor").and_then(Value::as_f64)))
        }
        Value::Array(units) => units.iter().find_map(unit_name),
        Value::String(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned),
        _ => None,
    }
}

/// The name, with the answer's scale if the name implies another one.
fn scaled(name: &str, scale: Option<f64>) -> String {
    let known = SCALES.iter().find(|(unit, ..)| *unit == name).map(|(_, own, _)| *own);
    let factor = scale.filter(|scale| scale.is_finite()).map(|scale| scale / known.unwrap_or(1.0));
    match factor.filter(|factor| (factor - 1.0).abs() > 1e-9) {
        None => name.to_owned(),
        // Seven digits suffice for any scale, and hide that a double cannot hold 0.01 exactly.
        Some(factor) if known.is_some() => format!("{} {name}", rounded(factor)),
        Some(factor) => format!("{name} (scale {})", rounded(factor)),
    }
}

fn rounded(factor: f64) -> f64 {
    format!("{factor:.6e}").parse().unwrap_or(factor)
}

/// Factor and base unit of one unit, from the text of its column.
#[must_use]
pub fn scale_of(unit: &str) -> (f64, &str) {
    let with_factor = unit.split_once(' ').and_then(|(factor, name)| Some((factor.parse::<f64>().ok()?, name)));
    let (factor, name) = with_factor.unwrap_or((1.0, unit));
    match SCALES.iter().find(|(known, ..)| *known == name) {
        Some((_, scale, base)) => (factor * scale, base),
        None => (1.0, unit),
    }
}

#[cfg(test)]
mod tests {
    use super::{scale_of, unit_name};
    use serde_json::json;

    #[test]
    fn a_scale_that_is_not_the_names_own_is_told() {
        for (name, scale, wanted, one, base) in [
            ("dollar", json!(1), "dollar", 1.0, "dollar"),
            ("dollar", json!(null), "dollar", 1.0, "dollar"),
            ("dollar", json!("odd"), "dollar", 1.0, "dollar"),
            ("dollar", json!(0.01), "0.01 dollar", 0.01, "dollar"),
            ("cent", json!(0.01), "cent", 0.01, "dollar"),
            ("cent", json!(1), "100 cent", 1.0, "dollar"),
            ("percent", json!(1.0), "percent", 1.0, "percent"),
            ("euro", json!(1), "euro", 1.0, "euro"),
            ("minute", json!(60), "minute (scale 60)", 1.0, "minute (scale 60)"),
        ] {
            let told = unit_name(&json!({ "name": name, "scale_factor": scale })).expect("a name");
            let (found, of) = scale_of(&told);
            assert_eq!((told.as_str(), of), (wanted, base), "{name} {scale}");
            assert!((found - one).abs() < 1e-12, "{name} {scale}: {found}");
        }
    }
}
