//! Addresses and sockets: taken ones, stale ones, and how connections are shared out.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use quotad::rpc::server::{DataPlane, Settings, Socket, StartError};
use std::num::NonZeroUsize;
use tokio::net::UnixStream;
use tonic::transport::Endpoint;

use super::{Client, Server, charge, parts};

async fn through(path: &Path) -> Client {
    let path: PathBuf = path.to_owned();
    let connector = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://quotad");
    Client::new(endpoint.connect_with_connector(connector).await.unwrap())
}

fn refused(socket: Option<&Path>, listen: Option<std::net::SocketAddr>) -> StartError {
    let socket = socket.map(|path| Socket {
        path: path.to_owned(),
        mode: 0o600,
    });
    let settings = Settings {
        listen,
        socket,
        threads: NonZeroUsize::MIN,
    };
    DataPlane::start(&settings, parts()).err().unwrap()
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_what_to_do() {
    let server = Server::start();
    let error = refused(None, server.plane.address());
    assert!(matches!(error, StartError::Taken(address) if address == server.address()));
    let text = error.to_string();
    assert!(
        text.contains(&server.address().to_string()) && text.contains("--listen"),
        "{text}"
    );
    assert!(matches!(refused(None, None), StartError::Nowhere));
}

#[tokio::test]
async fn a_socket_serves_with_its_mode_replaces_a_stale_one_and_goes_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quotad.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a stale socket");
    let server = Server::start_at(
        None,
        Some(Socket {
            path: path.clone(),
            mode: 0o660,
        }),
    );
    let data = fs::metadata(&path).unwrap();
    assert!(data.file_type().is_socket());
    assert_eq!(data.permissions().mode() & 0o777, 0o660);
    let mut client = through(&path).await;
    assert_eq!(
        client
            .charge(charge("ana", 3))
            .await
            .unwrap()
            .into_inner()
            .committed,
        3
    );
    assert_eq!(server.drawn(), 3);
    drop(client);
    assert_eq!(server.plane.drain(Duration::from_secs(5)).await, 0);
    assert!(!path.exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_socket_in_use_and_a_file_that_is_none_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (used, file) = (folder.path().join("used"), folder.path().join("file"));
    let _owner = UnixListener::bind(&used).unwrap();
    assert!(matches!(refused(Some(&used), None), StartError::SocketTaken(path) if path == used));
    fs::write(&file, "precious").unwrap();
    assert!(matches!(refused(Some(&file), None), StartError::NoSocket(path) if path == file));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let nowhere = folder.path().join("no/such/folder");
    assert!(matches!(
        refused(Some(&nowhere), None),
        StartError::Socket { .. }
    ));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn a_socket_that_another_process_took_over_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quotad.sock");
    let server = Server::start_at(
        None,
        Some(Socket {
            path: path.clone(),
            mode: 0o600,
        }),
    );
    fs::remove_file(&path).unwrap();
    let _successor = UnixListener::bind(&path).unwrap();
    server.plane.drain(Duration::from_secs(5)).await;
    assert!(path.exists());
}

#[tokio::test]
async fn connections_are_shared_out_evenly_and_counted_down() {
    let server = Server::start();
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = server.client().await;
        client.charge(charge("", 1)).await.unwrap();
        clients.push(client);
    }
    assert_eq!(server.plane.connections(), [4, 4]);
    clients.clear();
    for _ in 0..100 {
        if server.plane.connections() == [0, 0] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?}", server.plane.connections());
}
