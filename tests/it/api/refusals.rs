//! Refusals, faults and broken connections of Cost Explorer: what is retried, what restarts pagination, what is shown.

use serde_json::{Value, json};

use crate::support::cost_explorer::{DAILY, NOW, day, page, two_days};
use crate::support::done::Done;
use crate::support::lake::column;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

fn house(script: &Script) -> Lakehouse {
    let house = Lakehouse::new(script.url(), NOW);
    house.job("costs", DAILY);
    house
}

/// A run that gets a fault and then good answers; returns the report of the only fetch.
#[track_caller]
fn recovered(fault: Reply) -> Value {
    let script = Script::new();
    let house = house(&script);
    script.then([fault, Reply::good(&two_days())]);
    let done = house.json(&["run"]);
    let report = done.exits(0).report();
    let asked = script.take_asked();
    assert_eq!((asked.len(), &asked[0].body), (2, &asked[1].body), "the same is asked again");
    assert_eq!((&report["asked"]["requests"], &report["asked"]["retries"]), (&json!(3), &json!(1)), "{done}");
    assert_eq!((&report["asked"]["charged_pages"], &report["usd"]), (&json!(2), &json!("0.02")), "{done}");
    assert_eq!(house.rows("costs").len(), 3);
    script.then([Reply::good(&two_days())]);
    house.runs_again_without_writing();
    report["asked"]["throttles"].clone()
}

#[test]
fn throttling_is_waited_out() {
    assert_eq!(recovered(Reply::fault("ThrottlingException", "Rate exceeded")), 1);
}

#[test]
fn the_limit_of_requests_is_waited_out() {
    assert_eq!(recovered(Reply::fault("LimitExceededException", "You made too many calls")), 1);
}

