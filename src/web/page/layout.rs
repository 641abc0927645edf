//! The layout of every page: head, landmarks, the lake and the clock; and the two pages without facts.

use maud::{DOCTYPE, Markup, html};

use crate::web::format;
use crate::web::view::PageFacts;

use super::{ICON_PATH, SCRIPT_PATH, STYLE_PATH};

/// A whole document. `facts` is `None` on pages that show nothing about the lake.
pub(super) fn frame(title: &str, facts: Option<&PageFacts>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="same-origin";
                title { (format::label(title)) " · costlake" }
                link rel="icon" type="image/svg+xml" href=(ICON_PATH);
                link rel="stylesheet" href=(STYLE_PATH);
                script src=(SCRIPT_PATH) defer {}
            }
            body {
                a class="skip" href="#main" { "Skip to the content" }
                header class="top" {
                    a class="brand" href="/" { (mark()) "costlake" }
                    @if let Some(facts) = facts {
                        nav class="pages" aria-label="Pages" {
                            @for (path, name) in [("/", "Tables"), ("/restatements", "Restatements")] {
                                a href=(path) aria-current=[(name == title).then_some("page")] { (name) }
                            }
                        }
                        (lake_and_clock(facts))
                    }
                }
                main id="main" tabindex="-1" { (body) }
                footer {
                    p {
                        "costlake " (env!("CARGO_PKG_VERSION"))
                        @if facts.is_some() { " · days are UTC days · " a href="/metrics" { "metrics" } " · " a href="/api/status" { "status as JSON" } }
                    }
                }
            }
        }
    }
}

/// The logo beside the name: a lake of bars.
fn mark() -> Markup {
    html! {
        svg class="mark" width="22" height="22" viewBox="0 0 22 22" aria-hidden="true" {
            rect x="2" y="11" width="4" height="8" rx="1" {}
            rect x="9" y="3" width="4" height="16" rx="1" {}
            rect x="16" y="7" width="4" height="12" rx="1" {}
        }
    }
}

fn lake_and_clock(facts: &PageFacts) -> Markup {
    html! {
        dl class="where" {
            div { dt { "Lake" } dd { code { (format::visible(&facts.lake)) } } }
            div {
                dt { "Clock" }
                dd {
                    time datetime=(format::machine(facts.now)) { (format::instant(facts.now)) " UTC" }
                    @if facts.clock_is_fixed {
                        " " span class="badge late" { "fixed by COSTLAKE_NOW" }
                    }
                }
            }
        }
    }
}

/// The login form.
pub(super) fn login(failed: bool) -> Markup {
    let body = html! {
        section class="panel narrow" {
            h1 { "Sign in" }
            p class="lead" { "This page is open to those who have the token that costlake was started with." }
            @if failed {
                p class="alert" role="alert" { strong { "That is not the token. " } "It is the content of the file given with " code { "--token-file" } "." }
            }
            form method="post" action="/login" {
                label for="token" { "Token" }
                input id="token" name="token" type="password" autocomplete="current-password" required autofocus
                    aria-invalid=[failed.then_some("true")];
                button type="submit" { "Sign in" }
            }
        }
    };
    frame("Sign in", None, &body)
}

/// An error page.
pub(super) fn problem(status: u16, title: &str, words: &str) -> Markup {
    let body = html! {
        section class="panel narrow" {
            p class="eyebrow" { (status) }
            h1 { (format::visible(title)) }
            p class="lead pre" { (format::visible(words)) }
            p { a href="/" { "All tables" } }
        }
    };
    frame(title, None, &body)
}
