//! The listeners, and the one acceptor that hands each connection to the thread with the fewest.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net as unix;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, oneshot, watch};

use super::connection::{Accepted, AnyStream, Counted, closed};
use super::worker::Entrance;
use super::{CONNECTIONS_MAX, Closing, Settings, Socket};

/// The pause after an accept that failed, most often because there are no file descriptors left.
const ACCEPT_FAILED_PAUSE: Duration = Duration::from_millis(50);

/// Why the data plane did not start. Says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Neither an address nor a socket.
    #[error("nothing to listen on: set `listen` (--listen) or `socket`")]
    Nowhere,
    /// Somebody else has the port.
    #[error(
        "{0} is taken by another process: end that one (`ss -ltnp` shows it), or choose another address with --listen"
    )]
    Taken(SocketAddr),
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Another process answers on the socket.
    #[error("{} is in use: another process answers on it; end that one, or set another socket.path", .0.display())]
    SocketTaken(PathBuf),
    /// Something else has that name.
    #[error("{} exists and is not a socket; remove it, or set another socket.path", .0.display())]
    NoSocket(PathBuf),
    /// The socket cannot be made.
    #[error("cannot make the socket {}: {source}; see that its directory exists and is writable", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A thread or its runtime.
    #[error("cannot start a data-plane thread: {0}")]
    Thread(io::Error),
}

/// Bound, not yet accepting.
pub(super) struct Listeners {
    tcp: Option<std::net::TcpListener>,
    unix: Option<BoundSocket>,
}

impl Listeners {
    pub(super) fn bind(settings: &Settings) -> Result<Self, StartError> {
        if settings.listen.is_none() && settings.socket.is_none() {
            return Err(StartError::Nowhere);
        }
        Ok(Self {
            tcp: settings.listen.map(bind_tcp).transpose()?,
            unix: settings
                .socket
                .as_ref()
                .map(BoundSocket::bind)
                .transpose()?,
        })
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref()?.local_addr().ok()
    }
}

fn bind_tcp(address: SocketAddr) -> Result<std::net::TcpListener, StartError> {
    let bound = std::net::TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    bound.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::Taken(address),
        _ => StartError::Address { address, source },
    })
}

/// A Unix socket that is removed at the end, if it is still ours.
struct BoundSocket {
    listener: Option<unix::UnixListener>,
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl BoundSocket {
    /// Made under another name and then renamed, so that nobody ever meets it with other permissions, and a stale one is
    /// replaced in one step.
    fn bind(socket: &Socket) -> Result<Self, StartError> {
        let path = &socket.path;
        refuse_taken(path)?;
        let failed = |source| StartError::Socket {
            path: path.clone(),
            source,
        };
        let mut fresh = path.clone().into_os_string();
        fresh.push(format!(".{}", std::process::id()));
        let fresh = PathBuf::from(fresh);
        let made = make(&fresh, path, socket.mode);
        if made.is_err() {
            // Whatever was made of it is of no use; if nothing was, there is nothing to remove.
            let _absent = fs::remove_file(&fresh);
        }
        let (listener, identity) = made.map_err(failed)?;
        Ok(Self {
            listener: Some(listener),
            path: path.clone(),
            identity,
        })
    }
}

fn make(fresh: &Path, path: &Path, mode: u32) -> io::Result<(unix::UnixListener, (u64, u64))> {
    let listener = unix::UnixListener::bind(fresh)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(fresh, fs::Permissions::from_mode(mode & 0o777))?;
    let identity = identity(fresh)?;
    fs::rename(fresh, path)?;
    Ok((listener, identity))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|data| (data.dev(), data.ino()))
}

/// A socket on which nobody answers is stale, and only that may be replaced.
fn refuse_taken(path: &Path) -> Result<(), StartError> {
    let failed = |source| StartError::Socket {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(data) if !data.file_type().is_socket() => {
            return Err(StartError::NoSocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match unix::UnixStream::connect(path) {
        Ok(_) => Err(StartError::SocketTaken(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|present| present == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "the socket could not be removed");
        }
    }
}

/// The accepting thread.
pub(super) struct Acceptor {
    ended: Option<oneshot::Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Acceptor {
    pub(super) fn start(
        listeners: Listeners,
        entrances: Vec<Entrance>,
        closing: watch::Receiver<Closing>,
    ) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let (sender, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("quotad-accept".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(accept(listeners, &entrances, closing)) {
                    tracing::error!(%error, "the acceptor ends: no new connections");
                }
                drop(sender);
            })
            .map_err(StartError::Thread)?;
        Ok(Self {
            ended: Some(ended),
            thread: Some(thread),
        })
    }

    /// Waits until the listeners are closed and the socket is removed.
    pub(super) async fn ended(&mut self) {
        if let Some(ended) = self.ended.take() {
            // An error says that the sender is gone, and that is what we wait for.
            let _gone = ended.await;
        }
    }

    pub(super) fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the acceptor had ended in a panic");
        }
    }
}

async fn accept(
    listeners: Listeners,
    entrances: &[Entrance],
    mut closing: watch::Receiver<Closing>,
) -> io::Result<()> {
    let Listeners { tcp, mut unix } = listeners;
    let tcp = tcp.map(TcpListener::from_std).transpose()?;
    let socket = unix.as_mut().and_then(|bound| bound.listener.take());
    let socket = socket.map(UnixListener::from_std).transpose()?;
    loop {
        let accepted = tokio::select! {
            accepted = next_tcp(tcp.as_ref()) => accepted,
            accepted = next_unix(socket.as_ref()) => accepted,
            () = closed(&mut closing) => return Ok(()),
        };
        match accepted {
            Ok(stream) => hand_over(stream, entrances),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_FAILED_PAUSE).await;
            }
        }
    }
}

async fn next_tcp(listener: Option<&TcpListener>) -> io::Result<AnyStream> {
    match listener {
        Some(listener) => listener.accept().await?.0.into_std().map(AnyStream::Tcp),
        None => std::future::pending().await,
    }
}

async fn next_unix(listener: Option<&UnixListener>) -> io::Result<AnyStream> {
    match listener {
        Some(listener) => listener.accept().await?.0.into_std().map(AnyStream::Unix),
        None => std::future::pending().await,
    }
}

/// To the thread with the fewest connections; if it cannot take it, to the next.
fn hand_over(mut stream: AnyStream, entrances: &[Entrance]) {
    let mut by_load: Vec<_> = entrances
        .iter()
        .map(|entrance| (entrance.connections.load(Ordering::Relaxed), entrance))
        .collect();
    by_load.sort_by_key(|&(connections, _)| connections);
    let open: usize = by_load.iter().map(|&(connections, _)| connections).sum();
    if open >= CONNECTIONS_MAX {
        tracing::warn!(
            open,
            "a connection is refused: there are as many as there may be"
        );
        return;
    }
    let mut is_stuck = false;
    for (_, entrance) in by_load {
        let accepted = Accepted {
            stream,
            counted: Counted::new(&entrance.connections),
        };
        match entrance.accepted.try_send(accepted) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(back)) => {
                is_stuck = true;
                stream = back.stream;
            }
            // Its thread has ended: while draining it may know of the end before we do; otherwise it said why itself.
            Err(mpsc::error::TrySendError::Closed(back)) => stream = back.stream,
        }
    }
    if is_stuck {
        tracing::error!("a connection is refused: no data-plane thread takes it");
    } else {
        tracing::info!("a connection is refused: the data plane has ended");
    }
}
