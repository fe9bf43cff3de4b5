//! The page of metrics, of a whole process under load: strictly read, compared with its documentation and with what the API
//! says; and what it shows when something is wrong.
// A test may look how long something takes.
#![allow(unreachable_pub, clippy::disallowed_methods)]

mod calls;
mod load;
mod page;
mod process;
mod proof;
mod watched;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use quotad::rpc::pb::quota_service_client::QuotaServiceClient;
use tonic::transport::Channel;

use crate::commands::Sidecar;
use page::Page;

/// What makes a sidecar answer everywhere, on free ports.
const EVERYWHERE: [&str; 6] = [
    "--listen",
    "127.0.0.1:0",
    "--probes-listen",
    "127.0.0.1:0",
    "--management-listen",
    "127.0.0.1:0",
];

/// A sidecar that answers everywhere, and where that is.
struct Watched {
    sidecar: Sidecar,
    server: String,
    probes: String,
    management: String,
}

impl Watched {
    fn start(plan: &str, arguments: &[&str]) -> Self {
        let arguments = [&EVERYWHERE, arguments].concat();
        let mut it = Self {
            sidecar: Sidecar::start_with(Some(plan), &arguments),
            server: String::new(),
            probes: String::new(),
            management: String::new(),
        };
        it.find();
        it
    }

    /// The addresses, as the log tells.
    fn find(&mut self) {
        let log = self.sidecar.log();
        let said = |key: &str| {
            let (_, rest) = log.split_once(&format!("\"{key}\":\"")).expect(&log);
            rest.split('"').next().unwrap().to_owned()
        };
        self.server = said("server");
        (self.probes, self.management) = (said("probes"), said("management"));
    }

    async fn client(&self) -> QuotaServiceClient<Channel> {
        let client = QuotaServiceClient::connect(self.server.clone());
        client.await.unwrap()
    }

    /// The page, in the text format of Prometheus.
    fn page(&self) -> Page {
        let (status, head, text) = get(&self.probes, "/metrics", &[]);
        assert_eq!(status, 200, "{text}");
        assert!(
            head.contains("content-type: text/plain; version=0.0.4"),
            "{head}"
        );
        Page::prometheus(&text)
    }

    /// The page, once it says so.
    fn until(&self, is_so: impl Fn(&Page) -> bool) -> Page {
        for _ in 0..200 {
            let page = self.page();
            if is_so(&page) {
                return page;
            }
            sleep(Duration::from_millis(50));
        }
        panic!(
            "the page never said so: {:#?}\n{}",
            self.page(),
            self.sidecar.log()
        );
    }

    fn write_plan(&self, plan: &str) {
        fs::write(self.sidecar.plan(), plan).unwrap();
    }
}

/// Status, head and body of a page.
fn get(address: &str, path: &str, headers: &[&str]) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let headers: String = headers.iter().map(|it| format!("{it}\r\n")).collect();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head[9..12].parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}
