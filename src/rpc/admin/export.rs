//! Usage as CSV, streamed: the consumption report.
//!
//! A text that a spreadsheet would run (it begins with `=`, `+`, `-`, `@` or a control character) gets a `'` in front, which
//! spreadsheets do not show; so does one that begins with a `'`, so that who takes one `'` away has the text.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderMap;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::rpc::access::Role;
use crate::rpc::convert::usage::{COLUMNS, Question, in_address, question};
use crate::rpc::door::Door;
use crate::rpc::operate::guarded;
use crate::rpc::pb;
use crate::rpc::status::{Refusal, status, stranger, too_slow, unavailable};

use super::told::{Told, told};
use super::usage::each_sum;
use super::{Admin, Parts, caller};

/// About so many bytes are sent at once.
const CHUNK_BYTES: usize = 32 << 10;

/// Chunks on their way to one reader.
const ON_THE_WAY_MAX: usize = 4;

/// A reader that takes nothing for so long is cut off: it keeps a thread.
const TAKES_NOTHING_MAX: Duration = Duration::from_secs(60);

/// Exports that run at the same time; what comes beyond waits, and leaves threads to other calls.
pub(super) const EXPORTS_MAX: usize = 3;

/// The parts of a CSV file, the first at once.
pub type Csv = Told<Vec<u8>>;

/// The same as messages.
pub struct Exported(Csv);

impl Stream for Exported {
    type Item = Result<pb::ExportUsageResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.0).poll_next(context);
        next.map(|part| part.map(|part| part.map(|csv| pb::ExportUsageResponse { csv })))
    }
}

pub(super) async fn export_usage(
    admin: &Admin,
    request: Request<pb::ExportUsageRequest>,
) -> Result<Response<Exported>, Status> {
    caller(&request)?;
    let filter = request.get_ref().filter.as_ref();
    let question = question(filter, COLUMNS.to_vec());
    let csv = export(admin, question.map_err(|refusal| status(&refusal))?).await?;
    Ok(Response::new(Exported(csv)))
}

impl Admin {
    /// Usage of an organization for whoever asks over HTTP; `query` is what stands behind the question mark.
    ///
    /// # Errors
    /// As the calls of the service answer: a stranger, a question that cannot be read.
    pub async fn usage_csv(
        &self,
        headers: HeaderMap,
        organization: String,
        query: Vec<(String, String)>,
    ) -> Result<Csv, Status> {
        let parts = &self.parts;
        Door::new(Arc::clone(&parts.vitals), Arc::clone(&parts.clock)).open()?;
        let admitted = parts.access.admit(&headers, Role::Viewer);
        admitted.map_err(|it| stranger(&it))?;
        let question = in_address(&organization, query)
            .and_then(|(filter, keys)| question(Some(&filter), keys));
        export(self, question.map_err(|refusal| status(&refusal))?).await
    }
}

/// Begins an export; what is unknown is said before the first part.
async fn export(admin: &Admin, question: Question) -> Result<Csv, Status> {
    let organization = &*question.query.organization;
    let plan = admin.parts.engine.plan();
    if !plan.organizations.contains_key(organization) {
        let unknown = crate::engine::answer::EngineError::UnknownOrganization(organization.into());
        return Err(status(&unknown.into()));
    }
    let ending = || unavailable("quotad is about to end; connect again");
    let permit = Arc::clone(&admin.exports).acquire_owned().await;
    let permit = permit.map_err(|_| ending())?;
    let (teller, csv) = told(ON_THE_WAY_MAX);
    let parts = Arc::clone(&admin.parts);
    let runtime = Handle::current();
    drop(tokio::task::spawn_blocking(move || {
        let mut writing = Writing::new(&teller.parts, runtime, permit);
        let written = guarded(&parts.vitals, || write(&parts, &question, &mut writing));
        let why = match written {
            Err(refusal) => Some(status(&refusal)),
            Ok(()) => writing.is_too_slow.then(too_slow),
        };
        drop(writing);
        teller.end(why);
    }));
    Ok(csv)
}

fn write(parts: &Parts, question: &Question, writing: &mut Writing<'_>) -> Result<(), Refusal> {
    let names = question.shown.iter().map(|key| key.name().to_owned());
    writing.row(names.chain(["credits".to_owned()]).collect());
    writing.send();
    each_sum(parts, question, &mut |texts, credits| {
        let cells = texts.into_iter().map(harmless);
        writing.row(cells.chain([credits.to_string()]).collect());
        writing.buffer.len() < CHUNK_BYTES || writing.send()
    })?;
    writing.send();
    Ok(())
}

/// A text that no spreadsheet runs.
fn harmless(text: String) -> String {
    let runs =
        |first: char| first.is_control() || "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}'".contains(first);
    if text.starts_with(runs) {
        format!("'{text}")
    } else {
        text
    }
}

/// Writes rows into chunks, and chunks to a reader.
struct Writing<'a> {
    sender: &'a mpsc::Sender<Vec<u8>>,
    runtime: Handle,
    buffer: Vec<u8>,
    is_too_slow: bool,
    /// Given back when this is done.
    _permit: OwnedSemaphorePermit,
}

impl<'a> Writing<'a> {
    fn new(
        sender: &'a mpsc::Sender<Vec<u8>>,
        runtime: Handle,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            sender,
            runtime,
            buffer: Vec::with_capacity(CHUNK_BYTES + 1_024),
            is_too_slow: false,
            _permit: permit,
        }
    }

    fn row(&mut self, cells: Vec<String>) {
        let mut writer = csv::Writer::from_writer(&mut self.buffer);
        // Writing into memory cannot fail, and all rows have as many cells.
        drop(writer.write_record(&cells));
        drop(writer.flush());
    }

    /// Hands over what is there; answers whether the reader still takes.
    fn send(&mut self) -> bool {
        if self.buffer.is_empty() {
            return true;
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES + 1_024));
        let sent = self.sender.send_timeout(chunk, TAKES_NOTHING_MAX);
        match self.runtime.block_on(sent) {
            Ok(()) => true,
            Err(mpsc::error::SendTimeoutError::Closed(_)) => false,
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                self.is_too_slow = true;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (text, expected) in [
            ("ana", "ana"),
            ("", ""),
            ("a=b", "a=b"),
            (
                "=HYPERLINK(\"http://evil\")",
                "'=HYPERLINK(\"http://evil\")",
            ),
            ("+49", "'+49"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("'quoted", "''quoted"),
            ("(adjustment)", "(adjustment)"),
        ] {
            assert_eq!(harmless(text.to_owned()), expected);
        }
    }
}
