//! Figures held for review, on the page: what it shows of them, and accepting them there.

use std::sync::Arc;

use axum::http::StatusCode;
use costlake::ledger::Quarantined;
use costlake::ledger_store::LedgerStore;
use costlake::scheduler::Scheduler;
use costlake::window::Grain;

use super::page::{BEARER, FORM, SAME, TOKEN, access, ask, page};
use super::world::{World, at, last, records, settle};

/// A table in which any change of a settled month is held.
const WATCHED: &str = r#"
schedule = { cron = "30 6 * * *" }
source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
window = { begin = "2026-12-01", quarantine_share = 0.0001 }
"#;
/// December has settled on January 15; a refund of one of its days comes on the 20th.
const SETTLED: &str = "2027-01-16T06:30:00Z";
const REFUNDED: &str = "2027-01-21T06:30:00Z";

async fn ledger(world: &World) -> costlake::ledger::Ledger {
    LedgerStore::open(world.lake(), &"costs".into(), Grain::Daily, at(REFUNDED)).await.expect("a ledger").0.ledger
}

/// A table with a held day, that day, and what is known of it.
async fn held() -> (World, Arc<Scheduler>, String, Quarantined) {
    let world = World::new(&[("costs", WATCHED)]);
    let scheduler = world.scheduler();
    world.pass(&scheduler, SETTLED).await;
    assert_eq!(last(&scheduler, "costs").exit_code, 0, "{:?}", last(&scheduler, "costs"));
    world.pass(&scheduler, REFUNDED).await;
    assert_eq!(last(&scheduler, "costs").exit_code, 1, "{:?}", last(&scheduler, "costs"));
    let (day, known) = ledger(&world).await.quarantined.into_iter().next().expect("a held day");
    (world, scheduler, day.to_string(), known)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_held_day_is_accepted_on_the_page() {
    let (world, scheduler, day, known) = held().await;
    let figures = known.figures.expect("figures");
    let group = &figures.groups[0];
    assert_eq!((figures.measure.as_str(), figures.by.as_deref()), ("unblended_cost", Some("service")));
    assert_ne!(group.before, group.refused);

    let router = page(&scheduler, access(Some(TOKEN), true));
    let shown = ask(&router, "GET", &format!("/jobs/costs?day={day}"), &[BEARER], "").await.text;
    let panel = shown.split("id=\"held\"").nth(1).and_then(|rest| rest.split("</section>").next()).expect("a panel");
    for part in [
        "of the settled month 2026-12 was",
        group.name.as_deref().expect("a service"),
        "Refused",
        "Difference",
        "action=\"/accept/plan\"",
    ] {
        assert!(panel.contains(part), "{part}: {panel}");
    }

    let post = async |path: &str, form: &str| ask(&router, "POST", path, &[FORM, SAME, BEARER], form).await;
    let form = "job=costs&month=2026-12";
    let plan = post("/accept/plan", form).await;
    assert_eq!(plan.status, StatusCode::OK, "{}", plan.text);
    assert!(plan.text.contains("Accept 1 held day of 2026-12") && plan.text.contains("USD"), "{}", plan.text);
    assert_eq!(ledger(&world).await.quarantined.len(), 1, "a plan does nothing");

    let started = post("/accept", form).await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text);
    settle(&scheduler).await;
    let run = last(&scheduler, "costs");
    assert_eq!((run.command.as_str(), run.exit_code), ("run", 0), "{run:?}");
    assert!(run.notes.iter().any(|note| note.starts_with("2026-12 is accepted: 1 day")), "{:?}", run.notes);
    assert!(ledger(&world).await.quarantined.is_empty());
    let after = ask(&router, "GET", &format!("/jobs/costs?day={day}"), &[BEARER], "").await.text;
    assert!(!after.contains("Held for review") && after.contains("Revisions"), "{after}");

    for (path, form, status) in [
        ("/accept", form, 409),
        ("/accept/plan", form, 409),
        ("/accept", "job=costs&month=<script>", 400),
        ("/accept", "job=nothing&month=2026-12", 404),
        ("/accept", "job=costs", 422),
    ] {
        let answer = post(path, form).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {form}: {}", answer.text);
        assert!(!answer.text.contains("<script>"), "{form}");
    }
    assert_eq!(ask(&router, "GET", "/accept", &[BEARER], "").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_else_accepts() {
    let (world, scheduler, day, _) = held().await;
    let runs = records(&world, "costs").await.len();
    let form = "job=costs&month=2026-12";
    let closed = page(&scheduler, access(None, false));
    let shown = ask(&closed, "GET", &format!("/jobs/costs?day={day}"), &[], "").await.text;
    assert!(shown.contains("costlake run costs --accept costs:2026-12") && !shown.contains("/accept"), "{shown}");
    let open = page(&scheduler, access(Some(TOKEN), true));
    let evil = ("origin", "http://evil.example");
    for path in ["/accept", "/accept/plan"] {
        assert_eq!(ask(&closed, "POST", path, &[FORM, SAME], form).await.status, StatusCode::FORBIDDEN, "{path}");
        let unknown = ask(&open, "POST", path, &[FORM, SAME], form).await;
        assert_eq!(unknown.status, StatusCode::UNAUTHORIZED, "{path}");
        for origin in [evil, ("sec-fetch-site", "cross-site")] {
            let cross = ask(&open, "POST", path, &[FORM, BEARER, origin], form).await;
            assert_eq!(cross.status, StatusCode::FORBIDDEN, "{path} {origin:?}");
        }
    }
    assert_eq!((records(&world, "costs").await.len(), ledger(&world).await.quarantined.len()), (runs, 1));
}
