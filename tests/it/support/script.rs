//! An HTTP server on loopback that sends scripted answers, good or bad, and records the requests.
//!
//! It implements just enough HTTP by hand, because no regular server library sends such broken answers.
//!
//! It answers requests for Cost Explorer's totals itself, with the sums of the scripted pages, and records them
//! separately from the others. A test about totals scripts them, with [`Script::with_totals`].

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::ungrouped::Sums;

/// One request as received.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path with query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// The body before decoding as UTF-8.
    pub(crate) bytes: Vec<u8>,
}

impl Asked {
    /// The value of a header, by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON request")
    }

    /// Whether it asks Cost Explorer for costs without grouping them.
    pub(crate) fn is_for_totals(&self) -> bool {
        self.header("x-amz-target").is_some_and(|target| target.ends_with(".GetCostAndUsage"))
            && self.json().get("GroupBy").is_none()
    }

    /// The same request grouped by service, at the page of a token.
    fn grouped(&self, token: Option<&str>) -> Self {
        let mut question = self.json();
        question["GroupBy"] = json!([{ "Type": "DIMENSION", "Key": "SERVICE" }]);
        if let Some(token) = token {
            question["NextPageToken"] = json!(token);
        }
        Self { body: question.to_string(), ..self.clone() }
    }
}

/// One answer, or a fault in its place.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    manner: Manner,
}

/// Longer than any test.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Whole,
    HalfTheBody,
    HangUp,
    Silent,
}

impl Reply {
    /// A status and a body.
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), manner: Manner::Whole }
    }

    /// A good answer.
    pub(crate) fn good(body: &Value) -> Self {
        Self::new(200, body.to_string())
    }

    /// An error in Cost Explorer's format.
    pub(crate) fn fault(code: &str, message: &str) -> Self {
        Self::new(400, json!({ "__type": code, "Message": message }).to_string())
    }

    /// The same answer with one more header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same answer, but the connection closes in the middle of its body.
    pub(crate) fn cut_off(self) -> Self {
        Self { manner: Manner::HalfTheBody, ..self }
    }

    /// No answer: the connection closes.
    pub(crate) fn hang_up() -> Self {
        Self { manner: Manner::HangUp, ..Self::new(200, "") }
    }

    /// No answer, and the connection stays open.
    pub(crate) fn silence() -> Self {
        Self { manner: Manner::Silent, ..Self::new(200, "") }
    }

    /// Adds the reply to the sums if it is a page that is sent in full.
    fn add_to(&self, sums: &mut Sums) {
        let page: Option<Value> = serde_json::from_slice(&self.body).ok();
        match (self.status, page) {
            (200, Some(page)) if self.manner == Manner::Whole => sums.add(&page),
            (400, Some(fault)) if LOST_PAGES.iter().any(|code| fault["__type"] == *code) => sums.start_again(),
            _ => {}
        }
    }

    fn write(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        if self.manner == Manner::HangUp {
            return Ok(());
        }
        if self.manner == Manner::Silent {
            std::thread::sleep(SILENCE);
            return Ok(());
        }
        let mut head = format!("HTTP/1.1 {} Scripted\r\ncontent-length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("connection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let sent = if self.manner == Manner::HalfTheBody { self.body.len() / 2 } else { self.body.len() };
        stream.write_all(&self.body[..sent])?;
        stream.flush()
    }
}

/// Faults after which pagination restarts.
const LOST_PAGES: [&str; 2] = ["InvalidNextTokenException", "RequestChangedException"];

type Responder = Box<dyn FnMut(&Asked) -> Reply + Send>;

#[derive(Default)]
struct State {
    replies: VecDeque<Reply>,
    responder: Option<Responder>,
    asked: Vec<Asked>,
    totals_asked: Vec<Asked>,
    totals_are_scripted: bool,
}

impl State {
    fn reply(&mut self, asked: &Asked) -> Option<Reply> {
        let next = self.replies.pop_front();
        next.or_else(|| self.responder.as_mut().map(|respond| respond(asked)))
    }

    /// The totals of the scripted pages and of the responder's answers to the same request grouped by service.
    fn totals(&mut self, asked: &Asked) -> Reply {
        let mut sums = Sums::default();
        self.replies.iter().for_each(|reply| reply.add_to(&mut sums));
        if let Some(respond) = &mut self.responder {
            let mut token = None;
            loop {
                let page: Value =
                    serde_json::from_slice(&respond(&asked.grouped(token.as_deref())).body).expect("a page");
                sums.add(&page);
                token = page["NextPageToken"].as_str().map(str::to_owned);
                if token.is_none() {
                    break;
                }
            }
        }
        Reply::good(&sums.answer(&asked.json()))
    }
}

/// The server; it serves until the test's process ends.
pub(crate) struct Script {
    url: String,
    state: Arc<Mutex<State>>,
}

impl Script {
    /// A server without answers: unscripted requests get an error that is not retried.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || converse(&stream, &shared));
            }
        });
        Self { url, state }
    }

    /// The same server, but the test scripts the totals, too.
    pub(crate) fn with_totals(self) -> Self {
        self.state().totals_are_scripted = true;
        self
    }

    /// A server that computes its answers from the requests.
    pub(crate) fn answering(responder: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let script = Self::new();
        script.state().responder = Some(Box::new(responder));
        script
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Appends the next answers, in order.
    pub(crate) fn then(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state().replies.extend(replies);
    }

    /// Removes the answers that have not been sent yet.
    pub(crate) fn clear(&self) {
        self.state().replies.clear();
    }

    /// Whether every scripted answer has been sent.
    pub(crate) fn is_through(&self) -> bool {
        self.state().replies.is_empty()
    }

    /// The requests since the previous call, except for totals that are not scripted; every scripted answer must have
    /// been sent.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        let mut state = self.state();
        assert!(state.replies.is_empty(), "{} scripted answers were never asked for", state.replies.len());
        std::mem::take(&mut state.asked)
    }

    /// The requests for totals that are not scripted, since the previous call.
    pub(crate) fn take_totals_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().totals_asked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn converse(stream: &TcpStream, state: &Mutex<State>) {
    let Ok(Some(asked)) = read(stream) else { return };
    let reply = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = if !state.totals_are_scripted && asked.is_for_totals() {
            let reply = state.totals(&asked);
            state.totals_asked.push(asked);
            Some(reply)
        } else {
            let reply = state.reply(&asked);
            state.asked.push(asked);
            reply
        };
        reply.unwrap_or_else(|| Reply::fault("ValidationException", "the script has no answer to this"))
    };
    // The client may have closed the connection.
    let _ = reply.write(stream);
}

fn read(stream: &TcpStream) -> std::io::Result<Option<Asked>> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Some(Asked { method, path, headers, body: String::from_utf8_lossy(&body).into_owned(), bytes: body }))
}
