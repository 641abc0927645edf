//! A proxy that injects a fault at the k-th call: the request is not read, or the answer is lost, cut, replaced or
//! never sent. All other calls get the server's own answer, which is requested once and cached.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is reset before the request is read.
    Reset,
    /// The server processes the request, and closes before the first byte of its answer.
    Lost,
    /// The server processes the request, and sends nothing until the client closes.
    Silent,
    /// Fewer bytes than the answer's `content-length`.
    Short,
    /// A chunked answer without the last chunk.
    ChunksCut,
    /// Half of the answer, with a matching `content-length`.
    Half,
    /// Half of the answer, delimited by the end of the connection.
    HalfToTheEnd,
    /// A good status with an empty body.
    Empty,
    /// Throttled, with Cost Explorer's error.
    Throttling,
    /// Throttled, as every other API reports it.
    TooMany,
    Failed,
    Unavailable,
    /// An HTML page with a good status.
    Page,
    /// An HTML page with status 404.
    PageNotFound,
    /// The API no longer knows its own page token.
    TokenLost,
}

const PAGE: &str = "<!DOCTYPE html><html><head><title>Please sign in</title></head><body>Welcome</body></html>";
const STS: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
    <Arn>arn:aws:iam::123456789012:user/x</Arn><UserId>AIDA</UserId><Account>123456789012</Account>\
    </GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>";

/// One request as received; calls are numbered from 1 since the script was set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) number: usize,
    pub(crate) path: String,
    pub(crate) body: String,
}

impl Call {
    /// Whether it asks AWS STS for the account of the credentials.
    pub(crate) fn is_for_account(&self) -> bool {
        self.body.starts_with("Action=GetCallerIdentity")
    }

    /// Whether it comes before the first fetch: for the account, or for the totals of all days.
    pub(crate) fn is_for_the_job(&self) -> bool {
        self.is_for_account() || (self.body.contains("TimePeriod") && !self.body.contains("GroupBy"))
    }

    /// Whether it continues at a page token.
    pub(crate) fn has_token(&self) -> bool {
        self.body.contains("NextPageToken")
    }
}

#[derive(Debug, Clone)]
struct Answer {
    status: u16,
    body: Arc<Vec<u8>>,
}

type Script = Box<dyn Fn(usize) -> Option<Fault> + Send>;

#[derive(Default)]
struct State {
    script: Option<Script>,
    /// Calls since the script was set, including those that were never read.
    begun: usize,
    heard: Vec<Call>,
}

/// Cached answers, by request.
type Told = Arc<tokio::sync::Mutex<HashMap<(String, String), Answer>>>;

/// The proxy; it serves as long as its runtime.
#[derive(Clone)]
pub(crate) struct Line {
    url: String,
    behind: SocketAddr,
    told: Told,
    state: Arc<Mutex<State>>,
}

impl Line {
    /// A proxy to the server at `behind`, without faults yet.
    pub(crate) async fn to(behind: SocketAddr) -> Self {
        Self::sharing(behind, Told::default()).await
    }

    /// Another proxy to the same server, with the same cache.
    pub(crate) async fn another(&self) -> Self {
        Self::sharing(self.behind, self.told.clone()).await
    }

    async fn sharing(behind: SocketAddr, told: Told) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let line = Self { url, behind, told, state: Arc::default() };
        let served = line.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = served.clone();
                tokio::spawn(async move {
                    // The client may close at any time.
                    let _ = served.converse(stream).await;
                });
            }
        });
        line
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on call k gets the fault `script(k)`; the count restarts at 1.
    pub(crate) fn script(&self, script: impl Fn(usize) -> Option<Fault> + Send + 'static) {
        *self.state() = State { script: Some(Box::new(script)), ..State::default() };
    }

    /// From now on there are no faults.
    pub(crate) fn heal(&self) {
        self.script(|_| None);
    }

    /// The calls that were read since the script was set.
    pub(crate) fn heard(&self) -> Vec<Call> {
        self.state().heard.clone()
    }

    /// The number of calls since the script was set, faulty ones included.
    pub(crate) fn begun(&self) -> usize {
        self.state().begun
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        while stream.peek(&mut [0]).await? > 0 {
            let (number, fault) = {
                let mut state = self.state();
                state.begun += 1;
                let number = state.begun;
                (number, state.script.as_ref().and_then(|script| script(number)))
            };
            if fault == Some(Fault::Reset) {
                // The kernel resets a connection that is closed with unread bytes.
                return Ok(());
            }
            let (path, head, body) = read(&mut stream).await?;
            let call = Call { number, path, body };
            self.state().heard.push(call.clone());
            let answer = self.answer(&call, &head).await?;
            match fault {
                None => write(&mut stream, answer.status, &answer.body).await?,
                Some(fault) if spoil(fault, &answer, &mut stream).await? => {}
                Some(_) => return Ok(()),
            }
        }
        Ok(())
    }

    async fn answer(&self, call: &Call, head: &str) -> std::io::Result<Answer> {
        if call.is_for_account() {
            return Ok(Answer { status: 200, body: Arc::new(STS.into()) });
        }
        let key = (call.path.clone(), call.body.clone());
        let mut told = self.told.lock().await;
        if let Some(known) = told.get(&key) {
            return Ok(known.clone());
        }
        let answer = ask(self.behind, head, &call.body).await?;
        told.insert(key, answer.clone());
        Ok(answer)
    }
}

