//! The targets that need a server or a client around the bytes: forms that a browser posts, and responses of Cost
//! Explorer. Both the server and the client are the product's; only the socket is left out.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request as HttpQuestion, StatusCode, header};
use costlake::clients::aws::cost_explorer::CostExplorerClient;
use costlake::clients::{ClientConfig, Clients};
use costlake::clock::Clock;
use costlake::lake::{Lake, LocalLake};
use costlake::pipeline::Context;
use costlake::request::{Operation, Request};
use costlake::scheduler::Scheduler;
use costlake::web::auth::Access;
use costlake::web::{cache::State, router};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::targets::{COST, now, window};

/// The token that the forms may contain.
const TOKEN: &str = "0123456789abcdef";
/// A tag that the product never writes: if a page contains it, something was not escaped.
const FOREIGN_TAG: &str = "<fuzz";
/// The longest error text. Each part of it that comes from outside is cut at 300 characters or fewer.
const LONGEST_REPORT: usize = 2_000;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));

/// The page of one job on an empty lake, while the program is shutting down, so that no form starts a run.
static PAGE: LazyLock<Router> = LazyLock::new(|| {
    let nowhere = std::env::temp_dir().join("costlake-fuzzed-lake-that-is-not-there");
    let cancel = CancellationToken::new();
    cancel.cancel();
    let context = Context {
        cancel,
        ..Context::new(
            Arc::new(Clients::new(ClientConfig::default())),
            Arc::new(Lake::Local(LocalLake::new(nowhere))),
            Clock::Fixed(now()),
        )
    };
    let folder = tempfile::tempdir().expect("a folder");
    let scheduler = Scheduler::new(context, folder.path(), None).expect("a scheduler");
    scheduler.jobs.place(&Arc::new(COST.clone()), None, now());
    let access = Access::new(Some(TOKEN), IpAddr::V4(Ipv4Addr::LOCALHOST), &[], true).expect("access");
    router(State::new(scheduler, access, "lake".to_owned()))
});

/// A form: the first line chooses it, then follows the body that a browser would send.
pub(crate) fn web_form(data: &[u8]) {
    let (first, body) = cut(data);
    let path = match first.first() {
        Some(b'l') => "/login",
        Some(b'p') => "/backfill/plan",
        _ => "/backfill",
    };
    let question = HttpQuestion::post(path)
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header(header::ACCEPT, "text/html")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body.to_vec()))
        .expect("a request");
    let (head, page) = RUNTIME.block_on(async {
        let (head, body) = PAGE.clone().oneshot(question).await.expect("an answer").into_parts();
        (head, to_bytes(body, 4 << 20).await.expect("a page"))
    });
    let text = String::from_utf8_lossy(&page);
    assert!(head.headers.contains_key(header::CONTENT_SECURITY_POLICY), "{path} without a policy");
    assert!(!text.contains(FOREIGN_TAG), "{path} shows {text}");
    let cookie = head.headers.contains_key(header::SET_COOKIE);
    assert_eq!(cookie, path == "/login" && head.status == StatusCode::SEE_OTHER, "{path} gives a cookie");
    assert!(!cookie || shows_token(body), "{path} gives a cookie without the token");
    let expected = match path {
        "/login" => matches!(head.status.as_u16(), 303 | 400 | 401 | 413 | 422),
        "/backfill/plan" => matches!(head.status.as_u16(), 200 | 400 | 404 | 413 | 422),
        // 503: a run would have been started, but the program is shutting down.
        _ => matches!(head.status.as_u16(), 400 | 404 | 413 | 422 | 503),
    };
    assert!(expected, "{path} answers {}: {text}", head.status);
}

/// Whether the characters of the token follow each other, plain or as `%xx`.
fn shows_token(form: &[u8]) -> bool {
    let mut left = TOKEN.bytes().peekable();
    let mut rest = form;
    while let (Some(wanted), Some((byte, after))) = (left.peek().copied(), rest.split_first()) {
        let coded = rest.get(..3).is_some_and(|code| code.eq_ignore_ascii_case(format!("%{wanted:02x}").as_bytes()));
        if *byte == wanted || coded {
            left.next();
        }
        rest = if coded { &rest[3..] } else { after };
    }
    left.peek().is_none()
}

/// The first line, and what follows it.
fn cut(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (&data[..at], data.get(at + 1..).unwrap_or_default())
}

/// The response to the next request to Cost Explorer: status, `x-amzn-errortype`, body.
#[derive(Debug, Default)]
struct Said {
    status: u16,
    code: String,
    body: Vec<u8>,
}

static SAID: Mutex<Said> = Mutex::new(Said { status: 200, code: String::new(), body: Vec::new() });

/// Responds with [`SAID`].
#[derive(Debug)]
struct Saying;

impl HttpConnector for Saying {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let said = std::mem::take(&mut *SAID.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let status = said.status.try_into().expect("a status");
        let mut answer = HttpResponse::new(status, SdkBody::from(said.body));
        // Characters that are invalid in a header are left out.
        drop(answer.headers_mut().try_insert("x-amzn-errortype", said.code));
        HttpConnectorFuture::ready(Ok(answer))
    }
}

static DOOR: LazyLock<CostExplorerClient> = LazyLock::new(|| {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .retry_config(RetryConfig::disabled())
        .http_client(http_client_fn(|_, _| SharedHttpConnector::new(Saying)))
        .build();
    CostExplorerClient::new(&config, false)
});

static QUERY: LazyLock<Operation> = LazyLock::new(|| match COST.source.requests(&[window()]).pop() {
    Some(Request::Operation(operation)) => operation,
    other => panic!("{other:?} is no question to Cost Explorer"),
});

/// A response of Cost Explorer through the SDK: a status and an error type in the first line, then the body.
pub(crate) fn cost_explorer_refusal(data: &[u8]) {
    let (first, body) = cut(data);
    let first = String::from_utf8_lossy(first);
    let (status, code) = first.split_once(' ').unwrap_or((&first, ""));
    let status = status.parse().ok().filter(|status| (200..600).contains(status)).unwrap_or(400);
    *SAID.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
        Said { status, code: code.to_owned(), body: body.to_vec() };
    match RUNTIME.block_on(DOOR.send(&QUERY)) {
        Ok(answer) => {
            assert!((200..300).contains(&status), "{status} taken for an answer");
            assert_eq!(answer.body, body, "the body of the answer");
        }
        Err(error) => {
            let report = error.report();
            assert!(!(200..300).contains(&status), "{status} is refused: {report}");
            assert!(report.chars().count() <= LONGEST_REPORT, "{} characters: {report:?}", report.chars().count());
            assert!(!report.contains("arn:aws") && !report.contains('\u{1b}'), "{report:?}");
        }
    }
}
