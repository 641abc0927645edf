use super::ENTRY;
use crate::sources::cost_explorer::testing::{fetch, lines, problems, shown, source, window};

const EC2: &str = include_str!("fixtures/one_service.json");
const TWO: &str = "services = [\"Amazon Elastic Compute Cloud - Compute\", \"Amazon ElastiCache\"]";

#[test]
fn every_service_is_a_request_of_its_own() {
    let source = source(&ENTRY, TWO);
    let requests = shown(&source.requests(&[window("2026-11-01", "2026-11-20")]));
    assert_eq!(requests.len(), 2);
    assert_eq!(
        requests[1],
        r#"GetReservationUtilization Amazon ElastiCache: {"Filter":{"Dimensions":{"Key":"SERVICE","Values":["Amazon ElastiCache"]}},"Granularity":"DAILY","MaxResults":20,"TimePeriod":{"End":"2026-11-21","Start":"2026-11-01"}}"#
    );
    assert_eq!(source.read_for().len(), 2, "a day counts as read for the services it was read for");
}

#[test]
fn all_members_have_a_column_and_a_service_without_reservations_has_no_row() {
    let fetched = fetch(source(&ENTRY, TWO).as_ref(), &[window("2026-11-19", "2026-11-19")], |asked| {
        if asked.purpose.subject.contains("Compute") {
            EC2.to_owned()
        } else {
            r#"{"UtilizationsByTime":[]}"#.to_owned()
        }
    })
    .expect("rows");
    assert_eq!(
        lines(&fetched),
        [
            "2026-11-19|Amazon Elastic Compute Cloud - Compute|87.5|87.5|96|384|84|336|12|48|16.128|4.608|6.912|3.84|7.68|11.52|1.44|6.048|0.864|-"
        ]
    );
    assert!(fetched.notes.is_empty(), "{:?}", fetched.notes);
}

#[test]
fn services_have_to_be_named() {
    let example = "[\"Amazon Elastic Compute Cloud - Compute\", \"Amazon Relational Database Service\"]";
    for (toml, wanted) in [
        ("", format!("source.services: is missing: a list such as {example}")),
        ("services = []", format!("source.services: must name at least one service, such as {example}")),
        ("services = [\"a\", \"a\"]", "source.services: names \"a\" twice".to_owned()),
        ("services = [\" a\"]", "source.services: must hold names without spaces around them, not \" a\"".to_owned()),
    ] {
        assert_eq!(problems(&ENTRY, toml), [wanted], "{toml}");
    }
}