/// Reads one request: its path, its head and its body.
async fn read(stream: &mut TcpStream) -> std::io::Result<(String, String, String)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    Ok((path, head, String::from_utf8_lossy(&bytes[end..]).into_owned()))
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut pairs = head.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Sends a request to the server behind the proxy.
async fn ask(behind: SocketAddr, head: &str, body: &str) -> std::io::Result<Answer> {
    let kept = head.trim_end().split("\r\n").filter(|line| !line.to_lowercase().starts_with("connection:"));
    let head: Vec<&str> = kept.collect();
    let mut stream = TcpStream::connect(behind).await?;
    stream.write_all(format!("{}\r\nconnection: close\r\n\r\n{body}", head.join("\r\n")).as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer") + 4;
    let status = String::from_utf8_lossy(&bytes[9..12]).parse().expect("a status");
    Ok(Answer { status, body: Arc::new(bytes.split_off(end)) })
}

async fn write(stream: &mut TcpStream, status: u16, body: &[u8]) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status} Told\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await
}

/// Sends the fault in place of the answer; returns whether the connection stays open. It does after a reply that looks
/// complete; otherwise the client would sometimes send its next request into a closing connection and count another
/// failure.
async fn spoil(fault: Fault, answer: &Answer, stream: &mut TcpStream) -> std::io::Result<bool> {
    let (status, body) = (answer.status, answer.body.as_slice());
    let half = &body[..body.len() / 2];
    let said = |kind: &str, words: &str| format!("{{\"__type\":\"{kind}\",\"Message\":\"{words}\"}}").into_bytes();
    let too_many = b"{\"errors\":[\"Too many requests\"]}";
    match fault {
        Fault::Reset | Fault::Lost => {}
        Fault::Silent => drop(stream.read_to_end(&mut Vec::new()).await?),
        Fault::Short => {
            let head = format!("HTTP/1.1 {status} Told\r\ncontent-length: {}\r\n\r\n", body.len());
            // All but the last byte, without which no JSON is valid.
            stream.write_all(&[head.as_bytes(), &body[..body.len() - 1]].concat()).await?;
        }
        Fault::ChunksCut => {
            let head = format!("HTTP/1.1 {status} Told\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len());
            // The whole answer, without the terminating chunk.
            stream.write_all(&[head.as_bytes(), body, b"\r\n"].concat()).await?;
        }
        Fault::HalfToTheEnd => {
            stream.write_all(&[b"HTTP/1.1 200 Told\r\nconnection: close\r\n\r\n", half].concat()).await?;
        }
        Fault::Half => write(stream, status, half).await?,
        Fault::Empty => write(stream, 200, b"").await?,
        Fault::Throttling => write(stream, 400, &said("ThrottlingException", "Rate exceeded")).await?,
        Fault::TooMany => write(stream, 429, too_many).await?,
        Fault::Failed => write(stream, 500, &said("InternalServerError", "oops")).await?,
        Fault::Unavailable => write(stream, 503, b"<html>busy</html>").await?,
        Fault::Page => write(stream, 200, PAGE.as_bytes()).await?,
        Fault::PageNotFound => write(stream, 404, PAGE.as_bytes()).await?,
        Fault::TokenLost => write(stream, 400, &said("InvalidNextTokenException", "token")).await?,
    }
    let ends = [Fault::Reset, Fault::Lost, Fault::Silent, Fault::Short, Fault::ChunksCut, Fault::HalfToTheEnd];
    Ok(!ends.contains(&fault))
}
