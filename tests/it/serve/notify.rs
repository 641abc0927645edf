//! Webhook notifications: every change of a job's state is sent once.

use std::sync::Arc;

use costlake::clients::webhook::Webhook;
use costlake::scheduler::Scheduler;
use costlake::scheduler::notify::Notifier;

use super::world::{CONFIG, COSTS, START, World, until};
use crate::support::script::{Reply, Script};

/// A scheduler that notifies `chat`.
fn telling(world: &World, chat: &Script) -> Arc<Scheduler> {
    let address = format!("{}/services/secret", chat.url());
    let webhook = Webhook::read(|name| (name == "COSTLAKE_WEBHOOK_URL").then(|| address.clone()), false);
    let webhook = webhook.expect("an address").expect("a webhook");
    let notifier = Notifier::to(webhook, Some("https://costs.example.com/"));
    Scheduler::new(world.context(None), &world.folder.path().join("jobs"), Some(notifier)).expect("a scheduler")
}

/// A receiver that accepts everything.
fn chat() -> Script {
    Script::answering(|_| Reply::new(200, "ok"))
}

async fn told(chat: &Script, messages: usize) -> Vec<String> {
    let mut found = Vec::new();
    until(|| {
        found.extend(chat.take_asked().iter().map(|asked| {
            assert_eq!(
                (asked.path.as_str(), asked.header("content-type")),
                ("/services/secret", Some("application/json"))
            );
            asked.json()["text"].as_str().expect("a text").to_owned()
        }));
        found.len() >= messages
    })
    .await;
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_state_is_told_once_and_survives_a_restart() {
    let good = COSTS.to_owned() + "budget = { max_requests_per_run = 100 }\n";
    let poor = COSTS.to_owned() + "budget = { max_requests_per_run = 1 }\n";
    let world = World::new(&[("costs", &poor), ("config", CONFIG)]);
    let chat = chat();
    let scheduler = telling(&world, &chat);
    world.pass(&scheduler, START).await;
    let first = told(&chat, 1).await;
    assert!(first[0].starts_with("costlake: costs budget reached\n"), "{first:?}");
    // The same failure the next night, also in another process: no message.
    world.pass(&scheduler, "2026-11-11T06:30:00Z").await;
    let scheduler = telling(&world, &chat);
    world.pass(&scheduler, "2026-11-12T06:30:00Z").await;
    world.job("costs", &good);
    scheduler.look_again();
    world.pass(&scheduler, "2026-11-13T06:30:00Z").await;
    assert_eq!(told(&chat, 1).await, ["costlake: costs recovered\nhttps://costs.example.com/jobs/costs"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_chat_that_is_down_for_a_moment_hears_it_all_the_same() {
    let poor = COSTS.to_owned() + "budget = { max_requests_per_run = 1 }\n";
    let world = World::new(&[("costs", &poor)]);
    let chat = Script::new();
    chat.then([Reply::new(500, "down"), Reply::new(200, "ok")]);
    let scheduler = telling(&world, &chat);
    // The run does not wait for the receiver.
    world.pass(&scheduler, START).await;
    until(|| chat.is_through()).await;
    let asked = chat.take_asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].body, asked[1].body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stale_days_are_told_once() {
    let world = World::new(&[("costs", COSTS)]);
    world.pass(&world.scheduler(), START).await;
    // The job has no schedule any more.
    world.job("costs", &COSTS.replace("schedule = { cron = \"30 6 * * *\" }", ""));
    let chat = chat();
    let scheduler = telling(&world, &chat);
    world.pass(&scheduler, "2026-11-14T06:30:00Z").await;
    let first = told(&chat, 1).await;
    assert!(first[0].starts_with("costlake: costs stale\n"), "{first:?}");
    world.pass(&scheduler, "2026-11-15T06:30:00Z").await;
    assert!(chat.take_asked().is_empty());
}
