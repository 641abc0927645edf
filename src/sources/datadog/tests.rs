use serde_json::json;

use super::queries::milliseconds;
use super::unit_name;
use crate::sources::list::row::number;
use crate::window::parse_day;

#[test]
fn units_come_in_every_shape() {
    let dollar = json!({"family": "money", "id": 1, "name": "dollar", "plural": "dollars", "scale_factor": 1, "short_name": "$"});
    for (unit, wanted) in [
        (dollar.clone(), Some("dollar")),
        (json!({"family": "currency", "id": "1", "short_name": "$"}), Some("$")),
        (json!({"name": null, "short_name": "", "plural": "euros", "new": {}}), Some("euros")),
        (json!({"id": 1}), None),
        (json!([dollar, null]), Some("dollar")),
        (json!([null, null]), None),
        (json!(" percent "), Some("percent")),
        (json!(""), None),
        (json!(17), None),
        (json!(null), None),
    ] {
        assert_eq!(unit_name(&unit).as_deref(), wanted, "{unit}");
    }
}

#[test]
fn numbers_are_read_exactly_or_not_at_all() {
    for (text, wanted) in [
        ("5000", Some(5000.0)),
        ("1e3", Some(1000.0)),
        ("-12.5", Some(-12.5)),
        ("0.1", Some(0.1)),
        ("2.2250738585072014E-308", Some(2.225_073_858_507_201_4e-308)),
        ("9007199254740993", Some(9_007_199_254_740_992.0)),
        ("1e400", None),
        ("NaN", None),
        ("Infinity", None),
        ("inf", None),
        ("\"1\"", None),
        ("true", None),
        ("", None),
    ] {
        assert_eq!(number(text), wanted, "{text}");
    }
    assert!(number("-0.0").is_some_and(|zero| zero == 0.0 && zero.is_sign_negative()));
}

#[test]
fn days_become_milliseconds() {
    // The example of the API's documentation.
    assert_eq!(milliseconds(parse_day("2023-08-31").expect("a day")), 1_693_440_000_000);
    assert_eq!(milliseconds(parse_day("2023-10-01").expect("a day")), 1_696_118_400_000);
}
