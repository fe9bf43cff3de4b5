//! Who comes first where there are fewer cores than threads.

/// As `nice` counts: enough that a thread that answers requests is not kept waiting, not so much that nothing happens at all.
const STEPPED_BACK: i32 = 10;

/// Lets other threads come before this one: for work that nobody's answer waits for. There is no way back, so that a thread
/// that was asked for it once should do such work only.
pub fn step_back() {
    // Of this thread only, whatever the name says: so Linux counts. Who may not is not worse off than before.
    if let Err(error) = rustix::process::setpriority_process(None, STEPPED_BACK) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}
