//! The built-in sandbox in this process: tests move its clock and request its totals.

use std::io::{Read, Write};
use std::net::TcpStream;

use chrono::{DateTime, Utc};
use costlake::decimal;
use costlake::sandbox::{Requests, Sandbox, Settings, serve};
use serde_json::{Value, json};

/// A sandbox on a separate port; it serves until the test's process ends.
pub(crate) struct SandboxServer {
    address: std::net::SocketAddr,
    sandbox: Sandbox,
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

impl SandboxServer {
    /// A sandbox that begins at `now` and puts `page_groups` groups on a page.
    pub(crate) fn new(now: &str, page_groups: usize) -> Self {
        let sandbox = Sandbox::new(Settings { page_groups, ..Settings::new(instant(now)) });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let served = sandbox.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
                serve(listener, served, std::future::pending()).await.expect("a server");
            });
        });
        Self { address, sandbox }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Moves the sandbox's clock.
    pub(crate) fn set_now(&self, now: &str) {
        self.sandbox.set_now(instant(now));
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> Requests {
        self.sandbox.requests()
    }

    /// The sandbox's ungrouped total of a metric over `[start, end)`, in units of 10^-12.
    pub(crate) fn total(&self, granularity: &str, start: &str, end: &str, metric: &str) -> i128 {
        self.total_of(None, granularity, start, end, metric)
    }

    /// The same of a payer account, or with `None` of that of any other credentials.
    pub(crate) fn total_of(
        &self,
        account: Option<&str>,
        granularity: &str,
        start: &str,
        end: &str,
        metric: &str,
    ) -> i128 {
        let question = json!({
            "TimePeriod": { "Start": start, "End": end }, "Granularity": granularity, "Metrics": [metric],
        });
        let answer = self.ask(account, &question);
        assert!(answer["NextPageToken"].is_null(), "totals are on one page: {answer}");
        let results = answer["ResultsByTime"].as_array().expect("results");
        let amounts = results.iter().map(|result| result["Total"][metric]["Amount"].as_str().expect("an amount"));
        amounts.map(|amount| decimal::parse(amount).expect("an amount")).sum()
    }

    fn ask(&self, account: Option<&str>, question: &Value) -> Value {
        // The credentials that the sandbox gives for a role of the account.
        let signed = account.map_or("test".to_owned(), |id| format!("Credential=ASIA{id}LAKE/"));
        let token = account.map(|id| format!("x-amz-security-token: sandbox/{id}/test/test/4102444800\r\n"));
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        let body = question.to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\ncontent-type: application/x-amz-json-1.1\r\n\
             x-amz-target: AWSInsightsIndexService.GetCostAndUsage\r\nauthorization: AWS4-HMAC-SHA256 {signed}\r\n\
             {}content-length: {}\r\n\r\n{body}",
            token.unwrap_or_default(),
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).expect("a JSON answer")
    }
}