#[test]
fn a_failing_service_is_asked_again() {
    assert_eq!(recovered(Reply::new(500, r#"{"__type":"InternalServerError"}"#)), 0);
}

#[test]
fn an_overloaded_service_is_asked_again() {
    assert_eq!(recovered(Reply::new(503, "<html>Service Unavailable</html>")), 0);
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_again() {
    assert_eq!(recovered(Reply::good(&two_days()).cut_off()), 0);
}

#[test]
fn a_connection_that_is_dropped_is_made_again() {
    assert_eq!(recovered(Reply::hang_up()), 0);
}

/// Two pages, each with one of the days.
fn two_pages() -> [Reply; 2] {
    let first = page(&[day("2026-11-01", &[("EC2", "1"), ("S3", "2")])], Some("second"));
    [Reply::good(&first), Reply::good(&page(&[day("2026-11-02", &[("EC2", "3")])], None))]
}

#[test]
fn a_broken_pagination_starts_at_the_first_page_again() {
    for code in ["InvalidNextTokenException", "RequestChangedException"] {
        let script = Script::new();
        let house = house(&script);
        let other = page(&[day("2026-11-01", &[("EC2", "777"), ("Gone", "8")])], Some("lost"));
        script.then([Reply::good(&other), Reply::fault(code, "no such token")]);
        script.then(two_pages());
        let done = house.json(&["run"]);
        done.exits(0).says("started again at page 1");
        let tokens: Vec<Value> =
            script.take_asked().iter().map(|asked| asked.json()["NextPageToken"].clone()).collect();
        assert_eq!(tokens, [json!(null), json!("lost"), json!(null), json!("second")]);
        let rows = house.rows("costs");
        assert_eq!(column(&rows, "unblended_cost"), ["1.000000000000", "2.000000000000", "3.000000000000"]);
        assert_eq!(column(&rows, "service"), ["EC2", "S3", "EC2"], "nothing of the first attempt is kept");
        assert_eq!(done.report()["asked"]["charged_pages"], 4, "pages of the first attempt were charged for, too");
    }
}

#[test]
fn a_pagination_that_stays_broken_is_given_up() {
    let script = Script::new();
    let house = house(&script);
    for _ in 0..3 {
        let [first, _] = two_pages();
        script.then([first, Reply::fault("InvalidNextTokenException", "no such token")]);
    }
    let done = house.json(&["run"]);
    done.exits(1).says("no longer knows the page token").says("restarts 2").says("partition 2026-11");
    assert_eq!(script.take_asked().len(), 6);
    assert!(house.objects().is_empty());
    script.then(two_pages());
    assert_eq!(house.run_well()["rows"], 3);
}

/// A run that ends at the first answer.
#[track_caller]
fn given_up(code: &str, message: &str, exit_code: i32) -> Done {
    let script = Script::new();
    let house = house(&script);
    script.then([Reply::fault(code, message).with("x-amzn-requestid", "request-42")]);
    let done = house.json(&["run"]);
    done.exits(exit_code).says("2026-11").says("what to do:").says("request-42");
    assert_eq!(script.take_asked().len(), 1, "a refusal is not sent again: {done}");
    assert!(house.objects().is_empty());
    assert_eq!(done.report()["asked"]["charged_pages"], 1, "the totals, and nothing for the refusal: {done}");
    script.then([Reply::good(&two_days())]);
    house.run_well();
    done
}

#[test]
fn a_denial_says_what_to_allow_and_not_who_was_denied() {
    let arn = "arn:aws:sts::210987654321:assumed-role/payroll/alice";
    let words = format!("User: {arn} is not authorized to perform: ce:GetCostAndUsage on resource: *");
    let done = given_up("AccessDeniedException", &words, 3);
    done.says("ce:GetCostAndUsage").hides("210987654321").hides("payroll").hides("alice");
}

#[test]
fn cost_explorer_that_is_not_enabled_is_told_apart() {
    let done = given_up("AccessDeniedException", "User not enabled for cost explorer access", 3);
    done.says("Cost Explorer is not enabled for this account").hides("ce:GetCostAndUsage");
}

#[test]
fn a_denial_keeps_the_words_of_the_api() {
    let hourly = "Hourly data granularity is an opt-in only feature. You can enable this feature from the PAYER account's \
        Cost Explorer Settings page.";
    given_up("AccessDeniedException", hourly, 3).says(hourly).says("opt in to hourly").hides("add ce:GetCostAndUsage");
    let other = "Account 210987654321 may not do this on a Sunday";
    given_up("AccessDeniedException", other, 3).says("Account … may not do this on a Sunday").hides("210987654321");
}

#[test]
fn credentials_that_do_not_work_are_an_exit_code_of_their_own() {
    given_up("ExpiredTokenException", "The security token included in the request is expired", 3).says("have expired");
    given_up("UnrecognizedClientException", "The security token is invalid", 3).says("does not accept the credentials");
    given_up("InvalidSignatureException", "Signature expired", 3).says("this machine's clock");
}

#[test]
fn days_that_the_api_does_not_have_are_told_in_its_words() {
    let words = "Data is not available. Please try to adjust the time period.";
    given_up("DataUnavailableException", words, 1).says(words).says("window.begin");
    let words = "The requested report expired. Update the date interval and try again.";
    given_up("BillExpirationException", words, 1).says(words).says("--from");
    given_up("ValidationException", "Tag key team is not active.", 1).says("Tag key team is not active.");
    given_up("BillingViewHealthStatusException", "unhealthy", 1).says("aws.billing_view_arn");
}

#[test]
fn hostile_words_cannot_drive_the_terminal() {
    given_up("ValidationException", "\u{1b}[2J\u{202e}txt", 1).says("u{1b}[2J").hides("\u{1b}").hides("\u{202e}");
}

#[test]
fn without_credentials_nothing_is_asked() {
    let script = Script::new();
    let mut house = house(&script);
    house.unset("AWS_ACCESS_KEY_ID");
    house.unset("AWS_SECRET_ACCESS_KEY");
    let done = house.json(&["run"]);
    done.exits(3).says("there are no AWS credentials to use").says("AWS_PROFILE");
    assert!(script.take_asked().is_empty() && house.objects().is_empty());
}

#[test]
fn a_refused_job_does_not_stop_the_others() {
    let script = Script::new();
    let house = house(&script);
    house.job("also", DAILY);
    script.then([Reply::fault("ValidationException", "no"), Reply::good(&two_days())]);
    let done = house.json(&["run"]);
    let jobs = done.exits(1).document()["jobs"].clone();
    assert_eq!([&jobs[0]["exit_code"], &jobs[1]["exit_code"]], [&json!(1), &json!(0)], "{done}");
    assert_eq!((house.rows("also").len(), house.rows("costs").len()), (0, 3));
}

#[test]
fn plain_http_to_another_host_is_refused_before_it_is_sent() {
    let begun = std::time::Instant::now();
    let house = Lakehouse::new("http://192.0.2.1:9", NOW);
    house.job("costs", DAILY);
    let done = house.json(&["run"]);
    done.exits(2).says("plain http").says("--allow-http");
    assert!(house.objects().is_empty());
    assert!(begun.elapsed() < std::time::Duration::from_secs(4), "a connection was tried");
}
