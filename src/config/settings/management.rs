//! Where administrators are answered, and who they are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};

use super::super::error::ConfigError;
use super::super::scalar::{Address, Truth};
use super::file::RawManagement;
use super::{Overrides, read};

/// Where administrators are answered by default.
pub const MANAGEMENT_LISTEN_DEFAULT: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7451));

/// Where administrators are answered, and who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Management {
    /// Where they are answered; `None` is nowhere.
    pub listen: Option<SocketAddr>,
    /// The file of their tokens; `None`: anonymous callers may read, on a loopback address only.
    pub tokens_file: Option<PathBuf>,
    /// Whether anonymous callers may change everything, on a loopback address only.
    pub open: bool,
}

impl Default for Management {
    fn default() -> Self {
        Self {
            listen: Some(MANAGEMENT_LISTEN_DEFAULT),
            tokens_file: None,
            open: false,
        }
    }
}

/// Puts file and overrides together.
pub(super) fn resolve(
    given: &mut Overrides,
    in_file: Option<RawManagement>,
    folder: &Path,
) -> Result<Management, ConfigError> {
    let in_file = in_file.unwrap_or_default();
    let listen = read::<Address>("management-listen", given.management_listen.take())?;
    let tokens = given.management_tokens_file.take().map(PathBuf::from);
    let open = read::<Truth>("management-open", given.management_open.take())?;
    Ok(Management {
        listen: listen
            .or(in_file.listen)
            .map_or(Some(MANAGEMENT_LISTEN_DEFAULT), |it| it.0),
        tokens_file: tokens.or(in_file.tokens_file.map(|path| folder.join(path))),
        open: open.or(in_file.open).is_some_and(|it| it.0),
    })
}

/// What makes no sense: the key, and what to do.
pub(super) fn check(
    management: &Management,
    others: &[(&str, Option<SocketAddr>)],
) -> Result<(), (&'static str, String)> {
    let Some(listen) = management.listen else {
        return Ok(());
    };
    let taken = |address: SocketAddr| listen.port() != 0 && listen == address;
    if let Some((name, _)) = others.iter().find(|(_, it)| it.is_some_and(taken)) {
        let problem = format!("{name} there too; choose another port for one of them");
        return Err(("management.listen", problem));
    }
    if management.open && management.tokens_file.is_some() {
        let problem =
            "with tokens, whoever has none may do nothing; remove `open`, or `tokens_file`";
        return Err(("management.open", problem.to_owned()));
    }
    if is_loopback(listen) || management.tokens_file.is_some() {
        return Ok(());
    }
    if management.open {
        let problem = format!(
            "everybody who reaches {listen} could change everything; listen on a loopback address, or set tokens_file instead"
        );
        return Err(("management.open", problem));
    }
    let problem = format!(
        "{listen} is no loopback address and there are no tokens; set management.tokens_file (--management-tokens-file), or \
         listen on 127.0.0.1"
    );
    Err(("management.listen", problem))
}

/// Whether only this machine (in a pod: only its containers) reaches an address.
fn is_loopback(address: SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
    }
}
