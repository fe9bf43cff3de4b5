//! Talks to a running sidecar.

use std::future::Future;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::rpc::pb;
use crate::rpc::pb::quota_service_client::QuotaServiceClient;

use super::output::{complain, print_fields};
use super::{Exit, Output};

/// A sidecar is on the same machine: what takes longer than this is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// No answer takes longer.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the running sidecar is.
#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// The sidecar: `http://HOST:PORT`, or `unix:PATH` for its socket.
    #[arg(
        long,
        env = "QUOTAD_SERVER",
        value_name = "ADDRESS",
        default_value = "http://127.0.0.1:7450"
    )]
    server: String,
}

impl Server {
    /// As it was written.
    pub(super) fn address(&self) -> &str {
        &self.server
    }
}

/// What stopped a command that talks to a sidecar.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error(
        "{0:?} is no address of a sidecar; write it like http://127.0.0.1:7450 or unix:/run/quotad/quotad.sock"
    )]
    Address(String),
    #[error(
        "no sidecar answers at {address}: {cause}; start one with `quotad`, or name another with {flag}"
    )]
    Unreachable {
        address: String,
        cause: String,
        flag: &'static str,
    },
    #[error("the runtime did not start: {0}")]
    Runtime(#[from] std::io::Error),
    #[error("{}", .0.message())]
    Status(Box<Status>),
    #[error("the sidecar's answer lacks {0}; it may be of another version")]
    Incomplete(&'static str),
    /// What was typed, or a file that it names, is wrong.
    #[error("{0}")]
    Usage(String),
    /// Nothing was changed, because somebody or something said no.
    #[error("{0}")]
    Stopped(String),
    /// The books, as they are, do not allow it.
    #[error("{0}")]
    Refused(String),
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// Opens a channel to `address`, which `flag` names.
pub(super) async fn channel(address: &str, flag: &'static str) -> Result<Channel, ClientError> {
    channel_for(address, flag, CALL_TIMEOUT).await
}

/// The same with another limit for each call.
pub(super) async fn channel_for(
    address: &str,
    flag: &'static str,
    timeout: Duration,
) -> Result<Channel, ClientError> {
    let wrong = || ClientError::Address(address.to_owned());
    let unreachable = |error: tonic::transport::Error| {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        ClientError::Unreachable {
            address: address.to_owned(),
            cause: cause.to_string(),
            flag,
        }
    };
    let endpoint = |uri: &str| {
        let endpoint = Endpoint::from_shared(uri.to_owned()).map_err(|_| wrong())?;
        Ok::<_, ClientError>(endpoint.connect_timeout(CONNECT_TIMEOUT).timeout(timeout))
    };
    let Some(path) = address.strip_prefix("unix:") else {
        let uri = if address.contains("://") {
            address.to_owned()
        } else {
            format!("http://{address}")
        };
        return endpoint(&uri)?.connect().await.map_err(unreachable);
    };
    let path = path.strip_prefix("//").unwrap_or(path).to_owned();
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    // The URI is needed for the requests' authority only.
    endpoint("http://localhost")?
        .connect_with_connector(connector)
        .await
        .map_err(unreachable)
}

/// Runs a call on a runtime of its own, and prints its answer.
pub(super) fn call<F>(
    server: &Server,
    output: Output,
    call: impl FnOnce(QuotaServiceClient<Channel>) -> F,
) -> Exit
where
    F: Future<Output = Result<Map<String, Value>, ClientError>>,
{
    let answer = block_on(async {
        let channel = channel(&server.server, "--server").await?;
        call(QuotaServiceClient::new(channel)).await
    });
    match answer {
        Ok(fields) => {
            print_fields(output, &fields);
            Exit::Ok
        }
        Err(error) => failed(&error, output),
    }
}

/// Runs a future to its end on this thread.
pub(super) fn block_on<T>(
    future: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

/// Says what went wrong: a denial as a sentence and its figures.
pub(super) fn failed(error: &ClientError, output: Output) -> Exit {
    let ClientError::Status(status) = error else {
        complain(error);
        return match error {
            ClientError::Address(_) | ClientError::Usage(_) => Exit::Usage,
            ClientError::Stopped(_) => Exit::Failed,
            ClientError::Refused(_) => Exit::Refused,
            _ => Exit::Unavailable,
        };
    };
    let details = status.get_error_details();
    let info = details.error_info().filter(|info| info.domain == "quotad");
    if let (Code::ResourceExhausted, Some(info)) = (status.code(), info) {
        let mut figures: Vec<(&String, &String)> = info.metadata.iter().collect();
        figures.sort_unstable();
        let mut fields = Map::from_iter([("denied".to_owned(), json!(info.reason))]);
        for (key, value) in figures {
            let number = value.parse::<u64>().ok();
            fields.insert(
                key.clone(),
                number.map_or_else(|| json!(value), |number| json!(number)),
            );
        }
        complain(&status.message());
        print_fields(output, &fields);
        return Exit::Denied;
    }
    complain(&format!("{}{}", sentence(status), advice(status)));
    match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Aborted
        | Code::Unauthenticated
        | Code::PermissionDenied => Exit::Refused,
        _ => Exit::Unavailable,
    }
}

/// What the sidecar said.
pub(super) fn sentence(status: &Status) -> String {
    format!("{}: {}", code_name(status.code()), status.message())
}

/// What to do, where the sidecar does not know how this command is used.
fn advice(status: &Status) -> &'static str {
    match status.code() {
        // It says so itself.
        Code::Aborted if status.message().contains("read it again") => "",
        Code::Unauthenticated => {
            "\nGive a token with --token-file FILE, or in the variable QUOTAD_TOKEN; who keeps the sidecar's tokens \
             (management.tokens_file) hands them out."
        }
        Code::PermissionDenied => {
            "\nA viewer reads, a maker also requests extensions, an admin changes; ask for a token with a higher role."
        }
        Code::Aborted => {
            "\nSomebody else changed it meanwhile, and nothing was done: look at it again, and repeat the command."
        }
        Code::Unimplemented => {
            "\nAdministrators are answered on the management listener, by default http://127.0.0.1:7451 (--management)."
        }
        _ => "",
    }
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Aborted => "ABORTED",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::Unavailable => "UNAVAILABLE",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Cancelled => "CANCELLED",
        _ => "INTERNAL",
    }
}

/// An instant as people and programs read it.
pub(super) fn instant(time: Option<prost_types::Timestamp>) -> Value {
    let nanos = time.map(|time| (time.seconds, u32::try_from(time.nanos).unwrap_or(0)));
    let instant =
        nanos.and_then(|(seconds, nanos)| chrono::DateTime::from_timestamp(seconds, nanos));
    instant.map_or(Value::Null, |instant| {
        json!(instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    })
}

/// What every answer says about how things stand, appended to `fields`.
pub(super) fn with_standing(
    mut fields: Map<String, Value>,
    standing: Option<pb::Standing>,
) -> Map<String, Value> {
    if let Some(standing) = standing {
        fields.insert("state".to_owned(), json!(state(standing.state())));
        fields.insert("used".to_owned(), json!(standing.used));
        fields.insert("held".to_owned(), json!(standing.held));
        fields.insert("limit".to_owned(), json!(standing.limit));
        fields.insert("available".to_owned(), json!(standing.available));
        fields.insert("resets".to_owned(), instant(standing.cycle_end_time));
    }
    fields
}

/// A state without the prefix that enums have on the wire.
pub(super) fn state(state: pb::State) -> &'static str {
    let name = state.as_str_name();
    name.strip_prefix("STATE_").unwrap_or(name)
}

/// An object of these fields, in this order.
pub(super) fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
