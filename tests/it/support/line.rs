//! A line to a server that goes bad at the k-th call: the request is not taken, the answer is lost, cut, replaced or
//! never sent. Whatever does not go bad is the server's own answer, asked once and told again after that.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is reset before the request is read.
    Reset,
    /// The server acts, and closes before the first byte of its answer.
    Lost,
    /// The server acts, and says nothing until the other side goes away.
    Silent,
    /// Less of the answer than its head promised.
    Short,
    /// An answer in chunks without the last one.
    ChunksCut,
    /// Half of the answer, with the length of that half.
    Half,
    /// Half of the answer, which ends where the connection does.
    HalfToTheEnd,
    /// A good status and nothing else.
    Empty,
    /// Asked to slow down, in the words of Cost Explorer.
    Throttling,
    /// The same as every other API says it.
    TooMany,
    Failed,
    Unavailable,
    /// A page for people with a good status.
    Page,
    /// A page for people that says 404.
    PageNotFound,
    /// The API no longer knows its own page token.
    TokenLost,
}

const PAGE: &str = "<!DOCTYPE html><html><head><title>Please sign in</title></head><body>Welcome</body></html>";
const STS: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
    <Arn>arn:aws:iam::123456789012:user/x</Arn><UserId>AIDA</UserId><Account>123456789012</Account>\
    </GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>";

/// One request as it came; calls are numbered from 1 since the script was set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) number: usize,
    pub(crate) path: String,
    pub(crate) body: String,
}

impl Call {
    /// Whether it asks AWS whose the credentials are.
    pub(crate) fn is_for_account(&self) -> bool {
        self.body.starts_with("Action=GetCallerIdentity")
    }

    /// Whether it comes before the first fetch: whose the credentials are, and the totals of all days.
    pub(crate) fn is_for_the_job(&self) -> bool {
        self.is_for_account() || (self.body.contains("TimePeriod") && !self.body.contains("GroupBy"))
    }

    /// Whether it goes on at a page token.
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
    /// Calls since the script was set, those that were never read included.
    begun: usize,
    heard: Vec<Call>,
}

/// Answers that were told before, by request.
type Told = Arc<tokio::sync::Mutex<HashMap<(String, String), Answer>>>;

/// The line; it serves as long as its runtime.
#[derive(Clone)]
pub(crate) struct Line {
    url: String,
    behind: SocketAddr,
    told: Told,
    state: Arc<Mutex<State>>,
}

impl Line {
    /// A line to the server at `behind` that nothing is wrong with yet.
    pub(crate) async fn to(behind: SocketAddr) -> Self {
        Self::sharing(behind, Told::default()).await
    }

    /// Another line to the same server.
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
                    // The other side may go away when it likes.
                    let _ = served.converse(stream).await;
                });
            }
        });
        line
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on call number k goes bad as `script` says; calls are numbered from 1 again.
    pub(crate) fn script(&self, script: impl Fn(usize) -> Option<Fault> + Send + 'static) {
        *self.state() = State { script: Some(Box::new(script)), ..State::default() };
    }

    /// From now on nothing goes bad.
    pub(crate) fn heal(&self) {
        self.script(|_| None);
    }

    /// The calls that were read since the script was set.
    pub(crate) fn heard(&self) -> Vec<Call> {
        self.state().heard.clone()
    }

    /// How many calls went bad or well since the script was set.
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
                // Closed with something unread, the kernel resets it.
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

/// Asks the server behind the line.
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

/// Sends what comes in an answer's place. Whether the connection goes on: what looks whole does not end it, or the other
/// side would now and then send its next request into a connection that is closing, and count one failure more.
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
            // All but the last byte, which no JSON can do without.
            stream.write_all(&[head.as_bytes(), &body[..body.len() - 1]].concat()).await?;
        }
        Fault::ChunksCut => {
            let head = format!("HTTP/1.1 {status} Told\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len());
            // The whole answer, but nothing that says so.
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
