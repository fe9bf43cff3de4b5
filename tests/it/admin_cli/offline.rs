//! Commands that need no sidecar.
