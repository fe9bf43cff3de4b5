//! A webhook receiver: verifies each signature, remembers what it was told, and behaves as it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A key in base64.
pub const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// With this status.
    Answers(u16),
    /// Never.
    Hangs,
    /// Takes it, and closes without an answer.
    Closes,
    /// Closes before it has read anything.
    Refuses,
}

/// What it was told.
#[derive(Clone, Debug)]
pub struct Post {
    pub path: String,
    pub id: String,
    pub mood: Mood,
}

#[derive(Default)]
struct State {
    posts: Vec<Post>,
    wrongs: Vec<String>,
    attempts: u64,
}

type Behaviour = Arc<dyn Fn(u64, &str) -> Mood + Send + Sync>;

pub struct Receiver {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// On this port; 0 is any. It behaves by the number of the attempt and the path.
    pub async fn start(
        port: u16,
        mood: impl Fn(u64, &str) -> Mood + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let (behaviour, kept): (Behaviour, _) = (Arc::new(mood), Arc::clone(&state));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                connections.spawn(serve(stream, Arc::clone(&kept), Arc::clone(&behaviour)));
            }
        });
        Self {
            address,
            state,
            task,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it took in, answered or not, in order.
    pub fn posts(&self, path: &str) -> Vec<Post> {
        let state = self.state.lock();
        state
            .posts
            .iter()
            .filter(|post| post.path == path)
            .cloned()
            .collect()
    }

    /// What it took in and answered well.
    pub fn accepted(&self, path: &str) -> usize {
        let ids: std::collections::BTreeSet<_> = self
            .posts(path)
            .into_iter()
            .filter(|post| post.mood == Mood::Well)
            .map(|post| post.id)
            .collect();
        ids.len()
    }

    pub fn wrongs(&self) -> Vec<String> {
        self.state.lock().wrongs.clone()
    }

    /// Ends, with every connection.
    pub async fn stop(self) -> u16 {
        self.task.abort();
        drop(self.task.await);
        self.address.port()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>, behaviour: Behaviour) {
    while let Some((path, headers, body)) = request(&mut stream).await {
        let attempt = {
            let mut state = state.lock();
            state.attempts += 1;
            state.attempts
        };
        let mood = behaviour(attempt, &path);
        if mood == Mood::Refuses {
            return;
        }
        let id = headers.get("webhook-id").cloned().unwrap_or_default();
        let wrong = check(&headers, &body);
        {
            let mut state = state.lock();
            state.wrongs.extend(wrong);
            state.posts.push(Post { path, id, mood });
        }
        let status = match mood {
            Mood::Well => 204,
            Mood::Answers(status) => status,
            Mood::Hangs => {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                return;
            }
            Mood::Closes | Mood::Refuses => return,
        };
        let location = if status == 302 {
            "location: /elsewhere\r\n"
        } else {
            ""
        };
        let answer = format!("HTTP/1.1 {status} X\r\n{location}content-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn request(stream: &mut TcpStream) -> Option<(String, BTreeMap<String, String>, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break at;
        }
        let read = stream
            .read(&mut buffer)
            .await
            .ok()
            .filter(|&read| read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    };
    let headers: BTreeMap<_, _> = lines.filter_map(header).collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        let read = stream
            .read(&mut buffer)
            .await
            .ok()
            .filter(|&read| read > 0)?;
        body.extend_from_slice(&buffer[..read]);
    }
    Some((path, headers, body))
}

/// What is wrong with a post, as Standard Webhooks and CloudEvents have it.
fn check(headers: &BTreeMap<String, String>, body: &[u8]) -> Option<String> {
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    if header("webhook-signature") != expected {
        return Some(format!("the signature of {id} is wrong"));
    }
    let now = chrono::Utc::now().timestamp();
    if timestamp
        .parse::<i64>()
        .is_ok_and(|it| (now - it).abs() > 60)
    {
        return Some(format!("{id} was sent at {timestamp}"));
    }
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    let is_event = event["id"] == id.as_str() && event["specversion"] == "1.0";
    if !is_event || header("content-type") != "application/cloudevents+json" {
        return Some(format!("{id} is no CloudEvent: {event}"));
    }
    None
}
