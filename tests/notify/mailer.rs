//! A mail server: takes letters, remembers them, and behaves as it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::receiver::Mood;

/// A letter that it took.
#[derive(Clone, Debug)]
pub struct Letter {
    /// As it stands in its Message-ID.
    pub id: String,
    pub text: String,
}

#[derive(Default)]
struct State {
    letters: Vec<Letter>,
    connections: u64,
}

pub struct Mailer {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    _task: JoinHandle<()>,
}

impl Mailer {
    /// It behaves by the number of the connection.
    pub async fn start(mood: impl Fn(u64) -> Mood + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let kept = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = {
                    let mut state = kept.lock();
                    state.connections += 1;
                    state.connections
                };
                let (mood, kept) = (mood(number), Arc::clone(&kept));
                tokio::spawn(async move { drop(serve(stream, mood, &kept).await) });
            }
        });
        Self {
            address,
            state,
            _task: task,
        }
    }

    /// What it took in, answered or not, in order.
    pub fn letters(&self) -> Vec<Letter> {
        self.state.lock().letters.clone()
    }

    pub fn connections(&self) -> u64 {
        self.state.lock().connections
    }
}

async fn serve(stream: TcpStream, mood: Mood, state: &Mutex<State>) -> std::io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut lines = BufReader::new(from).lines();
    match mood {
        Mood::Refuses => return Ok(()),
        Mood::Answers(421) => return to.write_all(b"421 too busy\r\n").await,
        _ => to.write_all(b"220 mail.test ESMTP\r\n").await?,
    }
    while let Some(line) = lines.next_line().await? {
        let verb = line.split(' ').next().unwrap_or_default().to_uppercase();
        let answer: &[u8] = match verb.as_str() {
            "EHLO" => b"250-mail.test\r\n250 8BITMIME\r\n",
            "MAIL" | "RCPT" if mood == Mood::Answers(550) => b"550 no\r\n",
            "DATA" => {
                to.write_all(b"354 go on\r\n").await?;
                let mut text = String::new();
                loop {
                    let Some(line) = lines.next_line().await? else {
                        return Ok(());
                    };
                    if line == "." {
                        break;
                    }
                    text += &line;
                    text.push('\n');
                }
                let id = text
                    .lines()
                    .find_map(|line| line.strip_prefix("Message-ID: <"));
                let id = id
                    .and_then(|id| id.strip_suffix("@quotad>"))
                    .unwrap_or_default()
                    .to_owned();
                state.lock().letters.push(Letter { id, text });
                match mood {
                    Mood::Hangs => tokio::time::sleep(Duration::from_secs(3_600)).await,
                    Mood::Closes => return Ok(()),
                    _ => {}
                }
                if mood == Mood::Answers(500) {
                    b"500 no\r\n"
                } else {
                    b"250 taken\r\n"
                }
            }
            "QUIT" => {
                return to.write_all(b"221 bye\r\n").await;
            }
            _ => b"250 ok\r\n",
        };
        to.write_all(answer).await?;
    }
    Ok(())
}
