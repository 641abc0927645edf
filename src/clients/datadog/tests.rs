//! Tests of the client against a small loopback server that plays scripted raw responses and records the requests.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use secrecy::SecretString;

use super::{DatadogClient, Limits, MAX_BODY, Settings};
use crate::clients::Deadlines;
use crate::error::{Error, Kind};
use crate::request::{Answer, Call, Purpose};
use crate::window::{Window, parse_day};

/// A server that sends the next of `answers` on each connection and then closes it.
struct Server {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = heard.clone();
        thread::spawn(move || {
            for answer in answers {
                let Ok((mut socket, _)) = listener.accept() else { return };
                let mut request = Vec::new();
                let mut part = [0; 4096];
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    match socket.read(&mut part) {
                        Ok(count) if count > 0 => request.extend_from_slice(&part[..count]),
                        _ => break,
                    }
                }
                ears.lock().expect("ears").push(String::from_utf8_lossy(&request).into_owned());
                if answer.is_empty() {
                    thread::sleep(Duration::from_secs(2));
                }
                let _ = socket.write_all(&answer);
            }
        });
        Self { url, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("ears").clone()
    }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn limits() -> Limits {
    Limits { deadlines: Deadlines::default(), body: MAX_BODY }
}

fn client(url: &str, limits: Limits) -> DatadogClient {
    client_named_by("DD_SITE", url, limits)
}

fn client_named_by(named_by: &'static str, url: &str, limits: Limits) -> DatadogClient {
    let settings = Settings {
        base_url: url.to_owned(),
        named_by,
        api_key: SecretString::from("hush-api"),
        app_key: SecretString::from("hush-app"),
        user_agent: "costlake/0.0.0".to_owned(),
    };
    DatadogClient::with_limits(settings, limits).expect("a client")
}

fn get(also_answers: &'static [u16]) -> Call {
    let window = Window::day(parse_day("2026-11-20").expect("a day"));
    let query = [("provider", "aws"), ("filterBy", "env:prod a+b&c=ü*")];
    Call {
        body: None,
        path: "/api/v2/cost/x".to_owned(),
        query: query.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        also_answers,
        purpose: Purpose { window, subject: "aws/ec2/ri".to_owned() },
    }
}

async fn ask(raw: Vec<u8>) -> Result<Answer, Error> {
    let server = Server::new(vec![raw]);
    let result = client(&server.url, limits()).send(&get(&[])).await;
    if let Err(error) = &result {
        assert!(!error.report().contains("hush"), "{}", error.report());
    }
    result
}

#[tokio::test]
async fn an_answer_comes_back_byte_for_byte() {
    let body = b"{\"commitments\": [] }\n";
    let raw = answer("200 OK", "X-Request-Id: abc\r\nContent-Type: application/vnd.api+json\r\n", body);
    let server = Server::new(vec![raw]);
    let answer = client(&format!("{}/", server.url), limits()).send(&get(&[])).await.expect("an answer");
    assert_eq!((answer.status, &answer.body[..], answer.request_id.as_deref()), (200, &body[..], Some("abc")));
    let heard = server.heard().remove(0);
    let (line, headers) = heard.split_once("\r\n").expect("a request");
    assert_eq!(line, "GET /api/v2/cost/x?provider=aws&filterBy=env%3Aprod+a%2Bb%26c%3D%C3%BC* HTTP/1.1");
    let headers = headers.to_lowercase();
    for wanted in [
        "dd-api-key: hush-api\r\n",
        "dd-application-key: hush-app\r\n",
        "accept: application/json\r\n",
        "accept-encoding: gzip\r\n",
        "user-agent: costlake/0.0.0\r\n",
    ] {
        assert!(headers.contains(wanted), "{wanted} in {headers}");
    }
}

