use super::ENTRY;
use crate::sources::cost_explorer::testing::{fetch, lines, shown, source, window};

const EC2: &str = include_str!("fixtures/one_service.json");
const ONE: &str = "services = [\"Amazon Elastic Compute Cloud - Compute\"]";

#[test]
fn hours_units_and_cost_are_asked_for_and_have_a_column_each() {
    let source = source(&ENTRY, ONE);
    let days = [window("2026-11-19", "2026-11-19")];
    let request = &shown(&source.requests(&days))[0];
    assert!(request.contains(r#""Metrics":["Hour","Unit","Cost"]"#), "{request}");
    let fetched = fetch(source.as_ref(), &days, |_| EC2.to_owned()).expect("rows");
    assert_eq!(
        lines(&fetched),
        ["2026-11-19|Amazon Elastic Compute Cloud - Compute|40|84|124|67.7419354838|160|336|496|67.7419354838|7.68|-"]
    );
}
