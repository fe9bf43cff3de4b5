//! The consumption report as CSV, as it comes.

use std::fs::File;
use std::io::{BufWriter, Write, stdout};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::client::{self, ClientError};
use crate::cli::management::Admin;
use crate::cli::output::Answer;
use crate::cli::progress;
use crate::rpc::pb;

/// Prints it.
pub(super) async fn to_stdout(
    admin: &mut Admin,
    filter: pb::UsageFilter,
) -> Result<Answer, ClientError> {
    let mut out = BufWriter::new(stdout().lock());
    // A reader that went away, such as `head`, is no reason to fail, but one to end.
    let mut has_reader = true;
    each(admin, filter, |csv| {
        has_reader = out.write_all(csv).is_ok();
        Ok(has_reader)
    })
    .await?;
    drop(out.flush());
    Ok(Answer::Printed)
}

/// Writes it into a file, which is there only when it is whole.
pub(super) async fn to_file(
    admin: &mut Admin,
    filter: pb::UsageFilter,
    path: &Path,
) -> Result<Answer, ClientError> {
    let unfinished = unfinished(path);
    let written = write(admin, filter, &unfinished, path).await;
    if written.is_err() {
        // What is left of a report is no report.
        drop(std::fs::remove_file(&unfinished));
    }
    let bytes = written?;
    Ok(Answer::Fields(client::fields([
        ("file", json!(path.display().to_string())),
        ("bytes", json!(bytes)),
    ])))
}

async fn write(
    admin: &mut Admin,
    filter: pb::UsageFilter,
    unfinished: &Path,
    path: &Path,
) -> Result<u64, ClientError> {
    let stopped = |error: std::io::Error| {
        ClientError::Stopped(format!("{}: cannot be written: {error}", path.display()))
    };
    let mut file = BufWriter::new(File::create(unfinished).map_err(stopped)?);
    let bar = progress::bytes("exporting usage");
    let mut bytes = 0;
    let exported = each(admin, filter, |csv| {
        file.write_all(csv).map_err(stopped)?;
        bytes += csv.len() as u64;
        bar.set_position(bytes);
        Ok(true)
    })
    .await;
    bar.finish_and_clear();
    exported?;
    let file = file
        .into_inner()
        .map_err(|error| stopped(error.into_error()))?;
    file.sync_all().map_err(stopped)?;
    std::fs::rename(unfinished, path).map_err(stopped)?;
    Ok(bytes)
}

/// Each part, until there are no more or nobody wants more.
async fn each(
    admin: &mut Admin,
    filter: pb::UsageFilter,
    mut part: impl FnMut(&[u8]) -> Result<bool, ClientError>,
) -> Result<(), ClientError> {
    let request = pb::ExportUsageRequest {
        filter: Some(filter),
    };
    let mut stream = admin.export_usage(request).await?.into_inner();
    while let Some(answer) = stream.message().await? {
        if !part(&answer.csv)? {
            break;
        }
    }
    Ok(())
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    path.with_file_name(name)
}
