//! The page of the paths that `serve` answers: a list here, which has every route of the router.

use std::collections::BTreeSet;

use costlake::web::page::{ICON_PATH, SCRIPT_PATH, STYLE_PATH};

use super::{head, is_kept, row, wrapped};
use crate::conventions::source::read;

/// Who may ask.
const ANYBODY: &str = "none";
const TOKEN: &str = "token";
const ACTIONS: &str = "token, `--allow-actions`";

/// A path: the methods, what it needs, and what it answers.
type Route = (&'static str, &'static str, &'static str, &'static str);

/// Sections and their paths.
const SECTIONS: [(&str, &[Route]); 3] = [
    (
        "For machines",
        &[
            ("/healthz", "GET", ANYBODY, "200 `ok` while the process is up"),
            (
                "/readyz",
                "GET",
                ANYBODY,
                "200 `ready`; 503 with the reasons while jobs are not loaded, the lake does not answer or the scheduler does not tick",
            ),
            ("/metrics", "GET", TOKEN, "[metrics](metrics.md) as OpenMetrics text"),
            (
                "/api/status",
                "GET",
                TOKEN,
                "the document of `costlake status --output json`, a hundred tables on a page: `?page=2`; `?table=` and `&account=` for one with its days",
            ),
        ],
    ),
    (
        "Pages",
        &[
            ("/", "GET", TOKEN, "every table with its days, runs and errors; what needs a person first"),
            ("/jobs/{name}", "GET", TOKEN, "a table: what its month costs, a calendar, charts, runs"),
            ("/jobs/{name}/account/{account}", "GET", TOKEN, "the same of one account"),
            ("/restatements", "GET", TOKEN, "what was restated in the last 90 days, in all tables"),
            ("/login", "GET, POST", ANYBODY, "asks a browser for the token"),
        ],
    ),
    (
        "Parts of pages",
        &[
            ("/live", "GET", TOKEN, "runs that are going on"),
            ("/tables/live", "GET", TOKEN, "the tables of the first page"),
            ("/jobs/{name}/live", "GET", TOKEN, "the run of a table"),
            ("/jobs/{name}/account/{account}/live", "GET", TOKEN, "the same of one account"),
            ("/backfill/plan", "POST", ACTIONS, "what a backfill would ask and cost"),
            ("/backfill", "POST", ACTIONS, "starts it"),
            ("/accept/plan", "POST", ACTIONS, "figures that are held, old and new"),
            ("/accept", "POST", ACTIONS, "accepts them"),
            ("/style.css", "GET", ANYBODY, "style sheet"),
            ("/live.js", "GET", ANYBODY, "script"),
            ("/icon.svg", "GET", ANYBODY, "icon"),
        ],
    ),
];

/// The routes of the source of the router, each with its methods.
fn routes(source: &str) -> BTreeSet<(String, String)> {
    let lines = source.lines().filter_map(|line| line.trim().strip_prefix(".route("));
    let constants =
        [("page::STYLE_PATH", STYLE_PATH), ("page::SCRIPT_PATH", SCRIPT_PATH), ("page::ICON_PATH", ICON_PATH)];
    lines
        .map(|line| {
            let (path, handlers) = line.split_once(", ").expect("a path and handlers");
            let known = constants.iter().find(|(name, _)| *name == path).map(|(_, path)| *path);
            let path = known.unwrap_or_else(|| path.trim_matches('"'));
            let names = [("get(", "GET"), ("post(", "POST")];
            let methods = names.iter().filter(|(call, _)| handlers.contains(call)).map(|(_, name)| *name);
            (path.to_owned(), methods.collect::<Vec<_>>().join(", "))
        })
        .collect()
}

fn listed() -> impl Iterator<Item = &'static Route> {
    SECTIONS.into_iter().flat_map(|(_, paths)| paths)
}

#[test]
fn the_page_of_paths_is_what_serve_answers() {
    let mut page = format!(
        "# Paths of `costlake serve`\n\n{}",
        wrapped(
            "`serve` listens on 127.0.0.1:8080 unless `--listen` says otherwise. With `--token-file` every path needs the \
             token but those with \"none\": as `Authorization: Bearer TOKEN`, or in a browser as a cookie, for which `/login` \
             asks once. Another address than 127.0.0.1 demands a token.\n\n\
             The `Host` header must be `localhost`, the address, or a name of `--allowed-host`; only `/healthz` and \
             `/readyz` answer to any. Without `--allow-actions` the page changes nothing. Put a TLS proxy in front."
        )
    );
    for (title, paths) in SECTIONS {
        page += &format!("\n## {title}\n\n");
        page += &head(&["path", "method", "needs", "answers"]);
        for (path, method, needs, answers) in paths {
            page += &row(&[&format!("`{path}`"), method, needs, answers]);
        }
    }
    is_kept("http", &page);
}

#[test]
fn every_route_is_listed_and_no_other() {
    let known: BTreeSet<(String, String)> =
        listed().map(|(path, method, ..)| ((*path).to_owned(), (*method).to_owned())).collect();
    assert_eq!(known, routes(&read("src/web/mod.rs")));
    let new = routes("    .route(\"/new\", get(a).post(b))\n");
    assert_eq!(new, BTreeSet::from([("/new".to_owned(), "GET, POST".to_owned())]), "another one is seen");
}

/// Whether a path needs the token is what the rules of access say.
#[test]
fn the_token_is_needed_where_the_page_says_so() {
    use axum::http::{HeaderMap, Method, header};
    let address = std::net::Ipv4Addr::LOCALHOST.into();
    let access = costlake::web::auth::Access::new(Some("secret"), address, &[], true).expect("access");
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, "localhost".parse().expect("a name"));
    for (path, _, needs, _) in listed() {
        assert_eq!(access.admit(&Method::GET, path, &headers).is_ok(), *needs == ANYBODY, "{path}");
    }
}