#[tokio::test]
async fn a_404_is_an_answer_only_where_it_is_one() {
    let raw = answer("404 Not Found", "", br#"{"errors":[{"title":"Account not found","detail":"d"}]}"#);
    let server = Server::new(vec![raw.clone(), raw]);
    let client = client(&server.url, limits());
    assert_eq!(client.send(&get(&[404])).await.expect("an answer").status, 404);
    let error = client.send(&get(&[])).await.expect_err("no answer");
    assert_eq!((error.kind(), error.message()), (Kind::Refused, "Datadog refuses the request: Account not found: d"));
}

#[tokio::test]
async fn a_status_decides_what_is_done_next() {
    for (status, kind) in [
        ("401 Unauthorized", Kind::Auth),
        ("403 Forbidden", Kind::Auth),
        ("400 Bad Request", Kind::Refused),
        ("408 Request Timeout", Kind::Unavailable),
        ("429 Too Many Requests", Kind::Throttled),
        ("500 Oops", Kind::Unavailable),
        ("503 Busy", Kind::Unavailable),
        ("599 Odd", Kind::Unavailable),
        ("202 Accepted", Kind::BadAnswer),
    ] {
        let error = ask(answer(status, "Retry-After: 3\r\n", br#"{"errors":["hush-api hush-app said"]}"#)).await;
        let error = error.expect_err(status);
        assert_eq!(error.kind(), kind, "{status}");
        let waits = matches!(kind, Kind::Throttled | Kind::Unavailable);
        assert_eq!(error.wait_hint(), waits.then_some(Duration::from_secs(3)), "{status}");
        assert!(error.to_string().contains("query aws/ec2/ri, window 2026-11-20"), "{error}");
    }
}

#[tokio::test]
async fn a_refused_key_says_what_to_check_and_a_long_wait_is_capped() {
    let error = ask(answer("403 Forbidden", "", b"<title>Forbidden</title>")).await.expect_err("refused");
    for wanted in ["DD_SITE", "127.0.0.1", "DD_API_KEY", "DD_APP_KEY", "cloud_cost_management_read"] {
        assert!(error.report().contains(wanted), "{wanted}: {}", error.report());
    }
    let error = ask(answer("429 Too Many", "X-RateLimit-Reset: 3600\r\n", b"")).await.expect_err("throttled");
    assert_eq!(error.wait_hint(), Some(Duration::from_secs(300)));
}

#[tokio::test]
async fn a_refused_key_lacks_the_permissions_of_its_endpoint() {
    const ALL: [&str; 3] = ["cloud_cost_management_read", "aws_configuration_read", "timeseries_query"];
    for (path, wanted) in [
        ("/api/v2/cost/commitments/commitment-list", vec![ALL[0]]),
        ("/api/v2/cost/budgets", vec![ALL[0]]),
        ("/api/v2/integration/aws/accounts", vec![ALL[1]]),
        ("/api/v2/query/timeseries", vec![ALL[0], ALL[2]]),
    ] {
        let server = Server::new(vec![answer("403 Forbidden", "", b"")]);
        let call = Call { path: path.to_owned(), ..get(&[]) };
        let error = client(&server.url, limits()).send(&call).await.expect_err("refused");
        let advice = error.advice().unwrap_or_default();
        let named: Vec<&str> = ALL.into_iter().filter(|name| advice.contains(name)).collect();
        assert_eq!(named, wanted, "{path}");
    }
}

#[tokio::test]
async fn advice_names_what_named_the_address() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let server = Server::new(vec![
        answer("401 Unauthorized", "", b""),
        answer("403 Forbidden", "", b""),
        answer("302 Found", "Location: https://elsewhere.example/\r\n", b""),
    ]);
    for url in [&server.url, &server.url, &server.url, &format!("http://{closed}")] {
        let own = client_named_by("COSTLAKE_DATADOG_URL", url, limits());
        let error = own.send(&get(&[])).await.expect_err("no answer");
        let advice = error.advice().unwrap_or_default();
        assert!(advice.contains("COSTLAKE_DATADOG_URL") && !advice.contains("DD_SITE"), "{}", error.report());
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_the_keys_stay() {
    let other = Server::new(vec![answer("200 OK", "", b"{}")]);
    let location = format!("Location: {}/api?token=hush-token\r\n", other.url);
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let error = ask(answer(status, &location, b"")).await.expect_err("no answer");
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.to_string().contains("redirects are not followed"), "{error}");
        assert!(error.to_string().contains("redirects to 127.0.0.1"), "{error}");
    }
    assert!(other.heard().is_empty());
}

#[tokio::test]
async fn what_breaks_off_is_unavailable() {
    let whole = answer("200 OK", "", b"{\"commitments\":[]}");
    let gzip = answer("200 OK", "Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab");
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"com".to_vec();
    for cut in [whole[..whole.len() - 3].to_vec(), whole[..9].to_vec(), b"HTTP/1.1 ".to_vec(), gzip, chunked] {
        let error = ask(cut.clone()).await.expect_err("cut");
        assert_eq!(error.kind(), Kind::Unavailable, "{}", String::from_utf8_lossy(&cut));
    }
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let error = client(&format!("http://{closed}"), limits()).send(&get(&[])).await.expect_err("closed");
    assert_eq!((error.kind(), error.message()), (Kind::Unavailable, "cannot connect to Datadog"));
}

#[tokio::test]
async fn silence_is_unavailable() {
    let server = Server::new(vec![Vec::new()]);
    let limits =
        Limits { deadlines: Deadlines { answer: Duration::from_millis(200), ..Deadlines::default() }, ..limits() };
    let error = client(&server.url, limits).send(&get(&[])).await.expect_err("silence");
    assert_eq!((error.kind(), error.message()), (Kind::Unavailable, "Datadog did not answer in full within 0.2 s"));
}

#[tokio::test]
async fn a_body_beyond_the_cap_is_refused_also_when_it_was_small_on_the_wire() {
    // 4,096 zeros in 38 bytes.
    const BOMB: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x01\x0d\x00\x00\x00\xc2\xa0\xf7Om\x0f\x07\x14\x00\x00\x00\xf0n\x11\x00\x1c\xc7\x00\x10\x00\x00";
    let limits = Limits { body: 1000, ..limits() };
    for raw in [answer("200 OK", "", &[b' '; 1001]), answer("200 OK", "Content-Encoding: gzip\r\n", BOMB)] {
        let server = Server::new(vec![raw]);
        let error = client(&server.url, limits).send(&get(&[])).await.expect_err("too large");
        assert_eq!(error.kind(), Kind::BadAnswer);
        assert_eq!(error.message(), "the answer is larger than 0 MiB");
    }
    let server = Server::new(vec![answer("200 OK", "", &[b' '; 1000])]);
    assert_eq!(client(&server.url, limits).send(&get(&[])).await.expect("fits").body.len(), 1000);
}

#[test]
fn nothing_of_a_client_shows_its_keys() {
    let client = client("http://127.0.0.1:1", limits());
    assert!(!format!("{client:?} {:?} {:?}", client.client, client.keys).contains("hush"));
}
